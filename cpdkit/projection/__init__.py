"""From features and composition to the residual: what removes composition, and how.

`linear` is the method and `conditioned` puts its residual on floored scales; `within` removes
everything a formula decides, `flexible` removes curved functions of composition.
"""

from cpdkit.projection.conditioned import ConditionedResidual
from cpdkit.projection.flexible import BasisProjector, CrossFittedResidual
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups

__all__ = [
    "BasisProjector",
    "CompositionProjector",
    "ConditionedResidual",
    "CrossFittedResidual",
    "WithinGroups",
]
