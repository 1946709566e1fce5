"""Arrays of a NumPy archive, or a sentence about what is wrong with it."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["read_npz"]

_DAMAGE = (
    zipfile.BadZipFile, zlib.error, ValueError, KeyError, EOFError, OSError, MemoryError,
    NotImplementedError, RuntimeError, SyntaxError,
)  # fmt: skip
_LARGEST_RATIO = 1000  # deflate cannot do more, other methods of ZIP can


def read_npz(
    path: Path, names: Sequence[str] | None = None, *, remedy: str
) -> dict[str, np.ndarray]:
    """Read arrays; nothing is unpickled.

    Parameters
    ----------
    path : Path
        The archive.
    names : sequence of str, optional
        Arrays to read; all by default.
    remedy : str
        What to do if the file is no good, for the message.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the archive is cut, damaged, or lacks an array.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}; {remedy}.")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _LARGEST_RATIO * path.stat().st_size:
            raise ValueError(f"unpacks to {size:,} bytes")
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in (stored.files if names is None else names)}
    except _DAMAGE as error:
        if getattr(error, "errno", None):  # the system's, such as a permission that lacks
            raise
        reason = str(error) or type(error).__name__
        if "allow_pickle" in reason:
            reason = "it holds Python objects, which are never unpickled"
        raise ValueError(f"{str(path)!r} is damaged or another file: {reason}; {remedy}.") from None
