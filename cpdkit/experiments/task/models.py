"""Which networks chapter 5 compares, and their scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.comparisons import stack
from cpdkit.datasets import Dataset
from cpdkit.decomposition import cpd
from cpdkit.encoders import load_encoder
from cpdkit.extraction import extract
from cpdkit.zoo.compare import at_equal_error

__all__ = ["Trained", "chosen_models", "equal_error", "score_models", "trained_here"]
__all__ += ["trained_elsewhere"]

_ABOUT = ["encoder", "architecture", "task", "seed", "at"]
_COLUMNS = [*_ABOUT, "channels", "target", "score", "mean", "low", "high", "fold_values"]


@dataclass(frozen=True)
class Trained:
    """A network of the comparison."""

    encoder: str  # the name it is loaded by
    architecture: str
    task: str
    seed: int
    at: str  # the stage of training it is taken from, such as "last epoch"


def trained_here(
    architectures: Sequence[str],
    tasks: Sequence[str],
    seeds: Sequence[int],
    *,
    epochs: float | None = None,
) -> list[Trained]:
    """Networks of the zoo, one for each architecture, task and seed."""
    after, at = ("", "last epoch") if epochs is None else (f"@{epochs:g}", f"epoch {epochs:g}")
    return [
        Trained(f"zoo/{architecture}-{task}-{seed}{after}", architecture, task, seed, at)
        for architecture, task, seed in product(architectures, tasks, seeds)
    ]


def trained_elsewhere(names: Sequence[str]) -> list[Trained]:
    """Published networks, trained for energies on other data."""
    return [Trained(name, name, "energy elsewhere", 0, "published") for name in names]


def equal_error(
    architectures: Sequence[str], tasks: Sequence[str], seeds: Sequence[int]
) -> pd.DataFrame:
    """Kept weights that are nearest to the error of the worst final model of their task."""
    pairs = list(product(architectures, seeds))
    found = {
        task: at_equal_error(task, names=[f"{name}-{task}-{seed}" for name, seed in pairs])
        for task in tasks
    }
    return stack(found, "task")


def chosen_models(chosen: pd.DataFrame) -> list[Trained]:
    """The networks of :func:`equal_error`."""
    return [
        Trained(f"zoo/{row.model}", row.architecture, row.task, row.seed, "equal error")
        for row in chosen.itertuples()
    ]


def score_models(
    models: Iterable[Trained], ds: Dataset, composition: np.ndarray, **options: Any
) -> pd.DataFrame:
    """Scores of the last layers of networks, with what :class:`Trained` says, and ``channels``."""
    options |= {"groups": ds.formulas, "ids": ds.ids, "leak": False}
    found = {}
    for model in models:
        last = extract(load_encoder(model.encoder), ds).select(layer=-1)
        scores = cpd(last, composition, ds.targets, **options)
        found[(*asdict(model).values(), last.features.shape[1])] = scores
    if not found:
        return pd.DataFrame(columns=_COLUMNS)
    return stack(found, [*_ABOUT, "channels"])[_COLUMNS]
