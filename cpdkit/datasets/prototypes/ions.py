"""Formal charges and radii of the ions that the crystals are made of.

Radii are Shannon's effective ionic radii for six neighbours [1]_, of nitride and phosphide, which
he has for four or not at all, Pauling-like values.

References
----------
.. [1] R. D. Shannon, Revised effective ionic radii and systematic studies of interatomic distances
   in halides and chalcogenides, Acta Crystallographica A 32, 751 (1976).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_numbers

__all__ = ["IONS", "Ion", "charges_of", "radii_of"]


@dataclass(frozen=True)
class Ion:
    """An element with its one charge in this data set."""

    charge: int
    radius: float  # Angstrom


def _ions(charge: int, **radii: float) -> dict[str, Ion]:
    return {symbol: Ion(charge, radius) for symbol, radius in radii.items()}


IONS: Mapping[str, Ion] = {
    **_ions(1, Li=0.76, Na=1.02, K=1.38, Rb=1.52, Cs=1.67, Ag=1.15),
    **_ions(2, Mg=0.72, Ca=1.00, Sr=1.18, Ba=1.35, Mn=0.83, Ni=0.69, Zn=0.74, Cd=0.95, Pb=1.19),
    **_ions(3, Al=0.535, Sc=0.745, Y=0.90, La=1.032, Cr=0.615, Ga=0.62, In=0.80),
    **_ions(4, Ti=0.605, Zr=0.72, Sn=0.69, Ge=0.53),
    **_ions(5, Nb=0.64),
    **_ions(-1, F=1.33, Cl=1.81, Br=1.96, I=2.20),
    **_ions(-2, O=1.40, S=1.84, Se=1.98, Te=2.21),
    **_ions(-3, N=1.46, P=2.00),
}
"""Every element of the data set by symbol."""

_CHARGES, _RADII = np.zeros(119), np.zeros(119)
for _symbol, _ion in IONS.items():
    _CHARGES[atomic_numbers[_symbol]] = _ion.charge
    _RADII[atomic_numbers[_symbol]] = _ion.radius


def charges_of(numbers: np.ndarray) -> np.ndarray:
    """Formal charges of atoms by atomic number; 0 where the data set has no such ion."""
    return _CHARGES[numbers]


def radii_of(numbers: np.ndarray) -> np.ndarray:
    """Ionic radii of atoms in Angstrom by atomic number."""
    return _RADII[numbers]
