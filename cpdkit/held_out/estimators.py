"""Held-out predictions of CPD with any regressor, which needs the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpdkit.held_out.protocol import INPUTS, PROTOCOLS, Protocol
from cpdkit.held_out.rows import ALL_ASIDE
from cpdkit.probes.residual import ResidualProbe
from cpdkit.projection.linear import CompositionProjector
from cpdkit.scores import HeldOut

__all__ = ["choose_candidate", "held_out_regressor"]


def held_out_regressor(
    X: np.ndarray,
    C: np.ndarray | None,
    Y: np.ndarray,
    folds: np.ndarray,
    *,
    candidates: Sequence[Any],
    protocol: Protocol = PROTOCOLS["sound"],
    inputs: Sequence[str] = INPUTS,
) -> Iterator[HeldOut]:
    """As `cpdkit.held_out.rows.held_out`, with a regressor in place of ridge.

    ``"joint"`` adds to least squares on Z what the probe makes of X_geom for the residual of y, as
    Frisch-Waugh-Lovell does for a linear probe. Among several candidates the one with the least
    squared error on one inner fold (the next fold) is taken, per target; projection and scale are
    refitted for it. Rows with an element that their training rows lack are set aside.

    Parameters
    ----------
    X, C, Y, folds, protocol, inputs
        As in `cpdkit.held_out.rows.held_out`; of the protocol, the penalties are not used.
    candidates : sequence of estimator
        Regressors of scikit-learn's kind, to choose from.

    Yields
    ------
    HeldOut
        One for each repeat and fold, without penalties.

    Raises
    ------
    ValueError
        If one of several candidates must be chosen and there are fewer than three folds.
    """
    source, nuisance = X, C
    if protocol.transductive:
        source, nuisance = CompositionProjector().fit_transform(X, composition=C), None
    for repeat, fold in enumerate(folds):
        labels = np.unique(fold[fold >= 0])
        for i, k in enumerate(labels.tolist()):
            train = fold != k
            comp, test = _known(C, Y, train, fold == k)
            if not test.any():
                raise ValueError(ALL_ASIDE)
            inner = fold == labels[(i + 1) % len(labels)]
            rest = train & ~inner
            inner = _known(C, Y, rest, inner)[1] if rest.any() else inner
            if len(candidates) > 1 and not inner.any():  # nothing to choose by
                raise ValueError(ALL_ASIDE)
            predictions = {}
            for kind in dict.fromkeys(["geom", *inputs]):
                features, given = (X, None) if kind == "full" else (source, nuisance)
                data = _Data(features, given, Y, C, joint=kind == "joint", plain=protocol.plain)
                predictions[kind] = choose_candidate(
                    candidates, data.predict, data.error, Y.shape[1], train, rest, inner, test,
                    n_folds=len(labels),
                )  # fmt: skip
            yield HeldOut(
                repeat=repeat,
                fold=k,
                rows=np.flatnonzero(test),
                train_mean=Y[train].mean(axis=0),
                y=Y[test],
                comp=comp.explained(_take(C, test), n=int(test.sum())),
                predictions=predictions,
                alphas={},
                aside=int((fold == k).sum() - test.sum()),
            )


@dataclass(frozen=True, eq=False)
class _Data:
    """All rows as one input of the probe, and what to do with them."""

    features: np.ndarray
    nuisance: np.ndarray | None
    Y: np.ndarray
    C: np.ndarray | None
    joint: bool
    plain: bool

    def predict(
        self, regressor: Any, columns: np.ndarray, fit: np.ndarray, at: np.ndarray
    ) -> np.ndarray:
        """Fit on rows `fit`, predict rows `at`, for some targets."""
        target, offset = self.Y[fit][:, columns], np.zeros(1)
        if self.joint:
            comp = CompositionProjector().fit(target, composition=_take(self.C, fit))
            target = comp.transform(target, composition=_take(self.C, fit))
            offset = comp.explained(_take(self.C, at), n=int(at.sum()))
        probe = ResidualProbe(regressor, plain=self.plain)
        probe.fit(self.features[fit], target, composition=_take(self.nuisance, fit))
        return offset + probe.predict(self.features[at], composition=_take(self.nuisance, at))

    def error(self, predicted: np.ndarray, fit: np.ndarray, at: np.ndarray) -> np.ndarray:
        """Squared error on rows `at`, per target."""
        return ((predicted - self.Y[at]) ** 2).sum(axis=0)


def choose_candidate(
    candidates: Sequence[Any],
    predict: Callable[[Any, np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    error: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    n_targets: int,
    train: np.ndarray,
    rest: np.ndarray,
    inner: np.ndarray,
    test: np.ndarray,
    *,
    n_folds: int,
) -> np.ndarray:
    """Predict `test` with the candidate that is best on an inner fold, per target.

    Parameters
    ----------
    candidates : sequence of estimator
        Regressors to choose from.
    predict : callable
        ``predict(candidate, columns, fit, at)``: predictions of these target columns for rows `at`
        by a candidate that was fitted on rows `fit`, shape (n_at, n_columns).
    error : callable
        ``error(predicted, fit, at)``: squared errors of such predictions, shape (n_targets,).
    n_targets : int
        Number of targets.
    train, rest, inner, test : ndarray of bool, shape (n,)
        Training rows; those without the inner fold; rows of the inner fold and test rows, without
        those set aside.
    n_folds : int
        Folds there are.

    Returns
    -------
    ndarray of shape (n_test, n_targets)
    """
    every = np.arange(n_targets)
    if len(candidates) == 1:
        return predict(candidates[0], every, train, test)
    if n_folds < 3:
        raise ValueError(
            f"choosing among {len(candidates)} settings needs at least 3 folds, got {n_folds}; "
            "fix the settings or use more folds."
        )
    errors = [error(predict(each, every, rest, inner), rest, inner) for each in candidates]
    chosen = np.argmin(errors, axis=0)
    predicted = np.empty((int(test.sum()), n_targets))
    for number in np.unique(chosen):
        columns = np.flatnonzero(chosen == number)
        predicted[:, columns] = predict(candidates[number], columns, train, test)
    return predicted


def _known(
    C: np.ndarray | None, Y: np.ndarray, train: np.ndarray, test: np.ndarray
) -> tuple[CompositionProjector, np.ndarray]:
    """Least squares of Y on Z, and the test rows of which training knows all elements."""
    comp = CompositionProjector().fit(Y[train], composition=_take(C, train))
    return comp, test & ~comp.unseen(C, n=len(test))


def _take(C: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if C is None else C[rows]
