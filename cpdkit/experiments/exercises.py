"""Exercises at the end of the chapters: hand in an answer, hear whether it is right, and why.

The truth is computed anew from the data that come with the answer, so an exercise can be done on
other structures than those of the book.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from cpdkit._messages import unknown

__all__ = ["EXERCISES", "Feedback", "Wrong", "check", "one_number"]

EXERCISES: dict[str, str] = {
    **{f"3.{i}": f"cpdkit.experiments.inflation.exercises:exercise_3_{i}" for i in (1, 2, 3)},
    **{f"4.{i}": f"cpdkit.experiments.efficiency.exercises:exercise_4_{i}" for i in (1, 2, 3)},
}
"""Where each exercise is checked, as ``module:function``; imported when it is needed."""


@dataclass(frozen=True)
class Feedback:
    """What became of an answer."""

    right: bool
    why: str  # and for a wrong answer what to look at

    def __str__(self) -> str:
        return f"{'Right' if self.right else 'Not yet'}: {self.why}"

    def _repr_markdown_(self) -> str:
        return f"**{'Right' if self.right else 'Not yet'}**: {self.why}"


class Wrong(Exception):
    """Why an answer is wrong; a checker that does not raise it returns why the answer is right."""


def one_number(answer: Any) -> float:
    """The answer as a finite number."""
    try:
        if isinstance(answer, bool) or np.ndim(answer) != 0:
            raise TypeError
        value = float(answer)
    except (TypeError, ValueError):
        raise Wrong(f"one number was expected, got {type(answer).__name__}.") from None
    if not np.isfinite(value):
        raise Wrong(f"{value} is no finite number.")
    return value


def check(name: str, answer: Any, **data: Any) -> Feedback:
    """Check an answer, given the data that the text of the exercise names.

    A wrong type or shape is a wrong answer, not an error.
    """
    if name not in EXERCISES:
        raise ValueError(unknown("exercise", name, EXERCISES))
    if answer is None:
        return Feedback(False, "no answer yet. Replace None by yours and run the cell again.")
    module, _, function = EXERCISES[name].partition(":")
    checker: Callable[..., str] = getattr(import_module(module), function)
    try:
        return Feedback(True, checker(answer, **data))
    except Wrong as wrong:
        return Feedback(False, str(wrong))
