"""Controls: targets that composition alone decides, and pairs that it cannot tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase.data import atomic_masses, atomic_numbers

from cpdkit._checks import check_composition, check_features, check_groups
from cpdkit._messages import unknown
from cpdkit.datasets import canonical_formulas, parse_formula
from cpdkit.decomposition import fold_labels, predictor
from cpdkit.held_out.rows import get_protocol
from cpdkit.intervals import corrected_t
from cpdkit.summary import Summary

__all__ = ["LINEAR_TARGETS", "compositional_targets", "control_scores", "isomer_accuracy"]

LINEAR_TARGETS = ("mass", "heavy_atoms", "unsaturation")
"""Of :func:`compositional_targets`, those that are linear in element counts."""

_SCORES = ("r2_comp", "r2_geom", "ceiling", "crossing", "r2_comp_in_probe")
_VALENCE_EXCESS = {"C": 2, "N": 1, "H": -1, "F": -1, "Cl": -1, "Br": -1, "I": -1}


def compositional_targets(formulas: Sequence[str]) -> pd.DataFrame:
    """Targets that follow from the formula alone; a residual should know none of them.

    Parameters
    ----------
    formulas : sequence of str, shape (n_structures,)
        Chemical formulas.

    Returns
    -------
    pandas.DataFrame, shape (n_structures, 6)
        ``heavy_atoms``; ``mass`` (u); ``unsaturation``, rings and double bonds,
        :math:`(2 C + N - H - F + 2) / 2`; these three are linear in element counts. And three that
        are not: ``mean_Z``, ``x_H`` (fraction of hydrogen) and ``log_N`` (natural logarithm of the
        number of atoms).

    Raises
    ------
    ValueError
        If a formula cannot be read.
    """
    names, inverse = np.unique(canonical_formulas(formulas), return_inverse=True)
    rows = []
    for name in names:
        count = parse_formula(name)
        size = sum(count.values())
        numbers = {s: atomic_numbers[s] for s in count}
        rows.append(
            {
                "heavy_atoms": size - count.get("H", 0),
                "mass": sum(atomic_masses[numbers[s]] * k for s, k in count.items()),
                "unsaturation": 1
                + sum(_VALENCE_EXCESS.get(s, 0) * k for s, k in count.items()) / 2,
                "mean_Z": sum(numbers[s] * k for s, k in count.items()) / size,
                "x_H": count.get("H", 0) / size,
                "log_N": np.log(size),
            }
        )
    return pd.DataFrame(rows, dtype=float).iloc[inverse].reset_index(drop=True)


def control_scores(
    features: Any,
    composition: Any,
    formulas: Sequence[str],
    *,
    targets: Sequence[str] | None = None,
    probe: str | Any = "ridge",
    folds: str | np.ndarray = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    protocol: str = "sound",
    level: float = 0.95,
) -> pd.DataFrame:
    """How well a probe of the residual predicts what composition alone decides.

    A sound score is about zero. The ceiling of a target that is linear in the nuisance is zero, so
    every positive score of it is composition found again.

    Parameters
    ----------
    features, composition, probe, folds, n_folds, repeats, seed, protocol, level
        As in `cpdkit.cpd`.
    formulas : sequence of str, shape (n_structures,)
        Chemical formulas.
    targets : sequence of str, optional
        Some of the `compositional_targets`; all by default.

    Returns
    -------
    pandas.DataFrame
        As from `cpdkit.cpd`, with `compositional_targets` as targets and the scores ``r2_comp``,
        ``r2_geom``, ``ceiling``, ``crossing`` and ``r2_comp_in_probe``. Targets that do not vary
        are left out.

    Raises
    ------
    ValueError
        As in `cpdkit.cpd`, or if there is no such compositional target.
    """
    X = check_features(features)
    C = check_composition(composition, len(X))
    labels = check_groups(formulas, len(X))
    frame = compositional_targets(formulas)
    for name in targets or ():
        if name not in frame:
            raise ValueError(unknown("compositional target", name, list(frame)))
    frame = frame[list(targets)] if targets else frame
    frame = frame.loc[:, frame.nunique() > 1]
    fold = fold_labels(folds, len(X), labels, None, n_folds, repeats, seed)
    predict = predictor(probe, seed)
    how = get_protocol(protocol)
    parts = list(predict(X, C, frame.to_numpy(), fold, protocol=how, probes=()))
    summary = Summary(
        parts,
        labels=labels,
        test_share=1 / (len(np.unique(fold)) - 1),
        interval="corrected-t",
        level=level,
        n_draws=0,
        seed=seed,
    )
    return pd.DataFrame(
        [summary.row(name, score, t) for t, name in enumerate(frame) for score in _SCORES]
    )


def isomer_accuracy(
    features: Any,
    composition: Any,
    target: Any,
    formulas: Sequence[str],
    *,
    probe: str | Any = "ridge",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    min_difference: float = 0.0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Of two molecules of one formula, which has the larger target?

    Formula folds: no formula of a test pair was seen in training. Composition is the same within a
    pair, so it is right half of the time by construction.

    Parameters
    ----------
    features, composition, probe, n_folds, repeats, seed, level
        As in `cpdkit.cpd`.
    target : array of shape (n_structures,)
        What is compared.
    formulas : sequence of str, shape (n_structures,)
        Chemical formulas.
    min_difference : float, default 0
        Pairs that differ by no more than this, in units of the target, are left out.

    Returns
    -------
    pandas.DataFrame
        One row: ``accuracy`` (share of pairs in the right order, ties counting half), ``low``,
        ``high`` (corrected resampled t over folds), ``n_pairs``, ``fold_values``.

    Raises
    ------
    ValueError
        As in `cpdkit.cpd`, or if a fold holds no pair that differs enough.
    """
    X = check_features(features)
    C = check_composition(composition, len(X))
    labels = np.asarray(check_groups(formulas, len(X)))
    y = np.asarray(target, dtype=np.float64).reshape(-1, 1)
    fold = fold_labels("formula", len(X), labels, None, n_folds, repeats, seed)
    values, pairs = [], 0
    for part in predictor(probe, seed)(X, C, y, fold, protocol=get_protocol("sound"), probes=()):
        right, total = _ordered(
            part.y[:, 0], part.probes["geom"][:, 0], labels[part.rows], min_difference
        )
        if total == 0:
            raise ValueError(
                f"test fold {part.fold} holds no two structures of one formula whose targets "
                f"differ by more than {min_difference:g}; use fewer folds, a smaller "
                "min_difference or data with more isomers."
            )
        values.append(right / total)
        pairs += total
    low, high = corrected_t(np.array(values), test_share=1 / (n_folds - 1), level=level)
    return pd.DataFrame(
        [
            {
                "accuracy": float(np.mean(values)),
                "low": low,
                "high": high,
                "n_pairs": pairs,
                "fold_values": tuple(values),
            }
        ]
    )


def _ordered(
    y: np.ndarray, predicted: np.ndarray, labels: np.ndarray, min_difference: float
) -> tuple[float, int]:
    """Pairs in the right order, ties counting half, and all pairs."""
    right, total = 0.0, 0
    for name in np.unique(labels):
        rows = np.flatnonzero(labels == name)
        a, b = np.triu_indices(len(rows), k=1)
        truth = y[rows[a]] - y[rows[b]]
        guess = predicted[rows[a]] - predicted[rows[b]]
        counted = np.abs(truth) > min_difference
        right += (0.5 + 0.5 * np.sign(truth * guess))[counted].sum()
        total += int(counted.sum())
    return right, total
