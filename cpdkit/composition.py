"""Composition as numbers: the nuisance that CPD removes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ase
import numpy as np
import pandas as pd
from ase.data import chemical_symbols
from ase.formula import Formula

from cpdkit._messages import unknown
from cpdkit.datasets import AtomsSequence

__all__ = ["KINDS", "composition_controls", "composition_matrix"]

KINDS = ("counts", "fractions")


def composition_matrix(
    atoms: Iterable[ase.Atoms],
    *,
    kind: str = "counts",
    elements: Sequence[int | str] | None = None,
    as_frame: bool = False,
) -> np.ndarray | pd.DataFrame:
    """Describe each structure by its elements alone.

    Parameters
    ----------
    atoms : AtomsSequence or iterable of ase.Atoms
        The structures.
    kind : {"counts", "fractions"}
        Number of atoms of each element, or the same divided by the number of atoms. Fractions sum
        to one, so an intercept beside them makes the columns linearly dependent (the projector
        copes), and they do not hold the size of a structure.
    elements : sequence of int or str, optional
        Elements that become columns, in this order. By default those that occur, by atomic
        number. Give them when matrices of several data sets must have the same columns.
    as_frame : bool, default False
        Return a data frame whose columns are element symbols.

    Returns
    -------
    ndarray or pandas.DataFrame of float, shape (n_structures, n_elements)
        The nuisance matrix C.

    Raises
    ------
    ValueError
        If `kind` is not known, there is no structure, a structure has no atom, or a structure
        holds an element that `elements` lacks.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of composition", kind, KINDS))
    sequence = atoms if isinstance(atoms, AtomsSequence) else AtomsSequence.from_atoms(atoms)
    if len(sequence) == 0:
        raise ValueError("no structures given; a composition matrix needs at least one.")
    empty = np.flatnonzero(sequence.n_atoms == 0)
    if len(empty):
        raise ValueError(f"structure {empty[0]} has no atoms; remove it ({len(empty)} in all).")
    counts, present = sequence.element_counts()
    if elements is not None:
        counts, present = _reorder(counts, present, elements)
    matrix = counts.astype(np.float64)
    if kind == "fractions":
        matrix /= sequence.n_atoms[:, None]
    if as_frame:
        return pd.DataFrame(matrix, columns=[chemical_symbols[z] for z in present])
    return matrix


def _reorder(
    counts: np.ndarray, present: np.ndarray, elements: Sequence[int | str]
) -> tuple[np.ndarray, np.ndarray]:
    wanted = []
    for element in elements:
        if element in chemical_symbols[1:]:
            wanted.append(chemical_symbols.index(element))
        elif isinstance(element, int | np.integer) and 1 <= element < len(chemical_symbols):
            wanted.append(int(element))
        else:
            raise ValueError(
                f"{element!r} is no chemical element; give symbols such as 'C' or atomic numbers."
            )
    missing = sorted(set(present.tolist()) - set(wanted))
    if missing:
        row = int(np.flatnonzero(counts[:, np.isin(present, missing)].any(axis=1))[0])
        names = ", ".join(chemical_symbols[z] for z in missing)
        raise ValueError(
            f"structure {row} holds {names}, which elements={list(elements)!r} lacks; add them."
        )
    column = {int(z): counts[:, i] for i, z in enumerate(present)}
    zeros = np.zeros(len(counts), dtype=counts.dtype)
    return np.stack([column.get(z, zeros) for z in wanted], axis=1), np.array(wanted)


def composition_controls(formulas: Sequence[str] | np.ndarray) -> pd.DataFrame:
    """Other parametrisations of composition, to be looked for in a residual.

    Parameters
    ----------
    formulas : sequence of str, shape (n_structures,)
        Chemical formulas such as ``"C2H6O"``.

    Returns
    -------
    pandas.DataFrame, shape (n_structures, 2 + n_elements)
        Number of atoms ``N``, ``1/N`` and the fraction ``x(El)`` of each element.

    Raises
    ------
    ValueError
        If a formula cannot be read.
    """
    names, inverse = np.unique(np.asarray(formulas, dtype=str), return_inverse=True)
    try:
        counted = [Formula(name).count() for name in names]
    except ValueError as error:
        raise ValueError(f"groups are not all chemical formulas: {error}.") from None
    symbols = sorted(
        {symbol for count in counted for symbol in count}, key=lambda s: chemical_symbols.index(s)
    )
    counts = np.array([[count.get(s, 0) for s in symbols] for count in counted], dtype=np.float64)
    size = counts.sum(axis=1)
    table = {"N": size, "1/N": 1 / size}
    table |= {f"x({s})": counts[:, i] / size for i, s in enumerate(symbols)}
    return pd.DataFrame(table).iloc[inverse].reset_index(drop=True)
