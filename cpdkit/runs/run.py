"""Run notebooks with papermill: checked parameters, a known kernel, a manifest, no needless run.

Every run has a directory of its own with the executed notebook, whatever files it wrote (its
working directory is there) and ``manifest.json``. Asked for the same run again, nothing happens
as long as notebook, parameters, the library modules it used, the data files it read, and the
versions of packages and Python are unchanged.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

import cpdkit
from cpdkit._files import locked, replace_folder, scratch_folder
from cpdkit._messages import asked as called_with
from cpdkit._messages import unknown
from cpdkit.datasets import CRYSTALS, DATASETS
from cpdkit.runs.execute import INJECTED, CellError, execute, tags
from cpdkit.runs.key import (
    code_hash,
    file_hash,
    hardware,
    notebook_hash,
    recorded_dependencies,
    revision,
    stale,
)
from cpdkit.runs.of_data import defaults_of_data
from cpdkit.runs.parameters import (
    Parameter,
    absolute_files,
    check_data,
    check_encoders,
    check_folds,
    check_parameters,
    current_names,
    declared_parameters,
    named_files,
)
from cpdkit.runs.shipped import checkout, find_notebook

__all__ = [
    "NotebookError",
    "Run",
    "check_inputs",
    "default_runs_dir",
    "given_by_data",
    "notebook_aliases",
    "notebook_parameters",
    "profile_parameters",
    "read_manifest",
    "read_notebook",
    "run_notebook",
]

MANIFEST = "manifest.json"
RECORDED = "recorded"
"""Tag of cells that show what was recorded of the named data sets."""


class NotebookError(RuntimeError):
    """A cell failed; the message says how.

    Attributes
    ----------
    notebook : Path
        The notebook as far as it ran, with the traceback.
    """

    def __init__(self, message: str, notebook: Path) -> None:
        super().__init__(message)
        self.notebook = notebook

    def __reduce__(self) -> tuple[type, tuple[str, Path]]:
        # Exceptions are made again from `args`, which holds the message alone.
        return NotebookError, (str(self), self.notebook)


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
    notebook.cells = [cell for cell in notebook.cells if INJECTED not in tags(cell)]
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


def notebook_parameters(notebook: NotebookNode) -> dict[str, Parameter]:
    """The parameters that a notebook declares in its cell tagged ``parameters``.

    Raises
    ------
    ValueError
        If that cell holds anything but assignments of literals, magics included.
    """
    tagged = [cell for cell in notebook.cells if "parameters" in tags(cell)]
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


def given_by_data(
    notebook: NotebookNode, parameters: Mapping[str, Any], profile: str
) -> dict[str, Any]:
    """What a named data set of crystals changes of a notebook's defaults and its profile.

    Raises
    ------
    ValueError
        If the notebook does not apply to crystals.
    """
    asked = current_names(notebook_aliases(notebook), parameters)
    own = notebook.metadata.get("cpdkit", {})
    declared, values = notebook_parameters(notebook), profile_parameters(notebook, profile)
    return defaults_of_data(own.get("name"), declared, values, asked)


def run_notebook(
    path: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    profile: str = "default",
    runs_dir: str | Path | None = None,
    force: bool = False,
    progress: bool = True,
    cache: bool = True,
) -> Run:
    """Execute a notebook, or return an earlier run that is still current.

    Parameters
    ----------
    path : str or Path
        The notebook: an experiment of this library by short name or number, or a file.
    parameters : mapping, optional
        Values for parameters it declares, by their names or those they had before. A string that
        names a file, with its folder or extension, is taken relative to the current directory and
        handed on as an absolute path; so are those in lists, and whatever is declared as Path.
    profile : str
        A named set of parameters from the notebook's metadata; `parameters` come on top. Where
        another data set of crystals is named than that of the notebook or profile, its targets
        (`cpdkit.datasets.CRYSTALS`) are taken, fractions, and encoders of every element, unless
        `parameters` say otherwise.
    runs_dir : str or Path, optional
        Where runs are kept, one directory for each notebook and set of parameters; by default
        ``_build/runs`` of the current folder, or of the repository where that is in it.
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
        If a cell fails. What ran until then is kept in a folder that ends in ``-failed``.
    """
    path = find_notebook(path)
    runs_dir = (default_runs_dir() if runs_dir is None else Path(runs_dir)).resolve()
    notebook = read_notebook(path)
    declared = notebook_parameters(notebook)
    asked = current_names(notebook_aliases(notebook), parameters or {})
    given = profile_parameters(notebook, profile)
    given |= given_by_data(notebook, asked, profile) | asked
    effective = absolute_files(declared, check_parameters(declared, given))
    check_inputs(notebook, effective)
    source, code = notebook_hash(notebook), code_hash(notebook)
    if "dataset" in effective and _elsewhere(
        str(effective["dataset"]), declared["dataset"].default
    ):
        # What was recorded of our data has no place in a notebook on others.
        notebook.cells = [cell for cell in notebook.cells if RECORDED not in tags(cell)]

    home = os.path.relpath(path.resolve().parent, runs_dir)  # two folders may have one name each
    directory = runs_dir / f"{path.stem}-{_short_hash([home, effective])}"
    failed = directory.with_name(f"{directory.name}-failed")
    runs_dir.mkdir(parents=True, exist_ok=True)
    with locked(runs_dir, shared=True):
        earlier, reason = read_manifest(directory), "forced"
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
            executed = execute(
                notebook, changed, work=work, record=record, output=scratch / "part.ipynb",
                progress=progress, cache=cache,
            )  # fmt: skip
        except CellError as error:
            kept = failed / f"{path.stem}.ipynb"
            shutil.copy(scratch / "part.ipynb", work / kept.name)
            replace_folder(work, failed, aside=scratch / "old")
            said = f"{path} failed: {error}\nUp to there: {kept}"
            raise NotebookError(said, kept) from error
        seconds = time.perf_counter() - clock
        nbformat.write(executed, work / f"{path.stem}.ipynb")
        manifest = {
            "notebook": path.name,
            "notebook_sha256": source,
            "code_sha256": code,
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
    shutil.rmtree(failed, ignore_errors=True)
    return Run(directory / f"{path.stem}.ipynb", manifest, reason)


def default_runs_dir() -> Path:
    """``_build/runs`` of the current folder, or of the repository where that is in it."""
    root, here = checkout(), Path.cwd()
    return (root if root is not None and here.is_relative_to(root) else here) / "_build/runs"


def check_inputs(notebook: NotebookNode, values: Mapping[str, Any]) -> None:
    """Refuse what a chapter of ours could not load: encoders by name, and a data file.

    What parameters of another notebook mean is its own affair; it may register encoders.

    Raises
    ------
    WrongCall, ImportError
        Where `cpdkit.load_encoder` or `cpdkit.load_dataset` would raise.
    """
    if "name" in notebook.metadata.get("cpdkit", {}):
        with called_with():  # what is wrong is wrong with the call
            check_encoders(values)
            check_folds(values)
            check_data(values)


def _elsewhere(dataset: str, usual: Any) -> bool:
    """Whether it is a file of one's own, or of crystals in a chapter on molecules."""
    return dataset not in DATASETS or (dataset in CRYSTALS) != (usual in CRYSTALS)


def _short_hash(values: Any) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def _files(directory: Path) -> list[Path]:
    return sorted(p for p in directory.rglob("*") if p.is_file())


def read_manifest(directory: Path) -> Any:
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
