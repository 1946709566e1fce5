"""What chapter 3 tabulates of its scores."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cpdkit.experiments.inflation.verdict import safe_widths

__all__ = ["MODEL_SCORES", "found_of_nothing", "minus_control_long", "safe_widths_by_probe"]

MODEL_SCORES = ["r2_geom", "ceiling", "control", "minus control", "r2_partial", "within formulas"]
"""Scores of `measure.model_scores` in the order to show them."""


def found_of_nothing(remedies: pd.DataFrame) -> pd.DataFrame:
    """The most that any probe finds where the truth is 0, beside what each finds elsewhere."""
    keys = ["folds", "remedy"]
    nothing = remedies[remedies["truth"] == 0].groupby(keys, sort=False)["mean"].max()
    planted = remedies[remedies["truth"] > 0].set_index([*keys, "probe"])["mean"].unstack()
    planted = planted.reindex(nothing.index)[list(dict.fromkeys(remedies["probe"]))]
    planted.insert(0, "most found of nothing", nothing)
    return planted


def minus_control_long(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each of the two scores of `measure.planted_minus_control`, ``score`` naming it."""
    keys = ["folds", "target", "truth", "probe"]
    return table.melt(keys, ["plain", "minus control"], var_name="score", value_name="mean")


def safe_widths_by_probe(
    widths: pd.DataFrame, *, probes: Sequence[str], bound: float
) -> pd.DataFrame:
    """Safe widths with a row for each probe and a column for each planted representation."""
    safe = safe_widths(widths, bound=bound)
    wide = safe.pivot(index="probe", columns="planted", values="width")
    return wide.reindex(probes)[list(dict.fromkeys(widths["planted"]))]
