"""What follows from the geometry alone and is therefore computed, not stored."""

from __future__ import annotations

import ase.units
import numpy as np
from ase.units import Bohr

__all__ = ["MASSES", "rotational_constants", "total_mass"]

# Most abundant isotopes, u, as quantum-chemistry programs use them for rotational constants.
MASSES = {1: 1.00782503, 6: 12.0, 7: 14.00307400, 8: 15.99491462, 9: 18.99840316}

# hbar / (4 pi I) for I in u Angstrom^2, in GHz
_GHZ = ase.units._hbar / (4 * np.pi * ase.units._amu * 1e-20) / 1e9


def _mass_table() -> np.ndarray:
    table = np.full(10, np.nan)
    table[list(MASSES)] = list(MASSES.values())
    return table


def total_mass(numbers: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Mass of each molecule in u; `starts` are the flat positions of the first atoms."""
    return np.add.reduceat(_mass_table()[numbers], starts)


def rotational_constants(
    numbers: np.ndarray, positions: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rotational constants and spatial extent of each molecule.

    Parameters
    ----------
    numbers : ndarray of int, shape (total_atoms,)
    positions : ndarray, shape (total_atoms, 3)
        Angstrom.
    starts : ndarray of int, shape (n_molecules,)
        Flat positions of the first atom of each molecule.

    Returns
    -------
    constants : ndarray, shape (n_molecules, 3)
        A >= B >= C in GHz, rigid rotor, most abundant isotopes.
    extent : ndarray, shape (n_molecules,)
        ``sum_i Z_i |r_i - r_cm|^2`` in Bohr^2: the electronic spatial extent <R^2> with the
        electrons placed on their nuclei.
    """
    mass = _mass_table()[numbers]
    total = np.add.reduceat(mass, starts)
    centre = np.add.reduceat(mass[:, None] * positions, starts) / total[:, None]
    lengths = np.diff(np.append(starts, len(numbers)))
    r = positions - np.repeat(centre, lengths, axis=0)
    second = np.add.reduceat(mass[:, None, None] * r[:, :, None] * r[:, None, :], starts)
    trace = np.trace(second, axis1=1, axis2=2)
    inertia = np.linalg.eigvalsh(trace[:, None, None] * np.eye(3) - second)
    extent = np.add.reduceat(numbers * (r**2).sum(1), starts) / Bohr**2
    return _GHZ / inertia, extent
