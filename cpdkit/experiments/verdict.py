"""What became of a claim, and how numbers are written in its sentence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["STYLES", "VERBS", "Verdict", "above_ceiling", "badge", "decide", "listed", "named"]
__all__ += ["number", "of_target", "points", "signed", "with_interval"]

VERBS = {"holds": "holds", "fails": "fails", "undecided": "is undecided"}
"""How a sentence says each outcome: *Claim 1 is undecided*."""


@dataclass(frozen=True)
class Verdict:
    """What became of a claim."""

    claim: str
    outcome: str  # holds, fails, or undecided
    sentence: str  # the outcome with the numbers it rests on


def decide(*, holds: bool, fails: bool) -> str:
    """The outcome: what refutes a claim goes before what supports it."""
    return "fails" if fails else "holds" if holds else "undecided"


def badge(outcomes: Collection[str]) -> str:
    """What became of a claim on several data sets, in a word.

    Examples
    --------
    >>> badge(["holds", "undecided"]), badge(["fails", "undecided"]), badge([])
    ('partly', 'not reproduced', 'open')
    """
    if "holds" in outcomes:
        return "reproduced" if set(outcomes) == {"holds"} else "partly"
    return "not reproduced" if "fails" in outcomes else "open"


def number(value: float, digits: int = 2) -> str:
    """Such as ``"0.41"``; there is no minus before a zero."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def signed(value: float, digits: int = 2) -> str:
    """Such as ``"+0.41"`` and ``"+0.00"``."""
    return f"{round(float(value), digits) + 0.0:+.{digits}f}"


def points(value: float) -> str:
    """A difference of shares in points of a hundred, such as ``"+4.1"``."""
    return signed(100 * value, 1)


STYLES: Mapping[str, Callable[[float], str]] = {
    "number": number,
    "signed": signed,
    "percent": lambda value: number(100 * value, 1) + "%",
    "signed percent": lambda value: signed(100 * value, 0) + "%",
    "points": points,
}
"""How :func:`with_interval` may write a value and its interval."""


def with_interval(
    row: Mapping[str, Any] | pd.Series, value: str = "mean", *, style: str = "number"
) -> str:
    """The entry `value` with ``low`` and ``high``, such as ``"0.41 (0.35 to 0.47)"``."""
    write = STYLES[style]
    if np.isnan(row[value]):
        return "not defined"
    if np.isnan(row["low"]) or np.isnan(row["high"]):
        return f"{write(row[value])} (no interval)"
    return f"{write(row[value])} ({write(row['low'])} to {write(row['high'])})"


def named(row: Mapping[str, Any] | pd.Series) -> str:
    """A representation with its score, such as ``"soap 0.41 (0.35 to 0.47)"``."""
    return f"{row['representation']} {with_interval(row)}"


def listed(names: Collection[str]) -> str:
    """Names as a sentence lists them: ``"a, b and c"``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def above_ceiling(table: pd.DataFrame) -> str:
    """How many scores lie above their ceiling for certain."""
    rows = table[table["score"] == "crossing"]
    return f"Above the ceiling: {(rows['low'] > 0).sum()} of {len(rows)} scores"


def of_target(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows of one target; ValueError where there are none."""
    rows = table[table["target"] == target]
    if rows.empty:
        known = table["target"].drop_duplicates().tolist()
        raise ValueError(f"the table has no target {target!r}; it has {known}.")
    return rows
