"""Files of ``torch.save``, checked before they are opened and never unpickled."""

from __future__ import annotations

import os
import pickle
import re
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch

__all__ = ["load_inert", "unsafe_names"]

_DAMAGE = (
    RuntimeError, ValueError, EOFError, KeyError, IndexError, AttributeError, TypeError,
    AssertionError, RecursionError, MemoryError, pickle.UnpicklingError, zipfile.BadZipFile,
)  # fmt: skip
# Protocol and magic number, with which files began until torch 1.6.
_OLD_FORM = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"


def unsafe_names(path: str | os.PathLike[str]) -> list[str]:
    """Classes and functions that the file names and torch would not open by itself.

    Raises
    ------
    ValueError
        If the file is no archive of ``torch.save``, cut short, or altered.
    """
    if advice := _unreadable(path):
        raise ValueError(f"{path} cannot be read as a model: {advice}")
    try:
        # torch stores parts as they are, and does not look at their checksums.
        with zipfile.ZipFile(path) as archive:
            size = sum(part.file_size for part in archive.infolist())
            if size > 100 * os.stat(path).st_size:
                raise ValueError(f"it unpacks to {size:,} bytes")
            if altered := archive.testzip():
                raise ValueError(f"{altered} was altered")
        return torch.serialization.get_unsafe_globals_in_checkpoint(os.fspath(path))
    except _DAMAGE as error:
        raise _refused(path, error) from None


def _unreadable(path: str | os.PathLike[str]) -> str:
    """What to do about a whole file of a form that is never read here; empty for others."""
    with open(path, "rb") as file:
        if file.read(len(_OLD_FORM)) == _OLD_FORM:
            return (
                "it has the form that torch.save gave before version 1.6, which is one program. "
                "Where the model was made, save it anew: torch.save(model, 'new.model'), without "
                "_use_new_zipfile_serialization=False."
            )
    with suppress(zipfile.BadZipFile), zipfile.ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            return (
                "it is compiled (TorchScript): a program that would have to be run. Give the "
                ".model that it was compiled from, which mace-torch writes beside it."
            )
    return ""


def load_inert(path: str | os.PathLike[str], allowed: Sequence[Any] = ()) -> Any:
    """Read tensors and plain containers, and what is `allowed`.

    Parameters
    ----------
    path : path
        The file.
    allowed : sequence
        As for ``torch.serialization.safe_globals``.

    Raises
    ------
    ValueError
        If the file is cut short or names anything else. torch's own message, which advises to
        unpickle it, is not handed on.
    """
    try:
        with torch.serialization.safe_globals(list(allowed)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGE as error:
        raise _refused(path, error) from None


def _refused(path: str | os.PathLike[str], error: Exception) -> ValueError:
    advice = ("weights_only", "torch.load", "safe_globals")
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not any(word in line for word in advice)]
    reason = told[0].rstrip(".") if told else "it names code that is never run"
    if named := re.search(r"GLOBAL `?([\w.]+)", reason):
        return ValueError(
            f"{path} cannot be read as a model: it names {named[1]}, which is no part of a model's "
            "tensors and settings. Nothing of it was run."
        )
    return ValueError(
        f"{path} cannot be read as a model that torch.save wrote, or is cut short: {reason}."
    )
