"""Second moments of composition, features and targets, and all that follows from them."""

from cpdkit.moments.moments import Moments

__all__ = ["Moments"]
