"""Features of crystals, what is drawn of them, and what is compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cpdkit.comparisons import paired_difference, stack
from cpdkit.composition import coordination
from cpdkit.datasets import DATASETS, Dataset, load_dataset
from cpdkit.encoders import load_encoder
from cpdkit.experiments.gradient.measure import nuisances, residual_scores
from cpdkit.experiments.of_crystals import polymorphs, with_elements
from cpdkit.experiments.routing.measure import routing_scores
from cpdkit.extraction import extract_each
from cpdkit.representation import Representation

if TYPE_CHECKING:
    from cpdkit.encoders import Encoder

__all__ = ["baselines", "degree_differences", "degree_scores", "encoded", "geometries"]
__all__ += ["last_layers", "layer_scores", "polymorphs", "training_gains", "with_elements"]

_SCALAR, _NORMS = "scalar and square", ("norm of pooled", "pooled norm")


def encoded(
    encoders: Sequence[str], ds: Dataset, *, elements_of: Dataset
) -> dict[str, Representation]:
    """All layers of every encoder by its plain name, as means over atoms and means of norms."""
    loaded = [_loaded(with_elements(name, elements_of)) for name in encoders]
    each = extract_each(loaded, ds, pooling=["mean", "mean_norm"])
    return {name: rep for name, (_, rep) in zip(encoders, each, strict=True)}


@cache  # three cells ask for the same, and to load one takes seconds
def _loaded(name: str) -> Encoder:
    return load_encoder(name)


def last_layers(representations: Mapping[str, Representation]) -> dict[str, Representation]:
    """The last layer of every encoder, pooled by the mean."""
    return {name: rep.select(layer=-1, pooling="mean") for name, rep in representations.items()}


def geometries(dataset: str, *, targets: Sequence[str]) -> Dataset | None:
    """Several geometries of each crystal, as ``info["parent"]`` says; None without such a split."""
    if dataset not in DATASETS or "conformers" not in import_module(DATASETS[dataset]).SPLITS:
        return None
    ds = load_dataset(dataset, split="conformers", targets=targets)
    return ds if ds.info is not None and "parent" in ds.info else None


def baselines(ds: Dataset) -> dict[str, np.ndarray]:
    """Counts that know what is next to what, without a length: as bond counts of molecules do."""
    return {
        "coordination": coordination(ds).to_numpy(),
        **nuisances(["prototype"], ds, folds="random"),
    }


def layer_scores(
    representations: Mapping[str, Representation],
    composition: np.ndarray,
    targets: pd.DataFrame,
    **settings: Any,
) -> pd.DataFrame:
    """``r2_partial`` of every layer, with ``encoder`` and ``depth`` (0 for the first, 1 the last).

    Encoders with one layer are left out.
    """
    found = {}
    for name, features in representations.items():
        steps = len(features.layers) - 1
        for i, layer in enumerate(features.layers if steps else ()):
            part = features.select(layer=layer, pooling="mean")
            scores = residual_scores(part, composition, targets, **settings)
            found[name, layer, i / steps] = scores[scores["score"] == "r2_partial"]
    columns = ["encoder", "name", "depth"]
    return stack(found, columns) if found else pd.DataFrame(columns=columns)


def degree_scores(
    representations: Mapping[str, Representation],
    composition: np.ndarray,
    targets: pd.DataFrame,
    *,
    width: int,
    **settings: Any,
) -> pd.DataFrame:
    """Scores of every degree of every layer at one width, of encoders that have several degrees."""
    found = {
        name: routing_scores(
            features, composition, targets, width=width, matchings=["subset"], **settings
        )
        for name, features in representations.items()
        if len({block.l for block in features.blocks}) > 1
    }
    if not found:
        return pd.DataFrame(columns=["encoder", "layer", "name", "irrep", "l", "kind", "target"])
    table = stack(found, "encoder")
    return table[table["kind"].isin([_SCALAR, *_NORMS])].reset_index(drop=True)


def degree_differences(table: pd.DataFrame) -> pd.DataFrame:
    """Score of each degree above 0 minus that of scalars and their squares, on the same folds."""
    keys = ["encoder", "layer", "name", "target"]
    rows = []
    for key, here in table.groupby(keys, sort=False):
        scalars = here[here["kind"] == _SCALAR]
        for row in here[here["kind"].isin(_NORMS)].to_dict("records") if len(scalars) else []:
            folds = (row["fold_values"], scalars["fold_values"].iloc[0])
            gain = paired_difference(*folds, n_folds=table.attrs["n_folds"])
            rows.append(
                dict(zip(keys, key, strict=True)) | {"l": row["l"], "kind": row["kind"]} | gain
            )
    return pd.DataFrame(rows, columns=[*keys, "l", "kind", "mean", "low", "high"])


def training_gains(table: pd.DataFrame, *, trained: Collection[str], n_folds: int) -> pd.DataFrame:
    """Of each target, the best of the `trained` encoders minus the best of the others.

    ``r2_partial`` on the same folds. ``trained`` and ``other`` name the two.
    """
    rows = []
    for target, here in table[table["score"] == "r2_partial"].groupby("target", sort=False):
        ours = here["representation"].isin(list(trained))
        if here[ours]["mean"].notna().any() and here[~ours]["mean"].notna().any():
            best, other = (part.loc[part["mean"].idxmax()] for part in (here[ours], here[~ours]))
            gain = paired_difference(best["fold_values"], other["fold_values"], n_folds=n_folds)
            about = {"trained": best["representation"], "other": other["representation"]}
            rows.append({"target": target} | about | gain)
    return pd.DataFrame(rows, columns=["target", "trained", "other", "mean", "low", "high"])
