"""Numbers that prose quotes are those of the records."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
from paths import ROOT

from cpdkit.experiments.headlines import HEADLINES, headline
from cpdkit.experiments.verdict import VERBS, badge, lacks, with_interval
from cpdkit.runs.record import recorded_tables

NUMBERS = re.compile(r"[+-]?\d+\.\d+ \([^)]* to [^)]*\)|\d+ of \d+|\d+%")


def test_the_first_screen_takes_its_numbers_from_the_records() -> None:
    table = (ROOT / "book/intro.md").read_text().partition("## The claims")[2].partition(":::\n")[0]
    rows = re.split(r"^\* - ", table, flags=re.MULTILINE)[2:]
    assert len(rows) == len(HEADLINES)
    for row, notebook in zip(rows, HEADLINES, strict=True):
        assert f"../notebooks/{notebook[:2]}_headline.txt" in row
    assert NUMBERS.findall(table) == []


@pytest.mark.parametrize("notebook", HEADLINES)
def test_headlines_are_what_the_records_say(notebook: str) -> None:
    """Every number stands in a recorded table; a record without what is needed is named."""
    records = {d: recorded_tables(notebook, dataset=d) for d in ("xtb9", "qm9")}
    said = headline(notebook, records)
    assert said.startswith("Our molecules: ")
    for record in records.values():
        table = HEADLINES[notebook][1]
        if table not in record or lacks(record[table], HEADLINES[notebook][2]):
            assert "recorded before the rule it is judged by" in said
            continue
        tables = [name for name in (table, f"{table}_other_folds") if name in record]
        parts = [record[name].select_dtypes("number").to_numpy().ravel() for name in tables]
        numbers = np.concatenate(parts)
        written = {f"{v + 0.0:{form}}" for v in numbers for form in ("+.2f", ".2f", ".1%", ".0%")}
        own = headline(notebook, {"xtb9": record})
        assert [n for n in re.findall(r"[+-]?\d+\.\d+%?|\d+%", own) if n not in written] == []


def test_a_chapter_without_a_claim_of_the_paper_has_no_headline() -> None:
    assert headline("06_geometry_alone", {}) == ""
    assert headline("01_disentanglement_gradient", {}) == "Not recorded."


def test_every_claim_of_the_first_screen_has_its_block() -> None:
    asked = re.findall(r"\]\((claim-\w+)\)", (ROOT / "book/intro.md").read_text())
    blocks = re.findall(r"^\((claim-\w+)\)=$", (ROOT / "book/claims.md").read_text(), re.MULTILINE)
    assert asked
    assert set(asked) <= set(blocks)


@pytest.mark.parametrize("outcomes", [[], *product(VERBS), *product(VERBS, VERBS)])
def test_a_badge_promises_no_more_than_its_outcomes(outcomes: tuple[str, ...]) -> None:
    word = badge(outcomes)
    assert (word == "reproduced") == (len(outcomes) > 0 and all(o == "holds" for o in outcomes))
    supported = set(outcomes) & {"holds", "partly"}
    assert (word == "not reproduced") == ("fails" in outcomes and not supported)
    assert badge(outcomes[::-1]) == word


def test_the_number_of_crystals_among_the_claims_is_recorded() -> None:
    record = recorded_tables("08_crystals", dataset="materials-project")
    row = record["gains"].set_index("target").loc["band_gap"]
    assert (row["trained"], row["other"]) == ("sevennet-l3i5", "soap")
    claims = " ".join((ROOT / "book/claims.md").read_text().split())
    assert f"SevenNet-l3i5 lies {with_interval(row)} above SOAP for the band gap" in claims
