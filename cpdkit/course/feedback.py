"""Exercises of the course: hand in an answer, hear whether it is right, and why.

The truth is computed anew from the data that come with the answer, so an exercise can be done on
other data than those of the lesson.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import numpy as np

import cpdkit.course
from cpdkit._messages import unknown

__all__ = ["Feedback", "Wrong", "check", "exercise_names", "many_numbers", "name_mistake"]
__all__ += ["numbers", "one_number", "two_numbers"]


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
    """The answer as a finite number; an array of one entry will do."""
    try:
        array = np.asarray(answer)
        if array.dtype == bool or array.size != 1:
            raise TypeError
        value = float(array.reshape(()))
    except (TypeError, ValueError):
        raise Wrong(f"one number was expected, got {_kind(answer)}.") from None
    if not np.isfinite(value):
        raise Wrong(f"{value} is no finite number.")
    return value


def numbers(answer: Any) -> np.ndarray:
    """The answer as an array of numbers, of any shape."""
    try:
        return np.asarray(answer, dtype=np.float64)
    except (TypeError, ValueError):
        raise Wrong(f"numbers were expected, got {_kind(answer)}.") from None


def many_numbers(answer: Any, shape: tuple[int, ...], *, row: str = "molecule") -> np.ndarray:
    """The answer as finite numbers of this shape; for (n,), a single column or row will do."""
    array = numbers(answer)
    if len(shape) == 1 and array.shape in {(*shape, 1), (1, *shape)}:
        array = array.reshape(shape)
    if array.shape != shape:
        raise Wrong(f"the answer has shape {array.shape}; expected {shape}, one row per {row}.")
    if not np.isfinite(array).all():
        raise Wrong(f"{int((~np.isfinite(array)).sum())} entries are NaN or infinite.")
    return array


def two_numbers(answer: Any, which: str) -> np.ndarray:
    """The answer as two finite numbers, of which `which` says what they are."""
    try:
        array = np.asarray(answer, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise Wrong(f"two numbers were expected, {which}; got {_kind(answer)}.") from None
    if array.shape != (2,) or not np.isfinite(array).all():
        got = np.array2string(array, precision=3, threshold=5)
        raise Wrong(f"two finite numbers were expected, {which}; got {got}.")
    return array


def name_mistake(given: Any, mistakes: Mapping[str, Any], *, tolerance: float) -> None:
    """Raise Wrong with the keys of all mistakes that give this answer, if any does.

    An answer that was not rounded tells mistakes apart that lie within the tolerance.
    """
    off = {why: np.abs(given - np.asarray(wrong)).max() for why, wrong in mistakes.items()}
    for limit in (1e-3 * tolerance, tolerance):
        if found := [why for why, distance in off.items() if distance < limit]:
            raise Wrong(" Or: ".join(found))


def _kind(answer: Any) -> str:
    shape = np.shape(answer) if isinstance(answer, np.ndarray) else ()
    return f"an array of shape {shape}" if shape else type(answer).__name__


def exercise_names() -> list[str]:
    """Names of all exercises, such as ``"1.1"``, lesson by lesson."""
    return [
        found[1] + "." + found[2]
        for module in iter_modules(cpdkit.course.__path__)
        if module.name.startswith("exercises_")
        for name in import_module(f"cpdkit.course.{module.name}").__all__
        if (found := re.fullmatch(r"exercise_(\d+)_(\d+)", name))
    ]


def _checker(name: str) -> Callable[..., str]:
    if found := re.fullmatch(r"(\d+)\.(\d+)", str(name)):
        lesson = f"cpdkit.course.exercises_{found[1]}"
        try:
            return getattr(import_module(lesson), f"exercise_{found[1]}_{found[2]}")
        except AttributeError:
            pass
        except ModuleNotFoundError as error:
            if error.name != lesson:
                raise
    raise ValueError(unknown("exercise", name, exercise_names()))


def check(name: str, answer: Any, **data: Any) -> Feedback:
    """Check an answer, given the data that the text of the exercise names.

    A wrong type or shape is a wrong answer, not an error.

    Parameters
    ----------
    name : str
        ``"LESSON.NUMBER"``, such as ``"1.1"``.
    answer : object
        The answer; ``None`` where there is none yet.
    **data
        What the truth is computed from.

    Returns
    -------
    Feedback
        Whether the answer is right, and why.

    Raises
    ------
    ValueError
        If there is no such exercise.
    """
    checker = _checker(name)
    if answer is None:
        return Feedback(False, "no answer yet. Replace None by yours and run the cell again.")
    try:
        return Feedback(True, checker(answer, **data))
    except Wrong as wrong:
        return Feedback(False, str(wrong))
