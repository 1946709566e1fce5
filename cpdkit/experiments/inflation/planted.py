"""Representations and targets whose composition content is known by construction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._checks import check_composition
from cpdkit.comparisons import stack
from cpdkit.composition import composition_matrix
from cpdkit.controls import compositional_targets
from cpdkit.datasets import Dataset
from cpdkit.projection.linear import CompositionProjector

__all__ = ["NoGeometry", "Planted", "PlantedQuestions", "composition_only", "plant"]
__all__ += ["residual_channels", "without_geometry"]

SMOOTH, RARE = "functions of composition", "rare random events"
"""Representations that hold no geometry, as tables name them."""

_LATENT = 4
_RARITY = 0.05  # share of structures for which a coin falls heads


@dataclass(frozen=True)
class Planted:
    """Features and a target with a known answer."""

    features: np.ndarray  # affine in composition, hidden geometry, functions of composition
    target: np.ndarray  # composition, hidden geometry, noise
    truth: float  # share of the target's variance beyond composition that the features hold


def _standardised(composition: Any) -> np.ndarray:
    matrix = np.asarray(composition, dtype=np.float64)
    C = check_composition(matrix, len(matrix))
    if C is None or C.shape[1] == 0:
        raise ValueError("composition is needed: element counts of each row.")
    spread = C.std(axis=0)
    return (C - C.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def composition_only(
    composition: Any, n_channels: int, *, length: float = 2.0, seed: int = 0
) -> np.ndarray:
    r"""Draw smooth random functions of composition: a representation without any geometry.

    Channel j is :math:`\sqrt 2 \cos(w_j \cdot c + b_j)` of standardised counts c, with :math:`w_j
    \sim N(0, \ell^{-2})` and uniform :math:`b_j`: random Fourier features of a Gaussian kernel of
    width :math:`\ell` (A. Rahimi and B. Recht, NIPS 2007).
    """
    if n_channels < 1 or not length > 0:
        raise ValueError(
            f"n_channels={n_channels} and length={length} must be positive, such as 64 and 2.0."
        )
    c = _standardised(composition)
    rng = np.random.default_rng(seed)
    w = rng.normal(size=(c.shape[1], n_channels)) / length
    return np.sqrt(2) * np.cos(c @ w + rng.uniform(0, 2 * np.pi, size=n_channels))


def plant(
    composition: Any,
    *,
    n_channels: int = 32,
    strength: float = 0.0,
    truth: float = 0.5,
    composition_share: float = 0.5,
    seed: int = 0,
) -> Planted:
    """Plant four hidden coordinates of geometry and a chosen amount of curved composition.

    Geometry is independent of composition. The features mix it with standardised counts by a random
    matrix; `strength` times `composition_only` is added. The target is linear in both:
    `composition_share` of its variance is composition's, and `truth` of the rest geometry's.
    """
    if not 0 <= truth <= 1 or not 0 <= composition_share < 1:
        raise ValueError(
            f"truth={truth} must lie in [0, 1] and composition_share={composition_share} in [0, 1)."
        )
    c = _standardised(composition)
    rng = np.random.default_rng([seed, n_channels])
    n = len(c)
    hidden = rng.normal(size=(n, _LATENT))
    mixed = np.hstack([c, hidden]) @ rng.normal(size=(c.shape[1] + _LATENT, n_channels))
    mixed += 0.05 * rng.normal(size=(n, n_channels))
    curved = composition_only(composition, n_channels, seed=seed)
    beyond = np.sqrt(truth) * hidden @ np.full(_LATENT, _LATENT**-0.5)
    beyond += np.sqrt(1 - truth) * rng.normal(size=n)
    linear = c @ rng.normal(size=c.shape[1])
    linear *= np.sqrt(composition_share / (1 - composition_share)) / linear.std()
    return Planted(mixed + strength * curved, linear + beyond, truth)


@dataclass(frozen=True, eq=False)
class NoGeometry:
    """Representations of real structures that hold no geometry, and a target to look for."""

    composition: np.ndarray  # element counts
    formulas: Sequence[str]
    control: pd.Series  # a compositional target
    coins: np.ndarray  # (n, width): heads for one structure in twenty, independent of everything
    noise: np.ndarray  # (2, n), standard normal
    seed: int  # of the draws, and of the functions of composition

    @property
    def name(self) -> str:
        """Name of the control."""
        return str(self.control.name)

    def features(self, width: int) -> dict[str, np.ndarray]:
        """Smooth random functions of the counts, and coins, each of `width` channels."""
        smooth = composition_only(self.composition, width, seed=self.seed)
        return {SMOOTH: smooth, RARE: self.coins[:, :width]}


def without_geometry(ds: Dataset, *, width: int, control: str, seed: int) -> NoGeometry:
    """Draw representations of at most `width` channels that hold no geometry."""
    rng = np.random.default_rng(seed)
    coins = (rng.random((len(ds), width)) < _RARITY).astype(float)
    noise = rng.normal(size=(2, len(ds)))
    formulas = ds.formulas.tolist()
    target = compositional_targets(formulas)[control]
    return NoGeometry(composition_matrix(ds.atoms), formulas, target, coins, noise, seed)


def residual_channels(empty: NoGeometry) -> pd.DataFrame:
    """First two channels of each residual, beside the control that they ought not to know."""
    found = {}
    for name, X in empty.features(empty.coins.shape[1]).items():
        residual = CompositionProjector().fit_transform(X, composition=empty.composition)
        about = {"channel_1": residual[:, 0], "channel_2": residual[:, 1]}
        found[name] = pd.DataFrame({**about, empty.name: empty.control})
    return stack(found, "planted")[["planted", "channel_1", "channel_2", empty.name]]


@dataclass(frozen=True, eq=False)
class PlantedQuestions:
    """Features of geometry, curved composition and rare events, and three targets.

    Of ``linear`` and ``curved`` nothing is to be found beyond composition; geometry decides half of
    what composition leaves of ``planted``.
    """

    features: np.ndarray
    composition: np.ndarray
    targets: pd.DataFrame
    formulas: Sequence[str]

    @classmethod
    def beside(cls, empty: NoGeometry) -> PlantedQuestions:
        """Plant geometry beside 16 curved functions of composition and the first 16 coins."""
        C = empty.composition
        known = plant(C, n_channels=32, strength=1.0, truth=0.5, seed=empty.seed)
        smooth = composition_only(C, 16, seed=empty.seed + 1)
        curved = compositional_targets(empty.formulas)["mean_Z"]
        targets = {
            "linear": empty.control,
            "curved": curved / curved.std() + 0.5 * empty.noise[1],
            "planted": known.target,
        }
        features = np.hstack([known.features, smooth, empty.coins[:, :16]])
        return cls(features, C, pd.DataFrame(targets), empty.formulas)
