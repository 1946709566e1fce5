"""Where data sets that are not part of the package lie."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["data_folder"]


def data_folder(example: str, instead: str) -> Path:
    """Folder that the environment variable ``CPDKIT_DATA`` names.

    Parameters
    ----------
    example : str
        A file that it is to hold, for the message.
    instead : str
        A data set of the package that may do.

    Raises
    ------
    FileNotFoundError
        If the variable is not set or names no folder.
    """
    value = os.environ.get("CPDKIT_DATA")
    if not value:
        raise FileNotFoundError(
            "this data set is not part of the package: set the environment variable CPDKIT_DATA "
            f"to the folder that holds it (with {example}, say), or use {instead!r}."
        )
    folder = Path(value)
    if not folder.is_dir():
        raise FileNotFoundError(f"CPDKIT_DATA={value!r} is not a folder.")
    return folder
