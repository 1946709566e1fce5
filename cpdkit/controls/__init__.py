"""What a residual should not know, and what chance alone would score.

`targets` follow from the formula; the `leak` asks for composition parametrised otherwise than it
was removed; `nulls` replace targets or features by chance.
"""

from cpdkit.controls.leak import (
    leak_targets,
    other_parametrisations,
)
from cpdkit.controls.nulls import formula_labels, null_scores, permuted_within, random_features
from cpdkit.controls.targets import (
    LINEAR_IN_FRACTIONS,
    LINEAR_TARGETS,
    compositional_targets,
    control_scores,
)

__all__ = [
    "LINEAR_IN_FRACTIONS",
    "LINEAR_TARGETS",
    "compositional_targets",
    "control_scores",
    "formula_labels",
    "leak_targets",
    "null_scores",
    "other_parametrisations",
    "permuted_within",
    "random_features",
]
