"""The molecular formulas of xtb9 and how many molecules each contributes."""

from __future__ import annotations

import csv
import heapq
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

__all__ = ["FormulaWeight", "formula_table", "interleave", "quotas"]


@dataclass(frozen=True)
class FormulaWeight:
    """One row of ``data/formulas.csv``.

    Attributes
    ----------
    formula : str
        In Hill order.
    weight : int
        Relative share of the molecules: about the square root of the number of QM9 molecules with
        this formula, so that rare formulas keep enough isomers to compare.
    in_train : bool
        False for the formulas held out of ``train``.
    """

    formula: str
    weight: int
    in_train: bool


@cache
def formula_table() -> tuple[FormulaWeight, ...]:
    """All formulas, by number of heavy atoms."""
    text = files("cpdkit.datasets.xtb9").joinpath("data/formulas.csv").read_text("utf-8")
    return tuple(
        FormulaWeight(row["formula"], int(row["weight"]), row["in_train"] == "1")
        for row in csv.DictReader(text.splitlines())
    )


def quotas(split: str, n: int) -> dict[str, int]:
    """Molecules wanted of each formula for `n` in all, in proportion to the weights.

    Every formula gets at least ten in ``probe``, so that each molecule has nine isomers there.
    The sum is `n` or a little more.
    """
    table = [row for row in formula_table() if split == "probe" or row.in_train]
    total = sum(row.weight for row in table)
    least = 10 if split == "probe" else 1
    return {row.formula: max(least, -(-n * row.weight // total)) for row in table}


def interleave(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Order (formula, rank) pairs so that every prefix has about the proportions of `counts`."""
    streams = [
        [((rank + 0.5) / count, place, formula, rank) for rank in range(count)]
        for place, (formula, count) in enumerate(counts.items())
    ]
    return [(formula, rank) for _, _, formula, rank in heapq.merge(*streams)]
