"""Controls: what a residual should not know, and what chance alone would score.

Compositional targets follow from the formula; the leak asks for composition parametrised
otherwise than it was removed; nulls replace targets or features by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from cpdkit._checks import check_features, check_groups
from cpdkit._messages import unknown
from cpdkit.composition import formula_counts
from cpdkit.datasets import canonical_formulas, parse_formula
from cpdkit.held_out.engine import engine_for
from cpdkit.held_out.inputs import check_inputs
from cpdkit.held_out.protocol import get_protocol
from cpdkit.moments.accumulate import moments_from_arrays
from cpdkit.moments.scores import nested_sums
from cpdkit.projection.linear import CompositionProjector
from cpdkit.scores import NOTHING_LEFT, SCORES, Rows

__all__ = [
    "LEAK_SCORE",
    "LINEAR_TARGETS",
    "compositional_targets",
    "control_scores",
    "formula_labels",
    "formula_means",
    "leak_targets",
    "null_scores",
    "other_parametrisations",
    "permuted_within",
    "random_features",
]

LINEAR_TARGETS = ("mass", "heavy_atoms", "unsaturation")
"""Of :func:`compositional_targets`, those that are linear in element counts."""

_SCORES = ("r2_comp", "r2_geom", "ceiling", "crossing", "r2_comp_in_probe")
_VALENCE_EXCESS = {"C": 2, "N": 1, "H": -1, "F": -1, "Cl": -1, "Br": -1, "I": -1}

LEAK_SCORE = "r2_leak"

# The mean over a rare formula is mostly y itself; formulas count from this many members on ...
MIN_MEMBERS = 5
# ... and the score only if they hold this share of the rows.
MIN_SHARE = 0.5


def compositional_targets(formulas: Sequence[str]) -> pd.DataFrame:
    """Targets that follow from the formula alone; a residual should know none of them.

    Parameters
    ----------
    formulas : sequence of str, shape (n_structures,)
        Chemical formulas.

    Returns
    -------
    pandas.DataFrame, shape (n_structures, 6)
        ``heavy_atoms``; ``mass`` (u); ``unsaturation``, rings and double bonds,
        :math:`(2 C + N - H - F + 2) / 2`; these three are linear in element counts. And three that
        are not: ``mean_Z``, ``x_H`` (fraction of hydrogen) and ``log_N`` (natural logarithm of the
        number of atoms).

    Raises
    ------
    ValueError
        If a formula cannot be read.
    """
    names, inverse = np.unique(canonical_formulas(formulas), return_inverse=True)
    rows = []
    for name in names:
        count = parse_formula(name)
        size = sum(count.values())
        numbers = {s: atomic_numbers[s] for s in count}
        rows.append(
            {
                "heavy_atoms": size - count.get("H", 0),
                "mass": sum(atomic_masses[numbers[s]] * k for s, k in count.items()),
                "unsaturation": 1
                + sum(_VALENCE_EXCESS.get(s, 0) * k for s, k in count.items()) / 2,
                "mean_Z": sum(numbers[s] * k for s, k in count.items()) / size,
                "x_H": count.get("H", 0) / size,
                "log_N": np.log(size),
            }
        )
    return pd.DataFrame(rows, dtype=float).iloc[inverse].reset_index(drop=True)


def control_scores(
    features: Any,
    composition: Any,
    formulas: Sequence[str],
    *,
    targets: Sequence[str] | None = None,
    probe: str | Any = "ridge",
    folds: str | np.ndarray = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    protocol: str = "sound",
    level: float = 0.95,
) -> pd.DataFrame:
    """How well a probe of the residual predicts what composition alone decides.

    A sound score is about zero. The ceiling of a target that is linear in the nuisance is zero, so
    every positive score of it is composition found again.

    Parameters
    ----------
    features, composition, probe, folds, n_folds, repeats, seed, protocol, level
        As in `cpdkit.cpd`.
    formulas : sequence of str, shape (n_structures,)
        Chemical formulas.
    targets : sequence of str, optional
        Some of the `compositional_targets`; all by default.

    Returns
    -------
    pandas.DataFrame
        As from `cpdkit.cpd`, with `compositional_targets` as targets and the scores ``r2_comp``,
        ``r2_geom``, ``ceiling``, ``crossing`` and ``r2_comp_in_probe``. Targets that do not vary
        are left out.

    Raises
    ------
    ValueError
        As in `cpdkit.cpd`, or if there is no such compositional target.
    """
    frame = compositional_targets(formulas)
    for name in targets or ():
        if name not in frame:
            raise ValueError(unknown("compositional target", name, list(frame)))
    frame = frame[list(targets)] if targets else frame
    given = check_inputs(
        features, composition, frame.loc[:, frame.nunique() > 1], groups=formulas,
        folds=folds, n_folds=n_folds, repeats=repeats, seed=seed,
    )  # fmt: skip
    predict = engine_for(probe, seed=seed)
    parts = predict(
        given.X, given.C, given.Y, given.folds, protocol=get_protocol(protocol), inputs=()
    )
    rows = Rows.of_predictions(list(parts), n_folds=given.n_folds, level=level)
    return pd.DataFrame(
        [rows.row(name, score, t) for t, name in enumerate(given.targets) for score in _SCORES]
    )


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
) -> tuple[np.ndarray, np.ndarray, str]:
    """Mean of each target over its formula, for the rows whose formula has five members or more.

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
    rows : ndarray of int, shape (n_rows,)
        The rows.
    means : ndarray of shape (n_rows, t)
        Their means.
    note : str
        Why these rows do not suffice for a score; empty where they do.
    """
    if labels is None:
        return np.empty(0, int), np.empty((0, 0)), "needs groups: the formula of each row"
    _, inverse, members = np.unique(labels, return_inverse=True, return_counts=True)
    rows = np.flatnonzero(members[inverse] >= MIN_MEMBERS)
    kept = folds[:, rows]
    complete = all(len(np.unique(a)) == len(np.unique(b)) for a, b in zip(kept, folds, strict=True))
    note = ""
    if len(rows) < MIN_SHARE * len(labels) or not complete:
        note = (
            f"only {len(rows)} of {len(labels)} structures share their formula with at least "
            f"{MIN_MEMBERS - 1} others"
        )
    return rows, targets.groupby(labels).transform("mean").to_numpy()[rows], note


def permuted_within(y: np.ndarray, groups: Sequence[str], n: int, *, seed: int = 0) -> np.ndarray:
    """Shuffle `y` among structures of the same formula.

    Whatever y shares with its formula stays; what is left to find is chance.

    Parameters
    ----------
    y : ndarray of shape (n_structures,)
        A target.
    groups : sequence of str, shape (n_structures,)
        Formulas.
    n : int
        Number of shuffles.
    seed : int, default 0
        Of the shuffles.

    Returns
    -------
    ndarray of shape (n_structures, n)
        One shuffle per column.

    Raises
    ------
    ValueError
        If no formula occurs twice.
    """
    y = np.asarray(y, dtype=np.float64)
    _, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if sizes.max() < 2:
        raise ValueError("no formula occurs twice, so nothing can be permuted within formulas.")
    inverse = inverse.ravel()
    home = np.argsort(inverse, kind="stable")
    rng = np.random.default_rng(seed)
    shuffled = np.empty((len(y), n))
    for column in range(n):
        shuffled[home, column] = y[np.lexsort((rng.random(len(y)), inverse))]
    return shuffled


def formula_labels(groups: Sequence[str], n: int, *, seed: int = 0) -> np.ndarray:
    """Draw random numbers, one per formula: control tasks [1]_.

    A probe that predicts them on held-out structures of the same formulas has memorised formulas.

    Parameters
    ----------
    groups : sequence of str, shape (n_structures,)
        Formulas.
    n : int
        Number of tasks.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    ndarray of shape (n_structures, n)
        Standard normal, equal within a formula.

    References
    ----------
    .. [1] J. Hewitt and P. Liang, Designing and interpreting probes with control tasks,
       EMNLP 2019, arXiv:1909.03368.
    """
    names, inverse = np.unique(groups, return_inverse=True)
    return np.random.default_rng(seed).normal(size=(len(names), n))[inverse.ravel()]


def random_features(X: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Draw normal noise with the shape, means and spreads of `X`: what width alone achieves.

    Parameters
    ----------
    X : ndarray of shape (n_structures, n_channels)
        Features to stand in for.
    seed : int, default 0
        Of the noise.

    Returns
    -------
    ndarray of shape (n_structures, n_channels)
        The noise.
    """
    X = np.asarray(X, dtype=np.float64)
    return X.mean(axis=0) + X.std(axis=0) * np.random.default_rng(seed).normal(size=X.shape)


def null_scores(
    features: Any,
    composition: Any,
    targets: Any,
    *,
    groups: Sequence[str],
    ids: Sequence[object] | None = None,
    score: str = "r2_partial",
    n_draws: int = 99,
    folds: str = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """Set a score beside what chance gives under the same protocol.

    Parameters
    ----------
    features, composition, targets, groups, ids, folds, n_folds, repeats, seed
        As in `cpdkit.cpd`; probed by ridge.
    score : str, default "r2_partial"
        One of the scores of `cpdkit.cpd`.
    n_draws : int, default 99
        Draws of each null; of random features a tenth, at least 5, as each needs its own pass.

    Returns
    -------
    pandas.DataFrame
        For each target rows with ``null``: ``"none"`` (the score itself), ``"permuted within
        formula"`` (with its one-sided p-value), ``"random formula labels"``, which replace the
        target, and ``"random features"``. ``mean``, ``low`` and ``high`` (2.5 and 97.5 % of the
        draws; NaN for the score itself), ``p``, ``n_draws``.

    Raises
    ------
    ValueError
        As from `cpdkit.cpd`, or if no formula occurs twice.
    """
    if score not in SCORES:
        raise ValueError(unknown("score", score, SCORES))
    if n_draws < 1:
        raise ValueError(f"n_draws={n_draws} must be at least 1.")
    if check_groups(groups, len(check_features(features))) is None:
        raise ValueError("nulls need groups: the formula of each row (ds.formulas).")
    given = check_inputs(
        features, composition, targets, groups=groups, ids=ids,
        folds=folds, n_folds=n_folds, repeats=repeats, seed=seed,
    )  # fmt: skip

    def means(features: np.ndarray, Y: np.ndarray) -> np.ndarray:
        """Mean score of each column of Y over folds; a column more costs little."""
        parts = []
        for fold in given.folds:
            moments = moments_from_arrays(features, given.C, Y, buckets=fold, n_buckets=n_folds)
            parts += [SCORES[score](sums)[0] for sums, _ in nested_sums(moments)]
        return np.mean(parts, axis=0)

    X, values = given.X, given.Y
    t = values.shape[1]
    shuffled = [permuted_within(values[:, i], groups, n_draws, seed=seed + i) for i in range(t)]
    control = formula_labels(groups, n_draws, seed=seed)
    found = means(X, np.hstack([values, *shuffled, control]))
    n_features = max(5, n_draws // 10)
    noise = np.stack([means(random_features(X, seed=seed + i), values) for i in range(n_features)])
    rows = []
    for i, name in enumerate(given.targets):
        permuted = found[t + i * n_draws : t + (i + 1) * n_draws]
        # The score itself counts as one draw, so that p is never 0.
        p = float((1 + np.sum(permuted >= found[i])) / (1 + n_draws))
        rows.append(_null_row(name, "none", found[i : i + 1], np.nan))
        rows.append(_null_row(name, "permuted within formula", permuted, p))
        rows.append(_null_row(name, "random formula labels", found[-n_draws:], np.nan))
        rows.append(_null_row(name, "random features", noise[:, i], np.nan))
    table = pd.DataFrame(rows)
    table.attrs = {"score": score, "folds": folds, "n_folds": n_folds, "seed": seed}
    return table


def _null_row(target: str, null: str, draws: np.ndarray, p: float) -> dict[str, Any]:
    low, high = np.quantile(draws, [0.025, 0.975]) if len(draws) > 1 else (np.nan, np.nan)
    return {
        "target": target,
        "null": null,
        "mean": float(np.mean(draws)),
        "low": float(low),
        "high": float(high),
        "p": p,
        "n_draws": len(draws),
    }
