"""The course: lessons with exercises that say why an answer is wrong.

`feedback` checks an answer; `exercises_N` has the checkers of lesson N, `figures_N` its figures;
`table` reads the molecules that lessons 1 and 2 work with; `products` makes from one notebook
what students, instructors and an audience get.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpdkit.course.feedback import Feedback as Feedback
    from cpdkit.course.feedback import check as check

__all__ = ["Feedback", "check"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("cpdkit.course.feedback"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
