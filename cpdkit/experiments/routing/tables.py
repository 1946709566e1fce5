"""What chapter 2 tabulates around its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pandas as pd

from cpdkit.comparisons import stack
from cpdkit.datasets import Dataset
from cpdkit.experiments.routing.measure import routing_difference, routing_index, vector_scores
from cpdkit.experiments.routing.multipoles import element_multipoles, multipole_targets
from cpdkit.experiments.routing.verdict import routing_states
from cpdkit.experiments.verdict import kind_of
from cpdkit.probes.equivariant import equivariant_scores
from cpdkit.probes.widths import WIDTHS
from cpdkit.representation import Representation

__all__ = [
    "PAPER",
    "best_vectors",
    "by_degree",
    "changes",
    "choices",
    "irreps",
    "multipole_scores",
    "roles",
]

PAPER = {("mu", 1): 0.59, ("mu", 0): 0.38, ("gap", 1): 0.34, ("gap", 0): 0.76}
"""R2 of a MACE in version 2 of the paper, by target and degree."""

_NOTHING_CHANGED = ["encoder", "untrained", "name", "l", "quantity", "mean", "low", "high"]
_NOTHING_CHANGED += ["least", "most"]
_VECTORS = ["encoder", "layer", "name", "irrep", "l", "matched", "channels", "width", "target"]
_VECTORS += ["score", "mean", "low", "high", "draw_sd"]


def roles(targets: Sequence[str]) -> dict[str, str]:
    """The first two targets as ``vector`` and ``scalar`` of `measure.routing_index`."""
    if len(targets) < 2:
        raise ValueError(f"targets={targets}: give the norm of a vector first, then a scalar.")
    return {"vector": targets[0], "scalar": targets[1]}


def irreps(representations: Mapping[str, Representation], *, pooling: str) -> pd.DataFrame:
    """Channels of each layer (columns) of each encoder (rows), such as ``"16x0e + 16x1o"``."""
    widths = {
        name: {
            layer.replace("_", " "): " + ".join(
                f"{block.mul}x{block.irrep}"
                for block in features.select(layer=layer, pooling=pooling).blocks
            )
            for layer in features.layers
        }
        for name, features in representations.items()
    }
    table = pd.DataFrame(widths).T.fillna("")
    return table.rename_axis(index="encoder").reset_index()


def changes(index: pd.DataFrame, untrained: Mapping[str, str]) -> pd.DataFrame:
    """What training changed in the routing index, as far as both of a pair are in it."""
    groups = index.groupby("encoder", sort=False)
    known = {name: part.drop(columns="encoder") for name, part in groups}
    found = {
        (name, other): routing_difference(known[name], known[other])
        for name, other in untrained.items()
        if name in known and other in known
    }
    if not found:
        return pd.DataFrame(columns=_NOTHING_CHANGED)
    return stack(found, ["encoder", "untrained"])


def by_degree(scores: pd.DataFrame, *, targets: Sequence[str]) -> pd.DataFrame:
    """``r2_partial`` by layer and degree of networks that were trained elsewhere.

    Of all columns and of equally many (``matched``); scalars without their squares, others by the
    norm of pooled vectors. Below them stands what the paper reports of MACE, without intervals.
    """
    elsewhere = scores["encoder"].map(lambda name: kind_of(name, ()) == "pretrained")
    plain = scores["kind"].isin(["scalar", "norm of pooled"])
    chosen = scores["matched"].isin(["all", "subset"]) & scores["target"].isin(list(targets))
    columns = ["encoder", "name", "l", "matched", "width", "target", "mean", "low", "high"]
    degrees = scores["irrep"].str.extract(r"(\d+)[eo]$", expand=False).astype(int)
    found = scores.assign(l=degrees).loc[elsewhere & plain & chosen, columns]
    if found.empty:
        return found
    paper = [
        {"encoder": "MACE of the paper", "name": "", "l": degree, "matched": "all",
         "target": target, "mean": value}
        for (target, degree), value in PAPER.items() if target in targets
    ]  # fmt: skip
    return pd.concat([found, pd.DataFrame(paper, columns=columns)], ignore_index=True)


def choices(scores: pd.DataFrame, *, vector: str, scalar: str) -> pd.DataFrame:
    """Index and state of every encoder under each way of making degrees comparable.

    Cells are such as ``"+0.46, routes"``.
    """
    rows = []
    for matched, scalars, norms in product(
        WIDTHS, ["scalar", "scalar and square"], ["norm of pooled", "pooled norm"]
    ):
        index = routing_index(
            scores, vector=vector, scalar=scalar, matched=matched, scalars=scalars, norms=norms
        )
        states = routing_states(index).to_dict("records")
        said = {row["encoder"]: f"{row['mean']:+.2f}, {row['state']}" for row in states}
        choice = {"l=1": norms, "l=0": scalars, "columns": matched}
        rows.append({**choice, **said})
    return pd.DataFrame(rows).set_index(["l=1", "l=0", "columns"]).sort_index()


def multipole_scores(
    representations: Mapping[str, Representation],
    ds: Dataset,
    *,
    width: int,
    n_draws: int,
    **options: Any,
) -> pd.DataFrame:
    """Dipoles from l=1 and quadrupoles from l=2, of every layer and of one charge per element.

    The baseline ``one charge per element`` has an empty ``name``. There are no rows where there are
    no labels of a degree that some encoder has.
    """
    options |= {"groups": ds.formulas, "ids": ds.ids}
    degrees = {name: {b.l for b in features.blocks} for name, features in representations.items()}
    known = set().union(*degrees.values())
    labels = {degree: of for degree, of in multipole_targets(ds).items() if degree in known}
    cut = {"width": width, "n_draws": n_draws, **options}
    found = {
        (name, degree): vector_scores(features, labels[degree], l=degree, **cut)
        for name, features in representations.items()
        for degree in labels
        if degree in degrees[name]
    }
    for degree, of in labels.items():
        plain = equivariant_scores(element_multipoles(ds.atoms, l=degree), of, **options)
        found["one charge per element", degree] = plain.assign(name="", matched="all")
    if not found:
        return pd.DataFrame(columns=_VECTORS)
    return stack(found, ["encoder", "l"])[_VECTORS]


def best_vectors(scores: pd.DataFrame) -> pd.DataFrame:
    """Of each target the best layer, and what one charge per element reaches."""
    ranked = scores.assign(plain=scores["name"] == "")
    ranked = ranked.sort_values("mean", ascending=False, kind="stable")
    ranked = ranked.drop_duplicates(["target", "plain"]).sort_values(["target", "plain"])
    kept = ["target", "encoder", "name", "l", "matched", "mean", "low", "high"]
    return ranked[kept].reset_index(drop=True)
