"""What became of a claim, and how numbers are written in its sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "HANDCRAFTED",
    "KINDS",
    "MARGIN",
    "STYLES",
    "VERBS",
    "Verdict",
    "above_ceiling",
    "badge",
    "decide",
    "kind_of",
]
__all__ += ["lacks", "listed", "named", "number", "of_target", "points", "saw_target", "signed"]
__all__ += ["with_interval"]

VERBS = {
    "holds": "holds",
    "partly": "holds in part",
    "fails": "fails",
    "undecided": "is undecided",
}
"""How a sentence says each outcome: *Claim 1 is undecided*."""

MARGIN = 0.1
"""Differences of ``r2_partial`` that are smaller are no difference: less than a quarter of the
smallest contrast that the paper calls a gradient (0.08 to 0.53). With half of it 1,500 molecules
could never refute a claim on planted data."""

NULLS = (
    "bond-counts",
    "random",
    "bond counts",
    "Morgan counts",
    "bonds (no geometry)",
    "random numbers",
)
"""Representations that are neither a descriptor of geometry nor learned."""


@dataclass(frozen=True)
class Verdict:
    """What became of a claim."""

    claim: str
    outcome: str  # of `VERBS`
    sentence: str  # the outcome with the numbers it rests on


def decide(*, holds: bool, fails: bool) -> str:
    """The outcome: what refutes a claim goes before what supports it."""
    return "fails" if fails else "holds" if holds else "undecided"


def badge(outcomes: Collection[str]) -> str:
    """What became of a claim on several data sets, in a word.

    Examples
    --------
    >>> badge(["holds", "undecided"]), badge(["fails", "undecided"]), badge([])
    ('partly', 'not reproduced', 'open')
    """
    if set(outcomes) & {"holds", "partly"}:
        return "reproduced" if set(outcomes) == {"holds"} else "partly"
    return "not reproduced" if "fails" in outcomes else "open"


def number(value: float, digits: int = 2) -> str:
    """Such as ``"0.41"``; there is no minus before a zero."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def signed(value: float, digits: int = 2) -> str:
    """Such as ``"+0.41"`` and ``"+0.00"``."""
    return f"{round(float(value), digits) + 0.0:+.{digits}f}"


def points(value: float) -> str:
    """A difference of shares in points of a hundred, such as ``"+4.1"``."""
    return signed(100 * value, 1)


STYLES: Mapping[str, Callable[[float], str]] = {
    "number": number,
    "signed": signed,
    "percent": lambda value: number(100 * value, 1) + "%",
    "signed percent": lambda value: signed(100 * value, 0) + "%",
    "points": points,
}
"""How :func:`with_interval` may write a value and its interval."""


def with_interval(
    row: Mapping[str, Any] | pd.Series, value: str = "mean", *, style: str = "number"
) -> str:
    """The entry `value` with ``low`` and ``high``, such as ``"0.41 (0.35 to 0.47)"``."""
    write = STYLES[style]
    if np.isnan(row[value]):
        return "not defined"
    if np.isnan(row["low"]) or np.isnan(row["high"]):
        return f"{write(row[value])} (no interval)"
    return f"{write(row[value])} ({write(row['low'])} to {write(row['high'])})"


def named(row: Mapping[str, Any] | pd.Series) -> str:
    """A representation with its score, such as ``"soap 0.41 (0.35 to 0.47)"``."""
    return f"{row['representation']} {with_interval(row)}"


def listed(names: Collection[str]) -> str:
    """Names as a sentence lists them: ``"a, b and c"``."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def above_ceiling(table: pd.DataFrame) -> str:
    """How many scores lie above their ceiling for certain."""
    rows = table[table["score"] == "crossing"]
    return f"Above the ceiling: {(rows['low'] > 0).sum()} of {len(rows)} scores"


def of_target(table: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows of one target; ValueError where there are none."""
    rows = table[table["target"] == target]
    if rows.empty:
        known = table["target"].drop_duplicates().tolist()
        raise ValueError(f"the table has no target {target!r}; it has {known}.")
    return rows


def lacks(table: pd.DataFrame, columns: Collection[str]) -> str:
    """What a recorded table has not that a rule needs, to be told; empty where it has all."""
    missing = [column for column in columns if column not in table]
    return f"the table lacks {listed(missing)}; run the notebook again" if missing else ""


_ENERGIES = {"energy", "atomization_energy", "formation_energy_per_atom"} | {
    f"{name}{temperature}" for name in ("u", "h", "g") for temperature in ("0", "298")
}
_ENERGIES_ELSEWHERE = re.compile(
    r"ani2x|chgnet|so3lr|sevennet-.+|mace-(?:(?:mp|mpa|off23)-.+|ani-cc|spice)"
)
_OTHERS_ELSEWHERE = {"so3lr": ("dipole",)}


def saw_target(encoder: str, target: str) -> bool:
    """Whether a network was trained on a target, here or elsewhere, by its name.

    Energies count as one target, whatever their zero and level of theory.

    Examples
    --------
    >>> saw_target("zoo/painn-gap-0", "gap"), saw_target("zoo/painn-gap-0 / block_3", "mu")
    (True, False)
    >>> saw_target("so3lr / interaction_3", "mu"), saw_target("mace-ani-cc", "u0")
    (True, True)
    >>> saw_target("mace-spice", "gap"), saw_target("mace-spice", "mu")
    (False, False)
    >>> saw_target("zoo/painn-dipole-0", "mu"), saw_target("zoo/painn-dipole-0", "gap")
    (True, False)
    >>> saw_target("zoo/painn-qm9_energy-0", "u0"), saw_target("zoo/painn-qm9_homo-0", "gap")
    (True, False)
    """
    asked = "energy" if target in _ENERGIES else "dipole" if target == "mu" else target
    name = encoder.partition(" / ")[0]
    if asked == "energy" and _ENERGIES_ELSEWHERE.fullmatch(name):
        return True
    return bool(re.search(f"-(qm9_)?{asked}-", name)) or asked in _OTHERS_ELSEWHERE.get(name, ())


KINDS: Mapping[str, str] = {
    "descriptor": "descriptors",
    "trained": "networks trained here",
    "pretrained": "pretrained networks",
    "untrained": "untrained networks",
    "null": "nulls",
}
"""What `kind_of` answers, as sentences say it."""


HANDCRAFTED = ("ani2x-aev", "soap")
"""Our encoders that are descriptors, no networks."""


def kind_of(encoder: str, handcrafted: Collection[str] = HANDCRAFTED) -> str:
    """Whether it is a descriptor, trained here, trained elsewhere, untrained, or a null.

    Examples
    --------
    >>> [kind_of(name, ["soap"]) for name in ("soap", "chgnet", "zoo/mace-gap-0", "random")]
    ['descriptor', 'pretrained', 'trained', 'null']
    """
    if encoder in handcrafted:
        return "descriptor"
    if encoder in NULLS:
        return "null"
    if "untrained" in encoder:
        return "untrained"
    return "trained" if encoder.startswith("zoo/") else "pretrained"
