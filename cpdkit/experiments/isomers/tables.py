"""What chapter 7 tabulates around its accuracies."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.comparisons import stack
from cpdkit.composition import bond_counts, coordination, morgan_counts
from cpdkit.datasets import Dataset
from cpdkit.encoders import load_encoder
from cpdkit.experiments.isomers.measure import accuracy_by_difference
from cpdkit.experiments.labels import labelled
from cpdkit.extraction import extract

__all__ = ["constitution", "knows_training", "overview", "seen_and_new", "shares", "worth"]


def constitution(ds: Dataset) -> dict[str, Any]:
    """Counts that know what is bonded to what: of bonds, and of Morgan environments.

    Without SMILES, atoms that are close count as bonded and Morgan counts are left out, with a
    warning. Crystals have coordination numbers in place of both, and their isomers are polymorphs.
    """
    if ds.atoms.periodic.any():
        return {"coordination": coordination(ds).to_numpy()}
    if ds.smiles is not None:
        return {"bond counts": bond_counts(ds).to_numpy(), "Morgan counts": morgan_counts(ds)}
    warnings.warn(
        f"{ds.name} has no SMILES: atoms that are close count as bonded, and Morgan counts are "
        "left out.",
        stacklevel=2,
    )
    return {"bond counts": extract(load_encoder("bond-counts"), ds, pooling="sum").features}


def overview(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs of isomers for each target, how much they differ, and how many are right."""
    found = pairs.groupby("target", sort=False)
    return pd.DataFrame(
        {
            "pairs": found.size(),
            "formulas": found["formula"].nunique(),
            "median difference": found["difference"].agg(lambda d: d.abs().median()),
            "right by composition": found["right"].mean(),
        }
    ).reset_index()


def shares(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Accuracies over all pairs, the half that differs more and the last bin, as ``which`` says."""
    above = accuracies[accuracies["pairs"] == "above"]
    steps = np.sort(above["from_quantile"].unique())
    chosen = above[above["from_quantile"].isin([steps[0], steps[len(steps) // 2], steps[-1]])]
    return chosen.assign(
        which=[f"upper {1 - q:.0%}" if q else "all pairs" for q in chosen["from_quantile"]]
    )


def worth(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Over all pairs: how many there are, what they are worth, and the share by formula."""
    every = accuracies[(accuracies["pairs"] == "above") & (accuracies["from_quantile"] == 0)]
    columns = ["target", "representation", "n_pairs", "n_formulas", "n_effective"]
    table = labelled(every[[*columns, "accuracy", "by_formula"]]).round(3)
    return table.round({"n_effective": 0}).set_index(columns[:2])


def knows_training(ds: Dataset) -> bool:
    """Whether the data set says which formulas the zoo was trained on."""
    return ds.info is not None and "formula_in_train" in ds.info


def seen_and_new(pairs: Mapping[str, pd.DataFrame], ds: Dataset, *, seed: int) -> pd.DataFrame:
    """Accuracies over pairs of ``formulas`` that the zoo was trained on, and of new ones."""
    if ds.info is None:
        raise ValueError(f"{ds.name!r} does not say which formulas the zoo was trained on.")
    trained_on = ds.formulas[ds.info["formula_in_train"].to_numpy()]
    found = {}
    for kind, seen in {"seen": True, "new": False}.items():
        chosen = {k: v[v["formula"].isin(trained_on) == seen] for k, v in pairs.items()}
        table = accuracy_by_difference(chosen, n_bins=1, seed=seed)
        found[kind] = table[table["pairs"] == "above"]
    return stack(found, "formulas")
