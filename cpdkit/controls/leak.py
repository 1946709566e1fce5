"""Does a residual still hold composition, parametrised otherwise than it was removed?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from cpdkit.datasets.formulas import formula_counts
from cpdkit.projection.linear import CompositionProjector
from cpdkit.scores import NOTHING_LEFT

__all__ = ["LEAK_SCORE", "formula_means", "leak_targets", "other_parametrisations"]

LEAK_SCORE = "r2_leak"

# The mean over a rare formula is mostly y itself; formulas count from this many members on ...
MIN_MEMBERS = 5
# ... and the score only if they hold this share of the rows.
MIN_SHARE = 0.5


def other_parametrisations(formulas: Sequence[str] | np.ndarray) -> pd.DataFrame:
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
    try:
        counts, present = formula_counts(formulas)
    except ValueError as error:
        raise ValueError(f"groups are not all chemical formulas: {error}") from None
    size = counts.sum(axis=1).astype(np.float64)
    table = {"N": size, "1/N": 1 / size}
    table |= {f"x({chemical_symbols[z]})": counts[:, i] / size for i, z in enumerate(present)}
    return pd.DataFrame(table)


def leak_targets(C: np.ndarray | None, labels: np.ndarray | None, *, n: int) -> pd.DataFrame:
    """Parametrisations of composition that are not linear in the nuisance C.

    Those that are (N where counts were removed) score zero by algebra and are left out.

    Parameters
    ----------
    C : ndarray of shape (n, k) or None
        Nuisance.
    labels : ndarray of str, shape (n,), or None
        Chemical formulas. Without them there is nothing to compare with.
    n : int
        Number of rows.

    Returns
    -------
    pandas.DataFrame, shape (n, n_controls)
        N, 1/N and element fractions, as far as they apply.

    Raises
    ------
    ValueError
        If a label is no chemical formula.
    """
    if labels is None:
        return pd.DataFrame(index=range(n))
    try:
        controls = other_parametrisations(labels)
    except ValueError as error:
        raise ValueError(f"{error} Give formulas (ds.formulas), or leak=False.") from None
    values = controls.to_numpy()
    projector = CompositionProjector()
    residual = projector.fit_transform(values, composition=C)
    total = ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return controls.loc[:, (residual**2).sum(axis=0) > NOTHING_LEFT * total]


def formula_means(
    targets: pd.DataFrame, labels: np.ndarray | None, folds: np.ndarray
) -> tuple[np.ndarray | None, np.ndarray, str]:
    """Mean of each target over its formula, and the rows whose formula has five members or more.

    Parameters
    ----------
    targets : DataFrame of shape (n, t)
        Targets.
    labels : ndarray of str, shape (n,), or None
        Formulas.
    folds : ndarray of int, shape (repeats, n)
        Fold labels.

    Returns
    -------
    rows : ndarray of int, shape (n_rows,), or None
        Those rows; None for all.
    means : ndarray of shape (n, t)
        The means, of all rows.
    note : str
        Why these rows do not suffice for a score; empty where they do.
    """
    if labels is None:
        return None, targets.to_numpy(), "needs groups: the formula of each row"
    _, inverse, members = np.unique(labels, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(members[inverse] >= MIN_MEMBERS)
    kept = folds[:, rows]
    complete = all(set(a[a >= 0]) == set(b[b >= 0]) for a, b in zip(kept, folds, strict=True))
    note = ""
    if len(rows) < MIN_SHARE * len(labels) or not complete:
        note = (
            f"only {len(rows)} of {len(labels)} structures share their formula with at least "
            f"{MIN_MEMBERS - 1} others"
        )
    means = targets.groupby(labels).transform("mean").to_numpy()
    return None if len(rows) == len(labels) else rows, means, note
