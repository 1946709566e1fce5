"""*Reproduced* is said of what the paper claims; a question of ours has an outcome."""

from __future__ import annotations

from itertools import product

import pytest
from paths import ROOT

from cpdkit.experiments.badges import ANSWERS, badge_of, labelled_badges
from cpdkit.experiments.headlines import HEADLINES
from cpdkit.experiments.verdict import VERBS
from cpdkit.runs.record import recorded_outcomes

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("0[1-8]*.ipynb"))
OURS = ["06_geometry_alone", "07_isomers", "08_crystals"]


@pytest.mark.parametrize("notebook", NOTEBOOKS)
@pytest.mark.parametrize("outcomes", list(product(VERBS, VERBS)))
def test_a_question_of_ours_is_never_called_reproduced(
    notebook: str, outcomes: tuple[str, str]
) -> None:
    said = badge_of(notebook, dict(zip(("xtb9", "qm9"), outcomes, strict=True)))
    of_paper = any(f"`{w}`" in said for w in ("reproduced", "partly", "not reproduced", "open"))
    assert of_paper == (notebook not in OURS)
    words = ANSWERS if notebook == "08_crystals" else VERBS
    assert all(words[o].removeprefix("is ") in said for o in outcomes) or of_paper


def test_every_chapter_of_a_claim_has_a_badge_of_the_paper() -> None:
    """Chapter 7 has both; those of the first page are in `HEADLINES`."""
    assert {name for name in NOTEBOOKS if name not in OURS} | {"07_isomers"} == {
        claim.partition("/")[0] for claim in HEADLINES
    }


@pytest.mark.parametrize(
    ("notebook", "said"),
    [
        ("06_geometry_alone", "{bdg-success}`our question: holds on our molecules`"),
        (
            "07_isomers",
            "{bdg-danger}`94.6 %: not reproduced` "
            "{bdg-success}`our question, better than counts of bonds: holds on both`",
        ),
    ],
)
def test_what_the_recorded_outcomes_say(notebook: str, said: str) -> None:
    found = {"": recorded_outcomes(notebook), "claimed_": recorded_outcomes(notebook, row=1)}
    assert labelled_badges(notebook, found) == said


def test_outcomes_that_differ_are_told_with_their_data() -> None:
    found = {"xtb9": "holds", "qm9": "undecided"}
    said = badge_of("06_geometry_alone", found)
    assert said == "{bdg-warning}`holds on our molecules, undecided on QM9`"
    assert badge_of("08_crystals", {}) == "{bdg-secondary}`not recorded`"
