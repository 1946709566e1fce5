"""Does the training task explain more than the architecture?"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from cpdkit.experiments.labels import arms_in_words
from cpdkit.experiments.task.measure import ADJUSTED, DIFFERENCE
from cpdkit.experiments.verdict import MARGIN, VERBS, Verdict, decide, lacks, with_interval
from cpdkit.zoo import TASKS

__all__ = [
    "data_diversity",
    "larger_share",
    "saw",
    "task_or_architecture",
    "unseen_arms",
    "untaught",
]

CLAIM = "The training task explains more of what a representation keeps than the architecture."

DIVERSITY = "Diverse training data help a model that was not trained on the target."

ALPHA = 0.025
"""Level of the F test that the larger effect has to pass."""

_OTHER_MOLECULES = "other molecules may say the opposite"

_NEEDED = ["effect", "mean", "low", "high", "p", "least", "most", "target", "at", "arms"]
_SAME_LABEL = {
    "atomization_energy": {"u0"},
    "e_el": {"u0", "atomization_energy"},
}  # the energy by other names


def saw(task: str, target: str) -> bool:
    """Whether networks trained for a task have seen labels of a target.

    Examples
    --------
    >>> saw("gap", "gap"), saw("energy", "u0"), saw("energy", "gap"), saw("untrained", "gap")
    (True, True, False, False)
    >>> saw("dipole", "mu")
    True
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
    F test against the interaction, which the seeds are part of (it is more than what single
    trainings differ by).
    """
    effect, fails = _larger(cell)
    return "open" if fails else effect


def _larger(cell: pd.DataFrame) -> tuple[str, list[str]]:
    """The larger effect, and what forbids to say that it surely is."""
    rows = cell.set_index("effect")
    row = rows.loc[ADJUSTED]
    effect = "task" if row["mean"] > 0 else "architecture"
    ends, p = ("low", "least") if effect == "task" else ("high", "most"), rows.loc[effect, "p"]
    sign = 1 if effect == "task" else -1
    fails = [] if sign * row[ends[0]] > 0 else [_OTHER_MOLECULES]
    fails += [] if sign * row[ends[1]] > 0 else ["it rests on one architecture"]
    if not p < ALPHA:
        fails.append(f"its F test on so few networks gives p = {p:.2g}, not below {ALPHA:g}")
    return effect, fails


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
    tasks = {task for pair in last["arms"].unique() for task in pair.split(", ")}
    decisive = [larger_share(_cell(last, first, pair)) for pair in trained]
    beside = [
        (name, pair, larger_share(_cell(last, name, pair)))
        for name in untaught(targets[1:], tasks)
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
    elif outcome == "undecided":
        effect, fails = _larger(_cell(last, first, trained[0]))
        if fails[0] == _OTHER_MOLECULES:
            reason += f" (adjusted difference {_difference(last, first, trained[0])})"
        else:
            reason += f": the {effect}'s is, but {' and '.join(fails)}"
    seen = [a for a in last.loc[last["target"] == first, "arms"].unique() if a not in asked]
    told = [f"{arms_in_words(pair)}: {_shares(last, first, pair)}" for pair in asked]
    sentence = f"Claim 5 {VERBS[outcome]} here: {reason}. Shares of the spread of r2_partial"
    sentence += f" of {first} between trainings, label not seen: {'; '.join(told)}."
    if seen:
        told = [f"{arms_in_words(pair)}: {_shares(last, first, pair)}" for pair in seen]
        sentence += f" Where one side was trained on the label: {'; '.join(told)}."
    if "seeds" in last and (seeds := int(last.loc[last["target"] == first, "seeds"].max())) > 1:
        sentence += (
            f" Intervals hold the molecules and, where there are several, up to {seeds} seeds."
        )
    if beside:
        told = [
            f"for {name}, {arms_in_words(pair)}, {_difference(last, name, pair)}"
            for name, pair, _ in beside
        ]
        sentence += (
            " Adjusted share of the task minus that of the architecture, of targets that nobody was"
            f" trained on: {'; '.join(told)}."
        )
    return Verdict(CLAIM, outcome, sentence)


def untaught(targets: Sequence[str], tasks: Collection[str]) -> list[str]:
    """Those of `targets` that no network of these `tasks` was trained on, by whatever name.

    Examples
    --------
    >>> untaught(["gap", "u0", "mu", "alpha"], ["gap", "energy"])
    ['mu', 'alpha']
    """
    return [name for name in targets if not any(saw(task, name) for task in tasks)]


def _cell(shares: pd.DataFrame, target: str, arms: str) -> pd.DataFrame:
    return shares[(shares["target"] == target) & (shares["arms"] == arms)]


def _shares(shares: pd.DataFrame, target: str, arms: str) -> str:
    rows = _cell(shares, target, arms).set_index("effect")
    return (
        f"task {rows.loc['task', 'mean']:.0%}, architecture {rows.loc['architecture', 'mean']:.0%} "
        f"(difference {with_interval(rows.loc[DIFFERENCE], style='signed percent')})"
    )


def _difference(shares: pd.DataFrame, target: str, arms: str) -> str:
    row = _cell(shares, target, arms).set_index("effect").loc[ADJUSTED]
    return with_interval(row, style="signed percent")


def data_diversity(diversity: pd.DataFrame, *, target: str, margin: float = MARGIN) -> Verdict:
    """Judge whether published networks are above ours of the same architecture.

    Both were trained on energies, and `target` is none; ``diversity`` is
    `tables.differences_elsewhere`. The claim **holds** if every published network is surely more
    than the margin above ours, **fails** if every one is surely less, and else is **undecided**.
    """
    needed = ["model", "target", "seen", "beside", "minus ours", "low", "high"]
    missing = lacks(diversity, needed)
    if missing:
        return Verdict(DIVERSITY, "undecided", f"Claim 5b is not judged here: {missing}.")
    rows = diversity[(diversity["target"] == target) & ~diversity["seen"].astype(bool)]
    own, every = (rows[rows["beside"] == name] for name in ("its architecture", "all"))
    if own.empty:
        why = "the run has no published network beside ours of its architecture"
        return Verdict(DIVERSITY, "undecided", f"Claim 5b is undecided here: {why}.")
    above, below = own["low"] > margin, own["high"] < margin
    outcome = decide(holds=bool(above.all()), fails=bool(below.all()))
    reason = {
        "holds": f"all {len(own)} published networks are surely more than {margin:g} above ours",
        "fails": f"all {len(own)} published networks are surely less than {margin:g} above ours, "
        "or below",
        "undecided": f"of {len(own)} published networks {above.sum()} are surely more than "
        f"{margin:g} above ours, and {below.sum()} surely less",
    }[outcome]
    sentence = (
        f"Claim 5b {VERBS[outcome]} here: {reason}. Difference of r2_partial for {target} to "
        f"ours of the same architecture that was trained on energies: {_gains(own)}. To the mean "
        f"of all architectures trained here on energies: {_gains(every)}. Size, labels and "
        "training differ too, so this is not the effect of diverse data alone."
    )
    return Verdict(DIVERSITY, outcome, sentence)


def _gains(rows: pd.DataFrame) -> str:
    told = (
        f"{row['model']} {with_interval(row, 'minus ours', style='signed')}"
        for _, row in rows.iterrows()
    )
    return "; ".join(told)
