"""What chapter 8 tabulates, by the means of the chapters whose questions it asks again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from cpdkit.comparisons import stack
from cpdkit.composition.crystals import names_types
from cpdkit.controls import control_scores
from cpdkit.datasets import Dataset
from cpdkit.experiments.crystals.measure import baselines, encoded, last_layers, polymorphs
from cpdkit.experiments.crystals.verdict import CLAIMS
from cpdkit.experiments.efficiency import measure as efficiency
from cpdkit.experiments.efficiency.figures import curve_figure
from cpdkit.experiments.efficiency.needed import (
    curve_table,
    share_of_final,
    structures_needed,
)
from cpdkit.experiments.efficiency.subsets import nested_subsets
from cpdkit.experiments.efficiency.tables import reference_needs, with_unstructured
from cpdkit.experiments.efficiency.verdict import efficiency_correlations, sample_efficiency
from cpdkit.experiments.geometry.measure import centre_by_molecule, within_molecule_scores
from cpdkit.experiments.gradient.verdict import differences, disentanglement_gradient
from cpdkit.experiments.inflation.measure import probe_settings
from cpdkit.experiments.inflation.verdict import by_kind, inflated_trees
from cpdkit.experiments.isomers.figures import isomer_figure
from cpdkit.experiments.isomers.measure import (
    accuracy_by_difference,
    accuracy_differences,
    isomer_pairs,
)
from cpdkit.experiments.isomers.verdict import residual_against_constitution
from cpdkit.experiments.labels import label
from cpdkit.experiments.verdict import Verdict
from cpdkit.projection.within import WithinGroups
from cpdkit.representation import Representation

__all__ = [
    "SHARES",
    "Curves",
    "Pairs",
    "as_in_chapter_1",
    "channels",
    "controls",
    "judged",
    "learning_curves",
]
__all__ += ["overview", "polymorph_pairs", "sentences", "types_in_words", "unknown_in_words"]
__all__ += ["within_crystals"]

SHARES: Mapping[str, str] = {"value": "accuracy", "style": "percent"}
"""How shares of pairs are shown."""

_HALF = 0.5
_DRAWS = 300
_SIGNALS = (0.05, 0.15, 0.3, 0.5, 0.7, 0.9)  # shares that features without structure explain
_NOISE_DRAWS = 2


class Curves(NamedTuple):
    """Learning curves of all representations."""

    table: pd.DataFrame
    correlations: pd.DataFrame  # of the final score with the structures needed for half of it
    figure: Figure


class Pairs(NamedTuple):
    """How polymorphs are ordered."""

    accuracy: pd.DataFrame
    everyone: pd.DataFrame  # over all pairs, whatever their difference
    differences: pd.DataFrame  # to what knows no length
    figure: Figure


def overview(ds: Dataset, composition: np.ndarray) -> pd.DataFrame:
    """Size of the problem: crystals, formulas, elements, and how constant the targets are."""
    zero = (ds.targets == ds.targets.mode().iloc[0]).mean()
    facts = {
        "crystals": len(ds),
        "formulas": len(np.unique(ds.formulas)),
        "elements (columns of composition)": composition.shape[1],
        "rank of composition": int(np.linalg.matrix_rank(composition)),
        "elements in fewer than five crystals": int(((composition > 0).sum(axis=0) < 5).sum()),
        **{f"most frequent value of {label(name)}, share": share for name, share in zero.items()},
    }
    return pd.DataFrame({"what": list(facts), "value": list(facts.values())}).set_index("what")


def unknown_in_words(table: pd.DataFrame) -> str:
    """How many columns training folds drop, and what an unseen element does to a test row."""
    about = table.attrs
    least, most = min(about["columns_dropped"]), max(about["columns_dropped"])
    many = f"{least} to {most}" if least < most else f"{most}"
    return (
        f"Of the {about['columns']} columns of composition a training fold drops {many}, the "
        f"elements that it lacks. A test row with such an element is set aside: "
        f"{about['rows_set_aside']:,} of {about['n'] * about['repeats']:,} rows are."
    )


def types_in_words(ds: Dataset) -> str:
    """Where the names of structure types come from."""
    if names_types(ds):
        return "Structure types are those that the data set names, strained crystals included."
    return (
        "Structure types are found by symmetry to within 0.01 Angstrom: a crystal that is strained "
        "by more has a type of its own."
    )


def channels(representations: Mapping[str, Representation]) -> pd.DataFrame:
    """Layers, and channels of the last one."""
    rows = [
        (name, len(representations[name].layers), last.features.shape[1])
        for name, last in last_layers(representations).items()
    ]
    return pd.DataFrame(rows, columns=["representation", "layers", "channels of the last"])


def as_in_chapter_1(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of last layers with the columns that the figures and the verdict of chapter 1 read."""
    attrs = table.attrs
    table = table.assign(encoder=table["representation"], depth=1.0, protocol="sound", last=True)
    table.attrs = attrs
    return table


def controls(
    features: Mapping[str, Representation],
    composition: np.ndarray,
    ds: Dataset,
    *,
    n_trees: int,
    folds: str,
    seed: int,
) -> pd.DataFrame:
    """Scores of ridge and of trees where they are asked for the mean atomic number.

    It is linear in fractions, so the residual holds nothing linear of it.
    """
    known = probe_settings(n_trees=n_trees, seed=seed)
    found = {
        (name, probe): control_scores(
            part.features, composition, ds.formulas.tolist(),
            targets=["mean_Z"], ids=ds.ids.tolist(),
            probe=known[probe], folds=folds, seed=seed,
        )
        for name, part in features.items()
        for probe in ("ridge", "trees")
    }  # fmt: skip
    return stack(found, ["representation", "probe"])


def learning_curves(
    features: Mapping[str, Representation],
    composition: np.ndarray,
    ds: Dataset,
    *,
    n_sizes: int,
    repeats: int,
    scheme: str,
    seed: int,
) -> Curves:
    """Curves with all channels, and with as many drawn as the narrowest representation has.

    The smallest subset has three structures for each column of composition, or a third of all: with
    fewer, most test structures hold an element that training lacks.
    """
    smallest = max(25, min(3 * composition.shape[1], len(ds) // 3))
    subsets = nested_subsets(
        len(ds), ids=ds.ids.tolist(), groups=ds.formulas.tolist(), scheme=scheme,
        smallest=smallest, n_sizes=n_sizes, repeats=repeats, seed=seed,
    )  # fmt: skip
    narrow = min(*(part.features.shape[1] for part in features.values()), len(subsets.order[0]))
    curves = efficiency.learning_curves(
        features, composition, ds.targets, subsets, width=narrow, matched=["subset"], seed=seed
    )
    drawn: dict[str, Any] = {"groups": ds.formulas.tolist(), "n_draws": _DRAWS, "seed": seed}
    tables, needs = {}, {}
    for (name, how), curve in curves.items():
        draws = curve.draws(**drawn)
        tables[name, how] = curve_table(curve, draws)
        needs[name, how] = structures_needed(curve, draws, fractions=[_HALF]).assign(
            channels=curve.width, score="r2_partial",
            smallest=curve.sizes[0], largest=curve.sizes[-1],
        )  # fmt: skip
    table, about = stack(tables, ["representation", "width"]), ["representation", "width"]
    plain = efficiency.unstructured_curves(
        composition, ds.targets.iloc[:, :1], subsets,
        width=narrow, shares=_SIGNALS, draws=_NOISE_DRAWS, seed=seed,
    )  # fmt: skip
    known = reference_needs(plain, fractions=[_HALF], **drawn)
    correlations = efficiency_correlations(with_unstructured(stack(needs, about), known))
    return Curves(table, correlations, curve_figure(table[table["width"] == "all"]))


def polymorph_pairs(
    everything: Dataset,
    encoders: Sequence[str],
    *,
    n: int,
    elements_of: Dataset,
    draw_seed: int,
    seed: int,
) -> Pairs | None:
    """Order polymorphs by residuals and by what knows no length; None where there are none.

    Features and targets are centred by formula, which removes every function of composition, also
    of elements that a training fold lacks, and leaves differences within pairs as they are.
    """
    ds = polymorphs(everything, n, seed=draw_seed)
    if ds is None:
        return None
    formulas, plain = ds.formulas.tolist(), baselines(ds)
    reps = last_layers(encoded(encoders, ds, elements_of=elements_of))
    features = {**plain, **{name: part.features for name, part in reps.items()}}
    inside = WithinGroups().fit_transform(ds.targets.to_numpy(), composition=formulas)
    targets = pd.DataFrame(inside, columns=ds.targets.columns)
    pairs = {
        name: isomer_pairs(centre_by_molecule(X, formulas), None, targets, formulas, seed=seed)
        for name, X in features.items()
    }
    fewest = min(here.groupby("target").size().min() for here in pairs.values())
    bins = max(1, min(5, int(fewest) // 20))
    accuracy = accuracy_by_difference(pairs, n_bins=bins, seed=seed)
    everyone = accuracy[(accuracy["pairs"] == "above") & (accuracy["from_quantile"] == 0)]
    differences = accuracy_differences(pairs, baselines=list(plain), seed=seed)
    return Pairs(accuracy, everyone, differences, isomer_figure(accuracy))


def within_crystals(
    moving: Dataset,
    encoders: Sequence[str],
    *,
    n: int,
    elements_of: Dataset,
    draw_seed: int,
    seed: int,
    repeats: int = 3,
) -> pd.DataFrame:
    """Scores within crystals, over the geometries of `n` that are drawn at random."""
    if moving.info is None:
        raise ValueError(f"{moving.name!r} does not say which geometries are of one crystal.")
    names = moving.info["parent"].unique()
    drawn = np.random.default_rng(draw_seed).choice(names, min(n, len(names)), replace=False)
    kept = moving.info["parent"].isin(drawn).to_numpy()
    parents, moving = moving.info["parent"][kept].tolist(), moving.select(kept)
    last = last_layers(encoded(encoders, moving, elements_of=elements_of))
    options: dict[str, Any] = {"repeats": repeats, "seed": seed}
    return stack(
        {
            name: within_molecule_scores(part.features, moving.targets, parents, **options)
            for name, part in last.items()
        }
    )


def judged(
    table: pd.DataFrame,
    recovered: pd.DataFrame,
    correlations: pd.DataFrame,
    pairs: Pairs | None,
    *,
    target: str,
    handcrafted: Collection[str],
) -> dict[str, Verdict]:
    """Verdicts on crystals, by the rules and under the notebooks of the other chapters."""
    n_folds = table.attrs["n_folds"]
    gains = differences(
        {str(table.attrs["folds"]): table}, handcrafted=handcrafted, targets=[target],
        n_folds=n_folds,
    )  # fmt: skip
    trees = recovered[recovered["probe"] == "trees"].assign(folds=table.attrs["folds"])
    kinds = by_kind(trees, handcrafted=handcrafted, n_folds=n_folds)
    found = {
        "01_disentanglement_gradient": disentanglement_gradient(gains, targets=[target]),
        "03_gbt_inflation": inflated_trees(kinds, controls=["mean_Z"]),
        "04_sample_efficiency": sample_efficiency(
            correlations, target=target, criterion=share_of_final(_HALF)
        ),
    }
    if pairs is not None:
        found["07_isomers"] = residual_against_constitution(
            pairs.differences, pairs.accuracy, target=target
        )
    return found


def sentences(verdicts: Mapping[str, Verdict]) -> pd.DataFrame:
    """What is said of each claim."""
    rows = [(CLAIMS[name], v.outcome, v.sentence) for name, v in verdicts.items()]
    return pd.DataFrame(rows, columns=["claim", "outcome", "sentence"])
