"""Badges of what is recorded: *reproduced* is a word for what the paper claims, and for no more."""

from __future__ import annotations

from collections.abc import Mapping

from cpdkit.experiments.headlines import NAMES
from cpdkit.experiments.verdict import VERBS, badge

__all__ = ["ANSWERS", "badge_of", "labelled_badges"]

_OURS: Mapping[str, str] = {
    "06_geometry_alone": "our question",
    "07_isomers": "our question, better than counts of bonds",
    "08_crystals": "Our question, as for molecules?",
}
"""By notebook, what its first verdict answers where the paper does not claim it."""

_CLAIMED: Mapping[str, tuple[str, str]] = {"07_isomers": ("claimed_", "94.6 %")}
"""By notebook, the verdict of the paper's claim where the first one is ours, and its label."""

_YES_OR_NO = ("08_crystals",)
"""Notebooks whose verdict answers a question; *fails* would be read as said of the claims."""

ANSWERS = {"holds": "yes", "partly": "in part", "fails": "no", "undecided": "undecided"}
"""Outcomes as answers to a question."""

_COLOURS = {
    "reproduced": "success",
    "partly": "warning",
    "not reproduced": "danger",
    "open": "secondary",
}


def badge_of(
    notebook: str, outcomes: Mapping[str, str], *, verdict: str = "", label: str = ""
) -> str:
    """The badge of one verdict of a notebook, as the site draws it.

    Parameters
    ----------
    notebook : str
        Its name without extension.
    outcomes : mapping of str to str
        Recorded outcomes by data set.
    verdict : str
        Which verdict, by what begins the names of its files; empty for the first.
    label : str
        What stands before the word.

    Examples
    --------
    >>> badge_of("03_gbt_inflation", {"xtb9": "holds", "qm9": "holds"})
    '{bdg-success}`reproduced`'
    >>> badge_of("06_geometry_alone", {"xtb9": "holds"}, label="our question")
    '{bdg-success}`our question: holds on our molecules`'
    >>> badge_of("08_crystals", {"materials-project": "fails", "prototypes": "undecided"})
    '{bdg-danger}`2,000 Materials Project crystals: no` \
{bdg-secondary}`ionic crystals of ours: undecided`'
    """
    if notebook in _YES_OR_NO and outcomes:
        each = [
            f"{{bdg-{_COLOURS[badge([outcome])]}}}`{_within_a_sentence(name)}: {ANSWERS[outcome]}`"
            for name, outcome in outcomes.items()
        ]
        return " ".join([label, *each] if label else each)
    word = badge(outcomes.values())
    said = _outcomes(outcomes) if notebook in _OURS and not verdict else word
    return f"{{bdg-{_COLOURS[word]}}}`{f'{label}: ' if label else ''}{said}`"


def labelled_badges(notebook: str, outcomes: Mapping[str, Mapping[str, str]]) -> str:
    """All badges of a page, the claim of the paper first; `outcomes` by verdict, then data set.

    Examples
    --------
    >>> labelled_badges("07_isomers", {"": {"qm9": "holds"}, "claimed_": {"qm9": "fails"}})
    '{bdg-danger}`94.6 %: not reproduced` {bdg-success}`our question, better than counts of bonds: \
holds on QM9`'
    """
    shown = {"": _OURS.get(notebook, "")}
    if notebook in _CLAIMED:
        shown = dict([_CLAIMED[notebook]]) | shown
    return " ".join(
        badge_of(notebook, outcomes[verdict], verdict=verdict, label=label)
        for verdict, label in shown.items()
        if verdict in outcomes
    )


def _outcomes(outcomes: Mapping[str, str]) -> str:
    """What became of a question of ours, and on which data sets."""
    if not outcomes:
        return "not recorded"
    words = {name: VERBS[outcome].removeprefix("is ") for name, outcome in outcomes.items()}
    if len(outcomes) > 1 and len(set(words.values())) == 1:
        return f"{next(iter(words.values()))} on {'both' if len(words) == 2 else 'all'}"
    return ", ".join(f"{word} on {_within_a_sentence(name)}" for name, word in words.items())


def _within_a_sentence(dataset: str) -> str:
    name = NAMES.get(dataset, dataset)
    return name if name.isupper() else name[0].lower() + name[1:]
