r"""Held-out predictions of CPD, fold by fold: the plain reference, in numpy.

For every outer fold the projection, the conditioning and the ridge weights see the training rows
only, and the penalty is chosen on inner folds that refit all three on their own training rows. The
weights are fitted to what composition leaves of the target, and rows with an element that their
training rows lack are set aside, on inner folds too: `r2_partial` therefore does not change when a
linear function of composition is added to the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cpdkit.folds import nested_choice
from cpdkit.held_out.protocol import INPUTS, PROTOCOLS, Protocol
from cpdkit.probes.ridge import RidgePath
from cpdkit.projection.conditioned import ConditionedResidual
from cpdkit.projection.linear import CompositionProjector
from cpdkit.scores import HeldOut

__all__ = ["ALL_ASIDE", "held_out"]

ALL_ASIDE = (
    "every row of a test fold holds an element (or another column of composition) that its "
    "training rows lack; use folds='random', fewer folds, coarser columns, or leave these rows out."
)


class _Fit:
    """Everything fitted on one set of training rows, for all penalties at once."""

    def __init__(self, data: _Data, train: np.ndarray) -> None:
        rows = np.flatnonzero(train)
        how = data.protocol
        self._data = data
        self.alphas = (1 / len(rows),) if how.alphas is None else how.alphas
        Y = data.Y[rows]
        self.mean = Y.mean(axis=0)
        self._comp = CompositionProjector().fit(Y, composition=_take(data.C, rows))
        # Transductive residuals are not orthogonal to Z within these rows: only the mean goes.
        left = CompositionProjector().fit_transform(Y, composition=_take(data.nuisance, rows))
        self._residual = ConditionedResidual(plain=how.plain)
        residual = self._residual.fit_transform(
            data.source[rows], composition=_take(data.nuisance, rows)
        )
        self._geom = RidgePath(residual, left)
        if "full" in data.inputs:
            self._raw = ConditionedResidual(plain=how.plain)
            self._full = RidgePath(self._raw.fit_transform(data.X[rows]), Y - self.mean)

    def known(self, rows: np.ndarray) -> np.ndarray:
        """Those rows of which training knows all elements."""
        return rows[~self._comp.unseen(_take(self._data.C, rows), n=len(rows))]

    def comp(self, rows: np.ndarray) -> np.ndarray:
        """Least squares on Z, (n_rows, n_targets)."""
        return self._comp.explained(_take(self._data.C, rows), n=len(rows))

    def predict(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """(n_alphas, n_rows, n_targets) for each probe."""
        data = self._data
        residual = self._residual.transform(
            data.source[rows], composition=_take(data.nuisance, rows)
        )
        geom = self._geom.predict(residual, self.alphas)
        # By Frisch-Waugh-Lovell the weights that explain what Z leaves of y from X_geom also
        # explain y, since the training residual is orthogonal to Z.
        paths = {"geom": self.mean + geom}
        if "full" in data.inputs:
            raw = self._raw.transform(data.X[rows])
            paths["full"] = self.mean + self._full.predict(raw, self.alphas)
        if "joint" in data.inputs:
            paths["joint"] = self.comp(rows) + geom
        return paths


@dataclass(frozen=True)
class _Data:
    """All rows, and what to do with them."""

    X: np.ndarray
    C: np.ndarray | None
    Y: np.ndarray
    protocol: Protocol
    inputs: tuple[str, ...]
    source: np.ndarray  # X; of the transductive protocol its residual, and no nuisance
    nuisance: np.ndarray | None


def _take(C: np.ndarray | None, rows: np.ndarray) -> np.ndarray | None:
    return None if C is None else C[rows]


def held_out(
    X: np.ndarray,
    C: np.ndarray | None,
    Y: np.ndarray,
    folds: np.ndarray,
    *,
    protocol: Protocol = PROTOCOLS["sound"],
    inputs: Sequence[str] = INPUTS,
    only: int | None = None,
) -> Iterator[HeldOut]:
    """Predict every test fold from the other folds.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Features.
    C : ndarray of shape (n, k) or None
        Nuisance without intercept.
    Y : ndarray of shape (n, n_targets)
        Targets.
    folds : ndarray of int, shape (repeats, n)
        Fold labels from `cpdkit.folds.make_folds`; rows below 0 are trained on, never tested.
    protocol : Protocol
        Conditioning, projection and penalties.
    inputs : sequence of str
        Which of `INPUTS` to predict from; ``"geom"`` comes at no cost beside the others.
    only : int, optional
        Label of the one fold to predict; all by default.

    Yields
    ------
    HeldOut
        One for each repeat and fold.

    Raises
    ------
    ValueError
        If the penalty must be chosen and there are fewer than three folds.
    """
    source, nuisance = X, C
    if protocol.transductive:
        source, nuisance = CompositionProjector().fit_transform(X, composition=C), None
    data = _Data(X, C, Y, protocol, ("geom", *inputs), source, nuisance)
    targets = np.arange(Y.shape[1])
    for repeat, fold in enumerate(folds):
        labels = np.unique(fold[fold >= 0])
        asked = [i for i, k in enumerate(labels.tolist()) if only in (None, k)]
        chosen = _chosen(data, fold, labels, None if only is None else asked[0])
        for i in asked:
            k = int(labels[i])
            fit = _Fit(data, fold != k)
            asked_for = np.flatnonzero(fold == k)
            rows = fit.known(asked_for)
            if len(rows) == 0:
                raise ValueError(ALL_ASIDE)
            paths, best = fit.predict(rows), chosen[i]
            yield HeldOut(
                repeat=repeat,
                fold=k,
                rows=rows,
                train_mean=fit.mean,
                y=Y[rows],
                comp=fit.comp(rows),
                predictions={name: path[best[name], :, targets].T for name, path in paths.items()},
                alphas={name: np.asarray(fit.alphas)[best[name]] for name in paths},
                aside=len(asked_for) - len(rows),
            )


def _chosen(
    data: _Data, fold: np.ndarray, labels: np.ndarray, outer: int | None
) -> list[dict[str, np.ndarray]]:
    """For every outer fold and input the number of the penalty with least inner error."""
    if data.protocol.alphas is None or len(data.protocol.alphas) == 1:
        only = dict.fromkeys(data.inputs, np.zeros(data.Y.shape[1], dtype=np.intp))
        return [only] * len(labels)

    def fit(left_out: tuple[int, int]) -> _Fit:
        return _Fit(data, ~np.isin(fold, labels[list(left_out)]))

    def error(model: _Fit, inner: int) -> dict[str, np.ndarray]:
        rows = model.known(np.flatnonzero(fold == labels[inner]))
        if len(rows) == 0:  # transformers refuse to see no rows
            return {}
        paths = model.predict(rows).items()
        return {name: ((path - data.Y[rows]) ** 2).sum(axis=1) for name, path in paths}

    return nested_choice(len(labels), fit, error, outer=outer)
