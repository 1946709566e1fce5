"""Numbers and labels out of whatever was handed in; what would lose its meaning is refused."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

__all__ = ["check_labels", "check_real", "check_same_rows", "check_scale", "real_array"]

# Squares of these neither overflow nor vanish.
_LARGEST, _SMALLEST = 1e150, 1e-150
_DATES = (datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64)
_MISSING = ("", "nan", "None", "<NA>", "NaT")


def check_real(values: Any, name: str) -> None:
    """Refuse what NumPy would turn into other numbers without a word.

    Parameters
    ----------
    values : object
        An array, or anything NumPy makes one of.
    name : str
        Of the argument.

    Raises
    ------
    ValueError
        For masked entries, complex numbers, dates, durations, text (also of numbers), sparse
        matrices and tensors that require grad.
    """
    if isinstance(values, pd.DataFrame):
        for number, column in enumerate(values.columns):
            check_real(values.iloc[:, number], f"column {column!r} of {name}")
        return
    parts = values if isinstance(values, list | tuple) else [values]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts):
        raise ValueError(f"{name} has masked entries; fill or remove them.")
    if sparse.issparse(values):
        raise ValueError(f"{name} is a sparse matrix; give a dense array: {name}.toarray().")
    if any(getattr(part, "requires_grad", False) is True for part in parts):
        raise ValueError(f"{name} is a tensor that requires grad; give {name}.detach().")
    if isinstance(values, pd.Series | pd.Index) and isinstance(values.dtype, pd.StringDtype):
        kind, example = "U", values.iloc[0] if isinstance(values, pd.Series) and len(values) else ""
    else:
        try:
            array = np.asarray(values)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"{name} must be numbers: {error}") from None
        kind, example = array.dtype.kind, array.flat[0] if array.size else ""
        if kind == "O":
            kind, example = _kind_of_items(array)
    if kind == "c":
        raise ValueError(
            f"{name} must be real numbers. Complex data not supported: give its real part or its "
            "size, or both as columns."
        )
    if kind in "mM":
        raise ValueError(f"{name} must be numbers; got dates or durations, such as {example}.")
    if kind in "US":
        raise ValueError(f"{name} must be numbers; got text, such as {str(example)!r}.")
    if kind not in "biufO":
        raise ValueError(f"{name} must be numbers; got an array of {np.asarray(values).dtype}.")


def _kind_of_items(array: np.ndarray) -> tuple[str, Any]:
    """Letter of NumPy for the first item of an object array that is no real number."""
    for item in array.flat:
        if isinstance(item, str | bytes):
            return "U", item
        if isinstance(item, complex | np.complexfloating):
            return "c", item
        if isinstance(item, _DATES):
            return "M", item
    return "O", ""


def real_array(values: Any, name: str) -> np.ndarray:
    """Values as a float64 array; a missing entry of pandas is NaN.

    Raises
    ------
    ValueError
        As from `check_real`.
    """
    check_real(values, name)
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(values, pd.DataFrame | pd.Series):
            try:
                return values.to_numpy(dtype=np.float64, na_value=np.nan)
            except (TypeError, ValueError):
                pass
        raise ValueError(f"{name} must be numbers: {error}") from None


def check_scale(
    array: np.ndarray,
    name: str,
    columns: Sequence[Any] | None = None,
    *,
    extremes: tuple[np.ndarray, np.ndarray] | None = None,
) -> None:
    """Refuse entries whose squares overflow, and columns that vary so little that they vanish.

    Parameters
    ----------
    array : ndarray of shape (n, k)
        Finite numbers.
    name : str
        Of the argument.
    columns : sequence, optional
        Their names, each of which must be of a size to be squared; without it, the largest.
    extremes : tuple of ndarray of shape (k,), optional
        Least and largest entry of each column, where they are known.

    Raises
    ------
    ValueError
        Which says to rescale.
    """
    if array.size == 0:
        return
    low, high = extremes or (array.min(axis=0), array.max(axis=0))
    largest = np.maximum(np.abs(low), np.abs(high))
    largest[~np.isfinite(largest)] = 0.0  # answered elsewhere
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.nan_to_num((high - low).astype(np.float64))
    wrong = (largest > _LARGEST) | ((spread > 0) & (spread < _SMALLEST))
    if columns is None:
        wrong = (largest > _LARGEST) | ((spread.max() > 0) & (spread.max() < _SMALLEST))
    if wrong.any():
        number = int(np.argmax(wrong))
        column = number if columns is None else columns[number]
        what = "overflow" if largest[number] > _LARGEST else "vanish"
        raise ValueError(
            f"column {column!r} of {name} has entries of about {largest[number]:.1g}, whose "
            f"squares {what} in floating point; rescale it."
        )


def check_labels(values: Any, name: str, n: int) -> np.ndarray:
    """Names of rows or groups as an array of `n`; none may be missing.

    Raises
    ------
    ValueError
        If the shape is another, or an entry is missing: None, NaN, masked or empty.
    """
    if np.ma.is_masked(values):
        raise ValueError(f"{name} has masked entries; every row needs one.")
    if isinstance(values, list | tuple):  # item by item, for NumPy would make NaN a string
        if any(np.ndim(item) for item in values if type(item) not in (str, int)):
            labels = np.asarray(values)
        else:
            labels = np.empty(len(values), dtype=object)
            labels[:] = values
    else:
        labels = np.asarray(values)
    if labels.shape != (n,):
        raise ValueError(
            f"{name} has {np.size(labels)} entries, but there are {n} rows; expected a list of "
            "one for each."
        )
    try:
        text = labels.astype(str)
    except (TypeError, ValueError) as error:  # of arrays in an array of objects
        raise ValueError(f"{name} must be one label for each row: {error}.") from None
    missing = pd.isna(labels) | np.isin(np.char.strip(text), _MISSING)
    if missing.any():
        row = int(np.argmax(missing))
        raise ValueError(
            f"{name} is missing in {missing.sum()} of {n} rows (first: row {row}, "
            f"{labels[row]!r}); give every row one, or drop these rows everywhere."
        )
    return text


def check_same_rows(parts: Mapping[str, Any], known: Sequence[Sequence[str]] = ()) -> None:
    """Refuse indices of pandas that disagree: rows are positions, and are never reordered.

    Two indices agree if they are equal, or one only counts from 0 and the other holds names.

    Parameters
    ----------
    parts : mapping of str to object
        Arguments as given, by name; only those of pandas, and mappings of them, carry an index.
    known : sequence of sequence of str
        Labels that name the rows anyway: no index may hold the same in another order.

    Raises
    ------
    ValueError
        Which names the arguments.
    """
    seen: list[tuple[str, pd.Index]] = []
    for name, part in _indexed(parts):
        index = part.index
        if known:
            labels = [str(label) for label in index]
            if any(labels != list(k) and sorted(labels) == sorted(k) for k in known):
                raise ValueError(
                    f"the index of {name} has the rows in another order; rows are positions. Sort "
                    "it as the structures are, then reset_index(drop=True)."
                )
            if labels in [list(k) for k in known]:
                continue
        for other, before in seen:
            if not _agree(before, index):
                raise ValueError(
                    f"the indices of {other} and {name} differ; rows are positions. Put both in "
                    "the same order, then reset_index(drop=True)."
                )
        seen.append((name, index))


def _agree(one: pd.Index, other: pd.Index) -> bool:
    if len(one) != len(other) or one.equals(other):
        return True  # another length is answered elsewhere
    counts, names = sorted((one, other), key=lambda index: not _counts(index))
    return _counts(counts) and not pd.api.types.is_numeric_dtype(names.dtype)


def _counts(index: pd.Index) -> bool:
    return index.equals(pd.RangeIndex(len(index)))


def _indexed(parts: Mapping[str, Any]) -> Iterator[tuple[str, pd.Series | pd.DataFrame]]:
    for name, part in parts.items():
        if isinstance(part, pd.Series | pd.DataFrame):
            yield name, part
        elif isinstance(part, Mapping):
            yield from _indexed({f"{name}[{key!r}]": column for key, column in part.items()})
