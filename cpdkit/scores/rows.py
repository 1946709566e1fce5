"""From scores to tidy rows: mean over folds, interval, and why a score has no value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from cpdkit._messages import LACKING
from cpdkit._options import check_level
from cpdkit.intervals import bootstrap_weights, corrected_t
from cpdkit.scores.sums import SCORES, HeldOut, Sums

__all__ = ["Rows", "summarise"]

_INPUT_OF = {"r2_full": "full", "r2_geom": "geom", "crossing": "geom", "r2_partial": "joint"}


def summarise(
    values: np.ndarray,
    *,
    n_folds: float,
    level: float = 0.95,
    draws: np.ndarray | None = None,
) -> dict[str, Any]:
    """Mean over folds, interval, and the values themselves: the numbers of a tidy row.

    Parameters
    ----------
    values : ndarray of shape (repeats * n_folds,)
        One value for each fold and repeat.
    n_folds, level
        Rows for each row of a test fold and confidence level, for the corrected t interval.
    draws : ndarray of shape (n_draws,), optional
        Means of bootstrap samples, whose quantiles are the interval in its place.

    Returns
    -------
    dict
        ``mean, low, high, fold_values``; all NaN where a value is not finite.
    """
    check_level(level)
    if not np.isfinite(values).all():
        nothing = float("nan")
        return {
            "mean": nothing, "low": nothing, "high": nothing,
            "fold_values": (nothing,) * len(values),
        }  # fmt: skip
    if draws is None:
        low, high = corrected_t(values, test_share=1 / (n_folds - 1), level=level)
    else:
        low, high = np.nanquantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return {
        "mean": float(values.mean()),
        "low": float(low),
        "high": float(high),
        "fold_values": tuple(values.tolist()),
    }


@dataclass(frozen=True, eq=False)
class Rows:
    """Writes the rows of a table of scores from the sums of all folds.

    Parameters
    ----------
    sums : sequence of Sums
        Of every repeat and fold, each of shape (1, n_targets) or (n_targets,).
    n_folds, level
        As in `summarise`.
    alphas : sequence of dict of str to ndarray of shape (n_targets,), optional
        Chosen penalties by input, fold by fold.
    aside, tested : int
        Test rows set aside, of how many, in all folds and repeats.
    draws : sequence of Sums, optional
        Of the same folds, of shape (n_draws, n_targets), for a bootstrap interval.
    """

    sums: Sequence[Sums]
    _: KW_ONLY
    n_folds: float
    alphas: Sequence[dict[str, np.ndarray]] | None = None
    aside: int = 0
    tested: int = 0
    draws: Sequence[Sums] | None = None
    level: float = 0.95

    @classmethod
    def of_predictions(
        cls,
        parts: Sequence[HeldOut],
        *,
        n_folds: float,
        interval: str = "corrected-t",
        labels: np.ndarray | None = None,
        level: float = 0.95,
        n_draws: int = 1000,
        seed: int = 0,
    ) -> Rows:
        """From predictions of all folds; arguments as in `cpdkit.cpd`, `labels` its groups."""
        draws = None
        if interval == "cluster-bootstrap" and labels is not None:
            weights = bootstrap_weights(labels, n_draws=n_draws, seed=seed)
            draws = [Sums.of_rows(part, weights[:, part.rows]) for part in parts]
        return cls(
            [Sums.of_rows(part) for part in parts],
            n_folds=n_folds,
            alphas=[part.alphas for part in parts] if parts and parts[0].alphas else None,
            aside=(aside := sum(part.aside for part in parts)),
            tested=aside + sum(len(part.rows) for part in parts),
            draws=draws,
            level=level,
        )

    def row(self, target: str, score: str, t: int, *, label: str | None = None) -> dict[str, Any]:
        """One row: score `score` of column `t`, shown as `label` for `target`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.array([np.ravel(SCORES[score](s)[..., t])[0] for s in self.sums])
            means = None
            if self.draws is not None:
                drawn = np.stack([SCORES[score](s)[:, t] for s in self.draws])
                # A fold whose groups were all left out of a draw has no score in that draw.
                drawn[~np.isfinite(drawn)] = np.nan
                means = np.nanmean(drawn, axis=0)
        why, alphas = self._why(score, t), None
        note = "; ".join(filter(None, [why, self._set_aside()]))
        if why:
            values = np.full(len(values), np.nan)
        elif score in _INPUT_OF and self.alphas is not None:
            alphas = tuple(float(chosen[_INPUT_OF[score]][t]) for chosen in self.alphas)
        numbers = summarise(values, n_folds=self.n_folds, level=self.level, draws=means)
        return {
            "target": target, "score": label or score, **numbers, "alphas": alphas, "note": note,
        }  # fmt: skip

    def empty(self, target: str, label: str, note: str) -> dict[str, Any]:
        """A row without a value, and why."""
        numbers = summarise(np.full(len(self.sums), np.nan), n_folds=self.n_folds)
        return {"target": target, "score": label, **numbers, "alphas": None, "note": note}

    def _set_aside(self) -> str:
        if not self.aside:
            return ""
        return f"{self.aside:,} of {self.tested:,} test rows set aside: {LACKING}"

    def constant_fold(self, t: int) -> int | None:
        """Number of the first fold in which target `t` is constant, or None."""
        spreads = [np.ravel(s.total[..., t])[0] for s in self.sums]
        return next((i for i, value in enumerate(spreads) if not value > 0), None)

    def _why(self, score: str, t: int) -> str:
        """Why a score is undefined; empty where it is not."""
        if self.constant_fold(t) is not None:
            return "constant in a test fold"
        conditional = score in ("r2_partial", "r2_comp_in_probe")
        if conditional and any(np.isnan(np.ravel(s.left[..., t])[0]) for s in self.sums):
            return "linear in what was removed: nothing is left to explain"
        return ""
