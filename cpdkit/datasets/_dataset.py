"""Structures with targets, held in flat arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import overload

import ase
import numpy as np
import pandas as pd
from ase.data import chemical_symbols
from ase.formula import Formula

__all__ = ["AtomsSequence", "Dataset", "hill_formula"]


def hill_formula(numbers: np.ndarray) -> str:
    """Chemical formula in Hill order (carbon, hydrogen, then alphabetical).

    Parameters
    ----------
    numbers : ndarray of int, shape (n_atoms,)
        Atomic numbers.

    Returns
    -------
    str
        Such as ``"C2H6O"``.
    """
    values, counts = np.unique(np.asarray(numbers, dtype=np.int64), return_counts=True)
    symbols = ase.data.chemical_symbols
    return Formula.from_dict(
        {symbols[z]: int(c) for z, c in zip(values, counts, strict=True)}
    ).format("hill")


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
        If the arrays do not fit each other, a coordinate or lattice vector is not finite, or there
        is no element of an atomic number.
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
        given = np.asarray(numbers)
        known = (given >= 0) & (given < len(chemical_symbols))
        if not known.all():
            raise ValueError(
                f"atomic numbers go up to {len(chemical_symbols) - 1}; got {given[~known][0]}."
            )
        self.numbers = given.astype(np.uint8, copy=False)
        self.positions = np.asarray(positions, dtype=np.float64)
        self.n_atoms = np.asarray(n_atoms, dtype=np.int64)
        total = int(self.n_atoms.sum())
        if self.numbers.shape != (total,) or self.positions.shape != (total, 3):
            raise ValueError(
                f"n_atoms sums to {total}, so numbers must have shape ({total},) and positions "
                f"({total}, 3); got {self.numbers.shape} and {self.positions.shape}."
            )
        if not np.isfinite(self.positions).all():
            raise ValueError("positions contain NaN or infinite coordinates; repair them.")
        if cells is not None and not np.isfinite(np.asarray(cells, dtype=np.float64)).all():
            raise ValueError("cells contain NaN or infinite lattice vectors; repair them.")
        n = len(self.n_atoms)
        if cells is not None:
            cells = np.asarray(cells, dtype=np.float64)
            pbc = np.ones((n, 3), bool) if pbc is None else np.asarray(pbc, dtype=bool)
            if cells.shape != (n, 3, 3) or pbc.shape != (n, 3):
                raise ValueError(
                    f"{n} structures need cells of shape ({n}, 3, 3) and pbc of shape ({n}, 3); "
                    f"got {cells.shape} and {pbc.shape}."
                )
        self.cells = cells
        self.pbc = pbc
        self.offsets = np.concatenate([[0], np.cumsum(self.n_atoms)])

    @classmethod
    def from_atoms(cls, structures: Iterable[ase.Atoms]) -> AtomsSequence:
        """Flatten existing :class:`ase.Atoms`; info and calculators are not kept."""
        frames = list(structures)
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

    def formulas(self) -> np.ndarray:
        """Hill formula of every structure, shape (n_structures,)."""
        counts, elements = self.element_counts()
        if not len(counts):
            return np.empty(0, dtype=str)
        rows, inverse = np.unique(counts, axis=0, return_inverse=True)
        names = np.array([hill_formula(np.repeat(elements, row)) for row in rows])
        return names[inverse.ravel()]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Named structures with targets.

    Attributes
    ----------
    name, split : str
        Where the structures come from.
    atoms : AtomsSequence
        The structures; an :class:`ase.Atoms` is built when one is asked for.
    targets : pandas.DataFrame, shape (n_structures, n_targets)
        Numbers to predict, one column each, in the units of `units`.
    units : mapping of str to str
        Unit of each column of `targets` (``"1"`` where dimensionless, ``""`` where unknown).
    ids : ndarray of str, shape (n_structures,)
        Stable names of the rows; folds are drawn from them.
    smiles : ndarray of str, optional
        SMILES strings where the source has them.
    info : pandas.DataFrame, optional
        Further columns (vector labels, keys) that are not scalar targets.
    """

    name: str
    split: str
    atoms: AtomsSequence
    targets: pd.DataFrame
    units: Mapping[str, str]
    ids: np.ndarray
    smiles: np.ndarray | None = None
    info: pd.DataFrame | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        n = len(self.atoms)
        lengths = {"targets": len(self.targets), "ids": len(self.ids)}
        if self.smiles is not None:
            lengths["smiles"] = len(self.smiles)
        if self.info is not None:
            lengths["info"] = len(self.info)
        wrong = {key: value for key, value in lengths.items() if value != n}
        if wrong:
            raise ValueError(f"{n} structures but {wrong} rows; every part needs one row each.")

    def __len__(self) -> int:
        return len(self.atoms)

    def __repr__(self) -> str:
        """Such as ``xtb9 (probe): 4,200 structures, 1,105 formulas, targets gap, mu``."""
        name = f"{self.name} ({self.split})" if self.split else self.name
        count = f"{len(self):,} structures, {len(set(self.formulas)):,} formulas"
        return f"{name}: {count}, targets {', '.join(map(str, self.targets.columns))}"

    @cached_property
    def formulas(self) -> np.ndarray:
        """Hill formula of every structure, shape (n_structures,): the groups of `cpd`."""
        return self.atoms.formulas()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of structures and targets: changes whenever a result could."""
        digest = hashlib.sha256()
        parts = [self.atoms.n_atoms, self.atoms.numbers, self.atoms.positions]
        parts += [a for a in (self.atoms.cells, self.atoms.pbc) if a is not None]
        parts.append(self.targets.to_numpy(dtype=np.float64))
        for part in parts:
            digest.update(np.ascontiguousarray(part).tobytes())
        digest.update("\0".join([*self.targets.columns, *self.ids.tolist()]).encode())
        return digest.hexdigest()

    def select(self, rows: np.ndarray) -> Dataset:
        """The structures at `rows` (integer positions or a boolean mask), in that order."""
        rows = np.arange(len(self))[rows]
        return Dataset(
            name=self.name,
            split=self.split,
            atoms=self.atoms.select(rows),
            targets=self.targets.iloc[rows].reset_index(drop=True),
            units=self.units,
            ids=self.ids[rows],
            smiles=None if self.smiles is None else self.smiles[rows],
            info=None if self.info is None else self.info.iloc[rows].reset_index(drop=True),
        )

    def sample(self, n: int, *, seed: int = 0) -> Dataset:
        """Draw `n` structures without replacement, kept in their stored order.

        Raises
        ------
        ValueError
            If `n` is not between 1 and the number of structures.
        """
        if not 1 <= n <= len(self):
            raise ValueError(
                f"n={n} structures asked for, but {self.name!r} ({self.split}) has {len(self)}; "
                f"give 1 <= n <= {len(self)} or n=None for all."
            )
        rows = np.random.default_rng(seed).choice(len(self), size=n, replace=False)
        return self.select(np.sort(rows))
