"""How often does ceiling crossing raise an alarm, and how often without cause?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from cpdkit.comparisons import stack
from cpdkit.experiments.inflation.planted import plant
from cpdkit.folds import make_folds
from cpdkit.held_out.engine import engine_for
from cpdkit.scores import Rows

__all__ = ["alarm_draws", "alarm_rates", "crossing_draws"]


def crossing_draws(
    composition: Any,
    *,
    probe: str | Any = "ridge",
    strengths: tuple[float, ...] = (0.0, 1.0),
    truth: float = 0.9,
    composition_share: float = 0.5,
    n_channels: int = 16,
    n_draws: int = 20,
    n_folds: int = 5,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    r"""Score planted data whose composition content is known.

    Parameters
    ----------
    composition : array of shape (n, n_elements)
        Element counts of real molecules.
    probe : str or estimator
        As in `cpdkit.cpd`.
    strengths : tuple of float
        Weight of curved composition in the features; at 0 every alarm is false.
    truth, composition_share, n_channels
        As in `planted.plant`. The nearer `truth` is to 1, the closer a good probe comes to
        the ceiling, and the easier a false alarm.
    n_draws : int
        Planted data sets for each strength.
    n_folds, level, seed
        As in `cpdkit.cpd`.

    Returns
    -------
    pandas.DataFrame
        One row per strength and draw: ``strength``, ``draw``, ``crossing`` (mean of
        ``r2_geom - ceiling``), ``low``, ``high``, ``alarm`` (the interval lies above zero).

    Raises
    ------
    ValueError
        As in `cpdkit.cpd` and `planted.plant`.
    """
    rows, predict = [], engine_for(probe, seed=seed)
    for strength in strengths:
        for draw in range(n_draws):
            known = plant(
                composition, n_channels=n_channels, strength=strength, truth=truth,
                composition_share=composition_share, seed=seed + draw,
            )  # fmt: skip
            fold = make_folds(len(known.target), n_folds=n_folds, seed=seed + draw)
            C = np.asarray(composition, dtype=np.float64)
            parts = predict(known.features, C, known.target[:, None], fold, inputs=())
            row = Rows.of_predictions(list(parts), n_folds=n_folds, level=level).row(
                "y", "crossing", 0
            )
            rows.append(
                {
                    "strength": strength,
                    "draw": draw,
                    "crossing": row["mean"],
                    "low": row["low"],
                    "high": row["high"],
                    "alarm": bool(row["low"] > 0),
                }
            )
    return pd.DataFrame(rows)


def alarm_draws(
    composition: Any, *, probes: Mapping[str, Any], n_draws: int, seed: int
) -> pd.DataFrame:
    """Draws of several probes, without curved composition in the features and with much of it.

    Geometry decides all that composition leaves of the target, the hardest case, and composition
    has 80 % of its variance.

    Parameters
    ----------
    composition : array of shape (n, n_elements)
        Element counts of real molecules.
    probes : mapping of name to probe
        As in `cpdkit.cpd`.
    n_draws, seed
        As in `crossing_draws`.

    Returns
    -------
    pandas.DataFrame
        Of `crossing_draws`, with a column ``probe``.
    """
    found = {
        name: crossing_draws(
            composition, probe=model, strengths=(0.0, 20.0), truth=1.0, composition_share=0.8,
            n_draws=n_draws, seed=seed,
        )
        for name, model in probes.items()
    }  # fmt: skip
    return stack(found, "probe")


def alarm_rates(draws: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Share of draws with an alarm, with Wilson's interval.

    Parameters
    ----------
    draws : DataFrame
        Of `crossing_draws`; further columns that name a setting are kept apart.
    level : float, default 0.95
        Of the interval.

    Returns
    -------
    pandas.DataFrame
        One row per setting: its columns, ``mean crossing``, ``draws``, ``alarms``, ``rate``,
        ``low``, ``high``.
    """
    measured = {"draw", "crossing", "low", "high", "alarm"}
    rows = []
    for key, part in draws.groupby([c for c in draws if c not in measured], sort=False):
        alarms, n = int(part["alarm"].sum()), len(part)
        interval = stats.binomtest(alarms, n).proportion_ci(level, method="wilson")
        settings = dict(zip([c for c in draws if c not in measured], key, strict=True))
        rows.append(
            {
                **settings,
                "mean crossing": part["crossing"].mean(),
                "draws": n,
                "alarms": alarms,
                "rate": alarms / n,
                "low": interval.low,
                "high": interval.high,
            }
        )
    return pd.DataFrame(rows)
