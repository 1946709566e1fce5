"""What chapter 1 tabulates around its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cpdkit.comparisons import stack
from cpdkit.datasets import Dataset
from cpdkit.experiments.gradient.measure import Layer
from cpdkit.experiments.verdict import listed

__all__ = ["answered", "beside_ridge", "channels", "first_targets", "last_layers", "pick"]
__all__ += ["rungs", "rungs_in_words", "several_layers", "spreads", "with_layers"]

_SCORED = ["target", "score", "mean", "low", "high"]
_PROBED = ["representation", "probe", *_SCORED]


def first_targets(targets: Sequence[str], n: int) -> list[str]:
    """The first `n` targets, which are drawn; ValueError where there would be none."""
    if n < 1:
        raise ValueError(f"shown={n}: give the number of targets to draw, at least 1.")
    return list(targets[:n])


def spreads(ds: Dataset) -> pd.DataFrame:
    """Mean, standard deviation and range of each target."""
    found = ds.targets.describe().T[["mean", "std", "min", "max"]]
    return found.rename_axis("target").reset_index()


def channels(layers: Mapping[str, Layer]) -> pd.DataFrame:
    """Channels of each representation, and how many are almost constant.

    These spread over all structures by less than 1 % of the root-mean-square spread of the
    representation's channels, where the sound probe puts its floor.
    """
    rows = []
    for name, layer in layers.items():
        spread = layer.features.features.std(axis=0)
        constant = int((spread < 0.01 * (spread**2).mean() ** 0.5).sum())
        rows.append((name, len(spread), constant))
    return pd.DataFrame(rows, columns=["representation", "channels", "almost constant"])


def with_layers(table: pd.DataFrame, layers: Mapping[str, Layer]) -> pd.DataFrame:
    """Scores with encoder and depth of their representation in front, and ``last`` behind."""
    found = [layers[name] for name in table["representation"]]
    table = table.assign(
        encoder=[layer.encoder for layer in found],
        depth=[layer.depth for layer in found],
        last=[layer.last for layer in found],
    )
    front = ["representation", "encoder", "depth", "protocol"]
    return table[[*front, *table.columns.drop(front)]]


def last_layers(table: pd.DataFrame) -> pd.DataFrame:
    """Scores of last layers under the sound protocol, named by their encoder."""
    rows = table[(table["protocol"] == "sound") & (table["depth"] == 1.0)]
    return rows.assign(representation=rows["encoder"])


def rungs(by_rung: pd.DataFrame) -> pd.DataFrame:
    """Of each rung its columns, the test rows that are scored, and what is wrong with it."""
    rows = by_rung[by_rung["score"] == "r2_partial"]
    of_rung = rows.groupby("removed", sort=False)
    notes = of_rung["note"].agg(lambda notes: "; ".join(filter(None, dict.fromkeys(notes))))
    return of_rung[["channels_removed", "rows_kept"]].first().assign(note=notes).reset_index()


def rungs_in_words(by_rung: pd.DataFrame) -> str:
    """On how many rows the rungs are scored, and which are not, in a sentence."""
    rows = by_rung[by_rung["score"] == "r2_partial"]
    out = rows["note"].str.startswith("not scored")
    counts = rows[~out].groupby("removed", sort=False)["rows_kept"].first()
    said = []
    if counts.nunique() == 1:
        said.append(f"All rungs are scored on the same {counts.iloc[0]:,} test rows.")
    elif len(counts):
        told = [f"{kept:,} with {rung}" for rung, kept in counts.items()]
        said.append(f"Rungs are scored on different rows: {listed(told)} removed.")
    if out.any():
        without = [
            str(rung) if rung not in counts else f"{rung} for {listed(here['target'].unique())}"
            for rung, here in rows[out].groupby("removed", sort=False)
        ]
        said.append(f"Not scored: {listed(without)}; the table says why.")
    return " ".join(said)


def several_layers(table: pd.DataFrame) -> pd.DataFrame:
    """``r2_partial`` under the sound protocol of encoders with several layers."""
    rows = table[(table["protocol"] == "sound") & (table["score"] == "r2_partial")]
    return rows[rows.groupby("encoder")["depth"].transform("nunique") > 1]


def answered(
    table: pd.DataFrame,
    others: Mapping[tuple[str, str], pd.DataFrame],
    *,
    target: str,
    removed: str,
) -> dict[tuple[str, ...], pd.DataFrame]:
    """Scores of last layers by encoder, probe, composition and protocol, others than ridge too."""
    rows = table[table["last"] & (table["target"] == target)]
    found = {
        (encoder, "ridge", removed, protocol): part[_SCORED]
        for (encoder, protocol), part in rows.groupby(["encoder", "protocol"], sort=False)
    }
    return found | {(*key, removed, "sound"): part[_SCORED] for key, part in others.items()}


def pick(
    table: pd.DataFrame, scores: Sequence[str], *, targets: Sequence[str] | None = None
) -> pd.DataFrame:
    """Rows of some scores, in the order of `scores`, and of some targets."""
    if targets is not None:
        table = table[table["target"].isin(targets)]
    rows = table[table["score"].isin(scores)]
    return rows.sort_values("score", key=lambda s: s.map(list(scores).index), kind="stable")


def beside_ridge(
    ridge: pd.DataFrame, others: Mapping[tuple[str, str], pd.DataFrame]
) -> pd.DataFrame:
    """Scores of other probes below those of ridge."""
    tables = [ridge.assign(probe="ridge")]
    if others:
        tables.append(stack(others, ["representation", "probe"]))
    return pd.concat(tables, ignore_index=True)[_PROBED]
