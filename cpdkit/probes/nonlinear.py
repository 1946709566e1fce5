"""Probes that need the rows: neural network, boosted trees, neighbours, kernel ridge.

All are scikit-learn's, on the conditioned residual of `cpdkit.probes.ConditionedResidual`, with a
budget and a seed. They find what a linear probe cannot, composition included: see the ceiling.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from cpdkit.probes.ridge import ConditionedResidual

__all__ = [
    "NONLINEAR",
    "BoostedTreesProbe",
    "KernelRidgeProbe",
    "MLPProbe",
    "NeighborsProbe",
]


class _RowProbe(RegressorMixin, BaseEstimator):
    """Projects, conditions, standardises the targets, and hands over to scikit-learn."""

    max_rows: int
    plain: bool
    seed: int

    def _model(self, residual: np.ndarray) -> Any:
        raise NotImplementedError

    def _shaped(self, scaled: np.ndarray) -> np.ndarray:
        """Targets as the model wants them: one column as a vector."""
        return scaled[:, 0] if scaled.shape[1] == 1 else scaled

    def candidates(self) -> list[_RowProbe]:
        """Settings to choose from on an inner fold; only these by default."""
        return [clone(self)]

    def fit(self, X: Any, y: Any, *, composition: Any = None) -> _RowProbe:
        """Fit on training rows.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Pooled features.
        y : array of shape (n,) or (n, n_targets)
            Targets.
        composition : array of shape (n, n_composition), optional
            Nuisance to project out.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            As in `cpdkit.CompositionProjector`, or if `max_rows` is not positive.
        """
        if self.max_rows < 1:
            raise ValueError(f"max_rows={self.max_rows!r} must be at least 1.")
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self.conditioner_ = ConditionedResidual(plain=self.plain)
        residual = self.conditioner_.fit_transform(X, composition=composition)
        Y = np.asarray(y, dtype=np.float64).reshape(len(X), -1)
        self.mean_, self.spread_ = Y.mean(axis=0), Y.std(axis=0)
        self.spread_[self.spread_ == 0] = 1.0
        self.single_ = np.ndim(y) == 1
        rows = np.arange(len(X))
        if len(rows) > self.max_rows:
            rows = np.random.default_rng(self.seed).choice(len(X), self.max_rows, replace=False)
        self.n_rows_ = len(rows)
        self.model_ = self._model(residual[rows])
        scaled = ((Y - self.mean_) / self.spread_)[rows]
        with warnings.catch_warnings():  # the number of epochs is a budget
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model_.fit(residual[rows], self._shaped(scaled))
        return self

    def predict(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Predict targets of any rows.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Pooled features.
        composition : array of shape (n, n_composition), optional
            Their nuisance, if `fit` had one.

        Returns
        -------
        ndarray of shape (n,) or (n, n_targets)
            Predictions.
        """
        check_is_fitted(self)
        residual = self.conditioner_.transform(X, composition=composition)
        Y = self.model_.predict(residual).reshape(len(residual), -1) * self.spread_ + self.mean_
        return Y[:, 0] if self.single_ else Y

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class MLPProbe(_RowProbe):
    """Multilayer perceptron with early stopping (`sklearn.neural_network.MLPRegressor`).

    Parameters
    ----------
    hidden : tuple of int, default (128, 64)
        Widths of the hidden layers.
    alpha : float, default 1e-4
        L2 penalty.
    max_epochs : int, default 200
        Most epochs; stops earlier when a tenth of the training rows improve no more.
    max_rows : int, default 20000
        Most training rows; more are sampled down. Projection and scale use all.
    plain : bool, default False
        As in `cpdkit.probes.ConditionedResidual`.
    seed : int, default 0
        Of weights, batches, stopping rows and sampling.
    """

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] = (128, 64),
        alpha: float = 1e-4,
        max_epochs: int = 200,
        max_rows: int = 20_000,
        plain: bool = False,
        seed: int = 0,
    ) -> None:
        self.hidden = hidden
        self.alpha = alpha
        self.max_epochs = max_epochs
        self.max_rows = max_rows
        self.plain = plain
        self.seed = seed

    def _model(self, residual: np.ndarray) -> Any:
        return MLPRegressor(
            hidden_layer_sizes=self.hidden,
            alpha=self.alpha,
            max_iter=self.max_epochs,
            early_stopping=len(residual) >= 50,  # a tenth of fewer rows says nothing
            n_iter_no_change=15,
            random_state=self.seed,
        )


class BoostedTreesProbe(_RowProbe):
    """Gradient-boosted trees (`sklearn.ensemble.HistGradientBoostingRegressor`), per target.

    Parameters
    ----------
    n_trees : int, default 200
        Number of trees.
    learning_rate : float, default 0.1
        Shrinkage.
    max_leaf_nodes : int, default 31
        Size of each tree.
    max_rows, plain, seed
        As in `MLPProbe`.
    """

    def __init__(
        self,
        *,
        n_trees: int = 200,
        learning_rate: float = 0.1,
        max_leaf_nodes: int = 31,
        max_rows: int = 20_000,
        plain: bool = False,
        seed: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.max_rows = max_rows
        self.plain = plain
        self.seed = seed

    def _model(self, residual: np.ndarray) -> Any:
        return MultiOutputRegressor(
            HistGradientBoostingRegressor(
                max_iter=self.n_trees,
                learning_rate=self.learning_rate,
                max_leaf_nodes=self.max_leaf_nodes,
                early_stopping=False,
                random_state=self.seed,
            )
        )

    def _shaped(self, scaled: np.ndarray) -> np.ndarray:
        return scaled  # one forest per column


class NeighborsProbe(_RowProbe):
    """Mean of the nearest neighbours, nearer ones weighing more.

    Parameters
    ----------
    n_neighbors : int or None, default None
        How many; None chooses among 3, 10 and 30 on an inner fold (10 outside `cpdkit.cpd`).
    max_rows, plain, seed
        As in `MLPProbe`.
    """

    def __init__(
        self,
        *,
        n_neighbors: int | None = None,
        max_rows: int = 20_000,
        plain: bool = False,
        seed: int = 0,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.max_rows = max_rows
        self.plain = plain
        self.seed = seed

    def candidates(self) -> list[_RowProbe]:
        """3, 10 and 30 neighbours, or the number given."""
        numbers = (3, 10, 30) if self.n_neighbors is None else (self.n_neighbors,)
        return [clone(self).set_params(n_neighbors=number) for number in numbers]

    def _model(self, residual: np.ndarray) -> Any:
        wanted = 10 if self.n_neighbors is None else self.n_neighbors
        return KNeighborsRegressor(min(wanted, len(residual)), weights="distance")


class KernelRidgeProbe(_RowProbe):
    """Ridge with a Gaussian kernel (`sklearn.kernel_ridge.KernelRidge`).

    Parameters
    ----------
    width : float or None, default None
        Width of the Gaussian in units of the total spread of the residual; None chooses among 0.5,
        1 and 2 on an inner fold (1 outside `cpdkit.cpd`).
    alpha : float or None, default None
        Penalty per training row; None chooses among 1e-6, 1e-4 and 1e-2 (1e-4).
    max_rows : int, default 4000
        As in `MLPProbe`; time grows with its cube.
    plain, seed
        As in `MLPProbe`.
    """

    def __init__(
        self,
        *,
        width: float | None = None,
        alpha: float | None = None,
        max_rows: int = 4000,
        plain: bool = False,
        seed: int = 0,
    ) -> None:
        self.width = width
        self.alpha = alpha
        self.max_rows = max_rows
        self.plain = plain
        self.seed = seed

    def candidates(self) -> list[_RowProbe]:
        """All pairs of widths and penalties."""
        widths = (0.5, 1.0, 2.0) if self.width is None else (self.width,)
        alphas = (1e-6, 1e-4, 1e-2) if self.alpha is None else (self.alpha,)
        return [clone(self).set_params(width=w, alpha=a) for w in widths for a in alphas]

    def _model(self, residual: np.ndarray) -> Any:
        spread = residual.var(axis=0).sum()
        width = 1.0 if self.width is None else self.width
        alpha = 1e-4 if self.alpha is None else self.alpha
        gamma = 0.5 / (width**2 * spread) if spread > 0 else 1.0
        return KernelRidge(kernel="rbf", gamma=gamma, alpha=alpha * len(residual))


NONLINEAR = {
    "mlp": MLPProbe,
    "trees": BoostedTreesProbe,
    "knn": NeighborsProbe,
    "kernel": KernelRidgeProbe,
}
"""Probes by the name that `cpdkit.cpd` takes."""
