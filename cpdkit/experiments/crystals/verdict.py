"""Do the conclusions on molecules carry over to crystals?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cpdkit.experiments.badges import ANSWERS
from cpdkit.experiments.headlines import NAMES
from cpdkit.experiments.verdict import Verdict, decide, listed, with_interval

__all__ = [
    "CLAIMS",
    "NOT_ASKED",
    "RECORDED",
    "carried_over",
    "carried_in_words",
    "carries_over",
    "claim_by_claim",
    "degrees_in_words",
    "gains_in_words",
]

CLAIMS: Mapping[str, str] = {
    "01_disentanglement_gradient": "Learned features keep geometry linearly accessible, "
    "handcrafted ones do not",
    "02_irrep_routing": "Vectors go to l=1, scalars to l=0",
    "03_gbt_inflation": "Boosted trees on projected residuals are inflated",
    "04_sample_efficiency": "Linearly disentangled representations need fewer samples",
    "07_isomers": "Residuals order isomers (polymorphs) better than counts of neighbours",
}
"""What each chapter judges, by its notebook."""

RECORDED = ("prototypes", "materials-project", "materials-project-all")
"""Folders of the records: our own crystals, 2,000 of the Materials Project, and all of them."""

NOT_ASKED = "not asked"
"""Outcome where the data have no label that the claim speaks of."""

_CLAIM = "What was found for molecules holds for crystals."
_DECIDED = ("holds", "partly", "fails")
_SAID = {
    "holds": "The conclusions on molecules carry over to these crystals",
    "fails": "Not all conclusions on molecules carry over to these crystals",
    "undecided": "Whether the conclusions on molecules carry over to these crystals is undecided",
}
_COUNTS = ("none", "one", "two", "three", "four", "five")


def carried_over(
    here: Mapping[str, Verdict], molecules: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """One row for each claim: what became of it on each set of molecules, and on the crystals.

    Parameters
    ----------
    here : mapping of str to Verdict
        Verdicts on crystals by the notebook that asks the question of molecules.
    molecules : mapping of str to mapping
        Recorded outcomes by notebook, then by data set. Where some are decided, all in one way,
        that is what molecules say.
    """
    sets = list(dict.fromkeys(name for known in molecules.values() for name in known))
    rows = []
    for notebook, claim in CLAIMS.items():
        known = molecules.get(notebook, {})
        crystals = here[notebook].outcome if notebook in here else NOT_ASKED
        decided = {o for o in known.values() if o in _DECIDED}
        together = decided.pop() if len(decided) == 1 else "open"
        carried = "open"
        if crystals in _DECIDED and together in _DECIDED:
            opposite = {together, crystals} == {"holds", "fails"}
            carried = "yes" if together == crystals else "no" if opposite else "in part"
        about = {"claim": claim} | {name: known.get(name, "not recorded") for name in sets}
        found = {"on molecules": together, "crystals": crystals, "carries over": carried}
        rows.append(about | found)
    return pd.DataFrame(rows)


def carries_over(table: pd.DataFrame) -> Verdict:
    """Judge whether the outcomes on molecules are those on crystals.

    Claims that molecules decide in one way, and that can be asked of crystals, count. The statement
    **holds** if all of them have the same outcome on crystals, **fails** if one has the opposite,
    and is **undecided** where one is left open, or holds in part here or there.
    """
    counted = table[table["on molecules"].isin(_DECIDED) & (table["crystals"] != NOT_ASKED)]
    kinds = {
        kind: [f"“{claim}”" for claim in counted[counted["carries over"] == kind]["claim"]]
        for kind in ("yes", "in part", "no", "open")
    }
    others = any(claims for kind, claims in kinds.items() if kind != "yes")
    outcome = decide(holds=bool(kinds["yes"]) and not others, fails=bool(kinds["no"]))
    words = {
        "yes": "with the same outcome",
        "in part": "the same in part",
        "no": "with the opposite outcome",
        "open": "left open",
    }
    told = [
        f"{_COUNTS[len(claims)]} {words[kind]}: {listed(claims)}"
        for kind, claims in kinds.items()
        if claims
    ]
    sentence = (
        f"{_SAID[outcome]}. Of the claims that molecules decide in one way, "
        f"{_COUNTS[len(counted)]} can be asked here"
    )
    return Verdict(_CLAIM, outcome, f"{'; '.join([sentence, *told])}.")


def carried_in_words(recorded: Mapping[str, str]) -> str:
    """Whether conclusions carry over, by data set; its outcomes are not those of a claim."""
    told = [f"{NAMES.get(name, name)}: {ANSWERS[o]}" for name, o in recorded.items()]
    return f"Do the conclusions on molecules carry over? {'; '.join(told) or 'Not recorded'}."


def claim_by_claim(carried: Mapping[str, pd.DataFrame]) -> str:
    """Outcomes on molecules and on each set of crystals, by its name, as a table in Markdown."""
    first = next(iter(carried.values()))
    columns = {"Claim": first["claim"], "Molecules": first["on molecules"]}
    columns |= {name: table["crystals"] for name, table in carried.items()}
    rows = [list(columns), ["---"] * len(columns), *zip(*columns.values(), strict=True)]
    words = {"partly": "in part", NOT_ASKED: "cannot be asked"}
    return "\n".join(f"| {' | '.join(words.get(cell, cell) for cell in row)} |" for row in rows)


def gains_in_words(gains: pd.DataFrame) -> str:
    """What networks trained on crystals have ahead of those that were not, target by target."""
    if gains.empty:
        return "The run has no network trained on crystals beside one that was not."
    said = [
        f"for {row['target']} {row['trained']} minus {row['other']} is "
        f"{with_interval(row, style='signed')}"
        for _, row in gains.iterrows()
    ]
    return f"Of what composition leaves, {'; '.join(said)}."


def degrees_in_words(differences: pd.DataFrame) -> str:
    """In how many layers a degree above 0 knows more, or less, than scalars of the same width."""
    if differences.empty:
        return "No encoder of this run has vectors or tensors beside scalars."
    said = []
    for target, here in differences.groupby("target", sort=False):
        more, less = int((here["low"] > 0).sum()), int((here["high"] < 0).sum())
        said.append(f"for {target} {more} of {len(here)} know more and {less} less")
    return f"Degrees above 0 against scalars and their squares, at one width: {'; '.join(said)}."
