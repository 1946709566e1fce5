"""What became of a claim, and how numbers are written in its sentence."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.intervals import corrected_t

__all__ = [
    "OUTCOMES",
    "STYLES",
    "VERBS",
    "Verdict",
    "badge",
    "decide",
    "difference",
    "listed",
    "number",
]
__all__ += ["points", "signed", "with_interval"]

OUTCOMES = ("holds", "fails", "undecided")
VERBS = {"holds": "holds", "fails": "fails", "undecided": "is undecided"}
"""How a sentence says each outcome: *Claim 1 is undecided*."""


@dataclass(frozen=True)
class Verdict:
    """What became of a claim.

    Attributes
    ----------
    claim : str
        The claim, in our words.
    outcome : {"holds", "fails", "undecided"}
        What the results say.
    sentence : str
        The outcome with the numbers it rests on.
    """

    claim: str
    outcome: str
    sentence: str


def decide(*, holds: bool, fails: bool) -> str:
    """The outcome: what refutes a claim goes before what supports it.

    Examples
    --------
    >>> decide(holds=True, fails=True), decide(holds=False, fails=False)
    ('fails', 'undecided')
    """
    return "fails" if fails else "holds" if holds else "undecided"


def badge(outcomes: Collection[str]) -> str:
    """What became of a claim on several data sets, in a word.

    Parameters
    ----------
    outcomes : collection of str
        Of :data:`OUTCOMES`, one for each data set.

    Returns
    -------
    str
        ``"reproduced"`` if it holds on all, ``"partly"`` if on some, ``"not reproduced"`` if it
        holds on none and fails on some, else ``"open"``.

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
    """A value with its interval, such as ``"0.41 (0.35 to 0.47)"``.

    Parameters
    ----------
    row : mapping or Series
        With `value`, ``low`` and ``high``.
    value : str, default "mean"
        Which entry is the value.
    style : str, default "number"
        Of :data:`STYLES`.

    Returns
    -------
    str
        Without the interval where it is NaN, and *not defined* where the value is.

    Examples
    --------
    >>> with_interval({"rho": 0.5, "low": float("nan"), "high": 1.0}, "rho", style="signed")
    '+0.50 (no interval)'
    """
    write = STYLES[style]
    if np.isnan(row[value]):
        return "not defined"
    if np.isnan(row["low"]) or np.isnan(row["high"]):
        return f"{write(row[value])} (no interval)"
    return f"{write(row[value])} ({write(row['low'])} to {write(row['high'])})"


def listed(names: Collection[str]) -> str:
    """Names as a sentence lists them.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def difference(
    one: Sequence[float], other: Sequence[float], *, n_folds: int, level: float = 0.95
) -> pd.Series:
    """Paired difference over folds with its corrected resampled t interval.

    Parameters
    ----------
    one, other : sequence of float, shape (n_folds * repeats,)
        Fold values on the same folds.
    n_folds : int
        Folds in one repeat.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    pandas.Series
        ``mean, low, high``.
    """
    folds = np.subtract(one, other)
    low, high = corrected_t(folds, test_share=1 / (n_folds - 1), level=level)
    return pd.Series({"mean": folds.mean(), "low": low, "high": high})
