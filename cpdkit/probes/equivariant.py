r"""Equivariant ridge: vectors from vector channels, tensors from tensor channels.

An equivariant linear map from channels of degree l to a target of degree l has one weight per
channel, shared by its ``2 l + 1`` components, and no intercept [1]_. There is no equivariant map
from scalars to vectors, so there is nothing to centre and no composition to project out.

References
----------
.. [1] M. Geiger and T. Smidt, e3nn: Euclidean neural networks, arXiv:2207.09453 (2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from cpdkit._arrays import check_same_rows, real_array
from cpdkit._options import check_alphas, check_level, warn_few_rows
from cpdkit.folds import make_folds, nested_choice
from cpdkit.moments.moments import Moments, Pooled
from cpdkit.moments.ridge import ShiftedSolves
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.projection.conditioned import DEFAULT_ALPHAS
from cpdkit.scores import summarise

__all__ = ["EquivariantRidge", "equivariant_scores"]


class EquivariantRidge(BaseEstimator):
    r"""Ridge with one weight per channel.

    Minimises :math:`\sum_i |y_i - \sum_c w_c v_{ic} / s_c|^2 + \alpha n' |w|^2` with :math:`s_c`
    the root mean square of channel c and :math:`n'` the number of components.

    Parameters
    ----------
    alpha : float, default 1e-4
        Penalty per component.

    Attributes
    ----------
    coef_ : ndarray of shape (n_channels,) or (n_targets, n_channels)
        Weights on the channels as they are.
    scale_ : ndarray of shape (n_channels,)
        Root mean squares; 1 where a channel vanishes.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> vectors = rng.normal(size=(50, 3, 3))  # 50 structures, 3 channels, x y z
    >>> probe = EquivariantRidge(alpha=1e-9).fit(vectors, vectors[:, 0] - 2 * vectors[:, 2])
    >>> probe.coef_.round(3).tolist()
    [1.0, 0.0, -2.0]
    """

    def __init__(self, *, alpha: float = 1e-4) -> None:
        self.alpha = alpha

    def fit(self, vectors: Any, y: Any) -> EquivariantRidge:
        """Fit on training structures.

        Parameters
        ----------
        vectors : array of shape (n, n_channels, 2 l + 1)
            Features (`Representation.vectors`).
        y : array of shape (n, 2 l + 1) or (n, n_targets, 2 l + 1)
            Targets in the same basis.

        Returns
        -------
        EquivariantRidge
            Itself.

        Raises
        ------
        ValueError
            If shapes do not fit, an entry is not finite, or `alpha` is not positive.
        """
        if not self.alpha > 0:
            raise ValueError(f"alpha={self.alpha!r} must be a positive penalty per component.")
        V, Y = _check(vectors, y)
        fit = _Fit(_moments(V, Y, np.zeros(len(V), dtype=np.int64), 1).pool())
        self.n_channels_, self.components_ = V.shape[1:]
        self.scale_ = fit.scale
        weights = fit.weights([self.alpha])[:, 0].T
        self.coef_ = weights[0] if np.ndim(y) == 2 else weights
        return self

    def predict(self, vectors: Any) -> np.ndarray:
        """Predict targets, which turn as the vectors do.

        Parameters
        ----------
        vectors : array of shape (n, n_channels, 2 l + 1)
            Features of any structures.

        Returns
        -------
        ndarray of shape (n, 2 l + 1) or (n, n_targets, 2 l + 1)
            Predictions.
        """
        check_is_fitted(self)
        V = real_array(vectors, "vectors")
        if V.ndim != 3 or V.shape[1:] != (self.n_channels_, self.components_):
            raise ValueError(
                f"vectors have shape {V.shape}, but fit saw (n, {self.n_channels_}, "
                f"{self.components_})."
            )
        return np.einsum("...c,ncm->n...m", self.coef_, V)

    def score(self, vectors: Any, y: Any) -> float:
        r"""Give :math:`1 - \sum |y - \hat y|^2 / \sum |y|^2`, averaged over targets.

        Parameters
        ----------
        vectors, y : array
            As in `fit`.

        Returns
        -------
        float
            At most 1.

        Raises
        ------
        ValueError
            If `y` has another shape than the predictions.
        """
        check_same_rows({"vectors": vectors, "y": y})
        truth, predicted = real_array(y, "y"), self.predict(vectors)
        if truth.shape != predicted.shape:
            raise ValueError(
                f"y has shape {truth.shape}, but predictions have {predicted.shape}: give targets "
                "as fit had them."
            )
        axes = (0, truth.ndim - 1)
        error = ((truth - predicted) ** 2).sum(axis=axes)
        return float(np.mean(1 - error / (truth**2).sum(axis=axes)))


def equivariant_scores(
    vectors: Any,
    targets: Any,
    *,
    groups: Sequence[str] | None = None,
    ids: Sequence[object] | None = None,
    folds: str = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    alphas: Sequence[float] = DEFAULT_ALPHAS,
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Score equivariant ridge held out, :math:`R^2 = 1 - \sum|y - \hat y|^2 / \sum|y|^2`.

    Scales and penalties are of the training folds, penalties chosen by inner folds as in
    `cpdkit.cpd`, all from one pass of moments.

    Parameters
    ----------
    vectors : array of shape (n, n_channels, 2 l + 1)
        Features (`Representation.vectors`).
    targets : mapping of name to array (n, 2 l + 1), or array or DataFrame (n, 2 l + 1)
        Targets in the same basis; the columns of a data frame are the components of one.
    groups, ids, folds, n_folds, repeats, seed
        As in `cpdkit.cpd`; folds are ``"random"`` or ``"formula"``.
    alphas : sequence of float
        Penalties per component.
    level : float, default 0.95
        Confidence level of the corrected resampled t interval.

    Returns
    -------
    pandas.DataFrame
        Rows as from `cpdkit.cpd`, with the score ``r2_equivariant``.

    Raises
    ------
    ValueError
        As from `EquivariantRidge.fit` and `cpdkit.folds.make_folds`, or if a target vanishes in a
        fold.
    """
    check_level(level)
    alphas = check_alphas(alphas)
    named = dict(targets) if isinstance(targets, Mapping) else {"y": targets}
    check_same_rows({"vectors": vectors, "groups": groups, "ids": ids, "targets": named})
    V, Y = _check(vectors, _stacked(named))
    n = len(V)
    labels = make_folds(
        n, scheme=folds, groups=groups, ids=ids, n_folds=n_folds, repeats=repeats, seed=seed
    )
    warn_few_rows([np.bincount(fold, minlength=n_folds).min() for fold in labels])
    classes, buckets = np.unique(labels, axis=1, return_inverse=True)
    moments = _moments(V, Y, buckets.ravel(), classes.shape[1])
    values, chosen = [], []
    for fold in classes:
        for score, alpha in _nested(moments.regroup(fold), alphas):
            values.append(score)
            chosen.append(alpha)
    rows = []
    for t, name in enumerate(named):
        own = np.array([value[t] for value in values])
        if not np.isfinite(own).all():
            raise ValueError(
                f"target {name!r} vanishes in a test fold, where R2 is undefined; use fewer folds."
            )
        rows.append(
            {
                "target": name,
                "score": "r2_equivariant",
                **summarise(own, n_folds=n_folds, level=level),
                "alphas": tuple(float(alpha[t]) for alpha in chosen),
                "note": "",
            }
        )
    table = pd.DataFrame(rows)
    table.attrs = {
        "n": n,
        "channels": V.shape[1],
        "l": (V.shape[2] - 1) // 2,
        "folds": folds,
        "n_folds": n_folds,
        "repeats": repeats,
        "seed": seed,
        "interval": "corrected-t",
        "level": level,
    }
    return table


class _Fit:
    """Weights from second moments about zero."""

    def __init__(self, train: Pooled) -> None:
        raw = _about_zero(train)
        x, y = train.x, train.y
        self.scale = np.sqrt(np.diag(raw)[x] / train.n)
        self.scale[self.scale == 0] = 1.0
        gram = raw[x, x] / self.scale / self.scale[:, None]
        self._path = ShiftedSolves(gram, raw[x, y] / self.scale[:, None], train.n)

    def weights(self, alphas: Sequence[float]) -> np.ndarray:
        """Shape (n_channels, n_alphas, n_targets)."""
        return self._path.weights(alphas) / self.scale[:, None, None]


def _errors(weights: np.ndarray, test: Pooled) -> tuple[np.ndarray, np.ndarray]:
    """Sums of |y - yhat|^2, (n_alphas, n_targets), and of |y|^2, (n_targets,)."""
    raw = _about_zero(test)
    x, y = test.x, test.y
    total = np.diag(raw)[y]
    flat = weights.reshape(len(weights), -1)
    squared = (flat * (raw[x, x] @ flat)).sum(axis=0).reshape(weights.shape[1:])
    return total - 2 * np.einsum("cat,ct->at", weights, raw[x, y]) + squared, total


def _nested(folds: Moments, alphas: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    """R2 and chosen penalty of each target, fold by fold."""
    n, t = folds.n_buckets, len(folds.targets)

    def fit(left_out: tuple[int, ...]) -> np.ndarray:
        return _Fit(folds.pool([i for i in range(n) if i not in left_out])).weights(alphas)

    def error(weights: np.ndarray, inner: int) -> dict[str, np.ndarray]:
        return {"vector": _errors(weights, folds.pool([inner]))[0]}

    best = [np.zeros(t, dtype=np.intp)] * n
    if len(alphas) > 1:
        best = [chosen["vector"] for chosen in nested_choice(n, fit, error)]
    result = []
    for k in range(n):
        weights = fit((k,))[:, best[k], np.arange(t)][:, None]
        lost, total = _errors(weights, folds.pool([k]))
        with np.errstate(invalid="ignore", divide="ignore"):
            result.append((1 - lost[0] / total, np.asarray(alphas)[best[k]]))
    return result


def _about_zero(moments: Pooled) -> np.ndarray:
    return moments.scatter + moments.n * np.outer(moments.mean, moments.mean)


def _moments(V: np.ndarray, Y: np.ndarray, buckets: np.ndarray, n_buckets: int) -> Moments:
    """Every component of every structure is a row."""
    n, channels, components = V.shape
    return moments_from_arrays(
        V.transpose(0, 2, 1).reshape(-1, channels),
        None,
        Y.transpose(0, 2, 1).reshape(n * components, -1),
        buckets=np.repeat(buckets, components),
        n_buckets=n_buckets,
    )


def _stacked(named: Mapping[str, Any]) -> np.ndarray:
    """Targets side by side, (n, n_targets, 2 l + 1)."""
    each = {name: real_array(y, f"targets[{name!r}]") for name, y in named.items()}
    shapes = {y.shape for y in each.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise ValueError(
            f"targets have shapes { {name: y.shape for name, y in each.items()} }; expected "
            "(n, 2 l + 1) for each, and at least one."
        )
    return np.stack(list(each.values()), axis=1)


def _check(vectors: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    check_same_rows({"vectors": vectors, "targets": y})
    V, Y = real_array(vectors, "vectors"), real_array(y, "targets")
    Y = Y[:, None] if Y.ndim == 2 else Y
    if V.ndim != 3 or V.shape[1] == 0 or V.shape[2] % 2 == 0:
        raise ValueError(
            f"vectors have shape {V.shape}; expected (n, n_channels, 2 l + 1), such as "
            "Representation.vectors(l=1)."
        )
    if Y.ndim != 3 or len(Y) != len(V) or Y.shape[2] != V.shape[2]:
        raise ValueError(
            f"vectors have shape {V.shape} and targets {np.shape(y)}; expected targets of shape "
            f"({len(V)}, {V.shape[2]})."
        )
    for name, array in (("vectors", V), ("targets", Y)):
        if not np.isfinite(array).all():
            row = int(np.argwhere(~np.isfinite(array))[0, 0])
            raise ValueError(f"{name} have NaN or infinite entries (first: row {row}).")
    return V, Y
