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

from cpdkit._checks import check_composition, check_features, check_groups, check_targets
from cpdkit._messages import unknown
from cpdkit.decomposition import cpd, fold_labels
from cpdkit.intervals import corrected_t
from cpdkit.probes.nonlinear import NONLINEAR
from cpdkit.probes.ridge import RidgeProbe
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups

__all__ = ["minus_control", "remedied_scores"]

_SCORES = ("r2_geom", "r2_partial")
_RIDGE_ALPHAS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
# Below this share of its variance, what is left of a target is rounding.
_NOTHING_LEFT = 1e-10


def remedied_scores(
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

    With :math:`\tilde X` and :math:`\tilde y` the residuals of features and target,

    ``r2_geom``
        R2 of a probe that was trained on :math:`\tilde X` against raw y.
    ``r2_partial``
        :math:`1 - \sum (\tilde y - \hat f(\tilde X))^2 / \sum \tilde y^2` of a probe that was
        trained on :math:`\tilde X` against :math:`\tilde y`. With `WithinGroups`
        the predictions are centred within formulas too, and rows without a companion of their
        formula drop out of both sums.

    Parameters
    ----------
    features, composition, targets, groups, ids, folds, n_folds, repeats, seed, level
        As in `cpdkit.cpd`. For `WithinGroups` composition must be element counts.
    remover : transformer
        `CompositionProjector`, `WithinGroups`, or one of `cpdkit.projection.flexible`.
        Refitted on the training rows of every fold.
    probe : {"ridge", "mlp", "trees", "knn", "kernel"} or estimator
        As in `cpdkit.cpd`; settings are chosen on one inner fold (the next one). Several probes, as
        a mapping of names to these, share the residuals, and the table gets a column ``probe``.

    Returns
    -------
    pandas.DataFrame
        One row per target and score: ``target``, ``score``, ``mean``, ``low``, ``high``,
        ``fold_values``, ``n_used`` (held-out rows that count) and ``note`` (why a value is NaN,
        else empty).

    Raises
    ------
    ValueError
        As in `cpdkit.cpd`, or if there is no composition.
    """
    X = check_features(features)
    C = check_composition(composition, len(X))
    if C is None:
        raise ValueError("a remedy needs composition: element counts of each row.")
    frame = check_targets(targets, len(X))
    labels = check_groups(groups, len(X))
    fold = fold_labels(folds, len(X), labels, ids, n_folds, repeats, seed)
    Y = frame.to_numpy()
    several = probe if isinstance(probe, Mapping) else {"": probe}
    models = {name: _candidates(each, seed) for name, each in several.items()}
    splits = list(_splits(fold))
    shape = (len(splits), Y.shape[1])
    values = {(name, score): np.empty(shape) for name in models for score in _SCORES}
    used = 0
    for i, (train, inner, test) in enumerate(splits):
        parts = _Parts(remover, X, C, Y)
        for name, candidates in models.items():
            raw = parts.predict(candidates, train, inner, test, residual_target=False)
            said = parts.predict(candidates, train, inner, test, residual_target=True)
            truth, said, counted = parts.comparable(said, train, test)
            variance = ((Y[test] - Y[test].mean(axis=0)) ** 2).sum(axis=0)
            total = (truth**2).sum(axis=0)
            total[total <= _NOTHING_LEFT * variance] = np.nan
            values[name, "r2_geom"][i] = 1 - ((Y[test] - raw) ** 2).sum(axis=0) / variance
            values[name, "r2_partial"][i] = 1 - ((truth - said) ** 2).sum(axis=0) / total
        used += counted
    share = 1 / (len(np.unique(fold)) - 1)
    rows = []
    for name in models:
        for t, column in enumerate(frame.columns):
            for score, n_used in zip(_SCORES, (fold.size, used), strict=True):
                row = _row(column, score, values[name, score][:, t], share, level, n_used)
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

    fold by fold. Nonlinear composition in y is not accounted for.

    Parameters
    ----------
    features, composition, targets, groups, probe, level
        As in `cpdkit.cpd`.
    **options
        Passed to `cpdkit.cpd`: folds, n_folds, repeats, seed, ids, protocol.

    Returns
    -------
    pandas.DataFrame
        For each target rows with ``score`` one of ``r2_geom``, ``control`` (R2 of the control),
        ``corrected`` and, as from `cpdkit.cpd`, ``ceiling``, ``crossing`` and ``r2_partial``;
        ``mean``, ``low``, ``high``, ``fold_values``.

    Raises
    ------
    ValueError
        As in `cpdkit.cpd`.
    """
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
    share = 1 / (table.attrs["n_folds"] - 1)
    rows = []
    for name, control in zip(frame.columns, controls.columns, strict=True):
        score, found = folds[name, "r2_geom"], folds[control, "r2_geom"]
        corrected = score - (1 - folds[name, "ceiling"]) * np.maximum(found, 0.0)
        of = {"r2_geom": score, "control": found, "corrected": corrected}
        of |= {label: folds[name, label] for label in ("ceiling", "crossing", "r2_partial")}
        rows += [_row(name, label, v, share, level, len(X)) for label, v in of.items()]
    return pd.DataFrame(rows)


class _Parts:
    """Residuals of features and targets for one outer fold."""

    def __init__(self, remover: Any, X: np.ndarray, C: np.ndarray, Y: np.ndarray) -> None:
        self.remover, self.X, self.C, self.Y = remover, X, C, Y
        self._known: dict[tuple[bool, bytes], tuple[np.ndarray, np.ndarray]] = {}

    def _residuals(
        self, train: np.ndarray, test: np.ndarray, *, of_target: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of training rows and of test rows; a flexible remover is too slow to refit idly."""
        key = (of_target, train.tobytes())
        if key not in self._known:
            values = self.Y if of_target else self.X
            fitted = clone(self.remover)
            inside = fitted.fit_transform(values[train], composition=self.C[train])
            outside = fitted.transform(values[test], composition=self.C[test])
            self._known[key] = inside, outside
        return self._known[key]

    def predict(
        self,
        candidates: Sequence[Any],
        train: np.ndarray,
        inner: np.ndarray,
        test: np.ndarray,
        *,
        residual_target: bool,
    ) -> np.ndarray:
        """Of the raw target, or of its residual; settings chosen on `inner`, per target."""
        chosen = np.zeros(self.Y.shape[1], dtype=np.int64)
        if len(candidates) > 1:
            rest = train & ~inner
            x_rest, x_inner = self._residuals(rest, inner, of_target=False)
            y_rest, y_inner = self._targets(rest, inner, residual_target)
            errors = [
                ((_predict(each, x_rest, y_rest, x_inner) - y_inner) ** 2).sum(axis=0)
                for each in candidates
            ]
            chosen = np.argmin(errors, axis=0)
        x_train, x_test = self._residuals(train, test, of_target=False)
        y_train, _ = self._targets(train, test, residual_target)
        predicted = np.empty((len(x_test), self.Y.shape[1]))
        for number in np.unique(chosen):
            columns = np.flatnonzero(chosen == number)
            predicted[:, columns] = _predict(
                candidates[number], x_train, y_train[:, columns], x_test
            )
        return predicted

    def _targets(
        self, train: np.ndarray, test: np.ndarray, residual: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        if residual:
            return self._residuals(train, test, of_target=True)
        return self.Y[train], self.Y[test]

    def comparable(
        self, said: np.ndarray, train: np.ndarray, test: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Residual targets, predictions on the same footing, and how many rows count."""
        _, truth = self._residuals(train, test, of_target=True)
        if not isinstance(self.remover, WithinGroups):
            return truth, said, len(said)
        said = WithinGroups().fit_transform(said, composition=self.C[test])
        return truth, said, int((~WithinGroups.lone_rows(self.C[test], len(said))).sum())


def _splits(folds: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Training rows, inner test rows among them, and test rows."""
    for fold in folds:
        labels = np.unique(fold)
        for i, k in enumerate(labels.tolist()):
            yield fold != k, fold == labels[(i + 1) % len(labels)], fold == k


def _candidates(probe: str | Any, seed: int) -> list[Any]:
    if isinstance(probe, str):
        if probe == "ridge":
            return [RidgeProbe(alpha=alpha) for alpha in _RIDGE_ALPHAS]
        if probe not in NONLINEAR:
            raise ValueError(unknown("probe", probe, ["ridge", *NONLINEAR]))
        probe = NONLINEAR[probe](seed=seed)
    return list(probe.candidates()) if hasattr(probe, "candidates") else [probe]


def _predict(probe: Any, X: np.ndarray, Y: np.ndarray, test: np.ndarray) -> np.ndarray:
    return clone(probe).fit(X, Y).predict(test).reshape(len(test), -1)


def _row(
    target: object, score: str, values: np.ndarray, share: float, level: float, n_used: int
) -> dict[str, Any]:
    known = bool(np.isfinite(values).all())
    low, high = corrected_t(values, test_share=share, level=level) if known else (np.nan, np.nan)
    return {
        "target": target,
        "score": score,
        "mean": float(values.mean()) if known else np.nan,
        "low": low,
        "high": high,
        "fold_values": tuple(values.tolist()),
        "n_used": n_used,
        "note": "" if known else "the removal leaves nothing of the target",
    }
