"""Probes that are not linear, by the names that `cpdkit.cpd` takes: scikit-learn's own regressors.

With a budget and a seed. They find what a linear probe cannot, composition included: see the
ceiling.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from cpdkit._checks import validate_rows

__all__ = ["NONLINEAR", "Budgeted", "boosted_trees", "kernel", "mlp", "neighbors"]


class Budgeted(RegressorMixin, BaseEstimator):
    """A regressor whose settings follow from the rows it is given, at most so many of them.

    Parameters
    ----------
    kind : {"mlp", "neighbors", "kernel"}
        Which regressor.
    settings : dict
        Its settings, as the function of that name takes them.
    max_rows : int, default 20000
        Most training rows; more are sampled down.
    seed : int, default 0
        Of the sample.

    Attributes
    ----------
    regressor_ : estimator
        Fitted.
    n_rows_ : int
        Rows it was fitted on.
    """

    def __init__(
        self, kind: str, settings: dict[str, Any], *, max_rows: int = 20_000, seed: int = 0
    ) -> None:
        self.kind = kind
        self.settings = settings
        self.max_rows = max_rows
        self.seed = seed

    def fit(self, X: Any, y: Any) -> Budgeted:
        """Fit on a sample of the rows; ValueError if `max_rows` is not positive."""
        if self.max_rows < 1:
            raise ValueError(f"max_rows={self.max_rows!r} must be at least 1.")
        X, y = validate_rows(self, X, y)
        if len(X) > self.max_rows:
            sample = np.random.default_rng(self.seed).choice(len(X), self.max_rows, replace=False)
            X, y = X[sample], y[sample]
        self.n_rows_ = len(X)
        with warnings.catch_warnings():  # the number of epochs is a budget
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.regressor_ = _MAKERS[self.kind](X, **self.settings).fit(X, y)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predicted targets of any rows."""
        check_is_fitted(self)
        return self.regressor_.predict(validate_rows(self, X, reset=False))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def mlp(
    *,
    hidden: tuple[int, ...] = (128, 64),
    alpha: float = 1e-4,
    max_epochs: int = 200,
    seed: int = 0,
) -> Budgeted:
    """Multilayer perceptron that stops when a tenth of its rows improve no more.

    Parameters
    ----------
    hidden : tuple of int
        Widths of the hidden layers.
    alpha : float
        L2 penalty.
    max_epochs : int
        Most passes over the rows.
    seed : int
        Of weights, batches, stopping rows and sampling.
    """
    settings: dict[str, Any] = {
        "hidden_layer_sizes": hidden, "alpha": alpha, "max_iter": max_epochs,
        "random_state": seed,
    }  # fmt: skip
    return Budgeted("mlp", settings, seed=seed)


def _mlp(X: np.ndarray, **settings: Any) -> MLPRegressor:
    stops = len(X) >= 50  # a tenth of fewer rows says nothing
    return MLPRegressor(early_stopping=stops, n_iter_no_change=15, **settings)


def boosted_trees(
    *, n_trees: int = 200, learning_rate: float = 0.1, max_leaf_nodes: int = 31, seed: int = 0
) -> HistGradientBoostingRegressor:
    """Gradient-boosted trees, all of them grown.

    Parameters
    ----------
    n_trees : int
        Number of trees.
    learning_rate : float
        Shrinkage.
    max_leaf_nodes : int
        Size of each tree.
    seed : int
        Of the binning.
    """
    return HistGradientBoostingRegressor(
        max_iter=n_trees, learning_rate=learning_rate, max_leaf_nodes=max_leaf_nodes,
        early_stopping=False, random_state=seed,
    )  # fmt: skip


def neighbors(n_neighbors: int = 10, *, seed: int = 0) -> Budgeted:
    """Mean of the nearest neighbours, nearer ones weighing more.

    Parameters
    ----------
    n_neighbors : int
        How many; all rows where there are fewer.
    seed : int
        Of the sampling.
    """
    return Budgeted("neighbors", {"n_neighbors": n_neighbors}, seed=seed)


def _neighbors(X: np.ndarray, *, n_neighbors: int) -> KNeighborsRegressor:
    return KNeighborsRegressor(min(n_neighbors, len(X)), weights="distance")


def kernel(
    *, width: float = 1.0, alpha: float = 1e-4, max_rows: int = 4000, seed: int = 0
) -> Budgeted:
    """Ridge with a Gaussian kernel.

    Parameters
    ----------
    width : float
        Width of the Gaussian in units of the total spread of the residual.
    alpha : float
        Penalty per training row.
    max_rows : int
        Most training rows; time grows with their cube.
    seed : int
        Of the sampling.
    """
    return Budgeted("kernel", {"width": width, "alpha": alpha}, max_rows=max_rows, seed=seed)


def _kernel(X: np.ndarray, *, width: float, alpha: float) -> KernelRidge:
    spread = X.var(axis=0).sum()
    gamma = 0.5 / (width**2 * spread) if spread > 0 else 1.0
    return KernelRidge(kernel="rbf", gamma=gamma, alpha=alpha * len(X))


_MAKERS: dict[str, Callable[..., Any]] = {
    "mlp": _mlp,
    "neighbors": _neighbors,
    "kernel": _kernel,
}

NONLINEAR: dict[str, Callable[[int], list[Any]]] = {
    "mlp": lambda seed: [mlp(seed=seed)],
    "trees": lambda seed: [boosted_trees(seed=seed)],
    "knn": lambda seed: [neighbors(n, seed=seed) for n in (3, 10, 30)],
    "kernel": lambda seed: [
        kernel(width=width, alpha=alpha, seed=seed)
        for width in (0.5, 1.0, 2.0)
        for alpha in (1e-6, 1e-4, 1e-2)
    ],
}
"""By name and seed: the regressors among which an inner fold chooses."""
