"""Is the order of representations between molecules their order in geometry alone?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from cpdkit.comparisons import compare, rank_correlation, stack
from cpdkit.experiments.geometry.measure import WITHIN_SCORE
from cpdkit.experiments.verdict import Verdict, decide, of_target, saw_target, with_interval
from cpdkit.figures import levels

__all__ = ["geometry_order", "order_correlations", "order_of_pairs", "untaught"]

CLAIM = "The order of representations by r2_partial is their order in geometry alone."
BETWEEN_SCORE = "r2_partial"
_VERBS = {
    "fails": "is a poor guide to geometry alone",
    "holds": "is a good guide to geometry alone",
    "undecided": "may or may not be a guide to geometry alone",
}


def untaught(tables: Mapping[str, pd.DataFrame], target: str) -> dict[str, pd.DataFrame]:
    """Tables of those representations that were not trained on a target."""
    return {name: table for name, table in tables.items() if not saw_target(name, target)}


def _not(taught: int, target: str) -> str:
    return f" not trained on {target}" if taught else ""


def order_of_pairs(
    between: Mapping[str, pd.DataFrame],
    within: Mapping[str, pd.DataFrame],
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Say of every two representations whether both rulers put them in one order.

    Columns ``target, a, b``; the differences a minus b, ``between`` and ``within``; their p-values
    ``p_between`` and ``p_within``, corrected by Holm's method over all pairs and targets; and
    ``order``, ``"same"`` or ``"reversed"`` where both p-values are below ``1 - level``, else
    ``"open"``. One representation has no pairs.
    """
    if list(between) != list(within):
        raise ValueError(
            f"between has the representations {list(between)} and within has {list(within)}; "
            "give the same ones in the same order."
        )
    keys = ["target", "a", "b"]
    if len(between) < 2:
        columns = [*keys, "between", "p_between", "within", "p_within", "order"]
        return pd.DataFrame(columns=columns)
    sides = {"between": (between, BETWEEN_SCORE), "within": (within, WITHIN_SCORE)}
    one, other = (
        compare(tables, score=score, level=level)[[*keys, "difference", "p_holm"]].rename(
            columns={"difference": side, "p_holm": f"p_{side}"}
        )
        for side, (tables, score) in sides.items()
    )
    pairs = one.merge(other, on=keys, how="inner", validate="one_to_one")
    if len(pairs) != len(one) or len(pairs) != len(other):
        raise ValueError("the two sides have other targets; give the same ones to both.")
    resolved = (pairs[["p_between", "p_within"]] < 1 - level).all(axis=1)
    same = np.sign(pairs["between"]) == np.sign(pairs["within"])
    pairs["order"] = np.where(resolved, np.where(same, "same", "reversed"), "open")
    return pairs


def order_correlations(
    between: Mapping[str, pd.DataFrame],
    within: Mapping[str, pd.DataFrame],
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Correlate, over representations, the ranks by both rulers.

    Columns ``target, rho, low, high, p, models``. The interval is about other representations, not
    about other molecules.
    """
    sides = []
    for score, tables in ((BETWEEN_SCORE, between), (WITHIN_SCORE, within)):
        rows = stack(tables)
        rows = rows[rows["score"] == score]
        wide = rows.pivot(index="representation", columns="target", values="mean")
        sides.append(wide.reindex(list(within)))
    found = {}
    for target in levels(next(iter(within.values())), "target"):
        if target not in sides[0]:
            raise ValueError(f"between has no {BETWEEN_SCORE!r} of {target!r}.")
        found[target] = asdict(rank_correlation(sides[0][target], sides[1][target], level=level))
    table = pd.DataFrame(found.values()).rename(columns={"n": "models"})
    table.insert(0, "target", list(found))
    return table


def geometry_order(
    pairs: pd.DataFrame,
    correlations: pd.DataFrame,
    between: Mapping[str, pd.DataFrame],
    within: Mapping[str, pd.DataFrame],
    *,
    target: str,
) -> Verdict:
    """Judge whether the score between molecules is a guide to geometry.

    The claim that both put representations in one order **holds** if no pair is reversed and the
    interval of the rank correlation lies above zero; it **fails** if a pair is reversed or that
    interval lies below zero; otherwise it is **undecided**. Representations that were trained on
    the target lead by either ruler, so they do not count: `pairs` with one of them are left out,
    and `correlations` are to be without them (`untaught`).
    """
    if len(within) < 2:
        sentence = "The order is undecided here: it takes at least 2 representations."
        return Verdict(CLAIM, "undecided", sentence)
    here, row = of_target(pairs, target), of_target(correlations, target).iloc[0]
    seen = {name: saw_target(name, target) for name in within}
    here = here[~(here["a"].map(seen) | here["b"].map(seen)).astype(bool)]
    taught = sum(seen.values())
    within = {name: table for name, table in within.items() if not seen[name]}
    if row["models"] != len(within):
        raise ValueError(
            f"the correlation is over {row['models']} representations, but {len(within)} were not "
            f"trained on {target}; give order_correlations of untaught(between) and of within."
        )
    reverse = here[here["order"] == "reversed"]
    same = int((here["order"] == "same").sum())
    outcome = decide(holds=bool(row["low"] > 0), fails=bool(len(reverse) > 0 or row["high"] < 0))
    sentence = (
        f"For {target}, the order of {int(row['models'])} representations{_not(taught, target)} by "
        f"r2_partial between molecules {_VERBS[outcome]}: the rank correlation with the score "
        f"within molecules is {with_interval(row, 'rho', style='signed')}, and of {len(here)} "
        f"pairs {same} are "
        f"resolved in the same order and {len(reverse)} in opposite orders"
    )
    if len(reverse):
        worst = reverse.loc[(reverse["between"] * reverse["within"]).abs().idxmax()]
        first, second = (
            (worst["a"], worst["b"]) if worst["between"] > 0 else (worst["b"], worst["a"])
        )
        sentence += (
            f" ({first} is {abs(worst['between']):.2f} above {second} between molecules and "
            f"{abs(worst['within']):.2f} below it within)"
        )
    inside, outside = (
        {name: t.set_index(["score", "target"]).loc[(score, target)] for name, t in tables.items()}
        for score, tables in ((WITHIN_SCORE, within), (BETWEEN_SCORE, between))
    )
    best = max(inside, key=lambda name: inside[name]["mean"])
    least = min(inside, key=lambda name: inside[name]["mean"])
    sentence += (
        f". Within molecules {best} scores most, {with_interval(inside[best])}, and {least} "
        f"least, {with_interval(inside[least])}; between molecules they score "
        f"{with_interval(outside[best])} and {with_interval(outside[least])}."
    )
    return Verdict(CLAIM, outcome, sentence)
