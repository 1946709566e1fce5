"""Electrostatic energy of point charges in a crystal, by Ewald's sum."""

from __future__ import annotations

import ase
import numpy as np
from ase.neighborlist import neighbor_list
from scipy.special import erfc

__all__ = ["COULOMB", "ewald_energy"]

COULOMB = 14.3996454785
"""Energy of two elementary charges at one Angstrom, in eV."""


def ewald_energy(atoms: ase.Atoms, charges: np.ndarray, *, accuracy: float = 1e-12) -> float:
    """Energy of a cell in eV.

    Parameters
    ----------
    atoms : ase.Atoms
        Periodic in three directions.
    charges : ndarray of float, shape (n_atoms,)
        In elementary charges; their sum must be zero.
    accuracy : float
        Size of the terms at which either sum ends, relative to the first.

    Raises
    ------
    ValueError
        If the cell is charged: its energy is infinite.
    """
    q = np.asarray(charges, dtype=float)
    if abs(q.sum()) > 1e-9:
        raise ValueError(f"the cell has the charge {q.sum():g}; an infinite crystal must have 0.")
    volume, n = atoms.get_volume(), len(atoms)
    width = np.sqrt(np.pi) * (n / volume**2) ** (1 / 6)
    reach = np.sqrt(-np.log(accuracy))
    i, j, d = neighbor_list("ijd", atoms, reach / width)
    real = 0.5 * np.sum(q[i] * q[j] * erfc(width * d) / d)

    inverse = 2 * np.pi * np.linalg.inv(atoms.cell.array).T
    limit = 2 * width * reach
    most = np.ceil(limit * np.linalg.norm(atoms.cell.array, axis=1) / (2 * np.pi)).astype(int)
    grid = np.stack(np.meshgrid(*(np.arange(-m, m + 1) for m in most)), axis=-1).reshape(-1, 3)
    waves = grid @ inverse
    squares = np.einsum("ij,ij->i", waves, waves)
    kept = (squares > 0) & (squares <= limit**2)
    waves, squares = waves[kept], squares[kept]
    structure = np.abs(np.exp(1j * waves @ atoms.positions.T) @ q) ** 2
    far = 2 * np.pi / volume * np.sum(np.exp(-squares / (4 * width**2)) / squares * structure)
    own = width / np.sqrt(np.pi) * np.sum(q**2)
    return float(COULOMB * (real + far - own))
