"""Composition as numbers, rung by rung: the nuisance that CPD removes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import ase
import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from cpdkit._messages import unknown
from cpdkit.composition._inputs import in_order, rows_of
from cpdkit.composition.bonds import bond_counts, morgan_counts
from cpdkit.composition.crystals import check_crystals, coordination, space_groups, structure_types
from cpdkit.datasets import Dataset, canonical_formulas
from cpdkit.datasets._dataset import as_sequence
from cpdkit.datasets.formulas import formula_counts

__all__ = ["CRYSTAL_LADDER", "KINDS", "LADDER", "composition_matrix"]

LADDER = ("counts", "formula", "bonds", "morgan")
"""Nuisances from composition to constitution, each removing more than the one before."""

CRYSTAL_LADDER = ("fractions", "formula", "space group", "prototype", "coordination")
"""Nuisances of crystals. A structure type that is found by symmetry determines the space group; no
other rung contains another."""

KINDS = tuple(dict.fromkeys(LADDER + CRYSTAL_LADDER))

_OF_MOLECULES, _OF_CRYSTALS = LADDER[2:], CRYSTAL_LADDER[2:]


def composition_matrix(
    atoms: Dataset | Iterable[ase.Atoms] | ase.Atoms | Sequence[str],
    *,
    kind: str | None = None,
    elements: Sequence[int | str] | None = None,
    as_frame: bool = False,
) -> np.ndarray | pd.DataFrame:
    """Describe each structure by its elements, or by what is next to what too.

    Parameters
    ----------
    atoms : Dataset, iterable of ase.Atoms, ase.Atoms, or sequence of str
        The structures, or their formulas such as ``"C2H6O"``, which have no bonds. Bonds are taken
        from the SMILES of a data set that has them.
    kind : str, optional
        What each column is; by default counts, and fractions where a structure is periodic:

        ``counts``
            number of atoms of an element.
        ``fractions``
            the same divided by the number of atoms. They sum to one, so an intercept beside them
            makes the columns linearly dependent (the projector copes), and they do not hold the
            size of a structure.
        ``formula``
            one for an exact formula, of crystals a reduced one, else zero. A linear map of these
            is any function of composition, but says nothing of formulas that the training fold
            lacks.
        ``bonds``
            counts, and beside them the number of bonds of each type (`bond_counts`).
        ``morgan``
            these, and beside them `morgan_counts`.
        ``space group``, ``prototype``
            fractions, and beside them one for the space group of a crystal (`space_groups`) or for
            its type, else zero: ``info["prototype"]`` where a data set has it, or `prototypes`.
        ``coordination``
            fractions, and beside them coordination numbers (`coordination`).

        Counts of a crystal are those of the cell that somebody chose, primitive, conventional or
        larger, while properties per atom and mean-pooled features do not know the cell. So they
        remove something else than composition, and a warning says so: take fractions.
    elements : sequence of int or str, optional
        Elements that become columns, in this order. By default those that occur, by atomic
        number. Give them when matrices of several data sets must have the same columns.
    as_frame : bool, default False
        Return a data frame with named columns.

    Returns
    -------
    ndarray or pandas.DataFrame of float, shape (n_structures, n_columns)
        The nuisance matrix C.

    Raises
    ------
    ValueError
        If `kind` is not known or not of such structures, there is no structure, a structure has
        no atom or holds an element that `elements` lacks, a formula cannot be read, or `elements`
        have no order or repeat; for bonds also as from `bond_counts`.
    TypeError
        If something is neither a structure nor a formula, or both are mixed.
    ImportError
        For bonds, if RDKit is not installed; for symmetry, if spglib is not.

    Warns
    -----
    UserWarning
        If counts of periodic structures are asked for.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(unknown("kind of composition", kind, KINDS))
    data = rows_of(atoms)
    if len(data) == 0:
        raise ValueError("no structures given; a composition matrix needs at least one.")
    text = isinstance(data, list)
    if text and kind in _OF_MOLECULES + _OF_CRYSTALS:
        raise ValueError(f"a formula says nothing of bonds; kind={kind!r} needs structures.")
    periodic = 0 if text else int(as_sequence(data).periodic.sum())
    kind = kind or ("fractions" if periodic else "counts")
    if kind in _OF_CRYSTALS:
        check_crystals(as_sequence(data), f"what kind={kind!r} describes")
    if kind in _OF_MOLECULES and periodic:
        raise ValueError(f"kind={kind!r} is of molecules; crystals have {list(_OF_CRYSTALS)}.")
    if kind == "counts" and periodic:
        warnings.warn(
            f"{periodic} of {len(data)} structures are periodic, and counts depend on the cell "
            "that was chosen for them; kind='fractions' does not.",
            stacklevel=2,
        )
    counts, present = formula_counts(data) if text else as_sequence(data).element_counts()
    size = counts.sum(axis=1, keepdims=True)
    empty = np.flatnonzero(size == 0)
    if len(empty):
        raise ValueError(f"structure {empty[0]} has no atoms; remove it ({len(empty)} in all).")
    if kind == "formula":
        formulas = canonical_formulas(data) if text else as_sequence(data).formulas()
        frame = pd.get_dummies(pd.Series(formulas), dtype=float)
        return frame if as_frame else np.ascontiguousarray(frame)
    if elements is not None:
        counts, present = in_order(counts, present, elements)
    matrix = counts.astype(np.float64)
    if kind in ("fractions", *_OF_CRYSTALS):
        matrix /= size
    frame = pd.DataFrame(matrix, columns=[chemical_symbols[z] for z in present])
    frame = pd.concat([frame, *_beside(kind, data)], axis=1)
    return frame if as_frame else np.ascontiguousarray(frame)


def _beside(kind: str, data: Any) -> list[pd.DataFrame]:
    """What stands beside counts or fractions."""
    if kind in ("space group", "prototype"):
        names = space_groups(data) if kind == "space group" else structure_types(data)
        return [pd.get_dummies(pd.Series(names.astype(str)), dtype=float)]
    if kind == "coordination":
        return [coordination(data)]
    found = [bond_counts(data)] if kind in _OF_MOLECULES else []
    if kind == "morgan":
        found.append(pd.DataFrame(morgan_counts(data)).add_prefix("environment "))
    return found
