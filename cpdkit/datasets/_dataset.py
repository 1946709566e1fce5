"""Structures with targets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._arrays import check_same_rows
from cpdkit._options import check_seed
from cpdkit.datasets._atoms import AtomsSequence, list_of_atoms
from cpdkit.datasets._parts import (
    data_frame,
    row_names,
    target_frame,
    text_labels,
)
from cpdkit.datasets.formulas import numbers_of

__all__ = ["AtomsSequence", "Dataset", "as_sequence"]


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
        Stable names of the rows, each another; folds are drawn from them.
    smiles : ndarray of str, optional
        SMILES strings where the source has them.
    info : pandas.DataFrame, optional
        Further columns (vector labels, keys) that are not scalar targets.

    Raises
    ------
    ValueError, TypeError
        If a part is of another kind or length, a target is no column of real numbers, names of
        rows are missing or repeat, a structure has no atoms, or pandas indices disagree: rows are
        positions, and are never put in another order.
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
        given = {"targets": self.targets, "ids": self.ids, "smiles": self.smiles, "info": self.info}
        put = partial(object.__setattr__, self)
        put("atoms", as_sequence(self.atoms, "atoms"))
        put("targets", target_frame(self.targets))
        put("ids", row_names(self.ids))
        if self.smiles is not None:
            put("smiles", text_labels(self.smiles, "smiles"))
        if self.info is not None:
            put("info", data_frame(self.info, "info"))
        if not isinstance(self.units, Mapping):
            raise TypeError(f"units must be a mapping such as {{'gap': 'eV'}}; got {self.units!r}.")
        n = len(self.atoms)
        parts = {"targets": self.targets, "ids": self.ids, "smiles": self.smiles, "info": self.info}
        lengths = {name: len(part) for name, part in parts.items() if part is not None}
        wrong = {key: value for key, value in lengths.items() if value != n}
        if wrong:
            raise ValueError(f"{n} structures but {wrong} rows; every part needs one row each.")
        empty = np.flatnonzero(self.atoms.n_atoms == 0)
        if len(empty):
            raise ValueError(f"atoms: structure {empty[0]} has no atoms; remove it.")
        positions = [str(i) for i in range(n)]
        check_same_rows(given, [positions, self.ids.tolist()])

    def __len__(self) -> int:
        return len(self.atoms)

    def __repr__(self) -> str:
        """Such as ``xtb9 (probe): 4,200 structures, 1,105 formulas, targets gap, mu``."""
        name = f"{self.name} ({self.split})" if self.split else self.name
        count = f"{len(self):,} structures, {len(set(self.formulas)):,} formulas"
        return f"{name}: {count}, targets {', '.join(map(str, self.targets.columns))}"

    @cached_property
    def formulas(self) -> np.ndarray:
        """Hill formula of every structure, shape (n_structures,): the groups of `cpd`.

        Of crystals the reduced one, ``ClNa``; ``atoms.formulas(cell=True)`` counts the atoms of
        the cell. A molecule in a box is reduced too where it is marked as periodic: set its pbc to
        False.
        """
        return self.atoms.formulas()

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of structures and targets: changes whenever a result could.

        Targets count to 32 bits, nine digits: the last of labels that are computed here, such as
        rotational constants, differ by processor.
        """
        digest = hashlib.sha256()
        parts = [self.atoms.n_atoms, self.atoms.numbers, self.atoms.positions]
        parts += [a for a in (self.atoms.cells, self.atoms.pbc) if a is not None]
        mantissa, exponent = np.frexp(self.targets.to_numpy(dtype=np.float64))
        parts += [np.rint(mantissa * 2**32), exponent]
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

    def made_of(self, elements: Sequence[str]) -> Dataset:
        """The structures that hold no other elements than these.

        Parameters
        ----------
        elements : sequence of str
            Symbols, such as ``["H", "C", "N", "O"]``.

        Raises
        ------
        ValueError
            If a symbol is not known, or no structure is left.
        """
        strange = ~np.isin(self.atoms.numbers, numbers_of(elements))
        kept = np.add.reduceat(strange, self.atoms.offsets[:-1]) == 0
        if not kept.any():
            raise ValueError(f"no structure of {self.name!r} is made of these elements alone.")
        return self if kept.all() else self.select(kept)

    def sample(self, n: int, *, seed: int = 0) -> Dataset:
        """Draw `n` structures without replacement, kept in their stored order.

        Raises
        ------
        ValueError
            If `n` is not a whole number between 1 and the number of structures, or `seed` is not
            one from 0.
        """
        rows = drawn_rows(n, len(self), seed=seed, name=f"{self.name!r} ({self.split})")
        return self.select(rows)


def drawn_rows(n: int | None, available: int, *, seed: int, name: str) -> np.ndarray:
    """Rows of a draw without replacement, ascending; `name` says what of.

    Raises
    ------
    ValueError
        As from `Dataset.sample`.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)):
        raise ValueError(f"n={n!r} must be a whole number, or None for all structures.")
    if not 1 <= n <= available:
        raise ValueError(
            f"n={n} structures asked for, but {name} has {available}; "
            f"give 1 <= n <= {available} or n=None for all."
        )
    check_seed(seed)
    return np.sort(np.random.default_rng(seed).choice(available, size=n, replace=False))


def as_sequence(structures: Any, name: str = "structures") -> AtomsSequence:
    """Structures in whatever form they come.

    Parameters
    ----------
    structures : Dataset, AtomsSequence, iterable of ase.Atoms, or ase.Atoms
        One structure gives a sequence of one.
    name : str, default "structures"
        What the caller names them.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if isinstance(structures, Dataset):
        return structures.atoms
    if isinstance(structures, AtomsSequence):
        return structures
    return AtomsSequence.from_atoms(list_of_atoms(structures, name))
