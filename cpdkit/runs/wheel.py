"""The wheel that the site offers, because no package index has cpdkit."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from cpdkit._files import locked, replace_folder, scratch_folder
from cpdkit._version import WHEEL
from cpdkit.runs.key import file_hash

__all__ = ["offer_wheel"]

_FILES = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
_FOLDERS = ("cpdkit", "notebooks")
_SOURCES = "sources.txt"
_BUILD = "from setuptools import build_meta; import sys; build_meta.build_wheel(sys.argv[1])"
_DATED = {"SOURCE_DATE_EPOCH": "315532800"}  # 1980: what is in a wheel decides its bytes


def offer_wheel(root: Path, folder: Path) -> Path:
    """Put the wheel of a repository into a folder; it is built where its sources changed.

    Parameters
    ----------
    root : Path
        The repository. The wheel is kept in its ``_build/wheel``.
    folder : Path
        An existing folder.

    Returns
    -------
    Path
        The wheel in it.

    Raises
    ------
    RuntimeError
        If it cannot be built; the wheel before stays in place.
    """
    kept, sources = root / "_build" / "wheel", _hash_of_sources(root)
    kept.parent.mkdir(exist_ok=True)
    if not (kept / _SOURCES).is_file() or (kept / _SOURCES).read_text() != sources:
        print("Building the wheel that the book offers ...", file=sys.stderr)
        with scratch_folder(kept.parent) as scratch:
            new = _built(root, scratch)
            (new / _SOURCES).write_text(sources)
            replace_folder(new, kept, aside=scratch / "old")
    with locked(kept.parent, shared=True):
        return Path(shutil.copy2(kept / WHEEL, folder))


def _hash_of_sources(root: Path) -> str:
    digest = hashlib.sha256(f"{WHEEL}\n".encode())
    files = [root / name for name in _FILES]
    files += [path for name in _FOLDERS for path in sorted((root / name).rglob("*"))]
    for path in files:
        if path.is_file() and path.suffix != ".pyc":
            digest.update(f"{path.relative_to(root)}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()


def _built(root: Path, scratch: Path) -> Path:
    """A folder with the wheel, built where no earlier build has left anything."""
    source, made = scratch / "source", scratch / "made"
    source.mkdir()
    made.mkdir()
    for name in _FILES:
        shutil.copy2(root / name, source)
    for name in _FOLDERS:
        (source / name).symlink_to(root / name)
    command = [sys.executable, "-W", "ignore", "-c", _BUILD, str(made)]
    done = subprocess.run(
        command, cwd=source, env=os.environ | _DATED, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    if done.returncode or not (made / WHEEL).is_file():
        raise RuntimeError(f"the wheel could not be built:\n{done.stdout[-2000:]}")
    return made
