"""Composition as numbers, rung by rung: the nuisance that CPD removes."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ase
import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from cpdkit._messages import unknown
from cpdkit.composition._elements import in_order
from cpdkit.composition.bonds import bond_counts, morgan_counts
from cpdkit.datasets import AtomsSequence, Dataset, canonical_formulas
from cpdkit.datasets._dataset import as_sequence
from cpdkit.datasets.formulas import formula_counts

__all__ = ["KINDS", "LADDER", "composition_matrix"]

KINDS = ("counts", "fractions", "formula", "bonds", "morgan")

LADDER = ("counts", "formula", "bonds", "morgan")
"""Nuisances from composition to constitution, each removing more than the one before."""


def composition_matrix(
    atoms: Dataset | Iterable[ase.Atoms] | ase.Atoms | Sequence[str],
    *,
    kind: str | None = None,
    elements: Sequence[int | str] | None = None,
    as_frame: bool = False,
) -> np.ndarray | pd.DataFrame:
    """Describe each structure by its elements, or by its bonds too, without any coordinate.

    Parameters
    ----------
    atoms : Dataset, iterable of ase.Atoms, ase.Atoms, or sequence of str
        The structures, or their formulas such as ``"C2H6O"``, which have no bonds. Bonds are taken
        from the SMILES of a data set that has them.
    kind : {"counts", "fractions", "formula", "bonds", "morgan"}, optional
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
        If `kind` is not known or asks for bonds of formulas, there is no structure, a structure has
        no atom or holds an element that `elements` lacks, a formula cannot be read, or `elements`
        have no order or repeat; for bonds also as from `molecules`.
    TypeError
        If something is neither a structure nor a formula, or both are mixed.
    ImportError
        For bonds, if RDKit is not installed.

    Warns
    -----
    UserWarning
        If counts of periodic structures are asked for.
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(unknown("kind of composition", kind, KINDS))
    data = _rows(atoms)
    if len(data) == 0:
        raise ValueError("no structures given; a composition matrix needs at least one.")
    text = isinstance(data, list)
    if text and kind in ("bonds", "morgan"):
        raise ValueError(f"a formula says nothing of bonds; kind={kind!r} needs structures.")
    periodic = 0 if text else int(as_sequence(data).periodic.sum())
    kind = kind or ("fractions" if periodic else "counts")
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
    if kind == "fractions":
        matrix /= size
    frame = pd.DataFrame(matrix, columns=[chemical_symbols[z] for z in present])
    if kind in ("bonds", "morgan"):
        frame = pd.concat([frame, bond_counts(data)], axis=1)
    if kind == "morgan":
        bits = pd.DataFrame(morgan_counts(data)).add_prefix("environment ")
        frame = pd.concat([frame, bits], axis=1)
    return frame if as_frame else np.ascontiguousarray(frame)


def _rows(atoms: Any) -> Any:
    """A Dataset, an AtomsSequence, or formulas in a list."""
    if isinstance(atoms, Dataset | AtomsSequence):
        return atoms
    if isinstance(atoms, str):
        raise TypeError(f"got the string {atoms!r}; give formulas in a list, [{atoms!r}].")
    if isinstance(atoms, Iterable) and not isinstance(atoms, ase.Atoms | Mapping | set | frozenset):
        atoms = list(atoms)  # once: an iterator is empty the second time
        text = [isinstance(item, str) for item in atoms]
        if any(text) and not all(text):
            raise TypeError(
                f"row {text.index(False)} is {atoms[text.index(False)]!r}, where others are "
                "formulas; give formulas or structures, not both."
            )
        if any(text):
            return atoms
    return as_sequence(atoms)
