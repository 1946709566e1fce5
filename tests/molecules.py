"""Small real molecules for tests, from ASE's G2 collection (no network, no data files)."""

from __future__ import annotations

import numpy as np
from ase.build import molecule
from ase.collections import g2
from scipy.spatial.transform import Rotation

ORGANIC = frozenset({1, 6, 7, 8, 9, 16, 17})


def molecules(n: int = 12, elements: frozenset[int] = ORGANIC, seed: int = 0):
    """`n` molecules of at least two atoms, jittered so that none is symmetric."""
    rng = np.random.default_rng(seed)
    names = [
        name
        for name in g2.names
        if len(molecule(name)) > 1 and set(molecule(name).numbers.tolist()) <= elements
    ]
    chosen = []
    for name in rng.choice(names, size=n, replace=False):
        atoms = molecule(str(name))
        atoms.positions += 0.05 * rng.standard_normal(atoms.positions.shape)
        chosen.append(atoms)
    return chosen


def rotation(seed: int) -> np.ndarray:
    """A random proper rotation, shape (3, 3)."""
    return Rotation.random(random_state=seed).as_matrix()
