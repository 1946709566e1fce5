"""`cpd`: how much of a target is linearly accessible with and without composition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._checks import check_composition, check_features, check_groups, check_targets
from cpdkit._messages import unknown
from cpdkit.folds import make_folds
from cpdkit.held_out.moments import held_out_moments
from cpdkit.held_out.rows import HeldOut, get_protocol
from cpdkit.intervals import INTERVALS
from cpdkit.leak import LEAK_SCORE, leak_controls, leak_of_means
from cpdkit.summary import SCORES, Summary

__all__ = ["LEAK_SCORE", "SCORES", "cpd"]


def cpd(
    features: Any,
    composition: Any,
    targets: Any,
    *,
    groups: Sequence[str] | None = None,
    ids: Sequence[object] | None = None,
    folds: str | np.ndarray = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    protocol: str = "sound",
    probe: str | Any = "ridge",
    interval: str = "corrected-t",
    level: float = 0.95,
    n_draws: int = 1000,
    leak: bool = True,
) -> pd.DataFrame:
    r"""Composition Projection Decomposition of one representation.

    On every training fold, with :math:`Z = [1, C]`, the features are split into
    :math:`Z B + X_\text{geom}`; ridge probes are trained on :math:`X_\text{geom}` and on X, their
    penalty chosen by inner folds that refit everything, and scored on the held-out fold [1]_.

    Parameters
    ----------
    features : array of shape (n, d) or Representation
        Pooled features.
    composition : array of shape (n, k) or None
        Nuisance C without intercept (`cpdkit.composition.composition_matrix`); None removes the
        mean only.
    targets : DataFrame, Series, mapping of columns, or array of shape (n,) or (n, t)
        Numbers to predict.
    groups : sequence of str, shape (n,), optional
        Formula of each row. Needed for formula folds, the cluster bootstrap and ``r2_leak``.
    ids : sequence of int or str, shape (n,), optional
        Row ids that random folds are hashed from; by default the row numbers.
    folds : {"random", "formula"} or ndarray of int, shape (n,) or (repeats, n)
        Fold scheme, or fold labels of your own.
    n_folds, repeats, seed : int
        Number of folds, of reshuffles, and the seed; not used with labels of your own.
    protocol : {"sound", "naive", "transductive"}
        See `cpdkit.held_out.rows.PROTOCOLS`.
    probe : {"ridge", "mlp", "trees", "knn", "kernel"} or estimator
        Ridge, or one of `cpdkit.probes.nonlinear`, by name (seeded with `seed`) or as an estimator
        with settings of your own.
    interval : {"corrected-t", "cluster-bootstrap"}
        See `cpdkit.intervals`. Neither holds the variance between training seeds of the encoder.
    level : float, default 0.95
        Confidence level.
    n_draws : int, default 1000
        Bootstrap samples.
    leak : bool, default True
        Also report ``r2_leak``; needs `groups` that are chemical formulas.

    Returns
    -------
    pandas.DataFrame
        One row per target and score: ``target``, ``score``, ``mean`` over folds, ``low``,
        ``high``, ``fold_values`` (tuple), ``alphas`` (chosen penalties per fold, or None) and
        ``note`` (why a value is NaN, else empty). ``attrs`` holds the settings. Scores:

        ``r2_comp``
            least squares of y on Z.
        ``r2_full``
            ridge on X.
        ``r2_geom``
            ridge on X_geom against raw y (the paper's number).
        ``ceiling``
            what a perfect residual would score in ``r2_geom``.
        ``crossing``
            ``r2_geom - ceiling``, fold by fold; a probe is above its ceiling only if the interval
            excludes zero, and then it has found composition again.
        ``r2_comp_in_probe``
            squared correlation of the probe's prediction with composition's.
        ``r2_partial``
            share of what Z leaves of y that X_geom explains. The headline.
        ``r2_leak``
            how well X_geom predicts other parametrisations of composition: for ``target`` a
            target's name its mean over each formula, otherwise N, 1/N and element fractions.

    Raises
    ------
    ValueError
        For NaN, empty, constant or mismatched input, too few rows or formulas for the folds, a
        target that is constant within a test fold, or an unknown option.

    References
    ----------
    .. [1] J. Steier, Information Routing in Atomistic Foundation Models, arXiv:2603.03155 (2026).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> C = rng.integers(1, 6, size=(200, 2))
    >>> geometry = rng.normal(size=200)
    >>> X = np.column_stack([C.sum(axis=1), geometry + C[:, 0]])
    >>> table = cpd(X, C, 2.0 * C[:, 0] + geometry).set_index("score")
    >>> bool(table.loc["r2_partial", "mean"] > 0.99)
    True
    """
    X = check_features(features)
    n = len(X)
    C = check_composition(composition, n)
    frame = check_targets(targets, n)
    labels = check_groups(groups, n)
    how = get_protocol(protocol)
    if interval not in INTERVALS:
        raise ValueError(unknown("interval", interval, INTERVALS))
    if not 0 < level < 1:
        raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95.")
    if interval == "cluster-bootstrap" and labels is None:
        raise ValueError("interval='cluster-bootstrap' needs groups: the formula of each row.")
    fold = fold_labels(folds, n, labels, ids, n_folds, repeats, seed)

    controls = leak_controls(C, labels, n=n) if leak else frame.iloc[:, :0]
    predict = predictor(probe, seed)
    ridge = isinstance(probe, str) and probe == "ridge"
    if ridge:  # more targets cost next to nothing
        control_parts = parts = list(
            predict(X, C, np.column_stack([frame, controls]), fold, protocol=how)
        )
    else:
        parts = list(predict(X, C, frame.to_numpy(), fold, protocol=how))
        control_parts = list(
            predict(X, C, controls.to_numpy(), fold, protocol=how, probes=())
            if controls.shape[1]
            else ()
        )
    summary = Summary(
        parts,
        labels=labels,
        test_share=1 / (len(np.unique(fold)) - 1),
        interval=interval,
        level=level,
        n_draws=n_draws,
        seed=seed,
    )
    _check_folds(frame, parts)
    rows = [
        summary.row(name, score, t) for t, name in enumerate(frame.columns) for score in SCORES
    ]
    if leak:
        of_controls = summary.of(control_parts, labels)
        start = frame.shape[1] if ridge else 0
        rows += [
            of_controls.row(name, "r2_geom", i, label=LEAK_SCORE)
            for i, name in enumerate(controls.columns, start=start)
        ]
        rows += leak_of_means(
            X, C, frame, labels, fold, protocol=how, summary=summary, predict=predict
        )
    table = pd.DataFrame(rows)
    table.attrs = {
        "n": n,
        "channels": X.shape[1],
        "folds": folds if isinstance(folds, str) else "given",
        "n_folds": len(np.unique(fold)),
        "repeats": len(fold),
        "seed": seed,
        "protocol": protocol,
        "probe": str(probe),
        "interval": interval,
        "level": level,
    }
    return table


def predictor(probe: str | Any, seed: int) -> Callable[..., Iterator[HeldOut]]:
    """What yields held-out predictions of this probe."""
    if isinstance(probe, str) and probe == "ridge":
        return held_out_moments
    from cpdkit.held_out.estimators import held_out_probe
    from cpdkit.probes.nonlinear import NONLINEAR

    if isinstance(probe, str):
        if probe not in NONLINEAR:
            raise ValueError(unknown("probe", probe, ["ridge", *NONLINEAR]))
        probe = NONLINEAR[probe](seed=seed)
    return partial(held_out_probe, probe=probe)


def fold_labels(
    folds: str | np.ndarray,
    n: int,
    groups: np.ndarray | None,
    ids: Sequence[object] | None,
    n_folds: int,
    repeats: int,
    seed: int,
) -> np.ndarray:
    if isinstance(folds, str):
        return make_folds(
            n, scheme=folds, groups=groups, ids=ids, n_folds=n_folds, repeats=repeats, seed=seed
        )
    labels = np.atleast_2d(np.asarray(folds))
    if labels.ndim != 2 or labels.shape[1] != n or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"fold labels have shape {np.shape(folds)} and type {labels.dtype}; expected integers "
            f"of shape ({n},) or (repeats, {n})."
        )
    counts = {len(np.unique(row)) for row in labels}
    if len(counts) != 1 or counts.pop() < 2:
        raise ValueError("every repeat needs the same number of folds, at least 2.")
    return labels


def _check_folds(frame: pd.DataFrame, parts: Sequence[HeldOut]) -> None:
    for part in parts:
        for t, name in enumerate(frame.columns):
            if np.ptp(part.y[:, t]) == 0:
                raise ValueError(
                    f"target {name!r} is constant in test fold {part.fold} of repeat "
                    f"{part.repeat} ({len(part.rows)} rows), where R2 is undefined; use fewer "
                    "folds, folds='random', another seed or more structures."
                )
