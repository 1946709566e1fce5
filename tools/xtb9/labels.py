"""GFN2-xTB and GFN1-xTB labels of a geometry, by tblite.

Everything is in eV, Angstrom and Debye, but for the polarizability (Bohr^3). The labels belong to
the geometry as it is stored, so anybody can compute them again.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from ase.units import Bohr, Debye, Hartree
from scipy.spatial.transform import Rotation

os.environ.setdefault("OMP_NUM_THREADS", "1")  # must precede the import of tblite
from tblite.interface import Calculator, Result
from tblite.library import ffi

__all__ = ["Labels", "atom_energy", "compute_labels", "polarizability", "quadrupole", "singlepoint"]

ACCURACY = 1e-3  # SCF thresholds, tblite's unit; leaves the dipole converged to about 3e-7 Debye
FIELD = 1e-3  # atomic units; halving it changes the polarizability by less than 0.001 Bohr^3
_UNPAIRED = {1: 1, 6: 2, 7: 3, 8: 2, 9: 1}


@dataclass(frozen=True)
class Labels:
    """Labels of one geometry.

    Attributes
    ----------
    energy : float
        GFN2-xTB total energy, eV.
    homo, lumo, homo_gfn1, lumo_gfn1 : float
        Orbital energies, eV.
    dipole : ndarray, shape (3,)
        Debye, in the frame of the geometry.
    quadrupole : ndarray, shape (6,)
        Traceless (Buckingham) quadrupole ``sum q (3 r r - r^2 1) / 2`` about the origin of the
        frame, Debye Angstrom, in the order xx, xy, yy, xz, yz, zz.
    alpha : float
        Isotropic polarizability, Bohr^3; NaN where not computed.
    """

    energy: float
    homo: float
    lumo: float
    homo_gfn1: float
    lumo_gfn1: float
    dipole: np.ndarray
    quadrupole: np.ndarray
    alpha: float


def calculator(
    numbers: np.ndarray, positions: np.ndarray, *, method: str = "GFN2-xTB", uhf: int = 0
) -> Calculator:
    """A quiet tblite calculator for positions in Angstrom."""
    calc = Calculator(method, np.asarray(numbers), np.asarray(positions) / Bohr, uhf=uhf)
    calc.set("verbosity", 0)
    calc.set("accuracy", ACCURACY)
    return calc


def singlepoint(numbers: np.ndarray, positions: np.ndarray, *, method: str = "GFN2-xTB") -> Result:
    """Tblite's result object (atomic units) for a closed-shell neutral molecule."""
    return calculator(numbers, positions, method=method).singlepoint()


def bond_orders(result: Result) -> np.ndarray:
    """Wiberg bond orders, shape (n_atoms, n_atoms); tblite may add an axis of spin channels."""
    orders = np.asarray(result.get("bond-orders"))
    return orders if orders.ndim == 2 else orders.sum(-1)


def frontier(result: Result) -> tuple[float, float]:
    """Highest occupied and lowest empty orbital energy, eV."""
    energies = result.get("orbital-energies") * Hartree
    occupied = int(np.rint(result.get("orbital-occupations").sum() / 2))
    return float(energies[occupied - 1]), float(energies[occupied])


def polarizability(numbers: np.ndarray, positions: np.ndarray, *, field: float = FIELD) -> float:
    """Isotropic dipole polarizability by central differences of the dipole in a field, Bohr^3.

    Parameters
    ----------
    numbers, positions : ndarray
        Atomic numbers, and coordinates in Angstrom.
    field : float
        Field strength in atomic units (1 au = 51.4 V/Angstrom).
    """
    start = singlepoint(numbers, positions)
    trace = 0.0
    for axis in range(3):
        dipoles = []
        for sign in (1, -1):
            vector = [0.0, 0.0, 0.0]
            vector[axis] = sign * field
            calc = calculator(numbers, positions)
            calc.add("electric-field", ffi.new("double[3]", vector))
            dipoles.append(calc.singlepoint(start, copy=True).get("dipole")[axis])
        trace += (dipoles[0] - dipoles[1]) / (2 * field)
    return trace / 3


def quadrupole(numbers: np.ndarray, positions: np.ndarray, *, start: Result) -> np.ndarray:
    """Traceless quadrupole about the origin, shape (6,): xx, xy, yy, xz, yz, zz in Debye Angstrom.

    tblite 0.8 counts the charge and dipole part of the off-diagonal elements twice, so that its
    tensor does not turn with the molecule. Its diagonal is right in every frame: from the
    diagonals in three frames follow all elements (nine equations for five unknowns, consistent to
    1e-12).

    Parameters
    ----------
    numbers, positions : ndarray
        Atomic numbers, and coordinates in Angstrom.
    start : tblite.interface.Result
        Of this geometry.
    """
    rows, diagonals = [], []
    for turn in _FRAMES:
        if turn is _FRAMES[0]:
            raw = start.get("quadrupole")
        else:
            raw = singlepoint(numbers, positions @ turn.T).get("quadrupole")
        diagonals += list(raw[[0, 2, 5]])
        x, y, z = turn.T  # row i: the new axis i in the old frame
        rows.append(np.stack([x**2 - z**2, 2 * x * y, y**2 - z**2, 2 * x * z, 2 * y * z], axis=1))
    solution, *_ = np.linalg.lstsq(np.concatenate(rows), np.array(diagonals), rcond=None)
    return np.append(solution, -solution[0] - solution[2]) * Bohr**2 / Debye


# Turns by 60 degrees to either side about x + y: the best conditioned pair among simple ones (1.5).
_FRAMES = tuple(
    Rotation.from_rotvec(np.radians(angle) * np.array([1, 1, 0]) / np.sqrt(2)).as_matrix()
    for angle in (0, 60, -60)
)


def compute_labels(numbers: np.ndarray, positions: np.ndarray, *, alpha: bool) -> Labels:
    """All labels of one geometry (coordinates in Angstrom)."""
    gfn2 = singlepoint(numbers, positions)
    gfn1 = singlepoint(numbers, positions, method="GFN1-xTB")
    homo, lumo = frontier(gfn2)
    homo_gfn1, lumo_gfn1 = frontier(gfn1)
    return Labels(
        energy=float(gfn2.get("energy") * Hartree),
        homo=homo,
        lumo=lumo,
        homo_gfn1=homo_gfn1,
        lumo_gfn1=lumo_gfn1,
        dipole=gfn2.get("dipole") * Bohr / Debye,
        quadrupole=quadrupole(numbers, positions, start=gfn2),
        alpha=polarizability(numbers, positions) if alpha else float("nan"),
    )


def atom_energy(number: int) -> float:
    """GFN2-xTB energy of a free atom in eV, with the unpaired electrons of its ground state."""
    calc = calculator(np.array([number]), np.zeros((1, 3)), uhf=_UNPAIRED[number])
    return float(calc.singlepoint().get("energy") * Hartree)
