"""From structures or formulas to the nuisance that CPD removes: composition, then constitution."""

from cpdkit.composition.bonds import bond_counts, morgan_counts
from cpdkit.composition.matrix import LADDER, composition_matrix

__all__ = [
    "LADDER",
    "bond_counts",
    "composition_matrix",
    "morgan_counts",
]
