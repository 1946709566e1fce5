"""Tables in text: one reader, which refuses what pandas would shift, rename or guess."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["check_names", "read_csv"]


def read_csv(path: Path, *, text: Collection[str]) -> pd.DataFrame:
    """Read a comma-separated table with a header.

    Parameters
    ----------
    path : Path
        In UTF-8.
    text : collection of str
        Columns that are kept as they are written: 'NaN' is sodium nitride, and 007 no number.

    Raises
    ------
    ValueError
        If the table is none, rows have more fields than the header, or `check_names` refuses.
    """
    options: dict[str, Any] = {"encoding": "utf-8-sig", "skipinitialspace": True}
    try:  # of a longer row behind the header pandas would make an index, and shift the names
        top = pd.read_csv(path, header=None, nrows=2, dtype=str, keep_default_na=False, **options)
    except pd.errors.ParserError as error:
        if "Expected" not in str(error):
            raise
        raise ValueError(f"its rows have more fields than its header: {error}") from None
    names = top.iloc[0].tolist()
    check_names(names)
    frame = pd.read_csv(path, low_memory=False, **options)
    kept = [name for name in names if name in text]
    if kept:
        as_is = pd.read_csv(path, usecols=kept, dtype=str, na_filter=False, **options)
        frame = frame.assign(**{name: as_is[name].str.strip() for name in kept})
    return frame


def check_names(names: Sequence[str]) -> None:
    """Refuse columns that share a name, or have none: an index that was written along."""
    twice = pd.Index(names).duplicated()
    if twice.any():
        raise ValueError(f"the column {names[int(twice.argmax())]!r} stands there twice")
    for number, name in enumerate(names, start=1):
        if not name.strip() or name.startswith("__index_level_"):
            raise ValueError(
                f"column {number} has no name; give it one, or leave it out (pandas writes its "
                "index so, unless it is told index=False)"
            )
