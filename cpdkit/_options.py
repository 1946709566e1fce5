"""Checks on options, each with a sentence that names the option."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = [
    "FEW",
    "check_alphas",
    "check_count",
    "check_level",
    "check_seed",
    "warn_few_groups",
    "warn_few_rows",
]

FEW = 5
"""Of fewer rows in a test fold, or fewer groups to draw from, an interval says little."""


def check_count(value: Any, name: str, *, least: int = 1) -> int:
    """A whole number of at least `least`.

    Raises
    ------
    ValueError
        If it is anything else; True and 5.0 are no counts.
    """
    if not _whole(value) or value < least:
        raise ValueError(f"{name}={value!r} must be a whole number, at least {least}.")
    return int(value)


def check_seed(seed: Any) -> None:
    """Refuse a seed that is no whole number from 0, or a sequence of such."""
    parts = [seed] if np.ndim(seed) == 0 else list(seed)
    if not parts or not all(_whole(part) and part >= 0 for part in parts):
        raise ValueError(f"seed={seed!r} must be a whole number from 0.")


def check_level(level: Any) -> None:
    """Refuse a confidence level that is no share, such as 95."""
    number = isinstance(level, int | float | np.number) and not isinstance(level, bool)
    if not number or not 0 < level < 1:
        raise ValueError(f"level={level!r} must lie between 0 and 1, such as 0.95.")


def check_alphas(alphas: Any) -> tuple[float, ...]:
    """Penalties to choose from: at least one, each positive and finite."""
    given = alphas if isinstance(alphas, Iterable) else [alphas]
    try:
        found = () if isinstance(alphas, str) else tuple(float(alpha) for alpha in given)
    except (TypeError, ValueError):
        found = ()
    if not found or not all(0 < alpha < np.inf for alpha in found):
        raise ValueError(f"alphas={alphas!r} must be positive penalties, at least one.")
    return found


def warn_few_rows(sizes: Sequence[int] | np.ndarray) -> None:
    """Warn where a test fold is so small that neither score nor interval says much.

    Parameters
    ----------
    sizes : sequence of int
        Rows of each test fold.
    """
    smallest = int(np.min(sizes))
    if smallest < FEW:
        warnings.warn(
            f"the smallest test fold has {smallest} row(s): scores and intervals of so few are "
            "mostly chance; give more rows or fewer folds.",
            stacklevel=4,
        )


def warn_few_groups(found: int) -> None:
    """Warn where a bootstrap of whole groups has only a few to draw from."""
    if found < FEW:
        warnings.warn(
            f"there are {found} group(s) to draw from: a bootstrap interval of so few is much too "
            "narrow; give data with more formulas, or use interval='corrected-t'.",
            stacklevel=4,
        )


def _whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
