"""From features and composition to the residual: what removes composition, and how.

`linear` is the method; `within` removes everything a formula decides, `flexible` removes curved
functions of composition.
"""

from cpdkit.projection.linear import CompositionProjector

__all__ = ["CompositionProjector"]
