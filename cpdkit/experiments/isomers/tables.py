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
from cpdkit.extraction import extract

__all__ = ["by_formula", "constitution", "knows_training", "overview", "seen_and_new", "shares"]
__all__ += ["worth"]


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


def by_formula(accuracies: pd.DataFrame) -> pd.DataFrame:
    """Shares over all pairs with each formula counting once, under the names of other shares."""
    every = _over_all_pairs(accuracies).drop(columns=["accuracy", "low", "high"])
    once = {"by_formula": "accuracy", "by_formula_low": "low", "by_formula_high": "high"}
    return every.rename(columns=once)


def worth(accuracies: pd.DataFrame) -> str:
    """How many pairs there are, and how many formulas they are worth, in a sentence.

    From the fewest to the most where targets differ: those that tie in some pairs have fewer.
    """
    every = _over_all_pairs(accuracies)
    pairs, formulas, effective = (
        " to ".join(dict.fromkeys(f"{n:,.0f}" for n in (every[column].min(), every[column].max())))
        for column in ("n_pairs", "n_formulas", "n_effective")
    )
    return (
        f"{pairs} pairs of {formulas} formulas. A few formulas hold most of them, so they are "
        f"worth {effective} formulas of equal size."
    )


def _over_all_pairs(accuracies: pd.DataFrame) -> pd.DataFrame:
    return accuracies[(accuracies["pairs"] == "above") & (accuracies["from_quantile"] == 0)]


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
