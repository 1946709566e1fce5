"""`cpd`: how much of a target is linearly accessible with and without composition."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit._options import check_count, check_level
from cpdkit.controls.leak import LEAK_SCORE, formula_means, leak_targets
from cpdkit.held_out.engine import engine_for
from cpdkit.held_out.inputs import check_inputs
from cpdkit.held_out.one_pass import Question, of_rows, one_pass
from cpdkit.held_out.protocol import get_protocol
from cpdkit.intervals import INTERVALS
from cpdkit.moments.scores import FoldSums, rows_of_sums
from cpdkit.scores import SCORES

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
    composition : array of shape (n, k), sequence of str of shape (n,), or None
        Nuisance C without intercept (`cpdkit.composition.composition_matrix`); formulas stand for
        their element counts; None removes the mean only.
    targets : DataFrame, Series, mapping of columns, or array of shape (n,) or (n, t)
        Numbers to predict.
    groups : sequence of str, shape (n,), optional
        Formulas, by default those of `composition`. For formula folds, bootstrap and ``r2_leak``.
    ids : sequence of int or str, shape (n,), optional
        Row ids that random folds are hashed from; by default the row numbers.
    folds : {"random", "formula"} or ndarray of int, shape (n,) or (repeats, n)
        Fold scheme, or fold labels of your own; rows of label -1 are never in a test fold.
    n_folds, repeats, seed : int
        Number of folds, of reshuffles, and the seed; not used with labels of your own.
    protocol : {"sound", "naive", "transductive"}
        The sound way or one to compare with: `cpdkit.held_out.protocol.PROTOCOLS`.
    probe : {"ridge", "mlp", "trees", "knn", "kernel"} or estimator
        Ridge, one of `cpdkit.probes.nonlinear.NONLINEAR` (seeded with `seed`), or any regressor or
        pipeline of scikit-learn's kind: it gets the conditioned residual and standardised targets.
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
        ``note`` (why a value is NaN, and how many test rows are set aside as training lacks an
        element, or another column, of theirs; else empty). ``attrs`` holds the settings, and of
        composition ``columns``, ``columns_dropped`` by training folds, ``rows_set_aside``. Scores:

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
            how well X_geom predicts other functions of composition. A row with a target's name is
            of its mean over each formula; other rows are of N, 1/N and element fractions.

    Raises
    ------
    ValueError
        For NaN, empty, constant or mismatched input, too few rows or formulas for the folds, a
        target that is constant within a test fold, or an unknown option.

    Notes
    -----
    With :math:`\hat y_C` the prediction of composition and :math:`\hat g` that of the probe from
    X_geom, sums over the rows of a test fold, and :math:`\bar y` the mean of the training rows:

    - ``r2_geom`` is :math:`R^2` of :math:`\bar y + \hat g` against y;
    - ``ceiling`` is :math:`1 - \sum (\hat y_C - \bar y)^2 / \sum (y - \bar y_\text{test})^2`;
    - ``r2_partial`` is :math:`1 - \sum (y - \hat y_C - \hat g)^2 / \sum (y - \hat y_C)^2`.

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
    if interval not in INTERVALS:
        raise ValueError(unknown("interval", interval, INTERVALS))
    check_level(level)
    check_count(n_draws, "n_draws", least=2)
    how = get_protocol(protocol)
    ridge = isinstance(probe, str) and probe == "ridge"
    predict = engine_for(probe, seed=seed)
    given = check_inputs(
        features, composition, targets, groups=groups, ids=ids,
        folds=folds, n_folds=n_folds, repeats=repeats, seed=seed,
    )  # fmt: skip
    labels = given.groups
    if interval == "cluster-bootstrap" and labels is None:
        raise ValueError("interval='cluster-bootstrap' needs groups: the formula of each row.")
    options: dict[str, Any] = {
        "n_folds": given.rows_per_tested, "interval": interval, "level": level,
        "n_draws": n_draws, "seed": seed,
    }  # fmt: skip
    names = list(given.targets)
    controls, note = given.targets.iloc[:, :0], ""
    asked = {"targets": Question(given.Y, n_full=len(names))}
    if leak:
        controls = leak_targets(given.C, labels, n=len(given.X))
        if ridge:  # more targets cost next to nothing
            asked["targets"] = Question(np.column_stack([given.Y, controls]), n_full=len(names))
        elif controls.shape[1]:
            asked["controls"] = Question(controls.to_numpy())
        kept, means, note = formula_means(given.targets, labels, given.folds)
        if not note:
            asked["means"] = Question(means, kept=kept)
    sums: list[list[FoldSums] | None] = [None] * len(asked)
    if ridge and interval == "corrected-t":
        sums = one_pass(given.X, given.C, list(asked.values()), given.folds, protocol=how)
    of = {}
    for (what, question), parts in zip(asked.items(), sums, strict=True):
        if parts is None:
            of[what] = of_rows(given, question, partial(predict, protocol=how), options)
        else:
            of[what] = rows_of_sums(parts, n_folds=given.rows_per_tested, level=level)
    rows = of["targets"]
    given.check_varying(rows)
    found = [rows.row(name, score, t) for t, name in enumerate(names) for score in SCORES]
    for t, name in enumerate(controls, start=len(names) if ridge else 0):
        found.append(of.get("controls", rows).row(name, "r2_geom", t, label=LEAK_SCORE))
    if leak and note:
        found += [rows.empty(name, LEAK_SCORE, note) for name in names]
    elif leak:
        found += [of["means"].row(n, "r2_geom", t, label=LEAK_SCORE) for t, n in enumerate(names)]
    table = pd.DataFrame(found)
    table.attrs = {
        **given.about,
        "protocol": protocol,
        "probe": str(probe),
        "interval": interval,
        "level": level,
    }
    return table
