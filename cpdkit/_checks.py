"""Checks on what is handed to `cpd` and to estimators, with sentences that say what to do."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from cpdkit._arrays import check_labels, check_real, check_same_rows, check_scale, real_array

__all__ = [
    "CONSTANT",
    "check_columns",
    "check_composition",
    "check_features",
    "check_given",
    "check_groups",
    "check_targets",
    "column_names",
    "nuisance_array",
    "plain_features",
    "validate_rows",
]

CONSTANT = 1e-13
"""A column whose spread is a smaller share of its root mean square varies by rounding only."""

# Columns of a smaller spread are centred before anything is computed from them.
_FAR = 1e-5


def _finite(array: np.ndarray, name: str, advice: str) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{name} has {bad.sum()} NaN or infinite entries in {bad.any(axis=1).sum()} rows "
            f"(first: row {row}, column {column}); {advice}"
        )


def check_features(features: Any) -> np.ndarray:
    """Features as a finite float64 matrix; a Representation gives its own."""
    X = real_array(plain_features(features), "features")
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(
            f"features have shape {X.shape}; expected (n_structures, n_channels) with at least "
            "one channel."
        )
    if len(X) == 0:
        raise ValueError("features have no rows: the data set is empty.")
    extremes = X.min(axis=0), X.max(axis=0)
    if not np.isfinite(extremes).all():
        _finite(X, "features", "look at the encoder's output for these structures or drop them.")
    check_scale(X, "features", extremes=extremes)
    return X


def plain_features(features: Any) -> Any:
    """The array or data frame that stands behind features."""
    if isinstance(features, np.ndarray | pd.DataFrame):
        return features
    return getattr(features, "features", features)


def check_composition(composition: Any, n: int) -> np.ndarray | None:
    """Nuisance matrix as finite float64 of `n` rows that are not all alike.

    A column that lies far from zero and hardly varies is centred, which changes nothing but what
    rounding does to it.
    """
    if composition is None:
        return None
    C = np.ascontiguousarray(real_array(composition, "composition"))  # as from an array
    if C.ndim != 2 or len(C) != n:
        raise ValueError(
            f"features have {n} rows, but composition has shape {C.shape}; expected "
            f"({n}, n_elements), one row per structure."
        )
    _finite(C, "composition", "build it with cpdkit.composition.composition_matrix.")
    if n > 1 and (C[0] == C).all():
        raise ValueError(
            "composition is the same in every row (one formula only), so there is nothing to "
            "project out; use data with several formulas, or composition=None to probe the "
            "features as they are."
        )
    names: list[Any] = column_names(composition) or list(range(C.shape[1]))
    check_scale(C, "composition", names)
    centred = C - C.mean(axis=0)
    spread, size = np.linalg.norm(centred, axis=0), np.linalg.norm(C, axis=0)
    rounding = (np.ptp(C, axis=0) > 0) & (spread <= CONSTANT * size)
    if rounding.any():
        warnings.warn(
            f"columns {[names[i] for i in np.flatnonzero(rounding)]} of composition vary by "
            "rounding only and are not removed; subtract their offset before it costs all digits.",
            stacklevel=4,
        )
    far = (spread <= _FAR * size) & (spread > CONSTANT * size)
    return np.where(far, centred, C) if far.any() else C


def check_targets(targets: Any, n: int) -> pd.DataFrame:
    """Targets as a data frame of finite, varying float64 columns of `n` rows."""
    check_same_rows({"targets": targets})
    if isinstance(targets, pd.DataFrame):
        check_real(targets, "targets")
        frame = targets.reset_index(drop=True)
    elif isinstance(targets, Mapping):
        frame = pd.DataFrame({k: _column(column, k, n) for k, column in targets.items()})
    else:
        array = real_array(targets, "targets")
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2:
            raise ValueError(f"targets have shape {array.shape}; expected (n,) or (n, n_targets).")
        names = ["y"] if array.shape[1] == 1 else [f"y{i}" for i in range(array.shape[1])]
        if isinstance(targets, pd.Series):
            names = [targets.name or "y"]
        frame = pd.DataFrame(array, columns=names)
    if len(frame) != n or frame.shape[1] == 0:
        raise ValueError(
            f"features have {n} rows, but targets have shape {frame.shape}; expected one row per "
            "structure and at least one column."
        )
    frame.columns = [str(column) for column in frame.columns]
    if frame.columns.duplicated().any():
        raise ValueError(f"target names repeat: {list(frame.columns)}; give each its own.")
    values = real_array(frame, "targets")
    for i, name in enumerate(frame.columns):
        missing = ~np.isfinite(values[:, i])
        if missing.any():
            raise ValueError(
                f"target {name!r} is NaN or infinite in {missing.sum()} of {n} rows (first: row "
                f"{np.flatnonzero(missing)[0]}); drop these rows from features, composition, "
                "targets and groups."
            )
        if n > 1 and np.ptp(values[:, i]) == 0:
            raise ValueError(
                f"target {name!r} is constant ({values[0, i]:g}): R2 is undefined; drop it."
            )
    check_scale(values, "targets", list(frame.columns))
    return pd.DataFrame(values, columns=frame.columns)


def _column(values: Any, name: Any, n: int) -> np.ndarray:
    """One target of a mapping, where its rows are: pandas would move them by their index."""
    column = real_array(values, f"targets[{name!r}]")
    if column.shape != (n,):
        raise ValueError(
            f"features have {n} rows, but targets[{name!r}] has shape {column.shape}; expected "
            f"({n},)."
        )
    return column


def check_groups(groups: Sequence[str] | None, n: int) -> np.ndarray | None:
    """Group labels as an array of `n` strings, none missing."""
    if groups is None:
        return None
    if np.shape(groups) != (n,):
        raise ValueError(
            f"features have {n} rows, but groups have shape {np.shape(groups)}; expected ({n},), "
            "the formula of each structure (ds.formulas)."
        )
    return check_labels(groups, "groups", n)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Put the argument's name before what scikit-learn says of it."""
    try:
        yield
    except (TypeError, ValueError) as error:
        if re.search(rf"\b{name}\b", str(error)):
            raise
        raise type(error)(f"{name}: {error}") from None


def validate_rows(
    estimator: BaseEstimator,
    X: Any,
    y: Any = "no_validation",
    *,
    composition: Any = None,
    reset: bool = True,
) -> Any:
    """What an estimator is given, as scikit-learn's `validate_data` has it: X, or X and y.

    Before that, `cpdkit._arrays` refuses what NumPy would misread, and rows that disagree.
    """
    alone = isinstance(y, str) and y == "no_validation"
    given = {"X": X, "y": None if alone else y, "composition": composition}
    for name, values in given.items():
        if values is not None:
            check_real(values, name)
    check_same_rows(given)
    if alone:
        with _naming("X"):
            X = validate_data(
                estimator, X, dtype=np.float64, reset=reset, skip_check_array=_is_plain(X)
            )
        check_scale(X, "X")
        return X
    with _naming("X"):
        X, y = validate_data(
            estimator, X, y, dtype=np.float64, multi_output=True, y_numeric=True, reset=reset
        )
    check_scale(X, "X")
    return X, y


def _is_plain(array: Any) -> bool:
    """Whether scikit-learn's `check_array`, which takes long for few rows, would give it back."""
    plain = type(array) is np.ndarray and array.dtype == np.float64 and array.ndim == 2
    return plain and array.size > 0 and bool(np.isfinite(array).all())


def nuisance_array(composition: Any, n: int | None) -> np.ndarray:
    """What a projector is given as composition, as finite float64; no columns where it is None."""
    if composition is None:
        if n is None:
            raise ValueError("without composition the number of rows n is needed.")
        return np.empty((n, 0))
    check_real(composition, "composition")
    if _is_plain(composition):
        C = composition
    else:
        with _naming("composition"):
            C = check_array(composition, dtype=np.float64, input_name="composition")
    check_scale(C, "composition", column_names(composition) or range(C.shape[1]))
    if n is not None and len(C) != n:
        raise ValueError(f"X has {n} rows and composition has {len(C)}; give one row for each.")
    return C


def check_given(composition: Any, *, seen: bool) -> None:
    """Refuse composition that was given to one of fit and transform only."""
    if (composition is not None) != seen:
        given, missing = ("fit", "here") if seen else ("here", "fit")
        raise ValueError(
            f"composition was given to {given} and not to {missing}: give it to both, or to "
            "neither (then only the mean is removed)."
        )


def column_names(composition: Any) -> list[str] | None:
    """Names of the columns of a data frame; None for anything else."""
    if isinstance(composition, pd.DataFrame):
        return [str(column) for column in composition.columns]
    return None


def check_columns(composition: Any, n_columns: int | None, seen: list[str] | None) -> None:
    """Refuse other columns than fit saw, whose number is None where it was given none at all."""
    check_given(composition, seen=n_columns is not None)
    names, shape = column_names(composition), np.shape(composition)
    if len(shape) == 2 and n_columns is not None and shape[1] != n_columns:
        raise ValueError(
            f"composition has {shape[1]} columns, but fit saw {n_columns}; build both with the "
            "same elements= argument."
        )
    if names is not None and seen not in (None, names):
        raise ValueError(
            f"composition has columns {names}, but fit saw {seen}; give the same columns in the "
            "same order."
        )
