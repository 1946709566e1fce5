"""CPD once more, with scikit-learn, from the text of the method page and not from the library.

Slow and plain on purpose: every inner fold refits projection, standardisation and floor, and sets
aside the rows with an element that its training rows lack.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score

ALPHAS = np.logspace(-8, 2, 21)


class MinimumNorm:
    """Least squares on the centred and scaled columns, the solution of minimum norm."""

    def fit(self, C, y):
        self.mean, self.y_mean = C.mean(axis=0), y.mean(axis=0)
        length = np.linalg.norm(C - self.mean, axis=0)
        self.length = np.where(length > 0, length, np.inf)
        scaled = (C - self.mean) / self.length
        self.weights = np.linalg.lstsq(scaled, y - self.y_mean, rcond=1e-6)[0]
        return self

    def predict(self, C):
        return self.y_mean + (C - self.mean) / self.length @ self.weights


def known(C, fit, score):
    """The rows of `score` that hold no element which the rows of `fit` lack."""
    lacking = np.ptp(C[fit], axis=0) == 0
    return score & (C[:, lacking] == C[fit][0, lacking]).all(axis=1)


def standardised(train, test, train_C, test_C):
    spread = train.var(axis=0)
    if train_C is None:
        mean = train.mean(axis=0)
        train, test = train - mean, test - mean
    else:
        ols = MinimumNorm().fit(train_C, train)
        train, test = train - ols.predict(train_C), test - ols.predict(test_C)
    scale = np.sqrt(
        np.max([train.var(axis=0), 1e-4 * spread, np.full(len(spread), 1e-4 * spread.mean())], 0)
    )
    scale[train.var(axis=0) <= 1e-12 * spread] = np.inf
    train, test = train / scale, test / scale
    return train, test, 1e-10 * np.linalg.norm(train, ord=2) ** 2


def ridge(train, test, least, y, alpha):
    return Ridge(alpha=max(alpha * len(y), least)).fit(train, y).predict(test)


def one_fold(X, C, y, fold, k):
    """The scores of fold k for one target, penalties chosen on the other folds."""
    labels = [j for j in np.unique(fold[fold >= 0]) if j != k]
    error = {name: np.zeros(len(ALPHAS)) for name in ("full", "geom", "joint")}
    for j in labels:
        fit = (fold != k) & (fold != j)
        score = known(C, fit, fold == j)
        raw = standardised(X[fit], X[score], None, None)
        residual = standardised(X[fit], X[score], C[fit], C[score])
        ols = MinimumNorm().fit(C[fit], y[fit])
        left = y[fit] - ols.predict(C[fit])
        mean = y[fit].mean()
        for a, alpha in enumerate(ALPHAS):
            error["full"][a] += ((y[score] - ridge(*raw, y[fit], alpha)) ** 2).sum()
            geom = ridge(*residual, left, alpha)
            error["geom"][a] += ((y[score] - mean - geom) ** 2).sum()
            error["joint"][a] += ((y[score] - ols.predict(C[score]) - geom) ** 2).sum()
    best = {name: ALPHAS[value.argmin()] for name, value in error.items()}

    fit = fold != k
    score = known(C, fit, fold == k)
    truth, mean = y[score], y[fit].mean()
    ols = MinimumNorm().fit(C[fit], y[fit])
    comp = ols.predict(C[score])
    raw = standardised(X[fit], X[score], None, None)
    residual = standardised(X[fit], X[score], C[fit], C[score])
    left = y[fit] - ols.predict(C[fit])
    geom = mean + ridge(*residual, left, best["geom"])
    joint = comp + ridge(*residual, left, best["joint"])
    total = ((truth - truth.mean()) ** 2).sum()
    ceiling = 1 - ((comp - mean) ** 2).sum() / total
    return {
        "r2_comp": r2_score(truth, comp),
        "r2_full": r2_score(truth, ridge(*raw, y[fit], best["full"])),
        "r2_geom": r2_score(truth, geom),
        "ceiling": ceiling,
        "crossing": r2_score(truth, geom) - ceiling,
        "r2_comp_in_probe": np.corrcoef(comp, geom)[0, 1] ** 2,
        "r2_partial": 1 - ((truth - joint) ** 2).sum() / ((truth - comp) ** 2).sum(),
    }


def cpd(X, C, y, fold):
    """Scores of every fold: dict of score name to list."""
    rows = [one_fold(X, C, y, fold, k) for k in np.unique(fold)]
    return {name: [row[name] for row in rows] for name in rows[0]}
