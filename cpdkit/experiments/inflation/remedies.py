r"""Scores of a probe after composition was removed in one of several ways.

The same two questions for every way: what does the residual say about the raw target
(``r2_geom``), and what about the target from which composition was removed in the same way
(``r2_partial``)?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from cpdkit._arrays import check_same_rows
from cpdkit._checks import check_composition, check_features, check_targets
from cpdkit.decomposition import cpd
from cpdkit.held_out.engine import regressors
from cpdkit.held_out.estimators import choose_candidate
from cpdkit.held_out.inputs import Inputs, check_inputs
from cpdkit.probes.residual import ResidualProbe, RidgeProbe
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups
from cpdkit.scores import NOTHING_LEFT, summarise

__all__ = ["minus_control", "scores_after_removal"]

_SCORES = ("r2_geom", "r2_partial")
_RIDGE_ALPHAS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def scores_after_removal(
    features: Any,
    composition: Any,
    targets: Any,
    *,
    remover: Any,
    probe: str | Any | Mapping[str, Any] = "ridge",
    groups: Sequence[str] | None = None,
    ids: Sequence[object] | None = None,
    folds: str | np.ndarray = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Remove composition with `remover`, probe, and score on held-out rows.

    With :math:`\tilde X` and :math:`\tilde y` the residuals of features and target, ``r2_geom`` is
    R2 of a probe of raw y from :math:`\tilde X`, and ``r2_partial`` is
    :math:`1 - \sum (\tilde y - \hat f(\tilde X))^2 / \sum \tilde y^2` of a probe of
    :math:`\tilde y` from :math:`\tilde X`. With `WithinGroups` the predictions are centred within
    formulas too, and rows without a companion of their formula drop out of both sums: ``n_used``
    count. Several probes by name add a column ``probe``.
    """
    if composition is None:
        raise ValueError("a remedy needs composition: element counts of each row.")
    given = check_inputs(
        features, composition, targets, groups=groups, ids=ids,
        folds=folds, n_folds=n_folds, repeats=repeats, seed=seed,
    )  # fmt: skip
    Y, several = given.Y, probe if isinstance(probe, Mapping) else {"": probe}
    models = {name: _candidates(each, seed) for name, each in several.items()}
    splits = list(_splits(given))
    shape = (len(splits), Y.shape[1])
    values = {(name, score): np.empty(shape) for name in models for score in _SCORES}
    tested = used = 0
    for i, (train, rest, inner, test) in enumerate(splits):
        residuals = _Residuals(remover, given, train, test)
        for name, candidates in models.items():
            raw = residuals.predict(candidates, rest, inner, of_residual=False)
            said = residuals.predict(candidates, rest, inner, of_residual=True)
            truth, said, counted = residuals.comparable(said)
            variance = ((Y[test] - Y[test].mean(axis=0)) ** 2).sum(axis=0)
            total = (truth**2).sum(axis=0)
            total[total <= NOTHING_LEFT * variance] = np.nan
            values[name, "r2_geom"][i] = 1 - ((Y[test] - raw) ** 2).sum(axis=0) / variance
            values[name, "r2_partial"][i] = 1 - ((truth - said) ** 2).sum(axis=0) / total
        tested, used = tested + int(test.sum()), used + counted
    rows = []
    for name in models:
        for t, column in enumerate(given.targets):
            for score, n_used in zip(_SCORES, (tested, used), strict=True):
                row = _row(column, score, values[name, score][:, t], given.n_folds, level, n_used)
                rows.append({"probe": name, **row} if isinstance(probe, Mapping) else row)
    return pd.DataFrame(rows)


def minus_control(
    features: Any,
    composition: Any,
    targets: Any,
    *,
    groups: Sequence[str] | None = None,
    probe: str | Any = "ridge",
    level: float = 0.95,
    **options: Any,
) -> pd.DataFrame:
    r"""Subtract from a score what the same probe recovers of the composition that was removed.

    The control of a target y is :math:`\hat y_\text{comp}`, its least-squares prediction from
    composition over all rows: linear in composition, so a sound residual scores nothing. It makes
    up the share :math:`1 - \text{ceiling}` of the variance of y, and

    .. math::

        \text{corrected} = R^2_\text{geom}(y)
            - (1 - \text{ceiling})\, \max\big(0, R^2_\text{geom}(\hat y_\text{comp})\big)

    fold by fold. Nonlinear composition in y is not accounted for. The ``score`` is one of
    ``r2_geom``, ``control``, ``corrected``, ``ceiling``, ``crossing`` and ``r2_partial``.
    """
    check_same_rows({"features": features, "composition": composition, "targets": targets})
    X = check_features(features)
    frame = check_targets(targets, len(X))
    Y = frame.to_numpy()
    C = check_composition(composition, len(X))
    explained = CompositionProjector().fit(Y, composition=C).explained(C, n=len(X))
    controls = pd.DataFrame(explained, columns=[f"control of {name}" for name in frame.columns])
    table = cpd(
        X, C, pd.concat([frame, controls], axis=1), groups=groups, probe=probe, level=level,
        leak=False, **options,
    )  # fmt: skip
    folds = table.set_index(["target", "score"])["fold_values"].map(np.asarray)
    n_folds, rows = table.attrs["n_folds"], []
    for name, control in zip(frame.columns, controls.columns, strict=True):
        score, found = folds[name, "r2_geom"], folds[control, "r2_geom"]
        corrected = score - (1 - folds[name, "ceiling"]) * np.maximum(found, 0.0)
        of = {"r2_geom": score, "control": found, "corrected": corrected}
        of |= {label: folds[name, label] for label in ("ceiling", "crossing", "r2_partial")}
        rows += [_row(name, label, v, n_folds, level, len(X)) for label, v in of.items()]
    return pd.DataFrame(rows)


class _Residuals:
    """Features and targets of one outer fold, composition removed."""

    def __init__(self, remover: Any, given: Inputs, train: np.ndarray, test: np.ndarray) -> None:
        self.remover, self.given, self.train, self.test = remover, given, train, test
        self._known: dict[tuple[bool, bytes], tuple[np.ndarray, np.ndarray]] = {}

    def _removed(
        self, fit: np.ndarray, at: np.ndarray, *, of_target: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows `fit` and rows `at`, kept: a flexible remover is too slow to refit idly."""
        key = (of_target, fit.tobytes())
        if key not in self._known:
            values = self.given.Y if of_target else self.given.X
            C = np.asarray(self.given.C)
            fitted = clone(self.remover)
            inside = fitted.fit_transform(values[fit], composition=C[fit])
            self._known[key] = inside, fitted.transform(values[at], composition=C[at])
        return self._known[key]

    def predict(
        self, candidates: Sequence[Any], rest: np.ndarray, inner: np.ndarray, *, of_residual: bool
    ) -> np.ndarray:
        """Test rows of the raw target or of its residual; settings from `rest` for `inner`."""

        def predict(regressor: Any, columns: Any, fit: np.ndarray, at: np.ndarray) -> np.ndarray:
            x_fit, x_at = self._removed(fit, at, of_target=False)
            y_fit = self._removed(fit, at, of_target=True)[0] if of_residual else self.given.Y[fit]
            return clone(regressor).fit(x_fit, y_fit[:, columns]).predict(x_at)

        def error(predicted: np.ndarray, fit: np.ndarray, at: np.ndarray) -> np.ndarray:
            truth = self._removed(fit, at, of_target=True)[1] if of_residual else self.given.Y[at]
            return ((predicted - truth) ** 2).sum(axis=0)

        return choose_candidate(
            candidates, predict, error, self.given.Y.shape[1],
            self.train, rest, inner, self.test, n_folds=self.given.n_folds,
        )  # fmt: skip

    def comparable(self, said: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
        """Residual targets, predictions on the same footing, and how many rows count."""
        _, truth = self._removed(self.train, self.test, of_target=True)
        if not isinstance(self.remover, WithinGroups):
            return truth, said, len(said)
        C = np.asarray(self.given.C)[self.test]
        said = WithinGroups().fit_transform(said, composition=C)
        return truth, said, int((~WithinGroups.lone_rows(C, len(said))).sum())


def _splits(given: Inputs) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Training rows, those without the inner fold, and inner and outer test rows not set aside."""

    def known(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        C = np.asarray(given.C)
        comp = CompositionProjector().fit(given.Y[train], composition=C[train])
        return test & ~comp.unseen(C)

    for fold in given.folds:
        labels = np.unique(fold[fold >= 0])
        for i, k in enumerate(labels.tolist()):
            train, inner = fold != k, fold == labels[(i + 1) % len(labels)]
            rest = train & ~inner
            yield train, rest, known(rest, inner), known(train, fold == k)


def _candidates(probe: str | Any, seed: int) -> list[Any]:
    """Probes of the residual among which an inner fold chooses."""
    if isinstance(probe, str) and probe == "ridge":
        return [RidgeProbe(alpha=alpha) for alpha in _RIDGE_ALPHAS]
    return [ResidualProbe(each) for each in regressors(probe, seed=seed)]


def _row(
    target: object, score: str, values: np.ndarray, n_folds: int, level: float, n_used: int
) -> dict[str, Any]:
    known = bool(np.isfinite(values).all())
    note = "" if known else "the removal leaves nothing of the target"
    numbers = summarise(values, n_folds=n_folds, level=level)
    return {"target": target, "score": score, **numbers, "n_used": n_used, "note": note}
