"""What chapter 6 draws and tabulates around its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.comparisons import stack
from cpdkit.composition import bond_counts
from cpdkit.datasets import Dataset
from cpdkit.experiments.geometry.measure import within_molecule_scores
from cpdkit.projection.within import WithinGroups

__all__ = ["draw_molecules", "null_features", "scores_by_kind", "spreads"]


def draw_molecules(ds: Dataset, n: int, *, seed: int) -> Dataset:
    """All geometries of `n` molecules drawn at random, or of all where there are fewer."""
    names = _info(ds, "inchikey")
    known = names.unique()
    drawn = np.random.default_rng(seed).choice(known, min(n, len(known)), replace=False)
    return ds.select(names.isin(drawn).to_numpy())


def spreads(ds: Dataset) -> pd.DataFrame:
    """Standard deviation of each target within molecules and over all rows."""
    inside = WithinGroups().fit_transform(ds.targets.to_numpy(), composition=_info(ds, "inchikey"))
    return pd.DataFrame(
        {
            "target": ds.targets.columns,
            "spread within molecules": inside.std(axis=0),
            "spread over all": ds.targets.std().to_numpy(),
        }
    )


def null_features(ds: Dataset, *, seed: int, channels: int = 64) -> dict[str, np.ndarray]:
    """Features that do not know the geometry: bond counts, and normal random numbers."""
    chance = np.random.default_rng(seed).normal(size=(len(ds), channels))
    return {"bonds (no geometry)": bond_counts(ds).to_numpy(), "random numbers": chance}


def scores_by_kind(
    within: Mapping[str, pd.DataFrame], features: Mapping[str, Any], ds: Dataset, **options: Any
) -> pd.DataFrame:
    """Scores within molecules over all geometries, over displaced ones and over conformers.

    ``molecules`` counts those that have two ``geometries`` or more of the kind.
    """
    relaxed = _info(ds, "relaxed").to_numpy()
    molecules = _info(ds, "inchikey").to_numpy()
    found = {(name, "all"): within[name] for name in features}
    for kind, kept in {"displaced": ~relaxed, "conformers": relaxed}.items():
        for name, part in features.items():
            found[name, kind] = within_molecule_scores(
                part.features[kept], ds.targets[kept], molecules[kept], **options
            )
    counted = {(*key, table.attrs["molecules"]): table for key, table in found.items()}
    return stack(counted, ["representation", "geometries", "molecules"])


def _info(ds: Dataset, column: str) -> pd.Series:
    if ds.info is None or column not in ds.info:
        raise ValueError(
            f"{ds.name!r} has no column {column!r} in info; chapter 6 needs a data set that says "
            "which of its geometries belong to one molecule, as 'xtb9' does with "
            "split='conformers'. Chapter 8 asks the same of crystals."
        )
    return ds.info[column]
