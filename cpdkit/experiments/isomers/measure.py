"""Isomer benchmark: of two molecules of one formula, which has the larger target?

Composition is the same within a pair, so it is right half of the time whatever the probe.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from cpdkit.held_out.engine import engine_for
from cpdkit.held_out.inputs import check_inputs
from cpdkit.intervals import bootstrap_weights

__all__ = ["accuracy_by_difference", "accuracy_differences", "isomer_pairs"]

SAME_PREDICTION = 1e-12
"""Predictions tie that differ by less than this share of the target's spread, divided by the root
of the penalty per row: equal features may differ by rounding, and the weights of ridge on unit
columns may be that large."""
LEAST_PENALTY = 1e-6  # taken for probes without one

_ALIKE = ["by_formula", "by_formula_low", "by_formula_high"]
_PAIR = ["target", "formula", "first", "second", "difference"]


def isomer_pairs(
    features: Any,
    composition: Any,
    targets: Any,
    formulas: Sequence[str],
    *,
    probe: str | Any = "ridge",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """Order all pairs of isomers by held-out predictions from the residual.

    Folds are disjoint in formulas, so both molecules of a pair are predicted by one probe that has
    seen no isomer of theirs. A row per target and pair that differs in it: ``target, formula``, the
    rows ``first`` and ``second``, ``difference`` (first minus second) and ``right``: 1 where the
    prediction has the right sign, 1/2 where it ties, else 0; mean over repeats. Pairs with an
    element that their training rows lack are left out.
    """
    if formulas is None:
        raise ValueError("formulas=None: give the formula of each structure (ds.formulas).")
    given = check_inputs(
        features, composition, targets, groups=formulas,
        folds="formula", n_folds=n_folds, repeats=repeats, seed=seed,
    )  # fmt: skip
    labels = np.asarray(given.groups)
    first, second = _same(labels)
    if not len(first):
        raise ValueError(
            f"no two of {len(labels)} structures have one formula, so there are no isomers (of "
            "crystals: polymorphs) to compare; draw more (n_structures), or use data with some."
        )
    Y = given.Y
    truth = Y[first] - Y[second]
    right, known = np.zeros_like(truth), np.zeros(len(first))
    predicted, tie = np.zeros((2, repeats, *Y.shape))
    for part in engine_for(probe, seed=seed)(given.X, given.C, Y, given.folds, inputs=()):
        predicted[part.repeat, part.rows] = part.predictions["geom"]
        penalty = part.alphas.get("geom", LEAST_PENALTY)
        tie[part.repeat, part.rows] = SAME_PREDICTION * Y.std(axis=0) / np.sqrt(penalty)
    for said, least in zip(predicted, tie, strict=True):
        guess = said[first] - said[second]
        guess[np.abs(guess) <= least[first]] = 0.0
        told = (least[first] > 0).all(axis=1)  # not set aside for an element unknown in training
        right[told] += 0.5 + 0.5 * np.sign(truth * guess)[told]
        known += told
    first, second, truth = first[known > 0], second[known > 0], truth[known > 0]
    right = right[known > 0] / known[known > 0, None]
    about = {"formula": labels[first], "first": first, "second": second}
    parts = [
        pd.DataFrame({"target": name, **about, "difference": truth[:, t], "right": right[:, t]})
        for t, name in enumerate(given.targets)
    ]
    return pd.concat([part[part["difference"] != 0] for part in parts], ignore_index=True)


def accuracy_by_difference(
    pairs: Mapping[str, pd.DataFrame],
    *,
    n_bins: int = 10,
    level: float = 0.95,
    n_draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Share of pairs in the right order, for all pairs and by how much they differ.

    ``pairs`` is ``"bin"`` (differences between two quantiles, with equally many pairs) or
    ``"above"`` (all that differ more than a quantile; from 0 these are all pairs);
    ``from_difference`` is in units of the target. Formulas are the units of the intervals
    (`_Formulas`): ``n_effective`` says how many of equal size the pairs are worth, as a few hold
    most of them. ``by_formula`` with its interval is the mean of the shares of all ``n_formulas``,
    each counting once. Intervals of shares end at 0 and 1.
    """
    if n_bins < 1:
        raise ValueError(f"n_bins={n_bins} must be at least 1.")
    rows = []
    for name, table in pairs.items():
        for target, here in table.groupby("target", sort=False):
            if len(here) < n_bins:
                raise ValueError(
                    f"{len(here)} pairs differ in {target!r}, too few for {n_bins} bins; take "
                    "fewer (n_bins), or more structures (n_structures)."
                )
            size = here["difference"].abs().to_numpy()
            edges = np.quantile(size, np.arange(n_bins) / n_bins)
            number = np.searchsorted(edges, size, side="right") - 1
            formulas = _Formulas(here["formula"], n_draws=n_draws, seed=seed)
            for kind, b in [(k, b) for k in ("above", "bin") for b in range(n_bins)]:
                chosen = number >= b if kind == "above" else number == b
                right = here["right"].to_numpy()
                accuracy, low, high = formulas.mean(right, chosen, level)
                alike = formulas.mean_of_formulas(right, chosen, level)
                rows.append({
                    "representation": name, "target": target, "pairs": kind,
                    "from_quantile": b / n_bins,
                    "to_quantile": 1.0 if kind == "above" else (b + 1) / n_bins,
                    "from_difference": float(edges[b]),
                    "accuracy": accuracy, "low": max(low, 0.0), "high": min(high, 1.0),
                    "n_pairs": int(chosen.sum()), "n_formulas": here["formula"][chosen].nunique(),
                    "n_effective": formulas.effective(chosen),
                    "by_formula": alike[0],
                    "by_formula_low": max(alike[1], 0.0), "by_formula_high": min(alike[2], 1.0),
                })  # fmt: skip
    return pd.DataFrame(rows)


def accuracy_differences(
    pairs: Mapping[str, pd.DataFrame],
    baselines: Sequence[str],
    *,
    level: float = 0.95,
    n_draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare each representation with each baseline on the same pairs.

    Columns ``target, representation, baseline``, ``difference`` (of accuracies), ``low, high``, and
    ``by_formula`` with its interval as in `accuracy_by_difference`. Each interval has the level
    ``1 - (1 - level) / m`` for m representations that are no baselines (Bonferroni), so that more
    models are not more chances.
    """
    missing = [name for name in baselines if name not in pairs]
    others = [name for name in pairs if name not in baselines]
    if missing or not others or not baselines:
        raise ValueError(
            f"pairs are of {list(pairs)} and baselines are {list(baselines)}; give the pairs of "
            "every baseline and of at least one other representation."
        )
    each = 1 - (1 - level) / len(others)
    rows = []
    for name in others:
        for baseline in baselines:
            ours, theirs = (pairs[key].reset_index(drop=True) for key in (name, baseline))
            if not ours[_PAIR].equals(theirs[_PAIR]):
                raise ValueError(
                    f"{name!r} and {baseline!r} are not of the same pairs; use the same structures "
                    "and targets."
                )
            gain = (ours["right"] - theirs["right"]).to_numpy()
            for target, here in ours.groupby("target", sort=False):
                formulas = _Formulas(here["formula"], n_draws=n_draws, seed=seed)
                every = np.ones(len(here), bool)
                difference, low, high = formulas.mean(gain[here.index], every, each)
                alike = formulas.mean_of_formulas(gain[here.index], every, each)
                about = {"target": target, "representation": name, "baseline": baseline}
                about |= {"difference": difference, "low": low, "high": high}
                rows.append(about | dict(zip(_ALIKE, alike, strict=True)))
    table = pd.DataFrame(rows)
    table.attrs = {"level": level}
    return table


class _Formulas:
    """Intervals over values of pairs whose units are formulas.

    The standard error is that of a bootstrap of whole formulas. Few formulas hold most pairs, so
    the interval is Student's t with as many degrees of freedom as `effective` formulas, less one:
    percentiles of the bootstrap would be too narrow.
    """

    def __init__(self, formulas: pd.Series, *, n_draws: int, seed: int) -> None:
        names, self._index = np.unique(formulas.to_numpy(dtype=str), return_inverse=True)
        self._n = len(names)
        self._weights = bootstrap_weights(names, n_draws=n_draws, seed=seed)

    def mean(
        self, values: np.ndarray, chosen: np.ndarray, level: float
    ) -> tuple[float, float, float]:
        """Mean over the chosen pairs and its interval."""
        index = self._index[chosen]
        sums = np.bincount(index, weights=values[chosen], minlength=self._n)
        counts = np.bincount(index, minlength=self._n)
        total = self._weights @ counts
        draws = (self._weights @ sums)[total > 0] / total[total > 0]
        return _student(
            float(values[chosen].mean()), float(draws.std()), self.effective(chosen), level
        )

    def effective(self, chosen: np.ndarray) -> float:
        """How many equally large formulas the chosen pairs are worth (Kish)."""
        counts = np.bincount(self._index[chosen], minlength=self._n)
        return float(counts.sum() ** 2 / (counts.astype(float) ** 2).sum())

    def mean_of_formulas(
        self, values: np.ndarray, chosen: np.ndarray, level: float
    ) -> tuple[float, float, float]:
        """Mean over formulas of the mean over their chosen pairs, and its interval."""
        index = self._index[chosen]
        counts = np.bincount(index, minlength=self._n)
        sums = np.bincount(index, weights=values[chosen], minlength=self._n)
        each = sums[counts > 0] / counts[counts > 0]
        error = each.std(ddof=1) / np.sqrt(len(each)) if len(each) > 1 else np.nan
        return _student(float(each.mean()), float(error), len(each), level)


def _student(mean: float, error: float, units: float, level: float) -> tuple[float, float, float]:
    half = stats.t.ppf(0.5 + level / 2, units - 1) * error if units > 1 else np.nan
    return mean, mean - half, mean + half


def _same(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all pairs with one label, formula by formula."""
    found = []
    for rows in pd.Series(range(len(labels))).groupby(labels).indices.values():
        a, b = np.triu_indices(len(rows), k=1)
        found.append((rows[a], rows[b]))
    first, second = (np.concatenate(side).astype(np.int64) for side in zip(*found, strict=True))
    return first, second
