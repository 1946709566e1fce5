"""The number behind each claim on the first page, from the tables of the long runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import pandas as pd

from cpdkit.experiments.labels import arms_in_words
from cpdkit.experiments.verdict import KINDS, lacks, saw_target, with_interval

__all__ = ["HEADLINES", "NAMES", "Record", "headline"]

NAMES = {
    "xtb9": "Our molecules",
    "qm9": "QM9",
    "qm9-trained-on-qm9": "QM9, networks trained on QM9",
    "prototypes": "Ionic crystals of ours",
    "materials-project": "2,000 Materials Project crystals",
    "materials-project-all": "All 19,618 of at most 20 atoms",
}


class Record(Protocol):
    """Tables of a long run by their short names, and what it was asked."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """With ``parameters``."""

    def __getitem__(self, name: str) -> pd.DataFrame: ...

    def __contains__(self, name: str) -> bool: ...


Told = tuple[str, list[str]]
"""What is measured, and its numbers, each with its interval."""


def _gradient(record: Record) -> Told:
    table = record["differences"]
    rows = table[(table["folds"] == table["folds"].iloc[0]) & (table["score"] == "r2_partial")]
    told = []
    for target, here in rows[rows["group"] == "learned"].groupby("target", sort=False):
        of = here.sort_values("mean", kind="stable").drop_duplicates("encoder")
        best = of.iloc[-1]
        told.append(f"for {target}, {best['encoder']} minus {best['descriptor']} {_signed(best)}")
    return "best network not trained on the target", told


def _routing(record: Record) -> Told:
    table = record["training"]
    rows = table[(table["l"] == 1) & (table["quantity"] == "index")]
    rows = rows[[not saw_target(name, "mu") for name in rows["encoder"]]]
    told = []
    for family in ("mace", "visnet"):
        of = rows[rows["encoder"].str.contains(f"{family}-")].sort_values("mean", kind="stable")
        of = of.drop_duplicates("encoder", keep="last")
        told += [f"{row['encoder']} {_signed(row)}" for _, row in of.iterrows()]
    return "routing index, trained minus untrained", told


def _inflation(record: Record) -> Told:
    table = record["kinds"]
    rows = table[(table["folds"] == table["folds"].iloc[0])]
    first = rows["target"].iloc[0]
    told = [
        f"{KINDS[row['kind']]} {with_interval(row)}"
        for _, row in rows[rows["target"] == first].iterrows()
    ]
    return f"R² of {first.replace('_', ' ')} from residuals, typical model", told


def _samples(record: Record) -> Told:
    table = record["untaught"]
    rows = table[table["criterion"] == "50% of final"].set_index(["of", "width"])
    need, drawn, excess = (
        with_interval(rows.loc[key], "rho", style="signed")
        for key in (("need", "all"), ("need", "subset"), ("excess", "subset"))
    )
    told = [need, f"at equal width {drawn}", f"with signal to noise taken out {excess}"]
    if "untaught_other_folds" in record:
        apart = record["untaught_other_folds"]
        apart = apart[(apart["of"] == "need") & (apart["criterion"] == "50% of final")]
        cells = [with_interval(row, "rho", style="signed") for _, row in apart.iterrows()]
        own = record.manifest["parameters"]["folds"]
        other = "formula" if own == "random" else "random"
        told.append(f"with {other} folds {', at equal width '.join(cells)}")
    return "rank correlation of score and need, networks not trained on the target", told


def _task(record: Record) -> Told:
    table = record["shares"]
    rows = table[table["at"] == "last epoch"]
    for column in ("features", "folds"):
        rows = rows[rows[column] == rows[column].iloc[0]]
    target = rows["target"].iloc[0]
    rows = rows[rows["target"] == target]
    pairs = {pair: target in pair.split(", ") for pair in rows["arms"]}
    order = sorted(pairs, key=lambda one: (pairs[one], "untrained" in one))  # first what decides
    first_of_kind = {pairs[one]: one for one in reversed(order)}
    told = []
    for _, pair in sorted(first_of_kind.items()):
        of = rows[rows["arms"] == pair].set_index("effect")
        shares = [
            f"{effect} {with_interval(of.loc[effect], style='percent')}"
            for effect in ("task", "architecture", "seed")
            if effect in of.index
        ]
        words = arms_in_words(pair)
        told.append(f"{words}{', label seen' if pairs[pair] else ''}: {', '.join(shares)}")
    return f"shares of the spread between networks for {target}", told


def _diversity(record: Record) -> Told:
    table = record["diversity"]
    rows = table[(table["target"] == table["target"].iloc[0]) & ~table["seen"].astype(bool)]
    own = rows[rows["beside"] == "its architecture"]
    told = [
        f"{row['model']} {with_interval(row, 'minus ours', style='signed')}"
        for _, row in own.iterrows()
    ]
    target = table["target"].iloc[0]
    return f"published minus ours, both trained on energies, for {target}", told


def _isomers(record: Record) -> Told:
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
    return "share of pairs in order", told


HEADLINES: Mapping[str, tuple[Callable[[Record], Told], str, Sequence[str], Sequence[int]]] = {
    "01_disentanglement_gradient": (
        _gradient, "differences", ["folds", "target", "score", "encoder", "group", "descriptor"],
        [0],
    ),
    "02_irrep_routing": (
        _routing, "training", ["l", "quantity", "encoder", "least", "most"], [1, 3],
    ),
    "03_gbt_inflation": (_inflation, "kinds", ["folds", "target", "kind"], [0, 1]),
    "04_sample_efficiency": (_samples, "untaught", ["of", "width", "criterion"], [2]),
    "05_task_or_architecture": (
        _task, "shares", ["arms", "at", "features", "folds", "effect"], [0],
    ),
    "05_task_or_architecture/diversity": (
        _diversity, "diversity", ["beside", "minus ours", "low"], [0, 1],
    ),
    "07_isomers": (_isomers, "accuracy", ["pairs", "from_quantile", "n_effective"], [0]),
}  # fmt: skip
"""By notebook, and by claim where it judges a second one: what says the number, the table it is
read from, the columns that this has to have, and which of its numbers the first screen shows."""


def headline(claim: str, records: Mapping[str, Record], *, short: bool = False) -> str:
    """The numbers behind a claim on every recorded data set; empty where a chapter has none.

    A record that was made before the rule that reads it is named as such. `short` is for the first
    screen: what is measured once, and of each data set one number.
    """
    if claim not in HEADLINES:
        return ""
    say, table, columns, first = HEADLINES[claim]
    told, asked = [], ""
    for name, record in records.items():
        said = "recorded before the rule it is judged by"
        if table in record and not lacks(record[table], columns):
            what, numbers = say(record)
            asked = f"{what[0].upper()}{what[1:]}. " if short else ""
            said = (
                "; ".join(numbers[i] for i in first) if short else f"{what}: {'; '.join(numbers)}"
            )
        told.append(f"{NAMES.get(name, name)}: {said}.")
    return asked + " ".join(told) if told else "Not recorded."


def _signed(row: pd.Series) -> str:
    return with_interval(row, style="signed")


def _share(row: pd.Series) -> str:
    return with_interval(row, "accuracy", style="percent")
