r"""Held-out predictions of CPD, fold by fold: the plain reference, in numpy.

For every outer fold the projection, the conditioning and the ridge weights see the training rows
only, and the penalty is chosen on inner folds that refit all three on their own training rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from cpdkit._messages import unknown
from cpdkit.probes.ridge import DEFAULT_ALPHAS, ConditionedResidual, RidgePath
from cpdkit.projection.linear import CompositionProjector

__all__ = ["PROBES", "PROTOCOLS", "HeldOut", "Protocol", "get_protocol", "held_out"]


@dataclass(frozen=True)
class Protocol:
    """How the probe is conditioned, projected and penalised.

    Attributes
    ----------
    name : str
        Its name.
    plain : bool
        Plain standardisation instead of floored scales.
    transductive : bool
        Project all rows at once before splitting, as the paper does.
    alphas : tuple of float or None
        Penalties per training row to choose from by nested folds; None stands for a fixed total
        penalty of 1, scikit-learn's default.
    """

    name: str
    plain: bool
    transductive: bool
    alphas: tuple[float, ...] | None


PROTOCOLS = {
    "sound": Protocol("sound", plain=False, transductive=False, alphas=DEFAULT_ALPHAS),
    "naive": Protocol("naive", plain=True, transductive=False, alphas=None),
    "transductive": Protocol("transductive", plain=True, transductive=True, alphas=None),
}
"""The sound default and two practices it is compared with.

``naive`` projects on the training fold but standardises without floors and fixes the penalty at 1;
``transductive`` also projects all rows before splitting, the paper's practice, which biases
scores downwards because training and test residuals are then orthogonal to composition together.
"""


PROBES = ("full", "geom", "joint")
"""Ridge on X; ridge on X_geom; Z and X_geom together."""


def get_protocol(name: str) -> Protocol:
    """Protocol by name; ValueError with the known names otherwise."""
    if name not in PROTOCOLS:
        raise ValueError(unknown("protocol", name, PROTOCOLS))
    return PROTOCOLS[name]


@dataclass(frozen=True)
class HeldOut:
    """Predictions for the rows of one test fold.

    Attributes
    ----------
    repeat, fold : int
        Which split.
    rows : ndarray of int, shape (n_test,)
        The test rows.
    train_mean : ndarray of shape (n_targets,)
        Mean of the training targets.
    y, comp : ndarray of shape (n_test, n_targets)
        Targets, and their least-squares prediction from Z.
    probes : dict of str to ndarray of shape (n_test, n_targets)
        Predictions of each of `PROBES` that was asked for.
    alphas : dict of str to ndarray of shape (n_targets,)
        Chosen penalty per training row of each probe.
    """

    repeat: int
    fold: int
    rows: np.ndarray
    train_mean: np.ndarray
    y: np.ndarray
    comp: np.ndarray
    probes: dict[str, np.ndarray]
    alphas: dict[str, np.ndarray]


class _Fit:
    """Everything fitted on one set of training rows, for all penalties at once."""

    def __init__(self, data: _Data, train: np.ndarray) -> None:
        rows = np.flatnonzero(train)
        how = data.protocol
        self._data = data
        self.alphas = (1 / len(rows),) if how.alphas is None else how.alphas
        Y = data.Y[rows]
        self._comp = CompositionProjector().fit(Y, composition=_take(data.C, rows))
        self._residual = ConditionedResidual(plain=how.plain)
        residual = self._residual.fit_transform(
            data.source[rows], composition=_take(data.nuisance, rows)
        )
        self._geom = RidgePath(residual, Y)
        if "full" in data.probes:
            self._raw = ConditionedResidual(plain=how.plain)
            self._full = RidgePath(self._raw.fit_transform(data.X[rows]), Y)
        self.mean = self._geom.mean

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
        paths = {"geom": geom}
        if "full" in data.probes:
            paths["full"] = self._full.predict(self._raw.transform(data.X[rows]), self.alphas)
        if "joint" in data.probes:
            # By Frisch-Waugh-Lovell the weights that explain y from X_geom also explain what Z
            # leaves of y, since the training residual is orthogonal to Z.
            paths["joint"] = self.comp(rows) + geom - self.mean
        return paths


@dataclass(frozen=True)
class _Data:
    """All rows, and what to do with them."""

    X: np.ndarray
    C: np.ndarray | None
    Y: np.ndarray
    protocol: Protocol
    probes: tuple[str, ...]
    source: np.ndarray  # what the residual is made from, given `nuisance`
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
    probes: Sequence[str] = PROBES,
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
        Fold labels from `cpdkit.folds.make_folds`.
    protocol : Protocol
        Conditioning, projection and penalties.
    probes : sequence of str
        Which of `PROBES` to predict; ``"geom"`` comes at no cost beside the others.

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
    data = _Data(X, C, Y, protocol, ("geom", *probes), source, nuisance)
    targets = np.arange(Y.shape[1])
    for repeat, fold in enumerate(folds):
        labels = np.unique(fold)
        chosen = _choose_alphas(data, fold, labels)
        for k in labels.tolist():
            rows = np.flatnonzero(fold == k)
            fit = _Fit(data, fold != k)
            paths = fit.predict(rows)
            yield HeldOut(
                repeat=repeat,
                fold=k,
                rows=rows,
                train_mean=fit.mean,
                y=Y[rows],
                comp=fit.comp(rows),
                probes={name: path[chosen[k][name], :, targets].T for name, path in paths.items()},
                alphas={name: np.asarray(fit.alphas)[chosen[k][name]] for name in paths},
            )


def _choose_alphas(
    data: _Data, fold: np.ndarray, labels: np.ndarray
) -> dict[int, dict[str, np.ndarray]]:
    """For every outer fold, probe and target the penalty with least inner squared error."""
    n_alphas = 1 if data.protocol.alphas is None else len(data.protocol.alphas)
    shape = (n_alphas, data.Y.shape[1])
    error = {k: {name: np.zeros(shape) for name in set(data.probes)} for k in labels.tolist()}
    if n_alphas > 1:
        if len(labels) < 3:
            raise ValueError(
                f"choosing the penalty on inner folds needs at least 3 folds, got {len(labels)}."
            )
        # Outer k with inner j and outer j with inner k share their training rows: one fit for both.
        for j, k in combinations(labels.tolist(), 2):
            fit = _Fit(data, (fold != j) & (fold != k))
            for outer, inner in ((j, k), (k, j)):
                rows = np.flatnonzero(fold == inner)
                for name, path in fit.predict(rows).items():
                    error[outer][name] += ((path - data.Y[rows]) ** 2).sum(axis=1)
    return {
        k: {name: value.argmin(axis=0) for name, value in by_name.items()}
        for k, by_name in error.items()
    }
