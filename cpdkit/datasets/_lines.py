"""Lines of a text file, whatever its encoding and compression; never more than it may hold."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

__all__ = ["numbered_lines"]

_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError)
# Coordinates in text shrink to a third; thousandfold is what zeros do, not molecules.
_LARGEST_RATIO, _SMALL = 50, 1 << 20
_LONGEST_LINE = 1 << 24


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, from 1.

    Parameters
    ----------
    path : Path
        Text in UTF-8, or in UTF-16 with a byte-order mark; plain, gzip, bzip2 or xz.

    Raises
    ------
    ValueError
        If the file is cut, damaged or no text, unpacks to far more than text would, or has a line
        of more than 16 million characters.
    """
    with path.open("rb") as file:
        start = file.read(6)
    opener = next((o for magic, o in _OPENERS.items() if start.startswith(magic)), open)
    at = 0
    try:
        if opener is not open:
            _check_size(path, opener)
        with opener(path, "rb") as binary:
            mark = binary.read(2)
            binary.seek(0)
            encoding = "utf-16" if mark in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
            with TextIOWrapper(binary, encoding=encoding) as text:
                while line := text.readline(_LONGEST_LINE):
                    at += 1
                    if len(line) == _LONGEST_LINE:
                        raise ValueError(
                            f"{str(path)!r}: line {at} is longer than {_LONGEST_LINE:,} characters."
                        )
                    yield at, line
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(path)!r} is not text in {error.encoding} (byte "
            f"{error.object[error.start]:#04x} after line {at}); save it as UTF-8."
        ) from None
    except _DAMAGE as error:
        if getattr(error, "errno", None):  # the system's, such as a permission that lacks
            raise
        raise ValueError(f"{str(path)!r} is cut or damaged: {error}.") from error


def _check_size(path: Path, opener: Any) -> None:
    """Refuse what unpacks to far more than structures would, without keeping any of it."""
    size, most = 0, max(_SMALL, _LARGEST_RATIO * path.stat().st_size)
    with opener(path, "rb") as binary:
        while part := binary.read(1 << 20):
            size += len(part)
            if size > most:
                raise ValueError(
                    f"{str(path)!r} unpacks to more than {_LARGEST_RATIO} times its size, which "
                    "no structures do; unpack it yourself if you trust it."
                )
