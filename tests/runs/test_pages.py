"""Numbers that prose quotes are those of the records."""

from __future__ import annotations

import re
from itertools import chain, product

import pytest
from paths import ROOT

from cpdkit.experiments.verdict import VERBS, badge
from cpdkit.runs.record import recorded_tables

NOTEBOOKS = [path.stem for path in sorted((ROOT / "notebooks").glob("0[1-7]*.ipynb"))]
QUOTED = re.compile(r"[+-]?\d+(?:\.\d+)?%? \([^)]* to [^)]*\)|\d+ of \d+|\d+%")


def said() -> str:
    """All recorded sentences of verdicts."""
    records = [recorded_tables(n, dataset=d) for n, d in product(NOTEBOOKS, ("xtb9", "qm9"))]
    return " ".join(chain(*(r["verdict"]["sentence"] for r in records if r is not None)))


def test_the_first_screen_quotes_the_records() -> None:
    table = (ROOT / "book/intro.md").read_text().partition("## The claims")[2].partition(":::\n")[0]
    quoted = QUOTED.findall(" ".join(table.split()))
    assert len(quoted) >= 10
    assert [number for number in quoted if number not in said()] == []


def test_every_claim_of_the_first_screen_has_its_block() -> None:
    asked = re.findall(r"\]\((claim-\w+)\)", (ROOT / "book/intro.md").read_text())
    blocks = re.findall(r"^\((claim-\w+)\)=$", (ROOT / "book/claims.md").read_text(), re.MULTILINE)
    assert asked
    assert set(asked) <= set(blocks)


@pytest.mark.parametrize("outcomes", [[], *product(VERBS), *product(VERBS, VERBS)])
def test_a_badge_promises_no_more_than_its_outcomes(outcomes: tuple[str, ...]) -> None:
    word = badge(outcomes)
    assert (word == "reproduced") == (len(outcomes) > 0 and all(o == "holds" for o in outcomes))
    assert (word == "not reproduced") == ("fails" in outcomes and "holds" not in outcomes)
    assert badge(outcomes[::-1]) == word


def test_what_the_claims_say_of_training_is_recorded() -> None:
    text = " ".join((ROOT / "book/claims.md").read_text().split())
    for dataset in ("xtb9", "qm9"):
        record = recorded_tables("02_irrep_routing", dataset=dataset)
        assert record is not None
        table = record["training"].set_index(["encoder", "quantity", "l", "name"])
        row = table.loc[("zoo/mace-gap-0", "index", 1, "interaction_1")]
        assert f"{row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})" in text
