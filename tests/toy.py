"""Constructed data whose right answers are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Planted:
    X: np.ndarray
    C: np.ndarray
    y: np.ndarray
    formulas: np.ndarray


def planted(n: int = 400, d: int = 12, seed: int = 0, noise: float = 0.3) -> Planted:
    """Features that mix composition with latent geometry; y holds both."""
    rng = np.random.default_rng(seed)
    pool = np.unique(rng.integers(1, 8, size=(60, 3)), axis=0)
    C = pool[rng.integers(len(pool), size=n)].astype(float)
    geometry = rng.normal(size=(n, 4))
    X = np.hstack([C, geometry]) @ rng.normal(size=(7, d)) + 0.1 * rng.normal(size=(n, d)) + 3.0
    y = C @ [1.0, -0.5, 0.2] + geometry @ [1.0, 0.5, 0.0, 0.0] + noise * rng.normal(size=n)
    formulas = np.array([f"C{int(a)}H{int(b)}O{int(c)}" for a, b, c in C])
    return Planted(X, C, y, formulas)
