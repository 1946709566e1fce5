"""``cpdkit rerun``: a run once more from its manifest, and what comes out otherwise."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import cpdkit
from cpdkit.runs.key import PACKAGE, code_hash, file_hash, hardware, notebook_hash
from cpdkit.runs.record import rounded
from cpdkit.runs.run import read_notebook, run_notebook
from cpdkit.runs.shipped import experiments
from cpdkit.runs.tables import FinishedRun, find_run

__all__ = ["Again", "rerun"]

_COMPARED = (".csv", ".txt")
_DIGITS = 6  # of recorded tables


@dataclass(frozen=True)
class Again:
    """What became of a run that was repeated.

    Attributes
    ----------
    same : list of str
        Tables and texts that came out alike.
    other : dict of str to str
        Those that did not, with how they differ.
    inputs : list of str
        What went in otherwise than before: notebook, library, data, versions, machine.
    """

    same: list[str]
    other: dict[str, str]
    inputs: list[str]

    @property
    def identical(self) -> bool:
        """Whether all results are as before."""
        return not self.other

    def __str__(self) -> str:
        n = len(self.same) + len(self.other)
        lines = [f"identical: {n} tables and texts"]
        if not self.identical:
            lines = [f"not identical: {len(self.other)} of {n} tables and texts"]
            lines += [f"  {name}: {how}" for name, how in self.other.items()]
        about = "inputs that differ:" if self.inputs else "no input differs."
        return "\n".join([*lines, about, *(f"  {line}" for line in self.inputs)])


def rerun(given: str | Path, *, progress: bool = False) -> Again:
    """Repeat a run, computing all features anew, and compare what it leaves.

    Parameters
    ----------
    given : path
        Its manifest or folder; a recorded one too, whose tables have six digits.
    progress : bool, default False
        Show a progress bar.

    Returns
    -------
    Again
        Figures are not compared: they hold the time.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such run, or its notebook or a file it read is gone.
    NotebookError
        If a cell fails.
    """
    run = find_run(given)
    inputs = changed_inputs(run.manifest)
    notebook = _notebook(run)
    if not _was_run(notebook, run.manifest):
        inputs.insert(0, f"the notebook: {notebook} is not what was run")
    with tempfile.TemporaryDirectory() as folder:
        again = run_notebook(
            notebook, run.manifest["parameters"], runs_dir=folder, progress=progress, cache=False
        )
        same, other = _compared(run, again.directory, Path(folder))
    return Again(same, other, inputs)


def _notebook(run: FinishedRun) -> Path:
    """Of the notebooks of that name the one that was run; or the nearest there is."""
    stem = Path(run.manifest["notebook"]).stem
    shipped = [e.path for e in experiments().values() if e.path.stem == stem]
    there = [path for path in (*shipped, run.notebook) if path.is_file()]
    for path in there:
        if _was_run(path, run.manifest):
            return path
    if not there:
        raise FileNotFoundError(
            f"the notebook {run.manifest['notebook']} is neither beside the manifest nor one of "
            "`cpdkit list`; put it there."
        )
    return there[0]


def _was_run(path: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether a notebook has the code of a run; older manifests know it with its prose only."""
    notebook = read_notebook(path)
    if "code_sha256" in manifest:
        return code_hash(notebook) == manifest["code_sha256"]
    return notebook_hash(notebook) == manifest.get("notebook_sha256")


def changed_inputs(manifest: Mapping[str, Any]) -> list[str]:
    """What a manifest says of its inputs and is otherwise now, a line for each."""
    found = []
    for name, digest in manifest.get("files", {}).items():
        now = file_hash(PACKAGE.parent / name)
        if now != digest:
            found.append(f"{name}: {'is gone' if now is None else 'changed'}")
    versions: dict[str, Any] = {"python": manifest.get("python"), "cpdkit": manifest.get("cpdkit")}
    here = {"python": platform.python_version(), "cpdkit": cpdkit.__version__}
    for name, version in manifest.get("packages", {}).items():
        versions[name] = version
        try:
            here[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            here[name] = "not installed"
    found += [f"{n}: {v} then, {here[n]} now" for n, v in versions.items() if v != here[n]]
    for name, value in manifest.get("settings", {}).items():
        if os.environ.get(name) != value:
            found.append(f"{name}: {value!r} then, {os.environ.get(name)!r} now")
    then: Any = manifest.get("hardware", {})
    this = hardware()
    machine = [k for k in ("system", "machine", "cpus") if k in then and then[k] != this[k]]
    return found + [f"{key}: {then[key]} then, {this[key]} now" for key in machine]


def _compared(run: FinishedRun, new: Path, scratch: Path) -> tuple[list[str], dict[str, str]]:
    """Names of results that are alike, and of others with how they differ."""
    recorded = "outputs" not in run.manifest
    names = [p.name for p in sorted(run.folder.glob("*.csv"))] if recorded else [
        name for name in run.manifest["outputs"] if name.endswith(_COMPARED)
    ]  # fmt: skip
    same: list[str] = []
    other: dict[str, str] = {}
    for name in names:
        before, after = run.folder / name, new / name
        if recorded and after.is_file():
            rounded(after, scratch / name)
            after = scratch / name
        digest = file_hash(before) if recorded else run.manifest["outputs"][name]
        if not after.is_file():
            other[name] = "is no longer written"
        elif file_hash(after) == digest:
            same.append(name)
        else:
            other[name] = _difference(before, after)
    return same, other


def _difference(before: Path, after: Path) -> str:
    if before.suffix != ".csv" or not before.is_file():
        return "differs"
    one, two = pd.read_csv(before), pd.read_csv(after)
    if list(one) != list(two) or len(one) != len(two):
        then, now = (f"{len(t)} rows of {len(t.columns)} columns" for t in (one, two))
        return f"{then} then, {now} now"
    gaps = {
        name: float(np.nanmax(np.abs(one[name] - two[name]), initial=0.0))
        for name in one.select_dtypes("number")
    }
    worst = max(gaps, key=gaps.__getitem__, default=None)
    if worst is None or gaps[worst] == 0:
        return "text differs"
    return f"largest difference {gaps[worst]:.2g}, in the column {worst}"
