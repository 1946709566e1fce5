"""Files and folders that appear complete or not at all."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["locked", "packed", "replace_folder", "replacing", "scratch_folder"]


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Write beside `path` and move into place, so that nobody ever sees a part.

    Parameters
    ----------
    path : path
        The file; its folder is made. After an exception it is as before, and nothing is left.

    Yields
    ------
    binary file
        To write to.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp, whose files only their owner may read.
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with beside.open("xb") as file:
            yield file
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def packed(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of files by name; the same content gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():  # dated 1980
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


@contextmanager
def locked(folder: str | os.PathLike[str], *, shared: bool = False) -> Iterator[None]:
    """Hold a folder, alone or together with others who only read; nothing is written for it.

    Parameters
    ----------
    folder : path
        An existing folder.
    shared : bool, default False
        Let others in who ask for it too.
    """
    held = _hold(folder, shared=shared, wait=True)
    try:
        yield
    finally:
        _let_go(held)


@contextmanager
def scratch_folder(parent: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder ``.part-*`` in `parent` for unfinished work, removed at the end.

    What runs that were killed have left there is removed too; those of running ones are held.

    Parameters
    ----------
    parent : path
        An existing folder.

    Yields
    ------
    Path
        The new folder.
    """
    with locked(parent):
        for old in Path(parent).glob(".part-*"):
            if (held := _hold(old, shared=False, wait=False)) is not None:
                shutil.rmtree(old, ignore_errors=True)
                _let_go(held)
        own = Path(tempfile.mkdtemp(dir=parent, prefix=".part-"))
        held = _hold(own, shared=False, wait=True)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        _let_go(held)


def replace_folder(new: Path, final: Path, *, aside: Path) -> None:
    """Put a finished folder in place of another, which goes to `aside`.

    Whoever reads under `locked` of the parent sees the old one or the new one.
    """
    with locked(final.parent):
        if final.exists():
            os.replace(final, aside)
        os.replace(new, final)


def _hold(folder: str | os.PathLike[str], *, shared: bool, wait: bool) -> int | None:
    """Descriptor that holds a folder; None where others hold it or the system has no such locks."""
    if fcntl is None:
        return None
    try:
        held = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(held, kind if wait else kind | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return None
    return held


def _let_go(held: int | None) -> None:
    if held is not None:
        os.close(held)
