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

_MEASURED = ["crossing", "low", "high", "alarm"]


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
    """Score planted data whose composition content is known, see `planted.plant`.

    ``crossing`` is ``r2_geom - ceiling``; an ``alarm`` means that its interval lies above zero.
    With strength 0 every alarm is false. The nearer `truth` is to 1, the closer a good probe comes
    to the ceiling, and the easier a false alarm.
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
            scores = Rows.of_predictions(list(parts), n_folds=n_folds, level=level)
            row = scores.row("y", "crossing", 0)
            found = (row["mean"], row["low"], row["high"], bool(row["low"] > 0))
            rows.append((strength, draw, *found))
    return pd.DataFrame(rows, columns=["strength", "draw", *_MEASURED])


def alarm_draws(
    composition: Any, *, probes: Mapping[str, Any], n_draws: int, seed: int
) -> pd.DataFrame:
    """Draws of several probes, without curved composition in the features and with much of it.

    Geometry decides all that composition leaves of the target, the hardest case, and composition
    has 80 % of its variance.
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
    """Share of draws with an alarm, for each setting, with Wilson's interval."""
    settings = [c for c in draws if c not in ("draw", *_MEASURED)]
    rows = []
    for key, part in draws.groupby(settings, sort=False):
        alarms, n = int(part["alarm"].sum()), len(part)
        interval = stats.binomtest(alarms, n).proportion_ci(level, method="wilson")
        rate = (alarms / n, interval.low, interval.high)
        rows.append((*key, part["crossing"].mean(), n, alarms, *rate))
    columns = [*settings, "mean crossing", "draws", "alarms", "rate", "low", "high"]
    return pd.DataFrame(rows, columns=columns)
