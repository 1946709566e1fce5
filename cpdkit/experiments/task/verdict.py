"""Does the training task explain more than the architecture?"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from cpdkit.experiments.task.measure import ADJUSTED, DIFFERENCE
from cpdkit.experiments.verdict import VERBS, Verdict, decide, lacks, with_interval
from cpdkit.zoo import TASKS

__all__ = ["larger_share", "saw", "task_or_architecture", "unseen_arms", "untaught"]

CLAIM = "The training task explains more of what a representation keeps than the architecture."

ALPHA = 0.025
"""Level of the F test that the larger effect has to pass."""

_NEEDED = ["effect", "mean", "low", "high", "p", "least", "most", "target", "at", "arms"]
_ARMS = {"gap": "gaps", "energy": "energies", "untrained": "none"}
_SAME_LABEL = {"atomization_energy": {"u0"}}  # the energy by other names


def saw(task: str, target: str) -> bool:
    """Whether networks trained for a task have seen labels of a target.

    Examples
    --------
    >>> saw("gap", "gap"), saw("energy", "u0"), saw("energy", "gap"), saw("untrained", "gap")
    (True, True, False, False)
    """
    of = TASKS[task].target if task in TASKS else ""
    return target in {task, of} | _SAME_LABEL.get(of, set())


def unseen_arms(shares: pd.DataFrame, target: str) -> list[str]:
    """Pairs of arms that have not seen the target, those that were both trained before the rest."""
    arms = shares.loc[shares["target"] == target, "arms"].drop_duplicates()
    found = [pair for pair in arms if not any(saw(task, target) for task in pair.split(", "))]
    return sorted(found, key=lambda pair: "untrained" in pair)


def larger_share(cell: pd.DataFrame) -> str:
    """Which share is surely larger in one analysis of variance: ``task``, ``architecture`` or open.

    The interval of the adjusted difference must exclude 0 (other molecules would say the same), the
    difference must keep its sign without any one architecture, and the larger effect must pass the
    F test (it is more than what single trainings differ by).
    """
    rows = cell.set_index("effect")
    row, p = rows.loc[ADJUSTED], rows["p"]
    if row["low"] > 0 and row["least"] > 0 and p["task"] < ALPHA:
        return "task"
    if row["high"] < 0 and row["most"] < 0 and p["architecture"] < ALPHA:
        return "architecture"
    return "open"


def task_or_architecture(shares: pd.DataFrame, *, targets: Sequence[str]) -> Verdict:
    """Judge version 2 of the paper where the label that is asked for was not seen.

    Of the first target, at the last epoch, those arms decide that never saw it: two trainings if
    there are such, else a training and none. The claim **holds** if there the task's share surely
    is larger (`larger_share`), **fails** if the architecture's is, and else is **undecided**. The
    trained arms are asked for `untaught` targets too; where one of them surely says the opposite,
    the claim is undecided, as the answer then depends on what is asked for.
    """
    missing = lacks(shares, _NEEDED)
    if missing:
        return Verdict(CLAIM, "undecided", f"Claim 5 is not judged here: {missing}.")
    last = shares[shares["at"] == "last epoch"]
    for column in ("features", "folds"):
        if column in last:
            last = last[last[column] == last[column].iloc[0]]
    first = targets[0]
    asked = unseen_arms(last, first)
    if not asked:
        why = f"no two kinds of networks have not seen {first}"
        return Verdict(CLAIM, "undecided", f"Claim 5 is undecided here: {why}.")
    trained = [pair for pair in asked if "untrained" not in pair] or asked
    decisive = [larger_share(_cell(last, first, pair)) for pair in trained]
    beside = [
        (name, pair, larger_share(_cell(last, name, pair)))
        for name in untaught(targets[1:])
        for pair in unseen_arms(last, name)
        if "untrained" not in pair
    ]
    also = {said for _, _, said in beside}
    outcome = decide(
        holds=set(decisive) == {"task"} and "architecture" not in also,
        fails=set(decisive) == {"architecture"} and "task" not in also,
    )
    reason = {
        "holds": "also among networks that have not seen the label the task's share is larger",
        "fails": "among networks that have not seen the label the architecture's share is larger",
        "undecided": "among networks that have not seen the label neither share is surely larger",
    }[outcome]
    if outcome == "undecided" and set(decisive) & {"task", "architecture"}:
        reason = "the answer depends on what is asked for"
    seen = [a for a in last.loc[last["target"] == first, "arms"].unique() if a not in asked]
    told = [f"{_named(pair)} {_shares(last, first, pair)}" for pair in asked]
    sentence = f"Claim 5 {VERBS[outcome]} here: {reason}. Shares of the spread of r2_partial"
    sentence += f" of {first} between trainings, label not seen: {'; '.join(told)}."
    if seen:
        told = [f"{_named(pair)} {_shares(last, first, pair)}" for pair in seen]
        sentence += f" Where one side was trained on the label: {'; '.join(told)}."
    if beside:
        told = [f"{name} {_difference(last, name, pair)}" for name, pair, _ in beside]
        sentence += (
            " Adjusted share of the task minus that of the architecture, of targets that nobody was"
            f" trained on: {', '.join(told)}."
        )
    return Verdict(CLAIM, outcome, sentence)


def untaught(targets: Sequence[str]) -> list[str]:
    """Those of `targets` that no network of the zoo was trained on, by whatever name.

    Examples
    --------
    >>> untaught(["gap", "u0", "mu"])
    ['mu']
    """
    return [name for name in targets if not any(saw(task, name) for task in TASKS)]


def _cell(shares: pd.DataFrame, target: str, arms: str) -> pd.DataFrame:
    return shares[(shares["target"] == target) & (shares["arms"] == arms)]


def _named(arms: str) -> str:
    return " against ".join(_ARMS.get(task, task) for task in arms.split(", ")) + ":"


def _shares(shares: pd.DataFrame, target: str, arms: str) -> str:
    rows = _cell(shares, target, arms).set_index("effect")
    return (
        f"task {rows.loc['task', 'mean']:.0%}, architecture {rows.loc['architecture', 'mean']:.0%} "
        f"(difference {with_interval(rows.loc[DIFFERENCE], style='signed percent')})"
    )


def _difference(shares: pd.DataFrame, target: str, arms: str) -> str:
    row = _cell(shares, target, arms).set_index("effect").loc[ADJUSTED]
    return with_interval(row, style="signed percent")
