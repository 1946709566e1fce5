"""Run notebooks with papermill: checked parameters, a known kernel, a manifest, no needless run.

Every run has a directory of its own with the executed notebook, whatever files it wrote (its
working directory is there) and ``manifest.json``. Asked for the same run again, nothing happens
as long as notebook, parameters, the library modules it used, the data files it read, and the
versions of packages and Python are unchanged.
"""

from __future__ import annotations

import copy
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
import papermill
import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from traitlets import default

import cpdkit
from cpdkit._files import locked, replace_folder, scratch_folder
from cpdkit._messages import unknown
from cpdkit.runs.key import (
    PACKAGE,
    file_hash,
    hardware,
    notebook_hash,
    recorded_dependencies,
    revision,
    stale,
)
from cpdkit.runs.parameters import (
    Parameter,
    absolute_files,
    check_parameters,
    current_names,
    declared_parameters,
    literal,
    named_files,
)
from cpdkit.runs.recorder import RECORD_VARIABLE

__all__ = [
    "NotebookError",
    "Run",
    "notebook_aliases",
    "notebook_parameters",
    "profile_parameters",
    "read_notebook",
    "run_notebook",
]

MANIFEST = "manifest.json"
_INJECTED = "injected-parameters"  # papermill's word


class NotebookError(RuntimeError):
    """A cell raised an exception; the message holds its traceback."""


@dataclass(frozen=True)
class Run:
    """An executed notebook.

    Attributes
    ----------
    notebook : Path
        The executed notebook; the files it wrote are beside it.
    manifest : mapping
        What it was made from and on: notebook, parameters, library, data, versions, machine.
    reason : str
        Why it was run just now; empty where an earlier run was still current.
    """

    notebook: Path
    manifest: Mapping[str, Any]
    reason: str

    @property
    def directory(self) -> Path:
        """Where notebook, manifest and written files are."""
        return self.notebook.parent


def read_notebook(path: str | Path) -> NotebookNode:
    """Read a notebook, ``.ipynb`` or MyST Markdown (``.md``).

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is neither, or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no notebook at {path} (looked from {Path.cwd()}).")
    try:
        notebook = _read(path)
    except OSError:
        raise
    except Exception as error:  # the readers raise whatever a strange file makes them
        raise ValueError(f"{path} cannot be read as a notebook: {_first_line(error)}") from error
    if notebook is None:
        raise ValueError(f"{path} is neither an .ipynb nor a MyST Markdown notebook.")
    # Values of an earlier run must not outlive the defaults.
    notebook.cells = [cell for cell in notebook.cells if _INJECTED not in _tags(cell)]
    return notebook


def _read(path: Path) -> NotebookNode | None:
    if path.suffix == ".ipynb":
        notebook = nbformat.from_dict(nbformat.read(path, as_version=4))  # of one class throughout
        nbformat.validate(notebook)
        return notebook
    if path.suffix == ".md":
        from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook

        text = path.read_text(encoding="utf-8")
        if is_myst_markdown_notebook(text):
            return read_myst_markdown_notebook(text)
    return None


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def _tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def notebook_parameters(notebook: NotebookNode) -> dict[str, Parameter]:
    """The parameters that a notebook declares in its cell tagged ``parameters``.

    Raises
    ------
    ValueError
        If that cell holds anything but assignments of literals, magics included.
    """
    tagged = [cell for cell in notebook.cells if "parameters" in _tags(cell)]
    if not tagged:
        return {}
    return declared_parameters(tagged[0].source)


def notebook_aliases(notebook: NotebookNode) -> dict[str, str]:
    """Old names of parameters to new ones, ``cpdkit.aliases`` of the notebook's metadata."""
    return dict(_own(notebook, "aliases"))


def _own(notebook: NotebookNode, name: str) -> Mapping[str, Any]:
    """A mapping among what the notebook's metadata say to this library."""
    own = notebook.metadata.get("cpdkit", {})
    found = own.get(name, {}) if isinstance(own, Mapping) else None
    if not isinstance(found, Mapping):
        raise ValueError(f"the notebook's metadata hold no mapping cpdkit.{name}, but {own!r}.")
    return found


def profile_parameters(notebook: NotebookNode, profile: str) -> dict[str, Any]:
    """The parameters a notebook's metadata name for a profile.

    ``default`` changes nothing, ``test`` is ``cpdkit.test_parameters``, others are in
    ``cpdkit.profiles``.

    Raises
    ------
    ValueError
        If the notebook has no such profile.
    """
    profiles = {"default": {}, **_own(notebook, "profiles")}
    if "test_parameters" in notebook.metadata.get("cpdkit", {}):
        profiles["test"] = _own(notebook, "test_parameters")
    if profile not in profiles:
        raise ValueError(unknown("profile", profile, profiles))
    return dict(profiles[profile])


def run_notebook(
    path: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    profile: str = "default",
    runs_dir: str | Path = "_build/runs",
    force: bool = False,
    progress: bool = True,
    cache: bool = True,
) -> Run:
    """Execute a notebook, or return an earlier run that is still current.

    Parameters
    ----------
    path : str or Path
        The notebook.
    parameters : mapping, optional
        Values for parameters it declares, by their names or those they had before. A string that
        names a file, with its folder or extension, is taken relative to the current directory and
        handed on as an absolute path; so are those in lists, and whatever is declared as Path.
    profile : str
        A named set of parameters from the notebook's metadata; `parameters` come on top.
    runs_dir : str or Path
        Where runs are kept, one directory for each notebook and set of parameters.
    force : bool
        Run even if nothing changed.
    progress : bool
        Show a progress bar on standard error.
    cache : bool
        Take features that are kept (``CPDKIT_CACHE``) from there, and keep new ones.

    Returns
    -------
    Run
        The executed notebook with its manifest.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        If the notebook, a profile, a parameter's name or a value is wrong.
    NotebookError
        If a cell fails; nothing is left behind then.
    """
    path, runs_dir = Path(path), Path(runs_dir).resolve()
    notebook = read_notebook(path)
    declared = notebook_parameters(notebook)
    asked = current_names(notebook_aliases(notebook), parameters or {})
    given = profile_parameters(notebook, profile) | asked
    effective = absolute_files(declared, check_parameters(declared, given))
    source = notebook_hash(notebook)

    home = os.path.relpath(path.resolve().parent, runs_dir)  # two folders may have one name each
    directory = runs_dir / f"{path.stem}-{_short_hash([home, effective])}"
    runs_dir.mkdir(parents=True, exist_ok=True)
    with locked(runs_dir, shared=True):
        earlier, reason = _read_manifest(directory), "forced"
        if not force:
            reason = _why(earlier, notebook=source, parameters=effective, outputs=directory)
    if not reason and isinstance(earlier, dict):
        return Run(directory / f"{path.stem}.ipynb", earlier, "")

    with scratch_folder(runs_dir) as scratch:
        work = scratch / "run"
        work.mkdir()
        record = scratch / "record.json"
        changed = {k: v for k, v in effective.items() if v != declared[k].default}
        started, clock = datetime.now(UTC), time.perf_counter()
        try:
            executed = _execute(
                notebook, changed, work=work, record=record, progress=progress, cache=cache
            )
        except PapermillExecutionError as error:
            raise NotebookError(f"{path} failed: {error}") from error
        seconds = time.perf_counter() - clock
        nbformat.write(executed, work / f"{path.stem}.ipynb")
        manifest = {
            "notebook": path.name,
            "notebook_sha256": source,
            "parameters": json.loads(json.dumps(effective)),
            **recorded_dependencies(
                json.loads(record.read_text()),
                work=work,
                since=started.timestamp(),
                extra=named_files(effective),
            ),
            "cpdkit": cpdkit.__version__,
            "python": platform.python_version(),
            "hardware": hardware(),
            "revision": revision(path.resolve().parent),
            "started": started.isoformat(timespec="seconds"),
            "wall_seconds": round(seconds, 1),
            "outputs": {p.relative_to(work).as_posix(): file_hash(p) for p in _files(work)},
        }
        (work / MANIFEST).write_text(json.dumps(manifest, indent=1))
        replace_folder(work, directory, aside=scratch / "old")
    return Run(directory / f"{path.stem}.ipynb", manifest, reason)


def _execute(
    notebook: NotebookNode,
    parameters: dict,
    *,
    work: Path,
    record: Path,
    progress: bool,
    cache: bool,
) -> NotebookNode:
    """Run all cells in a fresh kernel of this very interpreter."""
    environment = {
        RECORD_VARIABLE: str(record),
        # this library, and not another that happens to be installed
        "PYTHONPATH": os.pathsep.join(filter(None, [str(PACKAGE.parent), _pythonpath()])),
        # neither the caller's plotting backend nor their IPython start-up files
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "IPYTHONDIR": str(record.parent / "ipython"),
        "PYTHONSTARTUP": "",
        # small matrices: waiting threads cost more than they bring, and one thread repeats exactly
        "OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "1"),
        # Boosted trees of small data spend their time waiting for each other's threads.
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"),
        "CPDKIT_CACHE": _cache() if cache else "off",
    }
    command = [sys.executable, "-P", "-m", "cpdkit.runs.recorder", "-f", "{connection_file}"]
    command.append("--log-level=50")  # the interrupt that ends a kernel is no error
    spec = KernelSpec(
        argv=command,
        env=environment,
        display_name="Python 3",
        language="python",
        metadata={"supported_encryption": ["curve"]},
    )

    class Kernel(AsyncKernelManager):
        """Installed kernelspecs may point anywhere; this one does not."""

        kernel_spec = spec

        @default("transport_encryption")
        def _encrypted_where_possible(self) -> str:
            return "auto" if zmq.has("curve") else "disabled"

    return papermill.execute_notebook(
        _with_values(notebook, parameters),
        None,
        kernel_name="python3",
        language="python",
        kernel_manager_class=Kernel,
        cwd=work,
        progress_bar=progress,
        stderr_file=sys.stderr if progress else None,
    )


def _pythonpath() -> str:
    return os.environ.get("PYTHONPATH", "")


def _cache() -> str:
    """``CPDKIT_CACHE``, on by default; a folder as an absolute path."""
    named = os.environ.get("CPDKIT_CACHE") or "on"
    return named if named.lower() in ("on", "off") else os.path.abspath(named)


def _with_values(notebook: NotebookNode, parameters: Mapping[str, Any]) -> NotebookNode:
    """The notebook with a cell of assignments behind its ``parameters`` cell.

    Papermill's own does not know tuples, and calls parameters unknown whose type is a union.
    """
    notebook = copy.deepcopy(notebook)
    if parameters:
        lines = "\n".join(f"{name} = {literal(value)}" for name, value in parameters.items())
        cell = nbformat.v4.new_code_cell(lines, metadata={"tags": [_INJECTED]})
        place = next(i for i, c in enumerate(notebook.cells) if "parameters" in _tags(c))
        notebook.cells.insert(place + 1, cell)
    return notebook


def _short_hash(values: Any) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def _files(directory: Path) -> list[Path]:
    return sorted(p for p in directory.rglob("*") if p.is_file())


def _read_manifest(directory: Path) -> Any:
    """What the manifest of an earlier run holds: None without one, text where it is damaged."""
    try:
        text = (directory / MANIFEST).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _why(manifest: Any, **now: Any) -> str:
    """Why a run is needed; empty where the earlier one is still current."""
    if manifest is None:
        return "not run before"
    try:
        return stale(manifest, **now)
    except (KeyError, TypeError, AttributeError, ValueError):
        return f"the {MANIFEST} of the earlier run is damaged"
