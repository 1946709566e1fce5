"""Grade a folder of submitted notebooks: each in a process of its own, judged in another.

What is protected. A submission runs in a process of its own, in an empty folder, with limits of
time and memory; that process only writes down answers, as JSON, which nothing unpickles or runs.
The answers are judged in this process by the checkers of the package, on data from the lesson's own
notebook. So a submission gains nothing by overwriting `check`, a checker, or the data.

What is not. The process runs as you do: it can read and write your files and reach the network.
It can read the checkers, compute the right answer with them and hand that in. Whom you would not
let use your account, grade in a container. Nor is it noticed if two hand in the same notebook.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbformat import NotebookNode

from cpdkit.course.feedback import check
from cpdkit.runs.answers import from_json
from cpdkit.runs.key import PACKAGE

__all__ = ["STATES", "Limits", "exercise_data", "find_lesson", "grade"]

_LARGEST = 200_000_000  # bytes of answers
STATES = ("right", "not yet", "no answer", "error", "out of time")
_LESSONS = "book/course"


@dataclass(frozen=True)
class Limits:
    """What each submission may use."""

    seconds: float = 300.0
    megabytes: int = 4000


def grade(
    folder: str | Path,
    *,
    lesson: str | Path | None = None,
    limits: Limits | None = None,
    told: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Judge every notebook below a folder.

    Parameters
    ----------
    folder : str or Path
        Submissions, ``.ipynb``, in folders of any depth.
    lesson : str or Path, optional
        The lesson's own notebook: its source or the one for instructors. By default looked for in
        ``book/course`` of the current directory, by the number that the submissions carry.
    limits : Limits, optional
        300 s and 4,000 MB for each by default.
    told : callable, optional
        Called with a line about each submission.

    Returns
    -------
    DataFrame
        One row for each submission: ``submission``, a column for each exercise with *right*,
        *not yet*, *no answer*, *error* or *out of time*, ``right`` (how many), ``seconds`` and
        ``note``.

    Raises
    ------
    FileNotFoundError
        If there is no folder, no notebook in it, or no lesson.
    ValueError
        If the submissions are of several lessons.
    """
    folder, limits = Path(folder), limits or Limits()
    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {str(folder)!r} with submissions.")
    paths = [p for p in sorted(folder.rglob("*.ipynb")) if ".ipynb_checkpoints" not in p.parts]
    if not paths:
        raise FileNotFoundError(f"no notebook (.ipynb) below {str(folder)!r}.")
    source = Path(lesson) if lesson is not None else find_lesson(paths)
    data = exercise_data(nbformat.read(source, as_version=4))
    rows = []
    for path in paths:
        row = {"submission": path.relative_to(folder).as_posix()}
        row |= _graded(path, data, limits)
        told(f"{row['submission']}: {row['right']} of {len(data)} right. {row['note']}".rstrip())
        rows.append(row)
    return pd.DataFrame(rows, columns=["submission", *data, "right", "seconds", "note"])


def find_lesson(paths: list[Path], *, root: Path = Path(_LESSONS)) -> Path:
    """The lesson that submissions belong to, by the number in their metadata."""
    numbers = {number for path in paths if (number := _lesson_number(path)) is not None}
    if len(numbers) > 1:
        raise ValueError(
            f"submissions of the lessons {sorted(numbers)} lie together; grade one at a time."
        )
    found = [p for n in numbers for p in sorted(root.glob(f"{n}_*.ipynb"))]
    if not found:
        which = f"lesson {numbers.pop()}" if numbers else "the lesson"
        raise FileNotFoundError(
            f"the notebook of {which} is not in {str(root)!r}; name it with --lesson FILE (the "
            "notebook for instructors will do)."
        )
    return found[0]


def _lesson_number(path: Path) -> int | None:
    try:
        return int(nbformat.read(path, as_version=4).metadata["cpdkit"]["lesson"])
    except Exception:  # a damaged submission gets its row later
        return None


def exercise_data(lesson: NotebookNode) -> dict[str, Mapping[str, Any]]:
    """For each exercise what `check` is given beside the answer, from a run of the lesson.

    Parameters
    ----------
    lesson : NotebookNode
        A notebook that you trust: it runs in this process.
    """
    noted: dict[str, Mapping[str, Any]] = {}

    def note(name: str, answer: Any, **data: Any) -> None:
        noted.setdefault(name, data)

    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in lesson.cells:
        if cell.cell_type == "code" and "solution" not in cell.metadata.get("tags", []):
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell.source, "<lesson>", "exec"), names)
            if "check" in names:
                names["check"] = note
    return noted


def _graded(path: Path, data: Mapping[str, Mapping[str, Any]], limits: Limits) -> dict[str, Any]:
    """Run a submission apart and judge what it handed in."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "answers.json"
        ended = _run_apart(path.resolve(), out, limits)
        seconds = time.perf_counter() - started
        try:
            if out.stat().st_size > _LARGEST:
                raise ValueError("too large")
            found = json.loads(out.read_text())
            answers, errors = dict(found["answers"]), dict(found["errors"])
            complete = found["finished"] is True
        except (OSError, ValueError, KeyError, TypeError):
            answers, errors, complete = {}, {}, False
    row = {name: _state(name, given, answers, errors, ended) for name, given in data.items()}
    note = "; ".join(f"{name}: {why}" for name, why in sorted(errors.items()))
    if ended:
        note = ended
    elif not complete:
        note = "it could not be run to its end: is it a notebook, and was memory enough?"
    right = sum(state == "right" for state in row.values())
    return row | {"right": right, "seconds": round(seconds, 1), "note": note}


def _state(name: str, data: Mapping[str, Any], answers: dict, errors: dict, ended: str) -> str:
    if name in errors:
        return "error"
    if name not in answers:
        return "out of time" if ended else "no answer"
    if answers[name] is None:
        return "no answer"
    try:
        return "right" if check(name, from_json(answers[name]), **data).right else "not yet"
    except Exception:  # a strange answer is no reason to stop grading
        return "error"


def _run_apart(notebook: Path, out: Path, limits: Limits) -> str:
    """Run a submission in a session of its own; say so where its time ran out."""
    command = [sys.executable, "-P", "-m", "cpdkit.runs.answers", str(notebook), str(out)]
    work = out.parent / "work"
    work.mkdir()
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]),
        "IPYTHONDIR": str(out.parent / "ipython"),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1"),
    }
    process = subprocess.Popen(
        command, cwd=work, env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=_limiter(limits),
    )  # fmt: skip
    try:
        process.wait(timeout=limits.seconds)
        return ""
    except subprocess.TimeoutExpired:
        return f"stopped after {limits.seconds:g} s"
    finally:
        _end(process)


def _end(process: subprocess.Popen) -> None:
    """End it and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _limiter(limits: Limits) -> Callable[[], None] | None:
    try:
        import resource
    except ImportError:  # Windows: time is limited, memory is not
        return None
    size = limits.megabytes * 1_000_000

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return limit
