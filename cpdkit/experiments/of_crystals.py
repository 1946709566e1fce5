"""What chapters do otherwise where structures are crystals: elements that are told, polymorphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from cpdkit.datasets import LIVE, Dataset, load_dataset
from cpdkit.extraction import extract_each
from cpdkit.representation import Representation

__all__ = ["extract_told", "load_isomers", "polymorphs", "with_elements"]

_SOAP = "soap[compression=mu1nu1,n_max=3,l_max=3,elements={}]"
_MACE = "mace-untrained[elements={}]"


def with_elements(encoder: str, ds: Dataset) -> str:
    """The name of an encoder that has to be told the elements, with those of `ds`.

    SOAP is compressed, or 37 elements would make 40,000 channels.
    """
    elements = " ".join(chemical_symbols[z] for z in np.unique(ds.atoms.numbers))
    return {"soap": _SOAP, "mace-untrained": _MACE}.get(encoder, encoder).format(elements)


def extract_told(
    encoders: Sequence[str], ds: Dataset, **options: Any
) -> Iterator[tuple[str, Representation]]:
    """`cpdkit.extract_each` by plain names, of crystals with their elements told."""
    crystals = ds.atoms.periodic.any()
    told = [with_elements(name, ds) if crystals else name for name in encoders]
    each = extract_each(told, ds, **options)
    return ((name, rep) for name, (_, rep) in zip(encoders, each, strict=True))


def polymorphs(ds: Dataset, n: int, *, seed: int) -> Dataset | None:
    """About `n` crystals in whole formulas that have several, drawn at random; None without any."""
    counts = pd.Series(ds.formulas).value_counts()
    several = np.sort(counts.index[counts > 1].to_numpy(dtype=str))
    order = np.random.default_rng(seed).permutation(several)
    drawn = order[: np.searchsorted(np.cumsum(counts[order].to_numpy()), n) + 1]
    kept = np.isin(ds.formulas, drawn)
    return ds.select(kept) if len(drawn) else None


def load_isomers(dataset: str, n: int, *, seed: int, **options: Any) -> Dataset:
    """At most `n` structures of a data set, of crystals about `n` `polymorphs` if there are any.

    A draw of single crystals would hold few of one formula. What is fetched is drawn all the same.
    """
    if dataset == LIVE:
        return load_dataset(dataset, at_most=n, seed=seed, **options)
    everything = load_dataset(dataset, **options)
    found = polymorphs(everything, n, seed=seed) if everything.atoms.periodic.any() else None
    return everything.sample(min(n, len(everything)), seed=seed) if found is None else found
