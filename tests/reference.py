"""CPD once more, with scikit-learn, from the text of the method and not from the library.

Slow and plain on purpose: every inner fold refits projection, standardisation and floor.
"""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score

ALPHAS = np.logspace(-8, 2, 21)


def standardised(train, test, train_C, test_C):
    spread = train.var(axis=0)
    if train_C is None:
        mean = train.mean(axis=0)
        train, test = train - mean, test - mean
    else:
        ols = LinearRegression().fit(train_C, train)
        train, test = train - ols.predict(train_C), test - ols.predict(test_C)
    scale = np.sqrt(
        np.max([train.var(axis=0), 1e-4 * spread, np.full(len(spread), 1e-4 * spread.mean())], 0)
    )
    return train / scale, test / scale


def ridge(train, test, y, alpha):
    return Ridge(alpha=alpha * len(y)).fit(train, y).predict(test)


def one_fold(X, C, y, fold, k):
    """The scores of fold k for one target, penalties chosen on the other folds."""
    labels = [j for j in np.unique(fold[fold >= 0]) if j != k]
    error = {name: np.zeros(len(ALPHAS)) for name in ("full", "geom", "joint")}
    for j in labels:
        fit, score = (fold != k) & (fold != j), fold == j
        raw = standardised(X[fit], X[score], None, None)
        residual = standardised(X[fit], X[score], C[fit], C[score])
        ols = LinearRegression().fit(C[fit], y[fit])
        left = y[fit] - ols.predict(C[fit])
        for a, alpha in enumerate(ALPHAS):
            error["full"][a] += ((y[score] - ridge(*raw, y[fit], alpha)) ** 2).sum()
            error["geom"][a] += ((y[score] - ridge(*residual, y[fit], alpha)) ** 2).sum()
            joint = ols.predict(C[score]) + ridge(*residual, left, alpha)
            error["joint"][a] += ((y[score] - joint) ** 2).sum()
    best = {name: ALPHAS[value.argmin()] for name, value in error.items()}

    fit, score = fold != k, fold == k
    truth, mean = y[score], y[fit].mean()
    ols = LinearRegression().fit(C[fit], y[fit])
    comp = ols.predict(C[score])
    raw = standardised(X[fit], X[score], None, None)
    residual = standardised(X[fit], X[score], C[fit], C[score])
    geom = ridge(*residual, y[fit], best["geom"])
    left = y[fit] - ols.predict(C[fit])
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
