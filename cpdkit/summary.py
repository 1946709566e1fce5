"""From held-out predictions to a tidy row: mean over folds and an interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cpdkit import scores
from cpdkit.held_out.rows import HeldOut
from cpdkit.intervals import bootstrap_weights, corrected_t

__all__ = ["SCORES", "Summary", "stack"]

# Below this share of the variance, what composition leaves of a target is rounding.
NOTHING_LEFT = 1e-10

_Score = Callable[[HeldOut, int, np.ndarray], np.ndarray]


def _r2_comp(part: HeldOut, t: int, w: np.ndarray) -> np.ndarray:
    return scores.r2(part.y[:, t], part.comp[:, t], w)


def _r2_full(part: HeldOut, t: int, w: np.ndarray) -> np.ndarray:
    return scores.r2(part.y[:, t], part.probes["full"][:, t], w)


def _r2_geom(part: HeldOut, t: int, w: np.ndarray) -> np.ndarray:
    return scores.r2(part.y[:, t], part.probes["geom"][:, t], w)


def _ceiling(part: HeldOut, t: int, w: np.ndarray) -> np.ndarray:
    return scores.ceiling(part.y[:, t], part.comp[:, t], part.train_mean[t], w)


def _crossing(part: HeldOut, t: int, w: np.ndarray) -> np.ndarray:
    return _r2_geom(part, t, w) - _ceiling(part, t, w)


def _r2_comp_in_probe(part: HeldOut, t: int, w: np.ndarray) -> np.ndarray:
    return scores.squared_correlation(part.comp[:, t], part.probes["geom"][:, t], w)


def _r2_partial(part: HeldOut, t: int, w: np.ndarray) -> np.ndarray:
    return scores.partial_r2(part.y[:, t], part.comp[:, t], part.probes["joint"][:, t], w)


SCORES: dict[str, _Score] = {
    "r2_comp": _r2_comp,
    "r2_full": _r2_full,
    "r2_geom": _r2_geom,
    "ceiling": _ceiling,
    "crossing": _crossing,
    "r2_comp_in_probe": _r2_comp_in_probe,
    "r2_partial": _r2_partial,
}
"""The scores of `cpdkit.cpd`, in the order of its table."""

_ALPHA_OF = {"r2_full": "full", "r2_geom": "geom", "crossing": "geom", "r2_partial": "joint"}


class Summary:
    """Turns the predictions of all folds into rows of a tidy table.

    Parameters
    ----------
    parts : sequence of HeldOut
        Predictions of every repeat and fold.
    labels : ndarray of str, shape (n,), or None
        Formula of each row, for the cluster bootstrap.
    test_share : float
        Test rows per training row.
    interval, level, n_draws, seed
        As in `cpdkit.cpd`.
    """

    def __init__(
        self,
        parts: Sequence[HeldOut],
        *,
        labels: np.ndarray | None,
        test_share: float,
        interval: str,
        level: float,
        n_draws: int,
        seed: int,
    ) -> None:
        self.parts = parts
        self._test_share = test_share
        self._level = level
        self._options: dict[str, Any] = {
            "test_share": test_share,
            "interval": interval,
            "level": level,
            "n_draws": n_draws,
            "seed": seed,
        }
        self._weights: np.ndarray | None = None
        if interval == "cluster-bootstrap" and labels is not None:
            self._weights = bootstrap_weights(labels, n_draws=n_draws, seed=seed)

    def of(self, parts: Sequence[HeldOut], labels: np.ndarray | None) -> Summary:
        """The same options for other predictions."""
        return Summary(parts, labels=labels, **self._options)

    def row(self, target: str, score: str, t: int, *, label: str | None = None) -> dict[str, Any]:
        """One row: score `score` of column `t`, shown as `label` for `target`."""
        label = label or score
        note = self._undefined(score, t)
        if note:
            return self.empty(target, label, note)
        function = SCORES[score]
        values = np.array([function(p, t, np.ones((1, len(p.rows))))[0] for p in self.parts])
        low, high = self._interval(function, t, values)
        alphas = None
        if score in _ALPHA_OF and self.parts[0].alphas:
            alphas = tuple(float(p.alphas[_ALPHA_OF[score]][t]) for p in self.parts)
        return {
            "target": target,
            "score": label,
            "mean": float(values.mean()),
            "low": low,
            "high": high,
            "fold_values": tuple(values.tolist()),
            "alphas": alphas,
            "note": "",
        }

    def empty(self, target: str, label: str, note: str) -> dict[str, Any]:
        """A row without a value, and why."""
        return {
            "target": target,
            "score": label,
            "mean": np.nan,
            "low": np.nan,
            "high": np.nan,
            "fold_values": (np.nan,) * len(self.parts),
            "alphas": None,
            "note": note,
        }

    def _undefined(self, score: str, t: int) -> str:
        if any(np.ptp(p.y[:, t]) == 0 for p in self.parts):
            return "constant in a test fold"
        if score in ("r2_partial", "r2_comp_in_probe"):
            for p in self.parts:
                y = p.y[:, t]
                if ((y - p.comp[:, t]) ** 2).sum() <= NOTHING_LEFT * ((y - y.mean()) ** 2).sum():
                    return "linear in what was removed: nothing is left to explain"
        return ""

    def _interval(self, function: _Score, t: int, values: np.ndarray) -> tuple[float, float]:
        level = self._level
        if self._weights is None:
            return corrected_t(values, test_share=self._test_share, level=level)
        # A fold whose groups were all left out of a draw has no score in that draw.
        with np.errstate(invalid="ignore", divide="ignore"):
            draws = np.stack([function(p, t, self._weights[:, p.rows]) for p in self.parts])
            draws[~np.isfinite(draws)] = np.nan
            means = np.nanmean(draws, axis=0)
        tails = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.nanquantile(means, tails)
        return float(low), float(high)


def stack(
    tables: Mapping[Any, pd.DataFrame], name: str | Sequence[str] = "representation"
) -> pd.DataFrame:
    """One table of several, with last columns that say where each row comes from.

    Parameters
    ----------
    tables : mapping of key to DataFrame
        At least one.
    name : str or sequence of str, default "representation"
        Of the new column, which holds the keys; several names where the keys are tuples.

    Returns
    -------
    DataFrame
        Rows numbered anew; ``attrs`` are those of the first table.

    Raises
    ------
    ValueError
        If there is no table.

    Examples
    --------
    >>> stack({"a": pd.DataFrame({"x": [1]}), "b": pd.DataFrame({"x": [2]})})
       x representation
    0  1              a
    1  2              b
    """
    if not tables:
        raise ValueError("there is no table to stack; give at least one.")
    parts = []
    for key, table in tables.items():
        new = {name: key} if isinstance(name, str) else dict(zip(name, key, strict=True))
        parts.append(table.assign(**new))
    stacked = pd.concat(parts, ignore_index=True)
    stacked.attrs = dict(next(iter(tables.values())).attrs)
    return stacked
