"""Representations and targets whose composition content is known by construction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cpdkit._checks import check_composition

__all__ = ["Planted", "composition_only", "plant"]

_LATENT = 4


@dataclass(frozen=True)
class Planted:
    """Features and a target with a known answer.

    Attributes
    ----------
    features : ndarray of shape (n, n_channels)
        Affine in composition, plus hidden geometry, plus smooth functions of composition.
    target : ndarray of shape (n,)
        Composition, plus hidden geometry, plus noise.
    truth : float
        Share of the variance of the target's part beyond composition that the features hold.
    """

    features: np.ndarray
    target: np.ndarray
    truth: float


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

    Channel j is :math:`\sqrt 2 \cos(w_j \cdot c + b_j)` of standardised counts c, with
    :math:`w_j \sim N(0, \ell^{-2})` and uniform :math:`b_j`: random Fourier features of a Gaussian
    kernel of width :math:`\ell` [1]_.

    Parameters
    ----------
    composition : array of shape (n, n_elements)
        Element counts.
    n_channels : int
        Width of the representation.
    length : float, default 2
        :math:`\ell`, in standard deviations of a count; the larger, the closer to affine.
    seed : int, default 0
        Of the functions.

    Returns
    -------
    ndarray of shape (n, n_channels)
        Equal for structures of one formula.

    Raises
    ------
    ValueError
        If the width or the length is not positive, or composition does not vary.

    References
    ----------
    .. [1] A. Rahimi and B. Recht, Random features for large-scale kernel machines, NIPS 2007.
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
    r"""Plant four hidden coordinates of geometry and a chosen amount of curved composition.

    Geometry is independent of composition. The features mix it with standardised counts by a random
    matrix; `strength` times `composition_only` is added. The target is linear in both.

    Parameters
    ----------
    composition : array of shape (n, n_elements)
        Element counts, best those of real molecules.
    n_channels : int, default 32
        Width of the features.
    strength : float, default 0
        Weight of the curved part; at 0 composition is affine in the features, and a projection
        removes it altogether.
    truth : float, default 0.5
        Share of the target beyond composition that geometry decides; the rest is noise.
    composition_share : float, default 0.5
        Share of the target's variance that composition decides.
    seed : int, default 0
        Of everything.

    Returns
    -------
    Planted

    Raises
    ------
    ValueError
        If a share lies outside [0, 1] or [0, 1), or composition does not vary.
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
