"""`cpd`: how much of a target is linearly accessible with and without composition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit._options import check_count, check_level
from cpdkit.controls.leak import LEAK_SCORE, formula_means, leak_targets
from cpdkit.held_out.engine import engine_for
from cpdkit.held_out.inputs import check_inputs
from cpdkit.held_out.protocol import get_protocol
from cpdkit.intervals import INTERVALS
from cpdkit.scores import SCORES, Rows

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
        See `cpdkit.held_out.protocol.PROTOCOLS`.
    probe : {"ridge", "mlp", "trees", "knn", "kernel"} or estimator
        Ridge, one of `cpdkit.probes.nonlinear` by name (seeded with `seed`), or any regressor or
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
        ``note`` (why a value is NaN, and how many test rows were set aside because their training
        rows lack an element of theirs; else empty). ``attrs`` holds the settings. Scores:

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
    if interval not in INTERVALS:
        raise ValueError(unknown("interval", interval, INTERVALS))
    check_level(level)
    check_count(n_draws, "n_draws", least=2)
    how = get_protocol(protocol)
    predict = engine_for(probe, seed=seed)
    given = check_inputs(
        features, composition, targets, groups=groups, ids=ids,
        folds=folds, n_folds=n_folds, repeats=repeats, seed=seed,
    )  # fmt: skip
    X, C, labels = given.X, given.C, given.groups
    if interval == "cluster-bootstrap" and labels is None:
        raise ValueError("interval='cluster-bootstrap' needs groups: the formula of each row.")
    options: dict[str, Any] = {
        "n_folds": given.rows_per_tested, "interval": interval, "level": level,
        "n_draws": n_draws, "seed": seed,
    }  # fmt: skip

    controls = leak_targets(C, labels, n=len(X)) if leak else given.targets.iloc[:, :0]
    together = isinstance(probe, str) and probe == "ridge"  # more targets cost next to nothing
    Y = np.column_stack([given.Y, controls]) if together else given.Y
    rows = Rows.of_predictions(
        list(predict(X, C, Y, given.folds, protocol=how)), labels=labels, **options
    )
    given.check_varying(rows)
    names = list(given.targets)
    found = [rows.row(name, score, t) for t, name in enumerate(names) for score in SCORES]
    if leak:
        of, start = rows, len(names)
        if not together and controls.shape[1]:
            parts = predict(X, C, controls.to_numpy(), given.folds, protocol=how, inputs=())
            of, start = Rows.of_predictions(list(parts), labels=labels, **options), 0
        for t, name in enumerate(controls, start=start):
            found.append(of.row(name, "r2_geom", t, label=LEAK_SCORE))
        kept, means, note = formula_means(given.targets, labels, given.folds)
        if note or labels is None:
            found += [rows.empty(name, LEAK_SCORE, note) for name in names]
        else:
            nuisance = None if C is None else C[kept]
            parts = predict(X[kept], nuisance, means, given.folds[:, kept], protocol=how, inputs=())
            of = Rows.of_predictions(list(parts), labels=labels[kept], **options)
            for t, name in enumerate(names):
                found.append(of.row(name, "r2_geom", t, label=LEAK_SCORE))
    table = pd.DataFrame(found)
    table.attrs = {
        **given.about,
        "protocol": protocol,
        "probe": str(probe),
        "interval": interval,
        "level": level,
    }
    return table
