"""From structures or formulas to the nuisance that CPD removes: composition, then constitution."""

from cpdkit.composition.bonds import bond_counts, morgan_counts
from cpdkit.composition.crystals import coordination, prototypes, space_groups
from cpdkit.composition.matrix import CRYSTAL_LADDER, LADDER, composition_matrix

__all__ = [
    "CRYSTAL_LADDER",
    "LADDER",
    "bond_counts",
    "composition_matrix",
    "coordination",
    "morgan_counts",
    "prototypes",
    "space_groups",
]
