"""What plays the role of bonds in a crystal: space group, prototype, coordination numbers.

Space groups and prototypes need spglib.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from math import gcd
from typing import Any

import ase
import numpy as np
import pandas as pd
from ase.data import chemical_symbols
from ase.neighborlist import neighbor_list

from cpdkit.datasets import AtomsSequence, Dataset
from cpdkit.datasets._dataset import as_sequence

__all__ = ["coordination", "names_types", "prototypes", "space_groups", "structure_types"]

_FARTHEST = 15.0  # Angstrom; an atom with no neighbour within is alone
_MOST = 12  # coordination numbers from here on share a column


def space_groups(data: Dataset | Iterable[ase.Atoms], *, tolerance: float = 0.01) -> np.ndarray:
    """Number of the space group of each crystal.

    Parameters
    ----------
    data : Dataset or iterable of ase.Atoms
        Crystals, periodic in three directions.
    tolerance : float, default 0.01
        How far atoms may lie from symmetric places, in Angstrom. Strained cells have few symmetries
        at this tolerance, and relaxed ones sometimes too.

    Returns
    -------
    ndarray of int, shape (n_structures,)
        From 1 to 230; chirality and magnetic moments do not count.

    Raises
    ------
    ImportError
        If spglib is not installed.
    ValueError
        If a structure is not periodic in three directions, or has no symmetry that can be found.
    """
    return np.array([found.number for found in _symmetries(data, tolerance)], dtype=np.int64)


def prototypes(data: Dataset | Iterable[ase.Atoms], *, tolerance: float = 0.01) -> np.ndarray:
    """Name of the structure type of each crystal, which no element and no length enters.

    Two crystals share a name where they have one space group and species that can be paired such
    that each has as many atoms, in orbits of one size and site symmetry: NaCl and MgO, or cubic
    SrTiO3 and KMgF3. Types that differ in coordinates alone, such as ratios of axes or the place
    of an atom along an axis, are not told apart.

    Parameters
    ----------
    data, tolerance
        As for `space_groups`.

    Returns
    -------
    ndarray of str, shape (n_structures,)
        Such as ``"225: 1 m-3m, 1 m-3m"``: for each species the atoms in a formula unit and their
        site symmetries.

    Raises
    ------
    ImportError, ValueError
        As for `space_groups`.

    Examples
    --------
    >>> from ase.build import bulk
    >>> prototypes([bulk("NaCl", "rocksalt", a=5.6), bulk("MgO", "rocksalt", a=4.2, cubic=True)])
    array(['225: 1 m-3m, 1 m-3m', '225: 1 m-3m, 1 m-3m'], dtype='<U19')
    """
    sequence = as_sequence(data)
    found = _symmetries(sequence, tolerance)
    return np.array([_name(atoms, one) for atoms, one in zip(sequence, found, strict=True)])


def names_types(data: Any) -> bool:
    """Whether these are a data set that names the structure type of each crystal."""
    return isinstance(data, Dataset) and data.info is not None and "prototype" in data.info


def structure_types(data: Any) -> np.ndarray:
    """Types as a data set names them, else by `prototypes`."""
    return data.info["prototype"].to_numpy() if names_types(data) else prototypes(data)


def _name(atoms: ase.Atoms, found: Any) -> str:
    units = gcd(*np.unique(atoms.numbers, return_counts=True)[1].tolist())
    species = []
    for number in np.unique(atoms.numbers):
        mine = np.flatnonzero(atoms.numbers == number)
        sizes = Counter(found.crystallographic_orbits[mine].tolist())
        symmetry = {
            int(found.crystallographic_orbits[i]): found.site_symmetry_symbols[i] for i in mine
        }
        orbits = sorted((Fraction(size, units), symmetry[orbit]) for orbit, size in sizes.items())
        species.append((Fraction(len(mine), units), orbits))
    words = [
        " + ".join(f"{size} {symbol}" for size, symbol in orbits) for _, orbits in sorted(species)
    ]
    return f"{found.number}: {', '.join(words)}"


def _symmetries(data: Dataset | Iterable[ase.Atoms], tolerance: float) -> list[Any]:
    try:
        import spglib
    except ImportError as error:
        raise ImportError("symmetry needs spglib: pip install 'cpdkit[crystals]'.") from error
    sequence = as_sequence(data)
    check_crystals(sequence, "a space group")
    found = []
    for i, atoms in enumerate(sequence):
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        with warnings.catch_warnings():  # spglib 2.8 announces other ways to report errors
            warnings.simplefilter("ignore", DeprecationWarning)
            one = spglib.get_symmetry_dataset(cell, symprec=tolerance)
        if one is None:
            raise ValueError(
                f"structure {i}, {atoms.get_chemical_formula()}: spglib finds no symmetry to "
                f"within {tolerance} Angstrom; atoms may lie on each other."
            )
        found.append(one)
    return found


def check_crystals(sequence: AtomsSequence, what: str) -> None:
    """Refuse structures that do not repeat in three directions."""
    whole = np.zeros(len(sequence), bool) if sequence.pbc is None else sequence.pbc.all(axis=1)
    if not whole.all():
        row = int(np.flatnonzero(~whole)[0])
        kind = "periodic in some directions only" if sequence.periodic[row] else "not periodic"
        raise ValueError(f"structure {row} is {kind}, and only crystals have {what}.")


def coordination(data: Dataset | Iterable[ase.Atoms], *, tolerance: float = 0.1) -> pd.DataFrame:
    """Coordination numbers per atom, by count and by element.

    Neighbours of an atom are all within ``1 + tolerance`` times the distance of its nearest one: 6
    in rocksalt, 8 in caesium chloride, 4 in zincblende. No radius of an element enters.

    Parameters
    ----------
    data : Dataset or iterable of ase.Atoms
        Structures, periodic or not.
    tolerance : float, default 0.1
        Share by which a neighbour may be farther than the nearest one.

    Returns
    -------
    pandas.DataFrame of float, shape (n_structures, n_columns)
        Shares of atoms with ``"1 neighbours"``, ``"2 neighbours"`` and so on, ``"12 neighbours"``
        those with more too; and for each element that occurs, such as ``"Na contacts"``, the
        neighbours of its atoms over the number of all atoms. Larger cells give the same numbers.
    """
    sequence = as_sequence(data)
    _, present = sequence.element_counts()
    shares = np.zeros((len(sequence), _MOST + 1))
    contacts = np.zeros((len(sequence), len(present)))
    for i, atoms in enumerate(sequence):
        numbers = _numbers_of_neighbours(atoms, tolerance)
        shares[i] = np.bincount(np.minimum(numbers, _MOST), minlength=_MOST + 1) / len(atoms)
        columns = np.searchsorted(present, atoms.numbers)
        contacts[i] = np.bincount(columns, weights=numbers, minlength=len(present)) / len(atoms)
    frame = pd.DataFrame(
        np.column_stack([shares[:, 1:], contacts]),
        columns=[f"{k} neighbours" for k in range(1, _MOST + 1)]
        + [f"{chemical_symbols[z]} contacts" for z in present],
    )
    return frame.loc[:, (frame != 0).any()]


def _numbers_of_neighbours(atoms: ase.Atoms, tolerance: float) -> np.ndarray:
    reach = 3.5
    while True:
        i, d = neighbor_list("id", atoms, reach)
        nearest = np.full(len(atoms), np.inf)
        np.minimum.at(nearest, i, d)
        known = nearest[np.isfinite(nearest)]
        needed = (1 + tolerance) * (known.max() if len(known) else 0.0)
        if (len(known) == len(atoms) and needed <= reach) or reach >= _FARTHEST:
            return np.bincount(i[d <= (1 + tolerance) * nearest[i]], minlength=len(atoms))
        reach = min(_FARTHEST, max(1.5 * reach, needed))
