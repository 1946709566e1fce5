"""How a probe is conditioned, projected and penalised: the sound way, and two to compare with."""

from __future__ import annotations

from dataclasses import dataclass

from cpdkit._messages import unknown
from cpdkit.projection.conditioned import DEFAULT_ALPHAS

__all__ = ["INPUTS", "PROTOCOLS", "Protocol", "get_protocol"]

INPUTS = ("full", "geom", "joint")
"""What a probe is given: X; X_geom; Z and X_geom together."""


@dataclass(frozen=True)
class Protocol:
    """How the probe is conditioned, projected and penalised.

    Attributes
    ----------
    name : str
        Its name.
    plain : bool
        Plain standardisation instead of floored scales.
    transductive : bool
        Project all rows at once before splitting, as the paper does.
    alphas : tuple of float or None
        Penalties per training row to choose from by nested folds; None stands for a fixed total
        penalty of 1, scikit-learn's default.
    """

    name: str
    plain: bool
    transductive: bool
    alphas: tuple[float, ...] | None


PROTOCOLS = {
    "sound": Protocol("sound", plain=False, transductive=False, alphas=DEFAULT_ALPHAS),
    "naive": Protocol("naive", plain=True, transductive=False, alphas=None),
    "transductive": Protocol("transductive", plain=True, transductive=True, alphas=None),
}
"""The sound default and two practices it is compared with.

``naive`` projects on the training fold but standardises without floors and fixes the penalty at 1;
``transductive`` also projects all rows before splitting, the paper's practice, which biases
scores downwards because training and test residuals are then orthogonal to composition together.
"""


def get_protocol(name: str) -> Protocol:
    """Protocol by name; ValueError with the known names otherwise."""
    if name not in PROTOCOLS:
        raise ValueError(unknown("protocol", name, PROTOCOLS))
    return PROTOCOLS[name]
