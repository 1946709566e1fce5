"""Is the order of representations between molecules their order in geometry alone?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from cpdkit.comparisons import compare, rank_correlation
from cpdkit.experiments.geometry.measure import WITHIN_SCORE
from cpdkit.experiments.verdict import Verdict, decide, with_interval

__all__ = ["ORDERS", "geometry_order", "order_correlations", "order_of_pairs"]

CLAIM = "The order of representations by r2_partial is their order in geometry alone."
BETWEEN_SCORE = "r2_partial"
ORDERS = ("same", "reversed", "open")
_VERBS = {
    "fails": "is a poor guide to geometry alone",
    "holds": "is a good guide to geometry alone",
    "undecided": "may or may not be a guide to geometry alone",
}


def order_of_pairs(
    between: Mapping[str, pd.DataFrame],
    within: Mapping[str, pd.DataFrame],
    *,
    level: float = 0.95,
) -> pd.DataFrame:
    """Say of every two representations whether both rulers put them in one order.

    Parameters
    ----------
    between : mapping of representation to DataFrame
        Tables of `cpdkit.cpd` on the same molecules and folds.
    within : mapping of representation to DataFrame
        Tables of `measure.within_molecule_scores` for the same representations and
        targets.
    level : float, default 0.95
        A difference is resolved if its p-value of `cpdkit.comparisons.compare`, corrected by Holm's
        method over all pairs and targets, is below ``1 - level``.

    Returns
    -------
    pandas.DataFrame
        One row per target and pair: ``target, a, b``; ``between`` and ``within``, the differences
        a minus b; ``p_between`` and ``p_within``, corrected; ``order``: ``"same"`` or
        ``"reversed"`` where both are resolved, else ``"open"``.

    Raises
    ------
    ValueError
        If the representations differ, there are fewer than two, or as from `compare`.
    """
    if list(between) != list(within):
        raise ValueError(
            f"between has the representations {list(between)} and within has {list(within)}; "
            "give the same ones in the same order."
        )
    keys = ["target", "a", "b"]
    tables = []
    for side, score, tables_of in (
        ("between", BETWEEN_SCORE, between),
        ("within", WITHIN_SCORE, within),
    ):
        table = compare(tables_of, score=score, level=level)
        tables.append(
            table[[*keys, "difference", "p_holm"]].rename(
                columns={"difference": side, "p_holm": f"p_{side}"}
            )
        )
    pairs = tables[0].merge(tables[1], on=keys, how="inner", validate="one_to_one")
    if len(pairs) != len(tables[0]) or len(pairs) != len(tables[1]):
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

    Parameters
    ----------
    between, within, level
        As in `order_of_pairs`.

    Returns
    -------
    pandas.DataFrame
        One row per target: ``target, rho, low, high, p, models``, from
        `cpdkit.comparisons.rank_correlation`. The interval is about other representations, not
        about other molecules.

    Raises
    ------
    ValueError
        If a table has no such score for a target.
    """
    sides = []
    for score, tables in ((BETWEEN_SCORE, between), (WITHIN_SCORE, within)):
        stacked = pd.concat(tables, names=["representation"]).reset_index(level=0)
        stacked = stacked[stacked["score"] == score]
        sides.append(stacked.pivot(index="representation", columns="target", values="mean"))
    rows = []
    for target in dict.fromkeys(next(iter(within.values()))["target"]):
        if target not in sides[0]:
            raise ValueError(f"between has no {BETWEEN_SCORE!r} of {target!r}.")
        found = rank_correlation(
            sides[0][target].reindex(list(within)),
            sides[1][target].reindex(list(within)),
            level=level,
        )
        about = {"rho": found.rho, "low": found.low, "high": found.high, "p": found.p}
        rows.append({"target": target, **about, "models": found.n})
    return pd.DataFrame(rows)


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
    interval lies below zero; otherwise it is **undecided**.

    Parameters
    ----------
    pairs : DataFrame
        From `order_of_pairs`.
    correlations : DataFrame
        From `order_correlations`.
    between, within : mapping of representation to DataFrame
        As in `order_of_pairs`, for the numbers of the best and the worst.
    target : str
        The target to judge by.

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        If a table has no such target.
    """
    here = pairs[pairs["target"] == target]
    rho = correlations[correlations["target"] == target]
    if here.empty or rho.empty:
        levels = list(dict.fromkeys(pairs["target"]))
        raise ValueError(f"the tables have no target {target!r}; they have {levels}.")
    row = rho.iloc[0]
    reverse = here[here["order"] == "reversed"]
    same = int((here["order"] == "same").sum())
    outcome = decide(holds=bool(row["low"] > 0), fails=bool(len(reverse) > 0 or row["high"] < 0))
    sentence = (
        f"For {target}, the order of {int(row['models'])} representations by r2_partial between "
        f"molecules {_VERBS[outcome]}: the rank correlation with the score within molecules is "
        f"{with_interval(row, 'rho', style='signed')}, and of {len(here)} pairs {same} are "
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
    scores = {name: _row(table, WITHIN_SCORE, target) for name, table in within.items()}
    others = {name: _row(table, BETWEEN_SCORE, target) for name, table in between.items()}
    best = max(scores, key=lambda name: scores[name]["mean"])
    least = min(scores, key=lambda name: scores[name]["mean"])
    sentence += (
        f". Within molecules {best} scores most, {with_interval(scores[best])}, and {least} "
        f"least, {with_interval(scores[least])}; between molecules they score "
        f"{with_interval(others[best])} and {with_interval(others[least])}."
    )
    return Verdict(CLAIM, outcome, sentence)


def _row(table: pd.DataFrame, score: str, target: str) -> pd.Series:
    return table[(table["score"] == score) & (table["target"] == target)].iloc[0]
