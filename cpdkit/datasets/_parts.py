"""Parts of a data set as plain arrays; what would lose its meaning on the way is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "data_frame",
    "real_numbers",
    "row_names",
    "target_frame",
    "text_labels",
    "whole_numbers",
]


def real_numbers(values: Any, name: str) -> np.ndarray:
    """Float64; masked entries, complex numbers, dates and text are refused."""
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked entries; fill or remove them.")
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be real numbers; got an array of {array.dtype}.")
    return array.astype(np.float64, copy=False)


def whole_numbers(values: Any, name: str) -> np.ndarray:
    """Integers, also where they are stored as floats; fractions are refused."""
    array = np.asarray(values)
    if array.dtype.kind in "iu" and not np.ma.is_masked(values):
        return array.astype(np.int64, copy=False)
    array = real_numbers(values, name)
    if not (np.isfinite(array) & (array == np.rint(array))).all():
        raise ValueError(f"{name} must be whole numbers; got {array[array != np.rint(array)][0]}.")
    return array.astype(np.int64)


def data_frame(values: Any, name: str) -> pd.DataFrame:
    """A data frame of columns by name, its rows where they are."""
    if isinstance(values, pd.Series):
        values = values.to_frame(values.name if values.name is not None else "y")
    elif isinstance(values, Mapping):
        # By position: pandas would align columns that carry an index.
        columns = {key: _sized(column, f"{name}[{key!r}]") for key, column in values.items()}
        if len({len(column) for column in columns.values()}) > 1:
            lengths = {key: len(column) for key, column in columns.items()}
            raise ValueError(f"{name} has columns of different lengths: {lengths}.")
        bare = (pd.Series, pd.Index)
        values = pd.DataFrame(
            {k: c.array if isinstance(c, bare) else c for k, c in columns.items()}
        )
    if not isinstance(values, pd.DataFrame):
        raise TypeError(
            f"{name} must be a pandas.DataFrame, or a mapping of names to columns; got "
            f"{type(values).__name__}."
        )
    frame = values.reset_index(drop=True)
    if frame.columns.duplicated().any():
        raise ValueError(f"{name} names a column twice: {list(frame.columns)}.")
    return frame


def target_frame(values: Any) -> pd.DataFrame:
    """Targets as float64 columns; NaN stands where nobody measured."""
    if isinstance(values, Mapping):
        for key, column in values.items():
            if np.ma.is_masked(column):
                raise ValueError(f"targets[{key!r}] has masked entries; fill or remove them.")
    frame = data_frame(values, "targets")
    table = {}
    for key, column in frame.items():
        if getattr(column.dtype, "kind", "O") not in "iuf":
            raise ValueError(f"targets[{key!r}] must be real numbers; got {column.dtype}.")
        table[str(key)] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    if len(table) < frame.shape[1]:
        raise ValueError(f"targets names a column twice: {list(frame.columns)}.")
    return pd.DataFrame(table, index=frame.index)


def text_labels(values: Any, name: str) -> np.ndarray:
    """Strings as an array; numbers and missing entries are refused."""
    array = _items(values, name)
    wrong = [i for i, item in enumerate(array.tolist()) if not isinstance(item, str)]
    if array.ndim != 1 or wrong:
        what = f"entry {wrong[0]} is {array.tolist()[wrong[0]]!r}" if wrong else str(array.shape)
        raise ValueError(f"{name} must be one string for each structure; {what}.")
    return array.astype(str) if array.dtype.kind != "U" else array


def row_names(values: Any) -> np.ndarray:
    """Names of rows as strings; whole numbers become text, and no two rows share a name."""
    array = _items(values, "ids")
    if np.ma.is_masked(values):
        raise ValueError("ids has masked entries; every row needs a name.")
    whole = (int, np.integer)
    if array.dtype.kind in "iu" or all(
        isinstance(item, whole) and not isinstance(item, bool) for item in array.tolist()
    ):
        array = array.astype(str)
    names = text_labels(array, "ids")
    unique, first, counts = np.unique(names, return_index=True, return_counts=True)
    if len(unique) < len(names):
        twice = int(np.argmax(counts > 1))
        rows = np.flatnonzero(names == unique[twice])
        raise ValueError(
            f"ids repeat: {str(unique[twice])!r} names rows {rows[0]} and {rows[1]}; folds are "
            "drawn from them, so every row needs its own."
        )
    return names


def _sized(values: Any, name: str) -> Any:
    if isinstance(values, str | bytes | set | frozenset | Mapping) or not hasattr(
        values, "__len__"
    ):
        raise TypeError(f"{name} must be a list or an array; got {values!r}.")
    return values


def _items(values: Any, name: str) -> np.ndarray:
    """As an array; of a list each item is kept as it is, for NumPy would make NaN a string."""
    _sized(values, name)
    if not isinstance(values, list | tuple | range):
        return np.asarray(values)
    return np.fromiter(values, dtype=object, count=len(values))
