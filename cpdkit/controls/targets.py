"""Targets that composition alone decides; a residual should know none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase.data import atomic_masses, atomic_numbers

from cpdkit._messages import unknown
from cpdkit._options import check_level
from cpdkit.datasets import canonical_formulas, parse_formula
from cpdkit.held_out.engine import engine_for
from cpdkit.held_out.inputs import check_inputs
from cpdkit.held_out.protocol import get_protocol
from cpdkit.scores import Rows

__all__ = ["LINEAR_IN_FRACTIONS", "LINEAR_TARGETS", "compositional_targets", "control_scores"]

LINEAR_TARGETS = ("mass", "heavy_atoms", "unsaturation")
"""Of :func:`compositional_targets`, those that are linear in element counts."""

LINEAR_IN_FRACTIONS = ("mean_Z", "x_H")
"""Those that are linear in element fractions; the second is one of these."""

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
    ids: Sequence[object] | None = None,
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
    features, composition, ids, probe, folds, n_folds, repeats, seed, protocol, level
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
    check_level(level)
    frame = compositional_targets(formulas)
    for name in targets or ():
        if name not in frame:
            raise ValueError(unknown("compositional target", name, list(frame)))
    frame = frame[list(targets)] if targets else frame
    given = check_inputs(
        features, composition, frame.loc[:, frame.nunique() > 1], groups=formulas, ids=ids,
        folds=folds, n_folds=n_folds, repeats=repeats, seed=seed,
    )  # fmt: skip
    predict = engine_for(probe, seed=seed)
    parts = predict(
        given.X, given.C, given.Y, given.folds, protocol=get_protocol(protocol), inputs=()
    )
    rows = Rows.of_predictions(list(parts), n_folds=given.rows_per_tested, level=level)
    return pd.DataFrame(
        [rows.row(name, score, t) for t, name in enumerate(given.targets) for score in _SCORES]
    )
