"""From structures or formulas to the nuisance that CPD removes: composition, then constitution."""

from cpdkit.composition.bonds import bond_counts, molecules, morgan_counts
from cpdkit.composition.matrix import KINDS, LADDER, composition_matrix

__all__ = [
    "KINDS",
    "LADDER",
    "bond_counts",
    "composition_matrix",
    "molecules",
    "morgan_counts",
]
