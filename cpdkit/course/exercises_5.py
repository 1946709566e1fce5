"""Exercises of the project: how much data does it need?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.optimize import brentq

from cpdkit.course.feedback import Wrong, one_number
from cpdkit.experiments.efficiency.measure import isotropic_r2
from cpdkit.experiments.efficiency.verdict import efficiency_correlations

__all__ = ["exercise_5_1", "exercise_5_2", "exercise_5_3"]


def exercise_5_1(answer: Any, *, channels: int, share: float) -> str:
    """Rows from which least squares on noise-like features reaches half of its final score."""
    number = one_number(answer)
    truth = _rows_for(0.5, channels, share)
    said = f"with {channels} channels and a share of {share:g}"
    if abs(number - truth) <= max(1.0, 0.05 * truth):
        return (
            f"{truth:.0f} rows {said}. The lower the share, the more rows half of it takes, with "
            "no difference in how it is encoded."
        )
    if number <= channels + 2:
        raise Wrong(
            f"with {number:.0f} rows least squares on {channels} channels has no finite expected "
            f"error; the answer lies above {channels + 2}."
        )
    if abs(number - _rows_for(0.25, channels, share)) <= max(1.0, 0.05 * number):
        raise Wrong("that many rows reach a quarter of the final score; asked was half.")
    reached = isotropic_r2(number, channels=channels, share=share)
    raise Wrong(
        f"{number:.0f} rows are expected to score {reached:.3f}; half of the final score is "
        f"{share / 2:.3f}."
    )


def _rows_for(fraction: float, channels: int, share: float) -> float:
    def distance(n: float) -> float:
        return float(isotropic_r2(n, channels=channels, share=share)) - fraction * share

    return float(brentq(distance, channels + 2 + 1e-9, 1e12))


def exercise_5_2(
    answer: Any, *, needed: pd.DataFrame, target: str, criterion: str = "50% of final"
) -> str:
    """Rank correlation of final score and structures needed at the representations' own widths."""
    number = one_number(answer)
    table = efficiency_correlations(needed.drop(columns="unstructured", errors="ignore"))
    table = table[(table["target"] == target) & (table["criterion"] == criterion)]
    table = table.set_index("width")
    if "all" not in table.index or np.isnan(table.loc["all", "rho"]):
        raise Wrong(f"no rank correlation for {target} here; use more models.")
    truth = table.loc["all", "rho"]
    if abs(number - truth) <= 0.01:
        return (
            f"{truth:+.2f} over {table.loc['all', 'models']} representations, interval "
            f"{table.loc['all', 'low']:+.2f} to {table.loc['all', 'high']:+.2f}."
        )
    if abs(number) > 1:
        raise Wrong("a correlation lies between -1 and 1.")
    for width, rho in table["rho"].drop("all").items():
        if abs(number - rho) <= 0.01:
            raise Wrong(f"that is the correlation at matched width ({width}).")
    rows = needed[
        (needed["width"] == "all")
        & (needed["target"] == target)
        & (needed["criterion"] == criterion)
    ]
    seen = rows[rows["bound"] == "exact"]
    if len(seen) > 2:
        if abs(number - stats.pearsonr(seen["final"], seen["needed"]).statistic) <= 0.01:
            raise Wrong("that is Pearson's correlation; rank both columns first.")
        if abs(number - stats.spearmanr(seen["final"], seen["needed"]).statistic) <= 0.01:
            raise Wrong(
                "you left out the representations whose need lies outside the sizes; they rank "
                "first (bound 'below') or last ('above')."
            )
    if abs(number + truth) <= 0.01:
        raise Wrong("the sign is turned: negative means that a high score goes with a small need.")
    raise Wrong(
        f"not the rank correlation of the columns final and needed; take the {len(rows)} rows of "
        f"width 'all', {target} and {criterion!r}, without those of bound 'undefined'."
    )


def exercise_5_3(answer: Any, *, laws: pd.DataFrame, representation: str, target: str) -> str:
    """Factor in structures that halves the distance of a curve to its limit."""
    number = one_number(answer)
    rows = laws[(laws["representation"] == representation) & (laws["target"] == target)]
    if len(rows) != 1:
        raise ValueError(
            f"the table has {len(rows)} laws for {representation!r} and {target!r}; needed is one."
        )
    law = rows.iloc[0]
    truth = 2 ** (1 / law["c"])
    if abs(number - truth) <= 0.02 * truth:
        return (
            f"2^(1/c) = {truth:.3g} for c = {law['c']:.2f}, whatever a, b and n are. With the "
            f"interval of c it lies between {2 ** (1 / law['c_high']):.3g} and "
            f"{2 ** (1 / law['c_low']):.3g}."
        )
    if abs(number - 2 ** law["c"]) <= 0.02 * number:
        raise Wrong("2^c is by how much the distance shrinks when n doubles; turn it.")
    if abs(number - 2) <= 0.02:
        raise Wrong(f"twice as many would do for c = 1; here c = {law['c']:.2f}.")
    if number <= 1:
        raise Wrong("fewer structures never come nearer to the limit.")
    left = number ** -law["c"]
    raise Wrong(f"{number:g} times as many leave {left:.0%} of the distance, not half.")
