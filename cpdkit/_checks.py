"""Checks on what is handed to `cpd`, with sentences that say what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_array

__all__ = [
    "check_columns",
    "check_composition",
    "check_features",
    "check_given",
    "check_groups",
    "check_targets",
    "column_names",
    "nuisance_array",
]


def _finite(array: np.ndarray, name: str, advice: str) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{name} has {bad.sum()} NaN or infinite entries in {bad.any(axis=1).sum()} rows "
            f"(first: row {row}, column {column}); {advice}"
        )


def _numeric(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers: {error}") from None


def check_features(features: Any) -> np.ndarray:
    """Features as a finite float64 matrix; a Representation gives its own."""
    matrix = features if isinstance(features, np.ndarray | pd.DataFrame) else None
    if matrix is None:
        matrix = getattr(features, "features", features)
    X = _numeric(matrix, "features")
    if X.ndim != 2 or X.shape[1] == 0:
        raise ValueError(
            f"features have shape {X.shape}; expected (n_structures, n_channels) with at least "
            "one channel."
        )
    if len(X) == 0:
        raise ValueError("features have no rows: the data set is empty.")
    _finite(X, "features", "look at the encoder's output for these structures or drop them.")
    return X


def check_composition(composition: Any, n: int) -> np.ndarray | None:
    """Nuisance matrix as finite float64 of `n` rows that are not all alike."""
    if composition is None:
        return None
    C = _numeric(composition, "composition")
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
    return C


def check_targets(targets: Any, n: int) -> pd.DataFrame:
    """Targets as a data frame of finite, varying float64 columns of `n` rows."""
    if isinstance(targets, pd.DataFrame):
        frame = targets.reset_index(drop=True)
    elif isinstance(targets, pd.Series):
        frame = targets.reset_index(drop=True).to_frame(targets.name or "y")
    elif isinstance(targets, Mapping):
        frame = pd.DataFrame(dict(targets))
    else:
        array = _numeric(targets, "targets")
        array = array[:, None] if array.ndim == 1 else array
        if array.ndim != 2:
            raise ValueError(f"targets have shape {array.shape}; expected (n,) or (n, n_targets).")
        names = ["y"] if array.shape[1] == 1 else [f"y{i}" for i in range(array.shape[1])]
        frame = pd.DataFrame(array, columns=names)
    if len(frame) != n or frame.shape[1] == 0:
        raise ValueError(
            f"features have {n} rows, but targets have shape {frame.shape}; expected one row per "
            "structure and at least one column."
        )
    frame.columns = [str(column) for column in frame.columns]
    if frame.columns.duplicated().any():
        raise ValueError(f"target names repeat: {list(frame.columns)}; give each its own.")
    values = _numeric(frame, "targets")
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
    return pd.DataFrame(values, columns=frame.columns)


def check_groups(groups: Sequence[str] | None, n: int) -> np.ndarray | None:
    """Group labels as an array of `n` strings."""
    if groups is None:
        return None
    labels = np.asarray(groups)
    if labels.shape != (n,):
        raise ValueError(
            f"features have {n} rows, but groups have shape {labels.shape}; expected ({n},), the "
            "formula of each structure (ds.formulas)."
        )
    return labels.astype(str)


def nuisance_array(composition: Any, n: int | None) -> np.ndarray:
    """What a projector is given as composition, as finite float64; no columns where it is None."""
    if composition is None:
        return np.empty((n or 0, 0))
    C = check_array(composition, dtype=np.float64, input_name="composition")
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


def check_columns(composition: Any, n_columns: int, seen: list[str] | None) -> None:
    """Refuse other columns than fit saw."""
    names, shape = column_names(composition), np.shape(composition)
    if len(shape) == 2 and shape[1] != n_columns:
        raise ValueError(
            f"composition has {shape[1]} columns, but fit saw {n_columns}; build both with the "
            "same elements= argument."
        )
    if names is not None and seen not in (None, names):
        raise ValueError(
            f"composition has columns {names}, but fit saw {seen}; give the same columns in the "
            "same order."
        )
