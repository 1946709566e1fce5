"""What a finished run depended on, and whether all of it is still as it was.

The manifest written beside every executed notebook is provenance and cache key in one: a run is
current as long as its manifest is still true.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib import metadata
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

__all__ = ["code_hash", "file_hash", "hardware", "notebook_hash", "recorded_dependencies"]
__all__ += ["revision", "stale"]

PACKAGE = Path(__file__).resolve().parents[1]

# Of ~/.cache only what programs put there for themselves: encoders keep their models there.
_CACHES = (
    "black", "fontconfig", "ipython", "jedi", "matplotlib", "mesa_shader_cache", "mypy", "numba",
    "parso", "pip", "ruff", "torch/inductor", "torch/kernels", "torch_extensions", "triton", "uv",
)  # fmt: skip

# Files read from here say nothing that versions do not say, or change without meaning anything.
_IGNORED = tuple(
    {
        os.path.realpath(place) + os.sep
        for place in (
            sys.prefix,
            sys.base_prefix,
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("purelib"),
            *(f"~/.cache/{name}" for name in _CACHES),
            "~/.config",
            "~/.ipython",
            "~/.jupyter",
            "~/.local/share/jupyter",
        )
        for place in [os.path.expanduser(place)]
    }
    | {"/proc/", "/sys/", "/dev/", "/etc/", "/usr/share/", "/usr/lib/"}
)


@lru_cache(maxsize=4096)
def _digest(path: str, *state: int) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def file_hash(path: str | Path) -> str | None:
    """SHA-256 of a file's content, or None where there is no such file, or it is a device."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        # A link may come to point to another file of the same size and time.
        state = status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino
        return _digest(str(path), *state)
    except OSError:
        return None


def notebook_hash(notebook: NotebookNode) -> str:
    """SHA-256 of a notebook's cells, without outputs, counters and other things a run changes."""
    return _cells_hash(notebook.cells)


def code_hash(notebook: NotebookNode) -> str:
    """The same of its code cells: whoever mends a sentence has not changed what was computed."""
    return _cells_hash(cell for cell in notebook.cells if cell.cell_type == "code")


def _cells_hash(cells: Iterable[NotebookNode]) -> str:
    content = [[c.cell_type, c.source, sorted(c.metadata.get("tags", []))] for c in cells]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _short(path: Path) -> str:
    """Files of this library by their name in it, so that a moved clone stays valid."""
    if path.is_relative_to(PACKAGE):
        return path.relative_to(PACKAGE.parent).as_posix()
    return str(path)


def _full(name: str) -> Path:
    return PACKAGE.parent / name  # an absolute name stays as it is


def _data_file(path: str, work: Path) -> bool:
    """Whether a file that was read is an input: not code, not installed, not made by the run."""
    real = Path(os.path.realpath(path))
    if real.suffix in (".pyc", ".pyo") or not real.is_file() or real.is_relative_to(work):
        return False
    data = os.environ.get("CPDKIT_DATA")
    if real.is_relative_to(PACKAGE) or (data and real.is_relative_to(os.path.realpath(data))):
        return True
    if "_build" in real.parts and real.is_relative_to(Path.cwd().resolve()):
        return False
    if os.path.abspath(path).startswith(_IGNORED):
        return False
    return os.path.islink(path) or not str(real).startswith(_IGNORED)


def _source(path: str) -> str:
    """The module that compiled code was made from: what is imported need not be read again."""
    try:
        return source_from_cache(path) if path.endswith(".pyc") else path
    except ValueError:
        return path


def _named(path: str) -> Path:
    """A file under the name it was opened by, so that a link may come to point elsewhere."""
    real = Path(os.path.realpath(path))
    return real if real.is_relative_to(PACKAGE) else Path(os.path.abspath(path))


def recorded_dependencies(
    record: Mapping[str, Any], *, work: Path, since: float, extra: Iterable[str] = ()
) -> dict[str, Any]:
    """Turn what the kernel saw into what the manifest keeps.

    Parameters
    ----------
    record : mapping
        The content of the recorder's file: modules, toplevel, read, settings, features.
    work : Path
        The run's own directory; what is in there are results.
    since : float
        When the run began, in seconds since the epoch. A file that was written later may have
        been read in an earlier form; its hash is left out, so that the next call runs again.
    extra : iterable of str
        Further files the run was told to use.

    Returns
    -------
    dict
        ``files`` (name to SHA-256), ``settings`` (name to value or None), ``packages``
        (distribution to version), ``library`` and ``data`` (one SHA-256 over each part of files),
        ``features`` (by encoder, how many structures came from the cache or were computed).
    """
    code = {PACKAGE.parent.joinpath(*name.split(".")) for name in record["modules"]}
    code = {p / "__init__.py" if p.is_dir() else p.with_suffix(".py") for p in code}
    code -= {PACKAGE / "runs" / "recorder.py", PACKAGE / "runs" / "__init__.py"}
    read = {_named(p) for p in map(_source, record["read"]) if _data_file(p, work)}
    data = {p for p in read if p.suffix != ".py" or not p.is_relative_to(PACKAGE)}
    data |= {_named(path) for path in extra}
    parts = [{_short(p): _settled(p, since) for p in sorted(group)} for group in (code, data)]
    owners = _owners(tuple((p, os.stat(p).st_mtime_ns) for p in sys.path if os.path.isdir(p)))
    names = {owner for top in record["toplevel"] for owner in owners.get(top, [])}
    features = {encoder: dict(tally) for encoder, tally in record["features"].items()}
    for tally in features.values():  # libraries may not have been loaded for what was kept
        names |= set(tally.pop("libraries"))
    return {
        "library": _combined(parts[0]),
        "data": _combined(parts[1]),
        "files": parts[0] | parts[1],
        "settings": {name: os.environ.get(name) for name in record["settings"]},
        "packages": {n: metadata.version(n) for n in sorted(names - {"cpdkit"}, key=str.lower)},
        "features": features,
    }


@lru_cache(maxsize=4)
def _owners(folders: tuple[tuple[str, int], ...]) -> Mapping[str, list[str]]:
    """Distributions of each module; half a second, so once while the folders stay as they are."""
    return metadata.packages_distributions()


def _settled(path: Path, since: float) -> str | None:
    return file_hash(path) if path.exists() and path.stat().st_mtime <= since else "unsettled"


def _combined(files: Mapping[str, str | None]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def stale(manifest: Mapping[str, Any], *, notebook: str, parameters: Mapping, outputs: Path) -> str:
    """Why a run has to be repeated; an empty string where it need not be.

    Parameters
    ----------
    manifest : mapping
        Of the earlier run.
    notebook : str
        Hash of the notebook now.
    parameters : mapping
        Effective parameters now.
    outputs : Path
        Where the earlier run left its files.
    """
    if manifest.get("notebook_sha256") != notebook:
        return "the notebook changed"
    if manifest["parameters"] != json.loads(json.dumps(dict(parameters))):
        return "the parameters changed"
    if manifest["python"] != platform.python_version():
        return f"Python is now {platform.python_version()}"
    for name, digest in manifest["files"].items():
        if file_hash(_full(name)) != digest:
            return f"{name} changed"
    for name, value in manifest["settings"].items():
        if os.environ.get(name) != value:
            return f"{name} is now {os.environ.get(name)!r}"
    for name, version in manifest["packages"].items():
        try:
            now = metadata.version(name)
        except metadata.PackageNotFoundError:
            return f"{name} is no longer installed"
        if now != version:
            return f"{name} is now {now}"
    for name, digest in manifest["outputs"].items():
        if file_hash(outputs / name) != digest:
            return f"its output {name} is missing or was edited"
    return ""


def hardware() -> dict[str, Any]:
    """The machine, as far as the standard library tells."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        memory = float("nan")
    return {
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "memory_gib": round(memory, 1),
    }


def revision(directory: Path) -> dict[str, Any] | None:
    """Git commit of `directory` and whether tracked files differ from it; None outside of git."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return done.stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        return {"commit": commit, "modified": bool(git("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.CalledProcessError):
        return None
