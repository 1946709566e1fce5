"""Features of every layer, and what chapter 1 scores beside the plain decomposition."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit.comparisons import stack
from cpdkit.composition import composition_matrix
from cpdkit.datasets import Dataset
from cpdkit.decomposition import cpd
from cpdkit.encoders import load_encoder
from cpdkit.extraction import extract
from cpdkit.held_out.inputs import CompositionWarning
from cpdkit.representation import Representation

__all__ = ["Layer", "dealt_anew", "last_layers", "nuisances", "other_choices", "pooled_layers"]

_NEEDS_SMILES = ("bonds", "morgan")
_COMPANIONS = 0.1  # share of structures that must have an isomer for the rung of formulas


@dataclass(frozen=True)
class Layer:
    """Pooled features of one layer."""

    encoder: str
    depth: float  # 0 for the first layer of the encoder, 1 for its last
    features: Representation  # pooled as asked for
    otherwise: Representation  # pooled the other way: sum for mean, mean for sum

    @property
    def last(self) -> bool:
        """Whether it is the last layer of its encoder."""
        return self.depth == 1.0


def pooled_layers(
    encoders: Sequence[str], ds: Dataset, *, pooling: str = "mean", layers: str = "last"
) -> dict[str, Layer]:
    """Encode structures with every encoder."""
    other = {"mean": "sum", "sum": "mean"}
    if pooling not in other:
        raise ValueError(unknown("pooling", pooling, other))
    if layers not in ("all", "last"):
        raise ValueError(f'layers={layers!r}: give "all" or "last".')
    found = {}
    for encoder in encoders:
        both = extract(load_encoder(encoder), ds, pooling=["mean", "sum"])
        asked, otherwise = (both.select(pooling=p) for p in (pooling, other[pooling]))
        steps = len(asked.layers) - 1
        depths = {name: i / steps if steps else 1.0 for i, name in enumerate(asked.layers)}
        kept = asked.layers if layers == "all" else asked.layers[-1:]
        for name in kept:
            parts = [part.select(layer=name) for part in (asked, otherwise)]
            title = encoder if len(kept) == 1 else f"{encoder} / {name}"
            found[title] = Layer(encoder, depths[name], *parts)
    return found


def last_layers(layers: Mapping[str, Layer]) -> dict[str, Layer]:
    """The last layer of every encoder, by the encoder's name."""
    return {layer.encoder: layer for layer in layers.values() if layer.last}


def dealt_anew(targets: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Targets dealt anew among all structures, whole rows at once: there is nothing to find.

    `cpdkit.controls.null_scores` deals them within formulas, which leaves composition's share.
    """
    order = np.random.default_rng(seed).permutation(len(targets))
    return targets.iloc[order].reset_index(drop=True)


def nuisances(ladder: Sequence[str], ds: Dataset, *, folds: str) -> dict[str, np.ndarray]:
    """What each rung removes; rungs that do not apply are left out and named in a warning.

    Bonds of molecules need SMILES, crystals have no bonds, and molecules no space group.
    """
    found = {}
    for rung in ladder:
        try:
            why = _does_not_apply(rung, ds, folds)
            if not why:
                found[rung] = composition_matrix(ds, kind=rung)
        except (ValueError, ImportError) as error:
            why = str(error)
        if why:
            warnings.warn(f"the rung {rung!r} is left out: {why}", stacklevel=2)
    return found


def _does_not_apply(rung: str, ds: Dataset, folds: str) -> str:
    if rung in _NEEDS_SMILES and ds.smiles is None and not ds.atoms.periodic.any():
        return f"{ds.name} has no SMILES."
    if rung == "formula":
        sizes = pd.Series(ds.formulas).map(pd.Series(ds.formulas).value_counts())
        if folds == "formula":
            return "no formula of a test fold occurs in training."
        if (sizes > 1).mean() < _COMPANIONS:
            return "hardly any two structures have one formula."
    return ""


def ladder_scores(
    features: Mapping[str, Any],
    ladder: Sequence[str],
    ds: Dataset,
    targets: Sequence[str],
    *,
    folds: str,
    **settings: Any,
) -> pd.DataFrame:
    """Scores of each representation with each rung removed, with ``channels_removed``."""
    found = {}
    for rung, Z in nuisances(ladder, ds, folds=folds).items():
        with warnings.catch_warnings():
            # The upper rungs have many columns on purpose; the table says how many.
            warnings.simplefilter("ignore", CompositionWarning)
            for name, X in features.items():
                found[name, rung, Z.shape[1]] = cpd(
                    X, Z, ds.targets[list(targets)], folds=folds, leak=False, **settings
                )
    return stack(found, ["representation", "removed", "channels_removed"])


def other_choices(
    layers: Mapping[str, Layer],
    ds: Dataset,
    targets: Sequence[str],
    *,
    removed: str,
    folds: str,
    **settings: Any,
) -> pd.DataFrame:
    """Scores of last layers where one ``choice`` at a time is made the other way."""
    other = "fractions" if removed == "counts" else "counts"
    matrices = {kind: composition_matrix(ds, kind=kind) for kind in (removed, other)}
    other_folds = "formula" if folds == "random" else "random"
    found = {}
    for name, layer in layers.items():
        choices = {
            "as above": (layer.features, removed, folds),
            "the other composition": (layer.features, other, folds),
            "the other pooling": (layer.otherwise, removed, folds),
            "the other folds": (layer.features, removed, other_folds),
        }
        for choice, (features, kind, scheme) in choices.items():
            found[name, choice] = cpd(
                features, matrices[kind], ds.targets[list(targets)],
                folds=scheme, leak=False, **settings,
            )  # fmt: skip
    return stack(found, ["representation", "choice"])
