"""Held-out predictions of CPD with any estimator that needs the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from cpdkit.held_out.rows import PROBES, PROTOCOLS, HeldOut, Protocol
from cpdkit.projection.linear import CompositionProjector

__all__ = ["held_out_probe"]


def held_out_probe(
    X: np.ndarray,
    C: np.ndarray | None,
    Y: np.ndarray,
    folds: np.ndarray,
    *,
    probe: Any,
    protocol: Protocol = PROTOCOLS["sound"],
    probes: Sequence[str] = PROBES,
) -> Iterator[HeldOut]:
    """As `cpdkit.held_out.rows.held_out`, with an estimator of `cpdkit.probes.nonlinear` for ridge.

    ``"joint"`` adds to least squares on Z what the probe makes of X_geom for the residual of y, as
    Frisch-Waugh-Lovell does for a linear probe. Among several candidates the one with the least
    squared error on one inner fold (the next fold) is taken, per target; projection and scale are
    refitted for it.

    Parameters
    ----------
    X, C, Y, folds, protocol, probes
        As in `cpdkit.held_out.rows.held_out`; of the protocol, the penalties are not used.
    probe : estimator
        With `fit`, `predict` and `candidates` as in `cpdkit.probes.nonlinear`.

    Yields
    ------
    HeldOut
        One for each repeat and fold.
    """
    source, nuisance = X, C
    if protocol.transductive:
        source, nuisance = CompositionProjector().fit_transform(X, composition=C), None
    candidates = [each.set_params(plain=protocol.plain) for each in probe.candidates()]
    kinds = ("geom", *(name for name in probes if name != "geom"))
    for repeat, fold in enumerate(folds):
        labels = np.unique(fold)
        if len(candidates) > 1 and len(labels) < 3:
            raise ValueError(
                f"choosing among {len(candidates)} settings needs at least 3 folds, got "
                f"{len(labels)}; fix the settings or use more folds."
            )
        for i, k in enumerate(labels.tolist()):
            train, test = fold != k, fold == k
            inner = fold == labels[(i + 1) % len(labels)]
            comp = CompositionProjector().fit(Y[train], composition=_take(C, train))
            predictions = {}
            for kind in kinds:
                features, given = (X, None) if kind == "full" else (source, nuisance)
                chosen = _choose(candidates, kind, features, given, Y, C, train & ~inner, inner)
                predictions[kind] = np.empty((test.sum(), Y.shape[1]))
                for number in np.unique(chosen):
                    columns = np.flatnonzero(chosen == number)
                    predictions[kind][:, columns] = _predict(
                        candidates[number], kind, features, given, Y[:, columns], C, train, test
                    )
            yield HeldOut(
                repeat=repeat,
                fold=k,
                rows=np.flatnonzero(test),
                train_mean=Y[train].mean(axis=0),
                y=Y[test],
                comp=comp.explained(_take(C, test), n=int(test.sum())),
                probes=predictions,
                alphas={},
            )


def _choose(
    candidates: Sequence[Any],
    kind: str,
    features: np.ndarray,
    given: np.ndarray | None,
    Y: np.ndarray,
    C: np.ndarray | None,
    train: np.ndarray,
    inner: np.ndarray,
) -> np.ndarray:
    """Number of the candidate with the least error on the inner fold, per target."""
    if len(candidates) == 1:
        return np.zeros(Y.shape[1], dtype=np.int64)
    errors = [
        ((_predict(each, kind, features, given, Y, C, train, inner) - Y[inner]) ** 2).sum(axis=0)
        for each in candidates
    ]
    return np.argmin(errors, axis=0)


def _predict(
    probe: Any,
    kind: str,
    features: np.ndarray,
    given: np.ndarray | None,
    Y: np.ndarray,
    C: np.ndarray | None,
    train: np.ndarray,
    test: np.ndarray,
) -> np.ndarray:
    """Fit one candidate on `train`, predict `test`."""
    target, offset = Y[train], np.zeros(1)
    if kind == "joint":
        projector = CompositionProjector().fit(target, composition=_take(C, train))
        target = projector.transform(target, composition=_take(C, train))
        offset = projector.explained(_take(C, test), n=int(test.sum()))
    fitted = clone(probe).fit(features[train], target, composition=_take(given, train))
    predicted = fitted.predict(features[test], composition=_take(given, test))
    return predicted.reshape(test.sum(), -1) + offset


def _take(C: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if C is None else C[rows]
