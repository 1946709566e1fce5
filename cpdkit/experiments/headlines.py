"""The number behind each claim on the first page, from the tables of the long runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from cpdkit.experiments.verdict import lacks, saw_target, with_interval

__all__ = ["HEADLINES", "Record", "headline"]

NAMES = {"xtb9": "Our molecules", "qm9": "QM9"}


class Record(Protocol):
    """Tables of a long run by their short names, and what it was asked."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """With ``parameters``."""

    def __getitem__(self, name: str) -> pd.DataFrame: ...

    def __contains__(self, name: str) -> bool: ...


def _gradient(record: Record) -> str:
    table = record["differences"]
    rows = table[(table["folds"] == table["folds"].iloc[0]) & (table["score"] == "r2_partial")]
    told = []
    for target, here in rows[rows["group"] == "learned"].groupby("target", sort=False):
        of = here.sort_values("mean", kind="stable").drop_duplicates("encoder")
        best = of.iloc[-1]
        told.append(f"for {target}, {best['encoder']} minus {best['descriptor']} {_signed(best)}")
    return f"best network not trained on the target, {'; '.join(told)}"


def _routing(record: Record) -> str:
    table = record["training"]
    rows = table[(table["l"] == 1) & (table["quantity"] == "index")]
    told = []
    for family in ("mace", "visnet"):
        of = rows[rows["encoder"].str.contains(f"{family}-")].sort_values("mean", kind="stable")
        of = of.drop_duplicates("encoder", keep="last")
        told += [f"{row['encoder']} {_signed(row)}" for _, row in of.iterrows()]
    return f"routing index, trained minus untrained: {', '.join(told)}"


def _inflation(record: Record) -> str:
    table = record["kinds"]
    rows = table[(table["folds"] == table["folds"].iloc[0])]
    first = rows["target"].iloc[0]
    told = [
        f"{row['kind']} {with_interval(row)}" for _, row in rows[rows["target"] == first].iterrows()
    ]
    return f"R² of {first.replace('_', ' ')} from residuals, typical model: {', '.join(told)}"


def _samples(record: Record) -> str:
    table = record["untaught"]
    rows = table[table["criterion"] == "50% of final"].set_index(["of", "width"])
    need, drawn, excess = (
        with_interval(rows.loc[key], "rho", style="signed")
        for key in (("need", "all"), ("need", "subset"), ("excess", "subset"))
    )
    told = (
        f"rank correlation of score and need, networks not trained on the target: {need}; at equal "
        f"width {drawn}, with signal to noise taken out {excess}"
    )
    if "untaught_other_folds" in record:
        apart = record["untaught_other_folds"]
        apart = apart[(apart["of"] == "need") & (apart["criterion"] == "50% of final")]
        cells = [with_interval(row, "rho", style="signed") for _, row in apart.iterrows()]
        own = record.manifest["parameters"]["folds"]
        other = "formula" if own == "random" else "random"
        told += f"; with {other} folds {', at equal width '.join(cells)}"
    return told


def _task(record: Record) -> str:
    table = record["shares"]
    rows = table[table["at"] == "last epoch"]
    for column in ("features", "folds"):
        rows = rows[rows[column] == rows[column].iloc[0]]
    target = rows["target"].iloc[0]
    rows = rows[rows["target"] == target]
    told = []
    for pair in dict.fromkeys(rows["arms"]):
        of = rows[rows["arms"] == pair].set_index("effect")["mean"]
        words = " against ".join(_ARMS.get(arm, arm) for arm in pair.split(", "))
        seen = ", label seen" if target in pair.split(", ") else ""
        told.append(f"{words}{seen}: task {of['task']:.0%}, architecture {of['architecture']:.0%}")
    return f"shares of the spread between networks for {target}. {'; '.join(told)}"


def _isomers(record: Record) -> str:
    table = record["accuracy"]
    target = table["target"].iloc[0]
    rows = table[(table["pairs"] == "above") & (table["from_quantile"] == 0)]
    rows = rows[rows["target"] == target].set_index("representation")
    seen = [saw_target(name, target) for name in rows.index]
    counts = ["bond counts", "Morgan counts"]
    networks = rows[~rows.index.isin(counts)]
    best = networks["accuracy"].idxmax()
    told = [f"{best} {_share(rows.loc[best])}"]
    others = rows[[not s and name not in counts for s, name in zip(seen, rows.index, strict=True)]]
    if saw_target(best, target) and len(others):
        other = others["accuracy"].idxmax()
        told.append(f"best not trained on {target}, {other} {_share(rows.loc[other])}")
    told += [f"{name} {_share(rows.loc[name])}" for name in counts if name in rows.index]
    return f"share of pairs in order: {', '.join(told)}"


_ARMS = {"gap": "gaps", "energy": "energies", "untrained": "untrained"}

HEADLINES: Mapping[str, tuple[Callable[[Record], str], str, Sequence[str]]] = {
    "01_disentanglement_gradient": (
        _gradient, "differences", ["folds", "target", "score", "encoder", "group", "descriptor"],
    ),
    "02_irrep_routing": (_routing, "training", ["l", "quantity", "encoder", "least", "most"]),
    "03_gbt_inflation": (_inflation, "kinds", ["folds", "target", "kind"]),
    "04_sample_efficiency": (_samples, "untaught", ["of", "width", "criterion"]),
    "05_task_or_architecture": (_task, "shares", ["arms", "at", "features", "folds", "effect"]),
    "07_isomers": (_isomers, "accuracy", ["pairs", "from_quantile", "n_effective"]),
}  # fmt: skip
"""By notebook: what says the number, the table it is read from and what that has to have."""


def headline(notebook: str, records: Mapping[str, Record]) -> str:
    """The number behind a claim on every recorded data set; empty where a chapter has none.

    A record that was made before the rule that reads it is named as such.
    """
    if notebook not in HEADLINES:
        return ""
    say, table, columns = HEADLINES[notebook]
    told = []
    for name, record in records.items():
        known = table in record and not lacks(record[table], columns)
        said = say(record) if known else "recorded before the rule it is judged by"
        told.append(f"{NAMES.get(name, name)}: {said}.")
    return " ".join(told) or "Not recorded."


def _signed(row: pd.Series) -> str:
    return with_interval(row, style="signed")


def _share(row: pd.Series) -> str:
    return with_interval(row, "accuracy", style="percent")
