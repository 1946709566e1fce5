"""Structures in flat arrays."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

import ase
import numpy as np
from ase.data import chemical_symbols

from cpdkit.datasets._parts import real_numbers, whole_numbers
from cpdkit.datasets.formulas import hill_formula

__all__ = ["AtomsSequence", "list_of_atoms"]


class AtomsSequence(Sequence[ase.Atoms]):
    """A sequence of :class:`ase.Atoms` that are built only when asked for.

    Keeping flat arrays instead of objects makes 125,000 molecules cost megabytes.

    Parameters
    ----------
    numbers : ndarray of int, shape (total_atoms,)
        Atomic numbers of all structures, one after the other.
    positions : ndarray of float, shape (total_atoms, 3)
        Cartesian coordinates in Angstrom.
    n_atoms : ndarray of int, shape (n_structures,)
        Number of atoms of each structure.
    cells : ndarray of float, shape (n_structures, 3, 3), optional
        Lattice vectors in Angstrom, as rows. Without them structures are molecules.
    pbc : ndarray of bool, shape (n_structures, 3), optional
        Periodic directions; all of them where cells are given and this is not.

    Raises
    ------
    ValueError
        If the arrays do not fit each other, entries are masked or no real numbers, a coordinate or
        lattice vector is not finite, or there is no element of an atomic number.
    """

    def __init__(
        self,
        numbers: np.ndarray,
        positions: np.ndarray,
        n_atoms: np.ndarray,
        *,
        cells: np.ndarray | None = None,
        pbc: np.ndarray | None = None,
    ) -> None:
        given = whole_numbers(numbers, "numbers")
        self.positions = real_numbers(positions, "positions")
        self.n_atoms = whole_numbers(n_atoms, "n_atoms")
        if self.n_atoms.ndim != 1 or (self.n_atoms < 0).any():
            raise ValueError("n_atoms must be counts, one for each structure.")
        total = int(self.n_atoms.sum())
        if given.shape != (total,) or self.positions.shape != (total, 3):
            raise ValueError(
                f"n_atoms sums to {total}, so numbers must have shape ({total},) and positions "
                f"({total}, 3); got {given.shape} and {self.positions.shape}."
            )
        self.offsets = np.concatenate([[0], np.cumsum(self.n_atoms)])
        strange = np.flatnonzero((given < 1) | (given >= len(chemical_symbols)))
        if len(strange):
            row = int(np.searchsorted(self.offsets, strange[0], side="right")) - 1
            raise ValueError(
                f"atomic numbers go from 1 to {len(chemical_symbols) - 1}; got "
                f"{given[strange[0]]} in structure {row} (0 is 'X', a ghost atom: remove it)."
            )
        self.numbers = given.astype(np.uint8, copy=False)
        lost = np.flatnonzero(~np.isfinite(self.positions).all(axis=1))
        if len(lost):
            row = int(np.searchsorted(self.offsets, lost[0], side="right")) - 1
            raise ValueError(
                f"positions contain NaN or infinite coordinates in structure {row}; repair them."
            )
        if cells is not None:
            cells = real_numbers(cells, "cells")
            if not np.isfinite(cells).all():
                raise ValueError("cells contain NaN or infinite lattice vectors; repair them.")
        n = len(self.n_atoms)
        if cells is None and pbc is not None and np.any(pbc):
            raise ValueError("pbc says that structures are periodic; give their cells.")
        if cells is not None:
            pbc = np.ones((n, 3), bool) if pbc is None else np.asarray(pbc)
            if pbc.dtype != bool:
                raise ValueError(f"pbc must be true or false; got an array of {pbc.dtype}.")
            if cells.shape != (n, 3, 3) or pbc.shape != (n, 3):
                raise ValueError(
                    f"{n} structures need cells of shape ({n}, 3, 3) and pbc of shape ({n}, 3); "
                    f"got {cells.shape} and {pbc.shape}."
                )
        self.cells = cells
        self.pbc = pbc if cells is not None else None

    @classmethod
    def from_atoms(cls, structures: Iterable[ase.Atoms]) -> AtomsSequence:
        """Flatten existing :class:`ase.Atoms`; info and calculators are not kept.

        Raises
        ------
        TypeError
            If something is no ``ase.Atoms``.
        """
        frames = list_of_atoms(structures)
        empty = np.empty((0, 3))
        numbers = np.concatenate([a.numbers for a in frames] or [np.empty(0, int)])
        positions = np.concatenate([a.positions for a in frames] or [empty])
        periodic = any(a.pbc.any() for a in frames)
        return cls(
            numbers,
            positions,
            np.array([len(a) for a in frames], dtype=np.int64),
            cells=np.array([a.cell.array for a in frames]) if periodic else None,
            pbc=np.array([a.pbc for a in frames]) if periodic else None,
        )

    def __len__(self) -> int:
        return len(self.n_atoms)

    @overload
    def __getitem__(self, index: int) -> ase.Atoms: ...
    @overload
    def __getitem__(self, index: slice) -> AtomsSequence: ...
    def __getitem__(self, index: int | slice) -> ase.Atoms | AtomsSequence:
        if isinstance(index, slice):
            return self.select(np.arange(len(self))[index])
        i = range(len(self))[index]  # negative indices, and IndexError past the end
        part = slice(self.offsets[i], self.offsets[i + 1])
        periodic = {}
        if self.cells is not None and self.pbc is not None:
            periodic = {"cell": self.cells[i], "pbc": self.pbc[i]}
        return ase.Atoms(
            numbers=self.numbers[part].astype(int), positions=self.positions[part], **periodic
        )

    def select(self, rows: np.ndarray) -> AtomsSequence:
        """The structures at `rows` (integer positions or a boolean mask), in that order."""
        rows = np.arange(len(self))[rows]
        counts = self.n_atoms[rows]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]) if len(rows) else counts
        flat = np.arange(counts.sum()) + np.repeat(self.offsets[rows] - starts, counts)
        return AtomsSequence(
            self.numbers[flat],
            self.positions[flat],
            counts,
            cells=None if self.cells is None else self.cells[rows],
            pbc=None if self.pbc is None else self.pbc[rows],
        )

    def element_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """Count the atoms of each element in each structure.

        Returns
        -------
        counts : ndarray of int, shape (n_structures, n_elements)
            Number of atoms of each element.
        elements : ndarray of int, shape (n_elements,)
            Atomic numbers that occur, ascending.
        """
        elements, column = np.unique(self.numbers, return_inverse=True)
        row = np.repeat(np.arange(len(self)), self.n_atoms)
        flat = np.bincount(row * len(elements) + column, minlength=len(self) * len(elements))
        return flat.reshape(len(self), len(elements)), elements.astype(np.int64)

    @property
    def periodic(self) -> np.ndarray:
        """Whether a structure repeats in any direction, shape (n_structures,)."""
        if self.pbc is None:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(self.pbc.any(axis=1))

    def formulas(self, *, cell: bool = False) -> np.ndarray:
        """Hill formula of every structure, shape (n_structures,).

        Parameters
        ----------
        cell : bool, default False
            Count the atoms of the cell as it is stored, ``Cl4Na4``. By default the formula of what
            is periodic is reduced, ``ClNa``: the cell is a choice, and polymorphs have one formula.
        """
        counts, elements = self.element_counts()
        if not len(counts):
            return np.empty(0, dtype=str)
        if not cell:
            divisor = np.where(self.periodic, np.gcd.reduce(counts, axis=1), 1)
            counts = counts // np.maximum(divisor, 1)[:, None]
        rows, inverse = np.unique(counts, axis=0, return_inverse=True)
        names = np.array([hill_formula(np.repeat(elements, row)) for row in rows])
        return names[inverse.ravel()]


def list_of_atoms(structures: Any, name: str = "structures") -> list[ase.Atoms]:
    if isinstance(structures, ase.Atoms):
        return [structures]
    if isinstance(structures, str | os.PathLike):
        raise TypeError(
            f"{name} is a path, {structures!r}; expected ase.Atoms, such as "
            "ase.io.read(path, ':') gives, or a Dataset."
        )
    if not isinstance(structures, Iterable) or isinstance(structures, Mapping | set | frozenset):
        raise TypeError(
            f"{name} must be ase.Atoms in a list or another order; got {type(structures).__name__}."
        )
    frames = list(structures)
    for row, frame in enumerate(frames):
        if not isinstance(frame, ase.Atoms):
            raise TypeError(
                f"structure {row} is {frame!r}; expected ase.Atoms, such as ase.io.read or "
                "ase.build.molecule give, or a Dataset."
            )
    return frames
