"""Which networks chapter 5 compares, and their scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit.comparisons import stack
from cpdkit.datasets import Dataset
from cpdkit.decomposition import cpd
from cpdkit.experiments.task.readout import without_readout
from cpdkit.extraction import extract_each
from cpdkit.representation import Representation
from cpdkit.zoo import load_model, model_names, stopped_names
from cpdkit.zoo.compare import at_equal_error

__all__ = ["FEATURES", "Trained", "chosen_models", "equal_error", "score_models", "trained_here"]
__all__ += ["trained_elsewhere"]

_ABOUT = ["encoder", "architecture", "task", "seed", "at"]
_VARIED = ["features", "folds"]
_COLUMNS = [*_ABOUT, "channels", *_VARIED, "target", "score"]
_COLUMNS += ["mean", "low", "high", "fold_values"]

FEATURES = ("last layer", "layer before", "readout removed")
"""What of a network may be probed; see `readout` for the last."""


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
    """Networks of the zoo, one for each architecture, task and seed.

    A seed is left out for a task that not all architectures have been trained for with it, if they
    have been for another.
    """
    pairs = _there(architectures, tasks, seeds)
    after, at = ("", "last epoch") if epochs is None else (f"@{epochs:g}", f"epoch {epochs:g}")
    return [
        Trained(f"zoo/{architecture}-{task}-{seed}{after}", architecture, task, seed, at)
        for architecture in architectures
        for task, seed in pairs
    ]


def _there(
    architectures: Sequence[str], tasks: Sequence[str], seeds: Sequence[int]
) -> list[tuple[str, int]]:
    """Tasks and seeds that all architectures have; a seed that no task has stays, to be missed."""
    known = {name.partition("@")[0] for name in (*model_names(), *stopped_names())}
    pairs = list(product(tasks, seeds))
    whole = [(t, s) for t, s in pairs if {f"{a}-{t}-{s}" for a in architectures} <= known]
    somewhere = {seed for _, seed in whole}
    return [pair for pair in pairs if pair in whole or pair[1] not in somewhere]


def trained_elsewhere(names: Sequence[str]) -> list[Trained]:
    """Published networks, trained for energies on other data."""
    return [Trained(name, name, "energy elsewhere", 0, "published") for name in names]


def equal_error(
    architectures: Sequence[str], tasks: Sequence[str], seeds: Sequence[int]
) -> pd.DataFrame:
    """Kept weights that are nearest to the error of the worst final model of their task."""
    found = {}
    for task in tasks:
        here = [s for t, s in _there(architectures, tasks, seeds) if t == task]
        names = [f"{name}-{task}-{seed}" for name, seed in product(architectures, here)]
        found[task] = at_equal_error(task, names=names)
    return stack(found, "task")


def chosen_models(chosen: pd.DataFrame) -> list[Trained]:
    """The networks of :func:`equal_error`."""
    return [
        Trained(f"zoo/{row.model}", row.architecture, row.task, row.seed, "equal error")
        for row in chosen.itertuples()
    ]


def score_models(
    models: Iterable[Trained],
    ds: Dataset,
    composition: np.ndarray,
    *,
    features: Sequence[str] = ("last layer",),
    folds: Sequence[str] = ("random",),
    probed: int = 200,
    **options: Any,
) -> pd.DataFrame:
    """Scores of networks, with what :class:`Trained` says and what was probed.

    Networks at their last epoch are scored in all `features` of `FEATURES`, and by all `folds` in
    their last layer; the others by the first of `folds` in their last layer. Directions of a
    readout are those of the first `probed` structures.
    """
    for name in features:
        if name not in FEATURES:
            raise ValueError(unknown("kind of features", name, FEATURES))
    options |= {"groups": ds.formulas, "ids": ds.ids, "leak": False}
    found, models = {}, list(models)
    each = extract_each([model.encoder for model in models], ds)
    for model, (_, rep) in zip(models, each, strict=True):
        every = model.at == "last epoch"
        for kind in features if every else features[:1]:
            part = _features(model, rep, ds, kind, probed)
            if part is None:
                continue
            width = np.shape(part.features if isinstance(part, Representation) else part)[1]
            for scheme in folds if every and kind == features[0] else folds[:1]:
                scores = cpd(part, composition, ds.targets, folds=scheme, **options)
                found[(*asdict(model).values(), width, kind, scheme)] = scores
    if not found:
        return pd.DataFrame(columns=_COLUMNS)
    return stack(found, [*_ABOUT, "channels", *_VARIED])[_COLUMNS]


def _features(
    model: Trained, rep: Representation, ds: Dataset, kind: str, probed: int
) -> Representation | np.ndarray | None:
    """What is probed, None where a network has no such features."""
    last = rep.select(layer=-1)
    if kind == "layer before":
        return rep.select(layer=-2) if len(rep.layers) > 1 else None
    if kind == "readout removed":
        name = model.encoder.removeprefix("zoo/")
        if name == model.encoder or model.task == "untrained":
            return None
        whole = load_model(name)
        if whole.reads_vectors:
            return None
        few = ds.select(np.arange(min(probed, len(ds))))
        return without_readout(last, whole, few.atoms)[0]
    return last
