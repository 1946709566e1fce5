"""What `cpdkit.cpd` and its relatives are given, checked once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._checks import check_composition, check_features, check_groups, check_targets
from cpdkit.folds import fold_labels

__all__ = ["Inputs", "check_inputs"]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows of one representation, and the folds they are split into.

    Attributes
    ----------
    X : ndarray of shape (n, d)
        Features.
    C : ndarray of shape (n, k) or None
        Nuisance.
    targets : DataFrame of shape (n, t)
        Finite, varying columns.
    groups : ndarray of str, shape (n,), or None
        Formulas.
    folds : ndarray of int, shape (repeats, n)
        Fold labels.
    about : dict
        Sizes and settings of the split, as the ``attrs`` of a table hold them.
    """

    X: np.ndarray
    C: np.ndarray | None
    targets: pd.DataFrame
    groups: np.ndarray | None
    folds: np.ndarray
    about: dict[str, Any]

    @property
    def Y(self) -> np.ndarray:
        """Targets as an array."""
        return self.targets.to_numpy()

    @property
    def n_folds(self) -> int:
        """Folds of a repeat."""
        return int(self.about["n_folds"])


def check_inputs(
    features: Any,
    composition: Any,
    targets: Any,
    *,
    groups: Sequence[str] | None = None,
    ids: Sequence[object] | None = None,
    folds: str | np.ndarray = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
) -> Inputs:
    """Check what was given and deal out the folds; arguments and errors as in `cpdkit.cpd`."""
    X = check_features(features)
    n = len(X)
    C = check_composition(composition, n)
    frame = check_targets(targets, n)
    labels = check_groups(groups, n)
    split = fold_labels(
        folds, n, groups=labels, ids=ids, n_folds=n_folds, repeats=repeats, seed=seed
    )
    about = {
        "n": n,
        "channels": X.shape[1],
        "folds": folds if isinstance(folds, str) else "given",
        "n_folds": len(np.unique(split)),
        "repeats": len(split),
        "seed": seed,
    }
    return Inputs(X, C, frame, labels, split, about)
