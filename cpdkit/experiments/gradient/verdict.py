"""Claim 1: do learned features keep more geometry linearly accessible than descriptors do?"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from cpdkit.experiments.verdict import (
    MARGIN,
    VERBS,
    Verdict,
    above_ceiling,
    decide,
    kind_of,
    lacks,
    listed,
    saw_target,
    with_interval,
)
from cpdkit.intervals import corrected_t

__all__ = ["crossings", "differences", "disentanglement_gradient"]

CLAIM = "Learned features keep geometry linearly accessible, handcrafted ones do not."

GROUPS = ("learned", "saw the target", "untrained")
"""Kinds of representations that are compared with descriptors; the first one decides."""

_ABOUT = ["folds", "target", "score", "encoder", "group", "descriptor"]
_NUMBERS = ["mean", "low", "high", "least", "most"]


def crossings(table: pd.DataFrame) -> str:
    """How many scores lie above their ceiling for certain, in a sentence."""
    return f"{above_ceiling(table)} of last layers."


def differences(
    tables: Mapping[str, pd.DataFrame],
    *,
    handcrafted: Collection[str],
    targets: Sequence[str],
    n_folds: int,
    scores: Sequence[str] = ("r2_partial", "r2_geom"),
    level: float = 0.95,
) -> pd.DataFrame:
    r"""Every representation minus every descriptor, on the same folds.

    `tables` are of last layers by kind of folds, with ``encoder`` and ``fold_values``. ``low`` and
    ``high`` are of one difference. ``least`` and ``most`` are ends of one-sided intervals, as tests
    of equivalence take them (5 % for a level of 0.95): ``least`` allows for picking the best of all
    representations of a ``group`` and of all targets, ``most`` for picking the descriptor
    (Bonferroni). Nulls are left out. ``attrs["groups"]`` are the names in each group.
    """
    rows = []
    known: dict[str, list[str]] = {}
    for kind, table in tables.items():
        asked = table[table["target"].isin(list(targets)) & table["score"].isin(list(scores))]
        for (target, score), here in asked.groupby(["target", "score"], sort=False):
            values = {r.encoder: np.asarray(r.fold_values, float) for r in here.itertuples()}
            groups = {name: _group(name, str(target), handcrafted) for name in values}
            hand = [name for name, group in groups.items() if group == "descriptor"]
            for name, group in groups.items():
                known[group] = list(dict.fromkeys([*known.get(group, ()), name]))
                if group not in GROUPS:
                    continue
                mates = sum(other == group for other in groups.values()) * len(targets)
                for descriptor in hand:
                    gain = values[name] - values[descriptor]
                    (low, high), (least, _), (_, most) = (
                        corrected_t(gain, test_share=1 / (n_folds - 1), level=1 - error)
                        for error in (
                            1 - level,
                            2 * (1 - level) / mates,
                            2 * (1 - level) / len(hand),
                        )
                    )
                    about = (kind, target, score, name, group, descriptor)
                    rows.append((*about, gain.mean(), low, high, least, most))
    table = pd.DataFrame(rows, columns=[*_ABOUT, *_NUMBERS])
    table.attrs = {"groups": known}
    return table


def _missing(groups: Mapping[str, Collection[str]]) -> str:
    """What a run lacks to compare, and what to add."""
    lacking, add = [], []
    if GROUPS[0] not in groups:
        others = [
            f"{listed(groups[group])} {words}"
            for group, words in ((GROUPS[1], "was trained on it"), (GROUPS[2], "not at all"))
            if groups.get(group)
        ]
        but = f" ({'; '.join(others)})" if others else ""
        lacking.append(f"no network that was trained on something else than the target{but}")
        add.append("sevennet-0")
    if "descriptor" not in groups:
        lacking.append("no descriptor")
        add.append("soap")
    return f"the run has {' and '.join(lacking)}; add one to encoders, such as {listed(add)}"


def _group(encoder: str, target: str, handcrafted: Collection[str]) -> str:
    kind = kind_of(encoder, handcrafted)
    if kind in ("trained", "pretrained"):
        return "saw the target" if saw_target(encoder, target) else "learned"
    return kind


def disentanglement_gradient(
    differences: pd.DataFrame,
    *,
    targets: Sequence[str],
    score: str = "r2_partial",
    margin: float = MARGIN,
) -> Verdict:
    """Judge claim 1 by what learned features have above descriptors, against a margin.

    Of a target the claim **holds** if some network that has not seen it is surely more than the
    margin above every descriptor (its ``least`` differences), and **fails** if every one of them is
    surely less than the margin above some descriptor (one of its ``most`` differences); else it is
    **undecided**. With several targets the claim holds or fails if it does for all, and holds
    **in part** if it does for some.
    """
    missing = lacks(differences, [*_ABOUT, *_NUMBERS])
    if missing:
        return Verdict(CLAIM, "undecided", f"Claim 1 is not judged here: {missing}.")
    if not (differences["group"] == GROUPS[0]).any():
        groups = differences.attrs.get("groups")  # a table that was read again has lost them
        why = "nothing can be compared" if groups is None else _missing(groups)
        return Verdict(CLAIM, "undecided", f"Claim 1 is undecided here: {why}.")
    kinds = list(dict.fromkeys(differences["folds"]))
    found = {
        (kind, target): _of_target(differences, kind, target, score, margin)
        for kind in kinds
        for target in targets
        if ((differences["folds"] == kind) & (differences["target"] == target)).any()
    }
    outcomes = {kind: [o for (k, _), (o, _) in found.items() if k == kind] for kind in kinds}
    outcome = _together(outcomes[kinds[0]])
    told = [f"for {target}, {said}" for (k, target), (_, said) in found.items() if k == kinds[0]]
    sentence = f"Claim 1 {VERBS[outcome]} here: {'. '.join([told[0], *map(_first, told[1:])])}."
    for kind in kinds[1:]:
        said = [f"{VERBS[o]} for {t}" for (k, t), (o, _) in found.items() if k == kind]
        sentence += f" With {kind} folds it {' and '.join(said)}."
    return Verdict(CLAIM, outcome, sentence)


def _first(text: str) -> str:
    return text[0].upper() + text[1:]


def _together(outcomes: Collection[str]) -> str:
    if set(outcomes) == {"holds"} or "holds" not in outcomes:
        return decide(holds="holds" in outcomes, fails=set(outcomes) == {"fails"})
    return "partly"


def _of_target(
    table: pd.DataFrame, kind: str, target: str, score: str, margin: float
) -> tuple[str, str]:
    """Outcome and reason for one target by one kind of folds."""
    here = table[(table["folds"] == kind) & (table["target"] == target)]
    rows = here[here["score"] == score]
    learned = rows[rows["group"] == GROUPS[0]].groupby("encoder", sort=False)
    above, below = learned["least"].min() > margin, learned["most"].min() < margin
    outcome = decide(holds=bool(above.any()), fails=bool(below.all()))
    n = len(above)
    if outcome == "holds":
        what = f"{above.sum()} of {n} networks that have not seen it are surely more than "
        what += f"{margin:g} above every descriptor"
    elif outcome == "fails":
        what = f"all {n} networks that have not seen it are surely less than {margin:g} above the "
        what += "descriptors, or below them"
    else:
        what = f"of {n} networks that have not seen it none is surely more than {margin:g} above "
        most = learned["most"].min()[~below].sort_values(ascending=False, kind="stable")
        ends = ", ".join(f"{name} by up to {end:.2f}" for name, end in most.items())
        what += f"every descriptor, and {len(most)} may be ({ends}, one-sided)"
    best = _best(rows, GROUPS[0]).iloc[0]
    plain = here[here["score"] == "r2_geom"].set_index(["encoder", "descriptor"])
    said = f"{what}; the best, {best['encoder']}, minus {best['descriptor']} is {_gain(best)} in "
    said += "r2_partial"
    if (best["encoder"], best["descriptor"]) in plain.index:
        said += f" and {_gain(plain.loc[(best['encoder'], best['descriptor'])])} in r2_geom"
    for group, words in zip(
        GROUPS[1:], ("that was trained on it", "without training"), strict=True
    ):
        for _, other in _best(rows, group).iterrows():
            said += f"; the best {words}, {other['encoder']}: {_gain(other)}"
    return outcome, said


def _best(rows: pd.DataFrame, group: str) -> pd.DataFrame:
    """The row of the largest difference to the best descriptor, if there is such a group."""
    of = rows[rows["group"] == group].sort_values("mean", kind="stable")
    return of.drop_duplicates("encoder").tail(1)


def _gain(row: pd.Series) -> str:
    return with_interval(row, style="signed")
