"""Run one submission and write down its answers: the part of grading that runs foreign code.

``python -m cpdkit.runs.answers NOTEBOOK OUT`` executes all cells in order, going on after errors.
Wherever a cell calls ``check("N.M", ANSWER, ...)``, the expression ANSWER is evaluated once more
after the cell and written to OUT as JSON, whatever `check` the notebook has made of its own.
Nothing is judged here: that is done by another process, which reads the JSON (`cpdkit.runs.grade`).
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from IPython.core.interactiveshell import InteractiveShell

from cpdkit._files import replacing

__all__ = ["answer_expressions", "as_json", "from_json", "run_cells"]

_LARGEST = 5_000_000  # entries of an answer


def answer_expressions(source: str) -> dict[str, str]:
    """Exercises that a cell hands in, and the expressions of its answers.

    Examples
    --------
    >>> answer_expressions('check("1.1", x + 1, y=y)')
    {'1.1': 'x + 1'}
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return {}
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check"
    ]
    return {
        str(call.args[0].value): ast.unparse(call.args[1])
        for call in calls
        if len(call.args) > 1 and isinstance(call.args[0], ast.Constant)
    }


def as_json(answer: Any) -> Any:
    """Numbers, text, arrays, tables, and lists, tuples and dicts of them, as JSON can hold them.

    Raises
    ------
    TypeError
        For anything else.
    """
    if answer is None or isinstance(answer, (bool, int, float, str)):
        return answer
    if isinstance(answer, (np.ndarray, np.generic)) or hasattr(answer, "to_numpy"):
        array = np.asarray(answer)
        if array.dtype.kind not in "biufU" or array.size > _LARGEST:
            raise TypeError(f"an array of {array.size} {array.dtype} entries cannot be handed in.")
        return {"array": array.tolist(), "dtype": array.dtype.str, "shape": array.shape}
    if isinstance(answer, (list, tuple, set)):
        return [as_json(part) for part in answer]
    if isinstance(answer, dict):
        return {"dict": [[as_json(key), as_json(value)] for key, value in answer.items()]}
    raise TypeError(f"an answer of type {type(answer).__name__} cannot be handed in.")


def from_json(stored: Any) -> Any:
    """What `as_json` stored; sets and tuples come back as lists, tables as arrays."""
    if isinstance(stored, list):
        return [from_json(part) for part in stored]
    if isinstance(stored, dict) and "array" in stored:
        return np.array(stored["array"], dtype=stored["dtype"]).reshape(stored["shape"])
    if isinstance(stored, dict):
        return {from_json(key): from_json(value) for key, value in stored["dict"]}
    return stored


def run_cells(notebook: Path, out: Path) -> None:
    """Execute a notebook's code; write answers and errors to `out` after each cell."""
    cells = [c for c in nbformat.read(notebook, as_version=4).cells if c.cell_type == "code"]
    found: dict[str, Any] = {"answers": {}, "errors": {}, "finished": False}
    shell = InteractiveShell.instance()
    for cell in cells:
        result = shell.run_cell(cell.source, silent=True)
        error = result.error_before_exec or result.error_in_exec
        for name, expression in answer_expressions(cell.source).items():
            try:
                if error is not None:
                    raise error
                value = as_json(eval(expression, shell.user_ns))
            except Exception as problem:
                found["errors"][name] = f"{type(problem).__name__}: {problem}"[:200]
                continue
            if value is not None or name not in found["answers"]:
                found["answers"][name] = value
                found["errors"].pop(name, None)
        with replacing(out) as file:
            file.write(json.dumps(found).encode())
    found["finished"] = True
    with replacing(out) as file:
        file.write(json.dumps(found).encode())


if __name__ == "__main__":
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        run_cells(Path(sys.argv[1]), Path(sys.argv[2]))
