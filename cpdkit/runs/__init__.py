"""The machinery around the notebooks: run, key, record, book."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpdkit.runs.run import NotebookError as NotebookError
    from cpdkit.runs.run import Run as Run
    from cpdkit.runs.run import run_notebook as run_notebook

__all__ = ["NotebookError", "Run", "run_notebook"]


def __getattr__(name: str) -> Any:
    # Imported on first use: a kernel that only reads records needs no papermill.
    if name in __all__:
        return getattr(import_module("cpdkit.runs.run"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
