"""Arrays of one's own from a file: features, composition or formulas, and targets."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._messages import WrongCall, unknown
from cpdkit.datasets._tables import check_names, read_csv

__all__ = ["ENDINGS", "Arrays", "read_arrays"]

ENDINGS = (".npz", ".csv", ".parquet", ".h5", ".hdf5", ".npy")
"""Kinds of files that `read_arrays` reads."""

LARGEST = 8 * 1024**3
"""Most bytes of a file, unpacked. Larger data are for `cpdkit.Moments`."""

_TEXT = ("formulas", "groups", "ids")
_KNOWN = ("features", "composition", *_TEXT, "targets", "target_names")
_OF_TABLES = {name: name for name in _TEXT} | {name[:-1]: name for name in _TEXT}
_HELP = "`cpdkit probe --help` shows the layout"
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ValueError, TypeError, KeyError,
    EOFError, OSError, MemoryError, RuntimeError, SyntaxError, ArithmeticError,
)  # fmt: skip

Stored = dict[str, Callable[[], Any]]
"""What a file holds by name, read when called."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """One row for each structure.

    Attributes
    ----------
    features : ndarray of shape (n, d)
        Features.
    targets : DataFrame of shape (n, t)
        Numbers to predict, by name.
    composition : ndarray of shape (n, k) or None
        Nuisance; where it is missing, the formulas stand for it.
    formulas, groups, ids : ndarray of shape (n,) or None
        Formulas; what formula folds keep together; what random folds are hashed from.
    """

    features: np.ndarray
    targets: pd.DataFrame
    composition: np.ndarray | None = None
    formulas: np.ndarray | None = None
    groups: np.ndarray | None = None
    ids: np.ndarray | None = None


def read_arrays(
    path: str | Path,
    *,
    targets: Sequence[str] | None = None,
    formulas_file: str | Path | None = None,
    targets_file: str | Path | None = None,
) -> Arrays:
    """Read arrays from a file; nothing is unpickled.

    Parameters
    ----------
    path : path
        ``.npz`` and ``.h5`` hold ``features`` and ``composition`` or
        ``formulas``, perhaps ``groups`` and ``ids``; ``targets`` with ``target_names``, and any
        other array, are targets. ``.csv`` and ``.parquet`` have columns ``feature_...``,
        ``composition_...``, ``formula``, ``group`` and ``id``; all others are targets. ``.npy``
        holds features alone.
    targets : sequence of str, optional
        Names of the targets to read; all by default.
    formulas_file, targets_file : path, optional
        Where formulas and targets stand if not in `path`: a file of the same kinds, an ``.npy`` of
        nothing else, or a ``.txt`` with one formula in each line.

    Returns
    -------
    Arrays

    Raises
    ------
    ValueError
        If there is no such file or target, a file is of another kind, or something is given twice;
        a file is damaged or too large, or lacks something; numbers are text, or the reverse;
        or arrays differ in their rows.
    RuntimeError
        If the library that reads the file is not installed.
    """
    path = Path(path)
    with ExitStack() as stack:
        stored = stack.enter_context(_opened(path, alone="features"))
        for file, what in ((formulas_file, "formulas"), (targets_file, "targets")):
            if file is not None:
                more = stack.enter_context(_opened(Path(file), alone=what))
                part = {name: get for name, get in more.items() if _belongs(name, what)}
                if not part:
                    raise ValueError(f"{str(file)!r} holds no {what}; {_HELP}.")
                if twice := sorted(set(part) & set(stored)):
                    raise WrongCall(f"{twice[0]!r} stands in {str(path)!r} and in {str(file)!r}.")
                stored |= part
        return _arrays(stored, targets, path)


def _belongs(name: str, what: str) -> bool:
    if what == "formulas":
        return name == "formulas"
    return name in ("targets", "target_names") or name not in _KNOWN


def _arrays(stored: Stored, chosen: Sequence[str] | None, path: Path) -> Arrays:
    if "features" not in stored:
        raise ValueError(f"{str(path)!r} holds no 'features', but {_listed(stored)}; {_HELP}.")
    if "composition" not in stored and "formulas" not in stored:
        raise ValueError(
            f"{str(path)!r} holds neither 'composition' nor 'formulas', but {_listed(stored)}; "
            f"one of them says what to remove ({_HELP})."
        )
    found: dict[str, np.ndarray] = {}
    found |= {
        name: _numbers(stored, name) for name in ("features", "composition") if name in stored
    }
    found |= {name: _text(stored, name) for name in _TEXT if name in stored}
    n = found["features"].shape[0]
    for name, array in found.items():
        _check_rows(name, array, n)
    return Arrays(targets=_targets(stored, chosen, n), **found)


def _targets(stored: Stored, chosen: Sequence[str] | None, n: int) -> pd.DataFrame:
    columns: Stored = {name: get for name, get in stored.items() if name not in _KNOWN}
    if "targets" in stored:
        matrix = _numbers(stored, "targets")
        _check_rows("targets", matrix, n)
        matrix = matrix[:, None] if matrix.ndim == 1 else matrix
        names = [f"y{i}" for i in range(matrix.shape[-1])] if matrix.shape[-1] > 1 else ["y"]
        if "target_names" in stored:
            names = np.atleast_1d(_text(stored, "target_names")).astype(str).tolist()
        if matrix.ndim != 2 or len(names) != matrix.shape[1]:
            raise ValueError(
                f"targets have shape {matrix.shape} and {len(names)} names; expected (n, n_targets)"
                " and one name in target_names for each column."
            )
        if twice := [name for i, name in enumerate(names) if name in {*names[:i], *columns}]:
            raise ValueError(f"the target {twice[0]!r} stands there twice; give each its own name.")
        of_matrix: Stored = {name: partial(matrix.__getitem__, (slice(None), i))
                             for i, name in enumerate(names)}  # fmt: skip
        columns |= of_matrix
    if not columns:
        raise ValueError(f"there is no target among {_listed(stored)}; {_HELP}.")
    for name in chosen or ():
        if name not in columns:
            raise WrongCall(unknown("target", name, columns))
    targets = {}
    for name in dict.fromkeys(columns if chosen is None else chosen):
        try:
            targets[name] = _numbers(columns, name)
            _check_rows(name, targets[name], n)
            if targets[name].ndim != 1:
                raise ValueError(f"{name!r} has shape {targets[name].shape}, expected ({n},).")
        except ValueError as error:
            rest = "" if chosen else " If it is no target, name those that are with --targets."
            raise ValueError(f"{error}{rest}") from None
    return pd.DataFrame(targets)


def _listed(names: Any) -> str:
    shown = [repr(name) for name in names]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


def _check_rows(name: str, array: np.ndarray, n: int) -> None:
    if array.shape[:1] != (n,):
        raise ValueError(
            f"{name!r} has shape {array.shape}, but there are {n} rows of features; expected one "
            "row for each structure."
        )


def _numbers(stored: Stored, name: str) -> np.ndarray:
    array = np.asarray(stored[name]())
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        what = f"a single {array.dtype}" if array.ndim == 0 else f"{array.dtype}"
        raise ValueError(f"{name!r} holds {what}, where an array of real numbers is expected.")
    return array.astype(np.float64, copy=False)


def _text(stored: Stored, name: str) -> np.ndarray:
    array = np.asarray(stored[name]())
    if array.ndim != 1:
        raise ValueError(f"{name!r} has shape {array.shape}; expected one entry for each row.")
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{name!r} holds bytes that are no UTF-8: {error}.") from None
    if array.dtype.kind == "T":
        array = array.astype(str)
    if array.dtype.kind not in "UO" and (name == "formulas" or array.dtype.kind not in "iu"):
        raise ValueError(f"{name!r} holds {array.dtype}, where text is expected.")
    return array


@contextmanager
def _opened(path: Path, *, alone: str) -> Iterator[Stored]:
    """What a file holds; `alone` names the array of a file that has but one."""
    endings = (*ENDINGS, ".txt") if alone == "formulas" else ENDINGS
    ending = path.suffix.lower()
    if ending not in endings:
        raise WrongCall(f"{str(path)!r} ends in none of {', '.join(endings)}; {_HELP}.")
    if not path.is_file():
        raise WrongCall(f"there is no file {str(path)!r}.")
    with ExitStack() as stack:
        try:
            _check_size(path.stat().st_size)
            if ending == ".npz":
                with zipfile.ZipFile(path) as archive:
                    _check_size(sum(member.file_size for member in archive.infolist()))
                archive = stack.enter_context(np.load(path, allow_pickle=False))
                stored: Stored = {name: partial(archive.__getitem__, name) for name in archive}
            elif ending == ".npy":
                whole = np.lib.format.open_memmap(path, mode="r")  # no longer than the file
                stored = {alone: lambda: np.array(whole)}
            elif ending == ".txt":
                lines = path.read_text(encoding="utf-8-sig").split("\n")
                lines = [line.strip() for line in lines]
                while lines and not lines[-1]:
                    lines.pop()
                stored = {alone: lambda: np.array(lines, dtype=str)}
            elif ending in (".csv", ".parquet"):
                table = read_csv(path, text=_OF_TABLES) if ending == ".csv" else _parquet(path)
                stored = _of_table(table)
            else:
                stored = _hdf5(path, stack)
        except ModuleNotFoundError as error:
            reason = f"{ending} files are read by {error.name}: pip install {error.name}"
            raise RuntimeError(reason) from None
        except _DAMAGE as error:
            raise _damaged(path, error) from None
        yield {name: partial(_read, path, name, get) for name, get in stored.items()}


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise ValueError(
            f"it unpacks to {size:,} bytes, and at most {LARGEST:,} are read; for more rows see "
            "cpdkit.Moments"
        )


def _read(path: Path, name: str, get: Callable[[], Any]) -> Any:
    try:
        return get()
    except _DAMAGE as error:
        raise _damaged(path, error, name) from None


def _damaged(path: Path, error: Exception, name: str = "") -> Exception:
    """What to raise in place of an error of a reader."""
    if getattr(error, "errno", None):  # the system's, such as a permission that lacks
        return error
    reason = (str(error) or type(error).__name__).strip().rstrip(".")
    of = f"{name!r} in {str(path)!r}" if name else repr(str(path))
    if "allow_pickle" in reason or "Python objects" in reason:
        return ValueError(
            f"{of} holds Python objects, which are never unpickled; save text as "
            "np.array(values, dtype=str) and numbers as np.array(values, dtype=float)."
        )
    return ValueError(f"{of} cannot be read: {reason}.")


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        check_names(file.schema_arrow.names)
        _check_size(8 * file.metadata.num_rows * file.metadata.num_columns)
        batches, size = [], 0
        for batch in file.iter_batches(batch_size=4096):
            batches.append(batch)
            size += batch.nbytes
            _check_size(size)
        table = pa.Table.from_batches(batches, schema=file.schema_arrow)
    return table.to_pandas(ignore_metadata=True)


def _of_table(frame: pd.DataFrame) -> Stored:
    """Columns of a table under the names that arrays have."""
    stored: Stored = {}
    for what in ("feature", "composition"):
        columns = [name for name in frame if str(name).startswith(f"{what}_")]
        if columns:
            stored["features" if what == "feature" else what] = partial(_stacked, frame[columns])
    for name in map(str, frame):
        if name.startswith(("feature_", "composition_")):
            continue
        known = _OF_TABLES.get(name, name)
        if known in stored or (name in _KNOWN and name not in _TEXT):
            raise ValueError(f"the column {name!r} has no place; {_HELP}")
        text = name in _OF_TABLES
        stored[known] = frame[name].to_numpy if text else partial(_column, frame, name)
    return stored


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    return _stacked(frame[[name]])[:, 0]


def _stacked(columns: pd.DataFrame) -> np.ndarray:
    for name, dtype in columns.dtypes.items():
        if not pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_complex_dtype(dtype):
            values = pd.to_numeric(columns[name], errors="coerce")
            bad = np.flatnonzero(values.isna() & columns[name].notna())
            said = f"{columns[name].iloc[bad[0]]!r} in row {bad[0]}" if len(bad) else f"{dtype}"
            raise ValueError(f"the column {name!r} holds {said}, where a number is expected")
    return columns.to_numpy(dtype=np.float64, na_value=np.nan)


def _hdf5(path: Path, stack: ExitStack) -> Stored:
    import h5py

    file = stack.enter_context(h5py.File(path, "r"))

    def read(name: str) -> np.ndarray:
        item = file[name]
        if not isinstance(item, h5py.Dataset):
            raise ValueError("it is no array")
        _check_size(item.nbytes)
        return item.asstr()[()] if h5py.check_string_dtype(item.dtype) else item[()]

    return {name: partial(read, name) for name in file}
