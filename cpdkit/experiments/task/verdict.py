"""Does the training task explain more than the architecture?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import pandas as pd

from cpdkit.experiments.verdict import VERBS, Verdict, decide, with_interval
from cpdkit.zoo import TASKS

__all__ = ["at_last_epoch", "task_or_architecture", "untaught"]

CLAIM = "The training task explains more of what a representation keeps than the architecture."


def task_or_architecture(
    shares: pd.DataFrame, *, target: str, others: Mapping[str, pd.DataFrame] | None = None
) -> Verdict:
    """Judge version 2 of the paper: the task explains more than the architecture.

    The claim **holds** if the interval of the difference of shares lies above zero, **fails** if it
    lies below, and is otherwise **undecided**. A network puts out the target it was trained on, so
    other targets are set beside it: where the interval of one of them lies on the other side, the
    claim is undecided too, as the answer then depends on what is asked for.
    """
    rows = shares.set_index("effect")
    difference = rows.loc["task - architecture"]
    beside = {
        name: table.set_index("effect").loc["task - architecture"]
        for name, table in (others or {}).items()
    }
    outcome = decide(
        holds=difference["low"] > 0 and not any(row["high"] < 0 for row in beside.values()),
        fails=difference["high"] < 0 and not any(row["low"] > 0 for row in beside.values()),
    )
    points = partial(with_interval, style="signed percent")
    told = [f"{name} {points(row)}" for name, row in beside.items()]
    return Verdict(
        CLAIM,
        outcome,
        f"Task before architecture {VERBS[outcome]} here: of the spread of r2_partial of {target} "
        f"between these models the task explains {rows.loc['task', 'mean']:.0%}, the architecture "
        f"{rows.loc['architecture', 'mean']:.0%}; the difference is {points(difference)}."
        + (f" Of targets that nobody was trained on: {', '.join(told)}." if told else ""),
    )


def at_last_epoch(shares: pd.DataFrame, *, targets: Sequence[str]) -> Verdict:
    """Judge the shares of the first target at the last epoch, beside those of `untaught` ones."""
    last = shares[shares["at"] == "last epoch"]
    of = {name: last[last["target"] == name] for name in targets}
    beside = {name: of[name] for name in untaught(targets[1:]) if len(of[name])}
    return task_or_architecture(of[targets[0]], target=targets[0], others=beside)


def untaught(targets: Sequence[str]) -> list[str]:
    """Those of `targets` that no network of the zoo was trained on, by whatever name.

    Examples
    --------
    >>> untaught(["gap", "u0", "mu"])
    ['mu']
    """
    taught = {task.target for task in TASKS.values()} | {"u0"}  # QM9's energy
    return [name for name in targets if name not in taught]
