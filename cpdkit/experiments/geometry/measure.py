r"""Geometry alone: scores within molecules, where constitution is constant.

The nuisance is the molecule, one dummy variable for each. Least squares on these dummies leaves
every row minus the mean of its molecule, so features and targets are centred by molecule
(`cpdkit.projection.within`) and what is left can only be geometry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._arrays import check_same_rows
from cpdkit._checks import check_features, check_groups, check_targets
from cpdkit._messages import unknown
from cpdkit.folds import make_folds
from cpdkit.held_out.moments import held_out_moments
from cpdkit.intervals import INTERVALS
from cpdkit.projection.within import WithinGroups, group_index
from cpdkit.scores import NOTHING_LEFT, Rows

__all__ = ["ROUNDING", "WITHIN_SCORE", "centre_by_molecule", "within_molecule_scores"]

WITHIN_SCORE = "r2_within"

ROUNDING = 1e-6
"""Features that vary less than this share of their size within a molecule do not vary; about
eight steps of single precision, in which most models compute."""


def centre_by_molecule(features: Any, molecules: Sequence[str]) -> np.ndarray:
    """Subtract from every row the mean of its molecule.

    A feature that varies within a molecule by no more than `ROUNDING` of its size becomes exactly
    zero there, or standardising would blow up rounding errors.
    """
    X = check_features(features)
    index = group_index(molecules, len(X))
    centred = WithinGroups().fit_transform(X, composition=molecules)
    spread, size = (np.zeros((index.max() + 1, X.shape[1])) for _ in range(2))
    np.maximum.at(spread, index, np.abs(centred))
    np.maximum.at(size, index, np.abs(X))
    centred[(spread <= ROUNDING * size)[index]] = 0.0
    return centred


def within_molecule_scores(
    features: Any,
    targets: Any,
    molecules: Sequence[str],
    *,
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    interval: str = "corrected-t",
    level: float = 0.95,
    n_draws: int = 1000,
) -> pd.DataFrame:
    r"""Share of a target's variance within molecules that a linear probe explains.

    .. math::

        R^2_\text{within} = 1 - \frac{\sum_i (\tilde y_i - \hat f(\tilde x_i))^2}
        {\sum_i \tilde y_i^2}, \qquad \tilde v_i = v_i - \bar v_{M(i)}

    over the rows i of molecules that training has not seen. One linear map is fitted for all
    molecules, by the sound protocol of `cpdkit.cpd` with folds that are disjoint in molecules. The
    mean of a test molecule is taken over its own geometries, of the target too: the score asks how
    a target *changes* with geometry. Molecules with one row are left out.

    A row per target with the columns of `cpdkit.cpd`; ``attrs`` counts rows and ``molecules``.
    """
    check_same_rows({"features": features, "targets": targets, "molecules": molecules})
    X = check_features(features)
    labels = check_groups(molecules, len(X))
    if labels is None:
        raise ValueError("molecules=None: give the molecule of each row.")
    frame = check_targets(targets, len(X))
    if interval not in INTERVALS:
        raise ValueError(unknown("interval", interval, INTERVALS))
    kept = ~WithinGroups.lone_rows(labels, len(X))
    found = len(np.unique(labels[kept]))
    if found < n_folds:
        raise ValueError(
            f"{found} molecule(s) have two geometries or more; {n_folds} folds need at least "
            f"{n_folds}. Give more molecules or fewer folds."
        )
    X, labels, frame = X[kept], labels[kept], frame[kept]
    Y = WithinGroups().fit_transform(frame.to_numpy(), composition=labels)
    total = ((frame - frame.mean()) ** 2).sum().to_numpy()
    for name, inside, of in zip(frame.columns, (Y**2).sum(axis=0), total, strict=True):
        if inside <= NOTHING_LEFT * of:
            raise ValueError(
                f"target {name!r} does not vary within molecules, so there is nothing to explain; "
                "leave it out."
            )
    fold = make_folds(
        len(X), scheme="formula", groups=labels, n_folds=n_folds, repeats=repeats, seed=seed
    )
    rows = Rows.of_predictions(
        list(held_out_moments(centre_by_molecule(X, labels), None, Y, fold, inputs=())),
        n_folds=n_folds, interval=interval, labels=labels, level=level, n_draws=n_draws, seed=seed,
    )  # fmt: skip
    table = pd.DataFrame(
        [rows.row(name, "r2_geom", t, label=WITHIN_SCORE) for t, name in enumerate(frame)]
    )
    table.attrs = {
        "n": len(X), "molecules": found, "channels": X.shape[1], "folds": "molecule",
        "n_folds": n_folds, "repeats": repeats, "seed": seed, "interval": interval, "level": level,
    }  # fmt: skip
    return table
