"""Features of every layer, and what chapter 1 scores beside the plain decomposition."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._messages import LACKING, unknown
from cpdkit.comparisons import stack
from cpdkit.composition import composition_matrix
from cpdkit.datasets import Dataset
from cpdkit.decomposition import LEAK_SCORE, cpd
from cpdkit.experiments.of_crystals import extract_told
from cpdkit.held_out.engine import engine_for
from cpdkit.held_out.inputs import (
    ROWS_PER_COLUMN,
    CompositionWarning,
    check_inputs,
    fold_labels,
    tested,
)
from cpdkit.held_out.protocol import get_protocol
from cpdkit.projection.rank import untold
from cpdkit.representation import Representation
from cpdkit.scores import SCORES, Rows

__all__ = ["Layer", "dealt_anew", "last_layers", "nuisances", "other_choices", "pooled_layers"]
__all__ += ["ladder_scores", "residual_scores"]

_ANSWER = ["target", "score", "mean", "low", "high", "fold_values", "alphas", "note"]
_NEEDS_SMILES = ("bonds", "morgan")
_COMPANIONS = 0.1  # share of structures that must have an isomer for the rung of formulas
_LACKING = {
    "formula": "no training row has their formula",
    "bonds": "no training row has one of their elements or types of bond",
    "morgan": "no training row has one of their elements or environments",
    "space group": "no training row has one of their elements, or their space group",
    "prototype": "no training row has one of their elements, or their structure type",
    "coordination": "no training row has one of their elements or numbers of neighbours",
}
_ELEMENTS = "no training row has one of their elements"
_SPLIT = ("groups", "ids", "n_folds", "repeats", "seed")


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
    """Encode structures with every encoder, once all of them can take them."""
    other = {"mean": "sum", "sum": "mean"}
    if pooling not in other:
        raise ValueError(unknown("pooling", pooling, other))
    if layers not in ("all", "last"):
        raise ValueError(f'layers={layers!r}: give "all" or "last".')
    found = {}
    for encoder, both in extract_told(encoders, ds, pooling=["mean", "sum"]):
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


def residual_scores(
    features: Any,
    composition: Any,
    targets: Any,
    *,
    protocol: str = "sound",
    probe: str | Any = "ridge",
    seed: int = 0,
    **options: Any,
) -> pd.DataFrame:
    """The scores of `cpdkit.cpd` but ``r2_full``, which needs probes of its own."""
    given = check_inputs(features, composition, targets, seed=seed, **options)
    how, data = get_protocol(protocol), (given.X, given.C, given.Y, given.folds)
    parts = engine_for(probe, seed=seed)(*data, protocol=how, inputs=("joint",))
    rows = Rows.of_predictions(list(parts), n_folds=given.rows_per_tested)
    given.check_varying(rows)
    asked = [score for score in SCORES if score != "r2_full"]
    table = pd.DataFrame(
        [rows.row(name, score, t) for t, name in enumerate(given.targets) for score in asked]
    )
    about = {"protocol": protocol, "probe": str(probe), "interval": "corrected-t"}
    table.attrs = {**given.about, **about, "level": rows.level}
    return table


def _answered(table: pd.DataFrame, name: str, targets: Sequence[str]) -> pd.DataFrame:
    """What `cpdkit.cpd` said of one representation and some targets, without leak scores."""
    rows = table[(table["representation"] == name) & table["target"].isin(targets)]
    return rows.loc[rows["score"] != LEAK_SCORE, _ANSWER].reset_index(drop=True)


def ladder_scores(
    features: Mapping[str, Any],
    ladder: Sequence[str],
    ds: Dataset,
    targets: Sequence[str],
    *,
    known: Mapping[str, pd.DataFrame] | None = None,
    folds: str,
    **settings: Any,
) -> pd.DataFrame:
    """Scores of each representation with each rung removed, with ``channels_removed``.

    ``rows_kept`` are the test rows that are not set aside, and ``note`` says what is wrong: a rung
    with more columns than a training fold has rows is not scored, nor is a target that is constant
    among the rows kept of a test fold; fewer than five training rows for each column are told.

    `known` are scores of all representations, by rung, that are not computed again.
    """
    split = {key: value for key, value in settings.items() if key in _SPLIT}
    labels = fold_labels(folds, len(ds), **split)
    found: dict[tuple, pd.DataFrame] = {}
    for rung, Z in nuisances(ladder, ds, folds=folds).items():
        trained, kept = _sizes(Z, labels)
        against = f"{Z.shape[1]:,} columns stand against {trained:,} training rows"
        few = against if trained < ROWS_PER_COLUMN * Z.shape[1] else ""
        if trained < Z.shape[1]:
            warnings.warn(f"the rung {rung!r} is not scored: {against}.", stacklevel=2)
        for name, X in features.items():
            if trained < Z.shape[1]:
                table = _unscored(targets, f"not scored: {against}", labels)
            elif known is not None and rung in known:
                table = _answered(known[rung], name, targets)
            else:
                table = _rung(X, Z, ds, targets, labels, folds=folds, **settings)
            if few and trained >= Z.shape[1]:
                table["note"] = [f"{note}; {few}" if note else few for note in table["note"]]
            lacking = _LACKING.get(rung, _ELEMENTS)
            table["note"] = table["note"].str.replace(LACKING, lacking, regex=False)
            found[name, rung, Z.shape[1], kept] = table
    columns = ["representation", "removed", "channels_removed", "rows_kept"]
    scored = stack(found, columns)
    scored.attrs = next((t.attrs for t in found.values() if t.attrs), {})
    for note in dict.fromkeys(scored["note"][scored["note"].str.contains("constant in test fold")]):
        warnings.warn(note, stacklevel=2)
    return scored


def _sizes(Z: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    """Rows of the smallest training fold, and test rows that are not set aside, of one repeat."""
    splits = [(fold, k) for fold in labels for k in np.unique(tested(fold))]
    least = min(int((fold != k).sum()) for fold, k in splits)
    kept = sum(int((~untold(Z, fold != k)[1])[fold == k].sum()) for fold, k in splits)
    return least, kept // len(labels)


def _rung(
    X: Any, Z: np.ndarray, ds: Dataset, targets: Sequence[str], labels: np.ndarray, **settings: Any
) -> pd.DataFrame:
    """Scores as of `cpd`; a target without any is named in a note and the others go on."""
    with warnings.catch_warnings():
        # The upper rungs have many columns on purpose; the notes say how many.
        warnings.simplefilter("ignore", CompositionWarning)
        try:
            return cpd(X, Z, ds.targets[list(targets)], leak=False, **settings)
        except ValueError as error:
            if len(targets) == 1:
                return _unscored(targets, f"not scored: {error}", labels)
    alone = [_rung(X, Z, ds, [target], labels, **settings) for target in targets]
    table = pd.concat(alone, ignore_index=True)
    table.attrs = next((part.attrs for part in alone if part.attrs), {})
    return table


def _unscored(targets: Sequence[str], why: str, labels: np.ndarray) -> pd.DataFrame:
    nothing = float("nan")
    empty = (nothing,) * sum(len(np.unique(tested(fold))) for fold in labels)
    rows = [
        (target, score, nothing, nothing, nothing, empty, None, why)
        for target in targets
        for score in SCORES
    ]
    return pd.DataFrame(rows, columns=_ANSWER)


def other_choices(
    layers: Mapping[str, Layer],
    ds: Dataset,
    targets: Sequence[str],
    *,
    removed: str,
    folds: str,
    known: pd.DataFrame,
    **settings: Any,
) -> pd.DataFrame:
    """Scores of last layers where one ``choice`` at a time is made the other way.

    `known` are the scores as they were chosen.
    """
    other = "fractions" if removed == "counts" else "counts"
    matrices = {kind: composition_matrix(ds, kind=kind) for kind in (removed, other)}
    other_folds = "formula" if folds == "random" else "random"
    found = {}
    for name, layer in layers.items():
        choices = {
            "the other composition": (layer.features, other, folds),
            "the other pooling": (layer.otherwise, removed, folds),
            "the other folds": (layer.features, removed, other_folds),
        }
        found[name, "as above"] = _answered(known, name, targets)
        for choice, (features, kind, scheme) in choices.items():
            found[name, choice] = cpd(
                features, matrices[kind], ds.targets[list(targets)],
                folds=scheme, leak=False, **settings,
            )  # fmt: skip
    return stack(found, ["representation", "choice"])
