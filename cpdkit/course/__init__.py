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
    from cpdkit.course.probe import r2 as r2
    from cpdkit.course.probe import ridge_probe as ridge_probe
    from cpdkit.course.table import Table as Table
    from cpdkit.course.table import load_table as load_table

_HOME = {
    "Feedback": "feedback",
    "Table": "table",
    "check": "feedback",
    "load_table": "table",
    "r2": "probe",
    "ridge_probe": "probe",
}
__all__ = ["Feedback", "Table", "check", "load_table", "r2", "ridge_probe"]


def __getattr__(name: str) -> Any:
    # Imported on first use: who checks an answer needs no table.
    if name in _HOME:
        return getattr(import_module(f"cpdkit.course.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
