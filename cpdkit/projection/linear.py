"""Composition Projection Decomposition: remove what is linear in composition."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from cpdkit._checks import check_columns, column_names, nuisance_array, validate_rows
from cpdkit.projection.factors import ranked_qr
from cpdkit.projection.rank import RANK_TOLERANCE, differs, varying

__all__ = ["CompositionProjector"]


class CompositionProjector(TransformerMixin, BaseEstimator):
    r"""Residual of features after least squares on an intercept and composition.

    With :math:`Z = [1, C]` on the training rows,
    :math:`B = \operatorname{argmin}_B \|X - Z B\|`, and for any
    rows :math:`X_\text{geom} = X - Z B` [1]_.

    Columns of C are centred (which accounts for the intercept) and scaled to unit length, then
    ranked by pivoted QR. Directions whose pivot falls below ``rank_tol`` times the largest carry
    nothing, and B is the solution of minimum norm in the scaled columns: ``[1, fractions]``,
    duplicated and constant columns do no harm, and no result depends on the order of columns.

    Parameters
    ----------
    rank_tol : float, default 1e-6
        Smallest pivot kept, relative to the largest.

    Attributes
    ----------
    rank_ : int
        Rank of Z, intercept included.
    mean_ : ndarray of shape (n_features,)
        Training mean of X.
    coef_ : ndarray of shape (n_composition, n_features)
        Least-squares coefficients of X on centred C; zero for dropped columns.
    composition_mean_ : ndarray of shape (n_composition,)
        Training mean of C.
    dropped_ : ndarray of int
        Columns of C that do not vary over the training rows, such as elements that these lack.

    References
    ----------
    .. [1] J. Steier, Information Routing in Atomistic Foundation Models, arXiv:2603.03155 (2026).

    Examples
    --------
    >>> import numpy as np
    >>> C = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> X = np.array([[2.0], [4.0], [6.0], [9.0]])
    >>> projector = CompositionProjector().fit(X, composition=C)
    >>> residual = projector.transform(X, composition=C)
    >>> bool(np.allclose(C.T @ residual, 0))
    True
    """

    def __init__(self, *, rank_tol: float = RANK_TOLERANCE) -> None:
        self.rank_tol = rank_tol

    def fit(self, X: Any, y: Any = None, *, composition: Any = None) -> CompositionProjector:
        """Regress features on composition over the training rows.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Pooled features.
        y : ignored
            For scikit-learn's sake.
        composition : array of shape (n, n_composition), optional
            Nuisance C. Without it only the mean is removed.

        Returns
        -------
        CompositionProjector
            Itself.

        Raises
        ------
        ValueError
            If an entry is NaN or infinite, or the numbers of rows differ.
        """
        X = validate_rows(self, X, composition=composition)
        C = nuisance_array(composition, len(X))
        self.has_composition_ = composition is not None
        self.composition_names_ = column_names(composition)
        self.composition_mean_ = C.mean(axis=0)
        self.mean_ = X.mean(axis=0)
        self.coef_ = np.zeros((C.shape[1], X.shape[1]))
        centred = C - self.composition_mean_
        norm, varies = varying(C, centred)
        self.dropped_ = np.flatnonzero(~varies)
        self.rank_ = 1
        if varies.any():
            q, solver = ranked_qr(centred[:, varies] / norm[varies], self.rank_tol)
            self.coef_[varies] = solver @ (q.T @ (X - self.mean_)) / norm[varies, None]
            self.rank_ += q.shape[1]
        return self

    def unseen(self, composition: Any = None, *, n: int | None = None) -> np.ndarray:
        """Find rows that differ in a column which does not vary in training.

        Such a column (an element that training lacks, say) has no fitted effect, so rows in which
        it differs are set aside where scores are computed.

        Parameters
        ----------
        composition : array of shape (n, n_composition), optional
            As in `fit`.
        n : int, optional
            Number of rows, needed when there is no composition.

        Returns
        -------
        ndarray of bool, shape (n,)
            True where a row is to be set aside.
        """
        check_is_fitted(self)
        C = self._composition(composition, n)[:, self.dropped_]
        return np.any(differs(C, self.composition_mean_[self.dropped_]), axis=1)

    def explained(self, composition: Any = None, *, n: int | None = None) -> np.ndarray:
        """Compute what intercept and composition say about the features, ``Z B``.

        Parameters
        ----------
        composition : array of shape (n, n_composition), optional
            As in `fit`.
        n : int, optional
            Number of rows, needed when there is no composition.

        Returns
        -------
        ndarray of shape (n, n_features)
            The part that `transform` removes.
        """
        check_is_fitted(self)
        C = self._composition(composition, n)
        return self.mean_ + (C - self.composition_mean_) @ self.coef_

    def transform(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Remove from `X` what its composition explains, ``X - Z B``.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Pooled features of any rows.
        composition : array of shape (n, n_composition), optional
            Their nuisance, with the columns given to `fit`.

        Returns
        -------
        ndarray of shape (n, n_features)
            The geometric residual.

        Raises
        ------
        ValueError
            If composition was given to one of `fit` and `transform` only, or its columns differ.
        """
        check_is_fitted(self)
        X = validate_rows(self, X, composition=composition, reset=False)
        residual = (self.composition_mean_ - self._composition(composition, len(X))) @ self.coef_
        residual += X  # in place: with many rows temporaries cost more than the product
        residual -= self.mean_
        return residual

    def fit_transform(self, X: Any, y: Any = None, *, composition: Any = None) -> np.ndarray:
        """`fit`, then `transform` the same rows with the same composition."""
        return self.fit(X, y, composition=composition).transform(X, composition=composition)

    def _composition(self, composition: Any, n: int | None) -> np.ndarray:
        n_columns = len(self.composition_mean_) if self.has_composition_ else None
        check_columns(composition, n_columns, self.composition_names_)
        return nuisance_array(composition, n)
