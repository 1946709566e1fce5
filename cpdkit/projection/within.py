r"""The within-formula estimator: subtract from every row the mean of its exact formula.

A linear projection removes the affine part of :math:`E[X \mid C]` only. Subtracting formula means
removes all of it, which is least squares on one dummy variable per formula (the fixed-effects
estimator of econometrics). Where target and prediction are centred too, a function of composition
cancels on both sides, so that no probe can gain by it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from cpdkit._arrays import check_labels, check_same_rows, real_array
from cpdkit._checks import check_given, validate_rows
from cpdkit.datasets.formulas import canonical_groups

__all__ = ["WithinGroups", "group_index", "within_r2"]


def group_index(composition: Any, n: int) -> np.ndarray:
    """Number the formulas of `n` rows.

    Parameters
    ----------
    composition : sequence of str, shape (n,), or array of shape (n, n_elements)
        Formulas in any spelling, other labels, or element counts whose distinct rows are the
        formulas.
    n : int
        Number of rows there must be.

    Returns
    -------
    ndarray of int, shape (n,)
        Equal where the formula is.

    Raises
    ------
    ValueError
        If there is not one formula per row, or one is missing.
    """
    shape = np.shape(composition)
    if len(shape) not in (1, 2) or shape[0] != n:
        raise ValueError(
            f"composition has shape {shape}; expected ({n},), the formula of each row, or "
            f"({n}, n_elements), its element counts."
        )
    if len(shape) == 1:
        labels = canonical_groups(check_labels(composition, "composition", n))
    else:
        labels = real_array(composition, "composition")
        if not np.isfinite(labels).all():
            raise ValueError("composition has NaN or infinite entries; give counts.")
    return np.unique(labels, axis=0, return_inverse=True)[1].ravel()


def _centre(X: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Rows minus the mean of the rows with the same index."""
    size = np.bincount(index)
    sums = np.zeros((len(size), X.shape[1]))
    np.add.at(sums, index, X)
    centred = X - (sums / size[:, None])[index]
    centred[size[index] == 1] = 0.0  # exactly, where rounding would leave a trace
    return centred


class WithinGroups(TransformerMixin, BaseEstimator):
    r"""Residual of features after subtracting the mean of each exact formula.

    :math:`X_i - \bar X_{F(i)}`, the mean being over **the rows that are transformed together**.
    Training and test rows are thus centred by themselves: nothing learnt on one enters the other,
    no target is used, and a formula that training never saw needs no rule of its own. The mean of
    the training rows would leave the error of that mean, a function of composition, in every
    test row. The price: a row without a companion of its formula becomes zero and says nothing
    (`lone_rows` marks them), and a row's residual depends on its companions.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        Training mean; subtracted where there is no composition.
    has_composition_ : bool
        Whether `fit` was given formulas.

    References
    ----------
    .. [1] J. M. Wooldridge, Econometric Analysis of Cross Section and Panel Data, MIT Press
       (2010), section 10.5.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0], [3.0], [10.0]])
    >>> WithinGroups().fit_transform(X, composition=["CH4", "CH4", "H2O"]).ravel()
    array([-1.,  1.,  0.])
    """

    def fit(self, X: Any, y: Any = None, *, composition: Any = None) -> WithinGroups:
        """Note the number of features and their mean.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Pooled features.
        y : ignored
            For scikit-learn's sake.
        composition : sequence of str or array of shape (n, n_elements), optional
            Formulas in any spelling, other labels, or element counts whose distinct rows are the
            formulas. Without it only the mean is removed.

        Returns
        -------
        WithinGroups
            Itself.

        Raises
        ------
        ValueError
            If an entry is NaN or infinite, or there is not one formula per row.
        """
        check_same_rows({"X": X, "composition": composition})
        X = validate_rows(self, X)
        if composition is not None:
            group_index(composition, len(X))
        self.has_composition_ = composition is not None
        self.mean_ = X.mean(axis=0)
        return self

    def transform(self, X: Any, *, composition: Any = None) -> np.ndarray:
        """Subtract from each row of `X` the mean of the given rows of its formula.

        Parameters
        ----------
        X : array of shape (n, n_features)
            Pooled features of any rows; give all rows of a test fold at once.
        composition : sequence of str or array of shape (n, n_elements), optional
            Their formulas, if `fit` had any.

        Returns
        -------
        ndarray of shape (n, n_features)
            The residual.

        Raises
        ------
        ValueError
            If composition was given to one of `fit` and `transform` only.
        """
        check_is_fitted(self)
        check_same_rows({"X": X, "composition": composition})
        X = validate_rows(self, X, reset=False)
        check_given(composition, seen=self.has_composition_)
        if composition is None:
            return X - self.mean_
        return _centre(X, group_index(composition, len(X)))

    def fit_transform(self, X: Any, y: Any = None, *, composition: Any = None) -> np.ndarray:
        """`fit`, then `transform` the same rows with the same composition."""
        return self.fit(X, y, composition=composition).transform(X, composition=composition)

    @staticmethod
    def lone_rows(composition: Any, n: int) -> np.ndarray:
        """Mark rows that have no companion of their formula, shape (n,)."""
        index = group_index(composition, n)
        return np.bincount(index)[index] == 1


def within_r2(y: Any, prediction: Any, composition: Any) -> float:
    r"""Share of the variance within formulas that a prediction explains.

    .. math::

        1 - \frac{\sum_i (\tilde y_i - \tilde f_i)^2}{\sum_i \tilde y_i^2}, \qquad
        \tilde v_i = v_i - \bar v_{F(i)}

    Adding any function of the formula to `prediction` changes nothing, so a probe that has found
    composition again gains nothing by it.

    Parameters
    ----------
    y, prediction : array of shape (n,)
        Held-out targets and what a probe says.
    composition : sequence of str or array of shape (n, n_elements)
        As in `group_index`.

    Returns
    -------
    float
        At most 1; NaN where no two rows of one formula differ in y.
    """
    check_same_rows({"y": y, "prediction": prediction, "composition": composition})
    y, prediction = real_array(y, "y"), real_array(prediction, "prediction")
    if y.size != prediction.size:
        raise ValueError(f"y has shape {y.shape} and prediction {prediction.shape}; pair them.")
    y, prediction = y.reshape(-1, 1), prediction.reshape(-1, 1)
    index = group_index(composition, len(y))
    truth, said = _centre(y, index), _centre(prediction, index)
    total = float((truth**2).sum())
    if total <= 1e-20 * float((y**2).sum()):
        return float("nan")
    return 1 - float(((truth - said) ** 2).sum()) / total
