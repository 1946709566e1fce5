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
import sys
import tempfile
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
    check_parameters,
    current_names,
    declared_parameters,
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
        If the file is neither.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no notebook at {path} (looked from {Path.cwd()}).")
    if path.suffix == ".ipynb":
        return nbformat.read(path, as_version=4)
    if path.suffix == ".md":
        from myst_nb.core.read import is_myst_markdown_notebook, read_myst_markdown_notebook

        text = path.read_text(encoding="utf-8")
        if is_myst_markdown_notebook(text):
            return read_myst_markdown_notebook(text)
    raise ValueError(f"{path} is neither an .ipynb nor a MyST Markdown notebook.")


def notebook_parameters(notebook: NotebookNode) -> dict[str, Parameter]:
    """The parameters that a notebook declares in its cell tagged ``parameters``.

    Raises
    ------
    ValueError
        If that cell holds anything but assignments of literals.
    """
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    if not tagged:
        return {}
    return declared_parameters(tagged[0].source)


def notebook_aliases(notebook: NotebookNode) -> dict[str, str]:
    """Old names of parameters to new ones, ``cpdkit.aliases`` of the notebook's metadata."""
    return dict(notebook.metadata.get("cpdkit", {}).get("aliases", {}))


def profile_parameters(notebook: NotebookNode, profile: str) -> dict[str, Any]:
    """The parameters a notebook's metadata name for a profile.

    ``default`` changes nothing, ``test`` is ``cpdkit.test_parameters``, others are in
    ``cpdkit.profiles``.

    Raises
    ------
    ValueError
        If the notebook has no such profile.
    """
    own = notebook.metadata.get("cpdkit", {})
    profiles = {"default": {}, **own.get("profiles", {})}
    if "test_parameters" in own:
        profiles["test"] = own["test_parameters"]
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
        names a file is taken relative to the current directory and handed on as an absolute path.
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
    effective = _absolute_files(check_parameters(declared, given))
    source = notebook_hash(notebook)

    directory = runs_dir / f"{path.stem}-{_short_hash(effective)}"
    reason = "forced" if force else "not run before"
    earlier = _read_manifest(directory)
    if earlier is not None and not force:
        reason = stale(earlier, notebook=source, parameters=effective, outputs=directory)
        if not reason:
            return Run(directory / f"{path.stem}.ipynb", earlier, "")

    runs_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=runs_dir, prefix=".part-") as scratch:
        work = Path(scratch) / "run"
        work.mkdir()
        record = Path(scratch) / "record.json"
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
        files = [v for v in effective.values() if isinstance(v, str) and os.path.isfile(v)]
        manifest = {
            "notebook": path.name,
            "notebook_sha256": source,
            "parameters": json.loads(json.dumps(effective)),
            **recorded_dependencies(
                json.loads(record.read_text()), work=work, since=started.timestamp(), extra=files
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
        _replace(work, directory, aside=Path(scratch) / "old")
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
        notebook,
        None,
        parameters,
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


def _absolute_files(values: dict[str, Any]) -> dict[str, Any]:
    """Strings that name a file, as absolute paths: the kernel works in another directory."""

    def resolved(value: Any) -> Any:
        return os.path.abspath(value) if isinstance(value, str) and os.path.isfile(value) else value

    return {name: resolved(value) for name, value in values.items()}


def _short_hash(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:10]


def _files(directory: Path) -> list[Path]:
    return sorted(p for p in directory.rglob("*") if p.is_file())


def _read_manifest(directory: Path) -> dict[str, Any] | None:
    try:
        return json.loads((directory / MANIFEST).read_text())
    except FileNotFoundError:
        return None


def _replace(new: Path, final: Path, *, aside: Path) -> None:
    """Put a finished directory in place; whoever reads sees the old one, or the new one."""
    if final.exists():
        os.replace(final, aside)
    os.replace(new, final)
