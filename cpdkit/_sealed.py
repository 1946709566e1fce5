"""Arrays and a header in one safetensors file, under a checksum of both."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cpdkit._files import replacing

__all__ = ["UNREADABLE", "checksum", "read_sealed", "write_sealed"]

UNREADABLE = (SafetensorError, ValueError, TypeError, AttributeError, KeyError, MemoryError)
"""What safetensors raises of files that are cut, or whose numbers NumPy does not have."""


def checksum(*arrays: np.ndarray, header: str = "") -> str:
    """SHA-256 of a header and of arrays, with their types and shapes."""
    digest = hashlib.sha256(header.encode())
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def write_sealed(
    path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]
) -> Path:
    """Write a file, complete or not at all.

    Parameters
    ----------
    path : path
        Where to; folders are made.
    arrays : mapping of str to ndarray
        What is kept.
    about : mapping
        What JSON can hold; ``about["format"]`` names the kind of file.

    Returns
    -------
    Path
        Where it was written.

    Raises
    ------
    TypeError
        If JSON cannot hold `about`.
    """
    path = Path(path)
    try:
        header = json.dumps(about)
    except TypeError as error:
        raise TypeError(f"the header of {path} can hold what JSON can, no more: {error}.") from None
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    seal = checksum(*whole.values(), header=header)
    data = save(whole, metadata={"cpdkit": header, "sha256": seal})
    with replacing(path) as file:
        file.write(data)
    return path


def read_sealed(
    path: str | os.PathLike[str], names: Sequence[str], *, form: str, what: str, remedy: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `write_sealed` wrote; nothing is unpickled.

    Parameters
    ----------
    path : path
        The file.
    names : sequence of str
        Arrays to read, in the order in which they were written.
    form : str
        The format that the header must name.
    what, remedy : str
        What the file should hold, and what to do if it does not, for messages.

    Returns
    -------
    arrays : dict of str to ndarray
    about : dict
        The header, without its format.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, altered, or of another kind.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no {what} at {path}.")
    sys.audit("open", str(path), "rb", os.O_RDONLY)  # Python does not see what safetensors opens
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            there = set(file.keys())
            arrays = {name: file.get_tensor(name) for name in names if name in there}
    except UNREADABLE as error:
        raise ValueError(f"{path} is damaged ({error}); {remedy}.") from error
    header = metadata.get("cpdkit", "")
    try:
        about = json.loads(header or "{}")
    except (ValueError, RecursionError):
        raise ValueError(f"{path} is damaged: its header cannot be read; {remedy}.") from None
    if not isinstance(about, dict) or about.pop("format", None) != form:
        raise ValueError(f"{path} holds no {what} saved by this version of cpdkit; {remedy}.")
    if metadata.get("sha256") != checksum(*arrays.values(), header=header):
        raise ValueError(f"{path} was altered after it was saved; {remedy}.")
    return arrays, about
