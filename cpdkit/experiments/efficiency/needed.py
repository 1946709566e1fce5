r"""What a learning curve says: its interval, the structures needed, and a power law.

Intervals are percentiles of `measure.LearningCurve.draws`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar, nnls

from cpdkit.experiments.efficiency.measure import LearningCurve

__all__ = ["EXPONENTS", "PowerLaw", "size_reaching", "curve_table", "fit_power_law"]
__all__ += ["power_law_table", "share_of_final", "structures_needed"]

EXPONENTS = (0.05, 3.0)
"""Range of the exponents that `fit_power_law` tries."""

_GRID = np.geomspace(*EXPONENTS, 25)
_AT_BOUND = 1.01  # within so much of a bound counts as on it
_MOST = 0.05  # of the draws may fail before an interval is withheld
_COLUMNS = ["limit", *(f"{p}{end}" for p in "abc" for end in ("", "_low", "_high")), "misfit"]


def curve_table(
    curve: LearningCurve,
    draws: np.ndarray,
    *,
    score: str = "r2_partial",
    level: float = 0.95,
) -> pd.DataFrame:
    """Mean over repeats with its interval and ``sd``, and the median penalty, ``alpha``."""
    values = curve.scores(score)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return pd.DataFrame([
        {
            "target": target, "score": score, "n": size, "mean": values[:, s, t].mean(),
            "low": low[s, t], "high": high[s, t], "sd": _spread(values[:, s, t]),
            "alpha": np.median(curve.alphas[:, s, t]),
        }
        for t, target in enumerate(curve.targets)
        for s, size in enumerate(curve.sizes)
    ])  # fmt: skip


def _spread(values: np.ndarray) -> float:
    if len(values) < 2:
        return float("nan")
    return float(values.std(ddof=1)) if np.ptp(values) > 1e-12 else 0.0  # not rounding


def size_reaching(
    sizes: Sequence[float] | np.ndarray, curve: np.ndarray, level: np.ndarray | float
) -> np.ndarray:
    """Size from which a curve stays at or above a level, interpolated in the logarithm of size.

    ``-inf`` where the curve never lies below the level, so that fewer structures than the smallest
    size may suffice; ``inf`` where it ends below; NaN where curve or level is NaN.
    """
    where = np.log(np.asarray(sizes, dtype=np.float64))
    curve = np.asarray(curve, dtype=np.float64)
    goal = np.broadcast_to(np.asarray(level, dtype=np.float64), curve.shape[:-1])
    below = curve < goal[..., None]
    last = len(where) - 1 - np.argmax(below[..., ::-1], axis=-1)  # the last size below the level
    left = np.minimum(last, len(where) - 2)
    a, b = (np.take_along_axis(curve, (left + step)[..., None], axis=-1)[..., 0] for step in (0, 1))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):  # replaced below
        found = np.exp(where[left] + (goal - a) / (b - a) * (where[left + 1] - where[left]))
    found = np.where(below[..., -1], np.inf, found)
    found = np.where(below.any(axis=-1), found, -np.inf)
    return np.where(np.isnan(goal) | np.isnan(curve).any(axis=-1), np.nan, found)[()]


def share_of_final(fraction: float) -> str:
    """How tables name a share of the final score, such as ``"50% of final"``."""
    return f"{fraction:.0%} of final"


def structures_needed(
    curve: LearningCurve,
    draws: np.ndarray,
    *,
    score: str = "r2_partial",
    fractions: Sequence[float] = (0.25, 0.5),
    levels: Sequence[float] = (),
    level: float = 0.95,
) -> pd.DataFrame:
    """Training structures from which the mean curve stays above a share of its final score.

    ``goal`` is the score to reach: a share of the ``final`` one, or one of `levels`. ``bound`` is
    ``"exact"``; ``"below"`` or ``"above"`` where the answer lies outside the sizes; ``"undefined"``
    where the interval of the final score does not lie above zero, or a size has no score. Then
    ``needed`` is NaN and ``note`` says why; so is an end of the interval outside the sizes.
    """
    if any(not 0 < f < 1 for f in fractions):
        raise ValueError(f"fractions={list(fractions)!r} must lie between 0 and 1, such as 0.5.")
    mean = curve.scores(score).mean(axis=0)
    least = np.quantile(draws[:, -1], (1 - level) / 2, axis=0)
    rows = []
    goals = [(share_of_final(f), f, True) for f in fractions]
    goals += [(f"score {g:g}", g, False) for g in levels]
    for t, target in enumerate(curve.targets):
        final, finals = mean[-1, t], draws[:, -1, t]
        for criterion, value, relative in goals:
            goal = value * final if relative else value
            each = np.where(finals > 0, value * finals, np.nan) if relative else value
            row = {"target": target, "criterion": criterion, "goal": goal, "final": final}
            note = _unscored(curve, t, mean)
            if not note and relative and not least[t] > 0:
                note = f"the final score, {final:.2f}, is not clearly above zero"
            if note:
                nothing = {"needed": np.nan, "low": np.nan, "high": np.nan, "bound": "undefined"}
                rows.append(row | nothing | {"note": note})
                continue
            found = float(size_reaching(curve.sizes, mean[:, t], goal))
            spread = size_reaching(curve.sizes, draws[:, :, t], each)
            rows.append(row | _described(found, spread, curve.sizes, level))
    return pd.DataFrame(rows)


def _unscored(curve: LearningCurve, target: int, mean: np.ndarray) -> str:
    """Why a mean curve has no score at some size; empty where it has all."""
    gone = np.isnan(mean[:, target])
    few = (~np.isnan(curve.joint[..., target])).sum(axis=2).min(axis=0) < 2  # test rows, by size
    if (gone & few).any():
        size = curve.sizes[int((gone & few).argmax())]
        return f"no score with {size} structures: they lack elements of nearly all test structures"
    return "linear in composition: no score" if gone.any() else ""


def _described(
    found: float, spread: np.ndarray, sizes: Sequence[int], level: float
) -> dict[str, float | str]:
    bound, note = "exact", []
    if found == -np.inf:
        bound, found = "below", np.nan
        note.append(f"already reached with {sizes[0]} structures, the smallest subset")
    elif found == np.inf:
        bound, found = "above", np.nan
        note.append(f"not reached with {sizes[-1]} structures, the largest subset")
    low = high = np.nan
    if np.isnan(spread).mean() > _MOST:
        note.append("no interval: in some draws the final score is not above zero")
    else:
        kept = spread[~np.isnan(spread)]
        tails = [(1 - level) / 2, (1 + level) / 2]
        # Without interpolation, which infinite values would not survive.
        low, high = np.quantile(kept, tails, method="inverted_cdf")
        if bound == "exact" and not np.isfinite([low, high]).all():
            note.append(
                "the interval is open " + ("below" if np.isinf(low) else "above")
                if np.isfinite(low) or np.isfinite(high)
                else "the interval is open on both sides"
            )
        low, high = (v if np.isfinite(v) else np.nan for v in (low, high))
    interval = {"low": float(low), "high": float(high)}
    return {"needed": found, **interval, "bound": bound, "note": "; ".join(note)}


@dataclass(frozen=True)
class PowerLaw:
    r"""The law :math:`a + b\, n^{-c}` of an error."""

    a: float  # error with endlessly many structures
    b: float  # what one structure would leave to learn
    c: float
    misfit: float  # root mean square of the relative residuals

    def __call__(self, n: np.ndarray | float) -> np.ndarray:
        """Error with n structures."""
        return self.a + self.b * np.asarray(n, dtype=np.float64) ** -self.c


def fit_power_law(sizes: Sequence[int], error: Sequence[float] | np.ndarray) -> PowerLaw:
    r"""Fit :math:`a + b\, n^{-c}`, :math:`a, b \ge 0`, with equal weight on relative errors.

    For each exponent the best a and b follow from non-negative least squares; only the exponent is
    searched (variable projection [1]_), so no starting values are needed.

    .. [1] G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least
       squares problems whose variables separate, SIAM J. Numer. Anal. 10, 413 (1973).
    """
    n, e = np.asarray(sizes, dtype=np.float64), np.asarray(error, dtype=np.float64)
    if len(n) < 4 or n.shape != e.shape:
        raise ValueError(f"a power law needs at least 4 sizes and as many errors; got {len(n)}.")
    if not _fittable(e):
        raise ValueError(
            f"errors must be positive and finite, such as 1 - r2_partial; got {e.tolist()}. Leave "
            "such curves out."
        )
    scale, ones = n[-1], np.ones_like(e)

    def solve(c: float) -> tuple[np.ndarray, float]:
        return nnls(np.column_stack([1 / e, (n / scale) ** -c / e]), ones)

    best = int(np.argmin([solve(c)[1] for c in _GRID]))
    span = np.log(_GRID[[max(best - 1, 0), min(best + 1, len(_GRID) - 1)]])
    found = minimize_scalar(
        lambda log_c: solve(np.exp(log_c))[1], bounds=tuple(span), method="bounded",
        options={"xatol": 1e-6},
    )  # fmt: skip
    c = float(np.exp(found.x))
    (a, b), distance = solve(c)
    return PowerLaw(float(a), float(b * scale**c), c, float(distance / np.sqrt(len(n))))


def _fittable(error: np.ndarray) -> bool:
    return bool((np.isfinite(error) & (error > 0)).all())


def power_law_table(
    curve: LearningCurve,
    draws: np.ndarray,
    *,
    score: str = "r2_partial_fixed",
    level: float = 0.95,
) -> pd.DataFrame:
    """Power law of ``1 - score`` for every target, with bootstrap intervals.

    ``limit`` is the score with endlessly many structures, ``1 - a``; ``note`` says where the
    exponent sticks to a bound of `EXPONENTS` and the law is no more than a smooth curve. All is NaN
    where the curve cannot be fitted, and the interval where more than 5 % of the draws cannot, such
    as those without a test row that a subset knows all elements of.
    """
    mean = curve.scores(score).mean(axis=0)
    tails = [(1 - level) / 2, (1 + level) / 2]
    rows = []
    for t, target in enumerate(curve.targets):
        note = _unscored(curve, t, mean)
        if not note and not _fittable(1 - mean[:, t]):
            note = "a score of 1 leaves no error to fit"
        if len(curve.sizes) < 4:
            note = f"a power law needs at least 4 sizes, and there are {len(curve.sizes)}"
        if note:
            rows.append({"target": target, **dict.fromkeys(_COLUMNS, np.nan), "note": note})
            continue
        law = fit_power_law(curve.sizes, 1 - mean[:, t])
        kept = [1 - draw for draw in draws[:, :, t] if _fittable(1 - draw)]
        fits = [fit_power_law(curve.sizes, error) for error in kept]
        values = np.array([(f.a, f.b, f.c) for f in fits]).reshape(-1, 3)
        lost = 1 - len(kept) / len(draws)
        if lost > _MOST:
            low = high = np.full(3, np.nan)
        else:
            low, high = np.quantile(values, tails, axis=0)
        c = np.append(values[:, 2], law.c)
        stuck = (c < EXPONENTS[0] * _AT_BOUND) | (c > EXPONENTS[1] / _AT_BOUND)
        notes = []
        if stuck.mean() > _MOST or stuck[-1]:
            notes.append(f"exponent at a bound in {stuck.mean():.0%} of the fits: not determined")
        if lost > _MOST:
            notes.append(f"no interval: {lost:.0%} of the draws have no score at some size")
        numbers = {"limit": 1 - law.a, "misfit": law.misfit}
        for i, name in enumerate("abc"):
            numbers |= {name: getattr(law, name), f"{name}_low": low[i], f"{name}_high": high[i]}
        rows.append(
            {"target": target, **{k: float(numbers[k]) for k in _COLUMNS}, "note": "; ".join(notes)}
        )
    return pd.DataFrame(rows)
