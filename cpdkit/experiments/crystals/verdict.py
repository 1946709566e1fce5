"""Do the conclusions on molecules carry over to crystals?"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from cpdkit.experiments.verdict import VERBS, Verdict, decide, listed, with_interval

__all__ = [
    "CLAIMS",
    "NOT_ASKED",
    "carried_over",
    "carries_over",
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

NOT_ASKED = "not asked"
"""Outcome where the data have no label that the claim speaks of."""

_CLAIM = "What was found for molecules holds for crystals."
_DECIDED = ("holds", "fails")


def carried_over(
    here: Mapping[str, Verdict], molecules: Mapping[str, Mapping[str, str]]
) -> pd.DataFrame:
    """One row for each claim: what became of it on each set of molecules, and on the crystals.

    Parameters
    ----------
    here : mapping of str to Verdict
        Verdicts on crystals by the notebook that asks the question of molecules.
    molecules : mapping of str to mapping
        Recorded outcomes by notebook, then by data set.
    """
    sets = list(dict.fromkeys(name for known in molecules.values() for name in known))
    rows = []
    for notebook, claim in CLAIMS.items():
        known = molecules.get(notebook, {})
        crystals = here[notebook].outcome if notebook in here else NOT_ASKED
        decided = {o for o in known.values() if o in _DECIDED}
        carried = "open"
        if crystals in _DECIDED and len(decided) == 1:
            carried = "yes" if decided == {crystals} else "no"
        about = {"claim": claim} | {name: known.get(name, "not recorded") for name in sets}
        rows.append(about | {"crystals": crystals, "carries over": carried})
    return pd.DataFrame(rows)


def carries_over(table: pd.DataFrame, here: Mapping[str, Verdict]) -> Verdict:
    """Judge whether the outcomes on molecules are those on crystals.

    A claim is *compared* if it is decided on crystals, and on molecules in one way. The statement
    **holds** if all claims compared have one outcome, **fails** if one of them has another, and is
    **undecided** where none is compared.
    """
    same = table[table["carries over"] == "yes"]["claim"].tolist()
    other = table[table["carries over"] == "no"]["claim"].tolist()
    outcome = decide(holds=bool(same) and not other, fails=bool(other))
    parts = [f"That the conclusions on molecules carry over to crystals {VERBS[outcome]}"]
    if same:
        parts.append(f"the same became of {listed([_quoted(c) for c in same])}")
    if other:
        parts.append(f"something else became of {listed([_quoted(c) for c in other])}")
    open_ones = len(table) - len(same) - len(other)
    parts.append(f"{open_ones} of {len(table)} claims cannot be compared")
    return Verdict(_CLAIM, outcome, f"{parts[0]}: {'; '.join(parts[1:])}.")


def _quoted(claim: str) -> str:
    return f"“{claim}”"


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
    return f"Degrees above 0 beside scalars and their squares, at one width: {'; '.join(said)}."
