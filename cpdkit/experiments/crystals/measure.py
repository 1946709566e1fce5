"""Features of crystals, what is drawn of them, and what is compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from cpdkit.comparisons import paired_difference, stack
from cpdkit.composition import coordination
from cpdkit.datasets import DATASETS, Dataset, load_dataset
from cpdkit.decomposition import cpd
from cpdkit.encoders import load_encoder
from cpdkit.experiments.gradient.measure import nuisances
from cpdkit.experiments.routing.measure import routing_scores
from cpdkit.extraction import extract
from cpdkit.representation import Representation

__all__ = ["baselines", "degree_differences", "degree_scores", "encoded", "geometries"]
__all__ += ["last_layers", "layer_scores", "polymorphs", "training_gains", "with_elements"]

_SOAP = "soap[compression=mu1nu1,n_max=3,l_max=3,elements={}]"
_MACE = "mace-untrained[elements={}]"
_SCALAR, _NORMS = "scalar and square", ("norm of pooled", "pooled norm")


def with_elements(encoder: str, ds: Dataset) -> str:
    """The name of an encoder that has to be told the elements, with those of `ds`.

    SOAP is compressed, or 37 elements would make 40,000 channels.
    """
    elements = " ".join(chemical_symbols[z] for z in np.unique(ds.atoms.numbers))
    return {"soap": _SOAP, "mace-untrained": _MACE}.get(encoder, encoder).format(elements)


def encoded(
    encoders: Sequence[str], ds: Dataset, *, elements_of: Dataset
) -> dict[str, Representation]:
    """All layers of every encoder by its plain name, as means over atoms and means of norms."""
    poolings = ["mean", "mean_norm"]
    return {
        name: extract(load_encoder(with_elements(name, elements_of)), ds, pooling=poolings)
        for name in encoders
    }


def last_layers(representations: Mapping[str, Representation]) -> dict[str, Representation]:
    """The last layer of every encoder, pooled by the mean."""
    return {name: rep.select(layer=-1, pooling="mean") for name, rep in representations.items()}


def polymorphs(ds: Dataset, n: int, *, seed: int) -> Dataset | None:
    """About `n` crystals in whole formulas that have several, drawn at random; None without any."""
    counts = pd.Series(ds.formulas).value_counts()
    several = np.sort(counts.index[counts > 1].to_numpy(dtype=str))
    order = np.random.default_rng(seed).permutation(several)
    drawn = order[: np.searchsorted(np.cumsum(counts[order].to_numpy()), n) + 1]
    kept = np.isin(ds.formulas, drawn)
    return ds.select(kept) if len(drawn) else None


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
            scores = cpd(
                features.select(layer=layer, pooling="mean"),
                composition,
                targets,
                leak=False,
                **settings,
            )
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
