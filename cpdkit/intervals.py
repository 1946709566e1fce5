"""Intervals for cross-validated scores.

Both treat the encoder as fixed: neither contains the variance between training seeds.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from cpdkit._options import check_count, check_level, check_seed, warn_few_groups

__all__ = ["INTERVALS", "bootstrap_weights", "corrected_t"]

INTERVALS = ("corrected-t", "cluster-bootstrap")


def corrected_t(
    fold_values: np.ndarray, *, test_share: float, level: float = 0.95
) -> tuple[float, float]:
    r"""Corrected resampled t interval [1]_.

    Folds share training rows, so the variance of the mean of J fold scores is taken as
    :math:`(1/J + n_\text{test}/n_\text{train})\, s^2`. A heuristic: its coverage is not exact.

    Parameters
    ----------
    fold_values : ndarray of shape (J,)
        One score for each fold and repeat.
    test_share : float
        :math:`n_\text{test}/n_\text{train}`, ``1 / (n_folds - 1)`` for k folds.
    level : float, default 0.95
        Confidence level.

    Returns
    -------
    low, high : float
        NaN where fewer than two values are finite.

    References
    ----------
    .. [1] C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52,
       239 (2003).
    """
    check_level(level)
    values = np.asarray(fold_values, dtype=np.float64)
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return float("nan"), float("nan")
    spread = values.std(ddof=1) * np.sqrt(1 / len(values) + test_share)
    half = stats.t.ppf(0.5 + level / 2, len(values) - 1) * spread
    return float(values.mean() - half), float(values.mean() + half)


def bootstrap_weights(groups: np.ndarray, *, n_draws: int, seed: int) -> np.ndarray:
    """Row weights of a cluster bootstrap: whole groups are drawn with replacement.

    Parameters
    ----------
    groups : ndarray of shape (n,)
        Group (formula) of each row.
    n_draws : int
        Number of bootstrap samples.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray of float, shape (n_draws, n)
        How often the group of each row was drawn.
    """
    check_count(n_draws, "n_draws")
    check_seed(seed)
    names, inverse = np.unique(groups, return_inverse=True)
    warn_few_groups(len(names))
    rng = np.random.default_rng(seed)
    share = np.full(len(names), 1 / len(names))
    drawn = rng.multinomial(len(names), share, size=n_draws)
    return drawn[:, inverse.ravel()].astype(np.float64)
