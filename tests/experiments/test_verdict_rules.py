"""Rules tried on planted truth: the page's numbers are what the code gives, and few are wrong."""

from __future__ import annotations

import importlib.util
import json
import sys
from types import ModuleType

import pytest
from paths import ROOT

from cpdkit.experiments.verdict import VERBS


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "verdict_rules", ROOT / "benchmarks" / "verdict_rules.py"
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["verdict_rules"] = module
    spec.loader.exec_module(module)
    return module


rules = load()
KEPT = json.loads((ROOT / "benchmarks" / "results" / "verdict_rules.json").read_text())["cases"]


each = pytest.mark.parametrize(
    "number", range(len(rules.CASES)), ids=[f"{c.claim}: {c.what}" for c in rules.CASES]
)


def test_every_case_is_kept() -> None:
    given = [(c.claim, c.kind, c.what, list(c.right), c.n_draws) for c in rules.CASES]
    kept = [(c["claim"], c["kind"], c["what"], c["right"], len(c["outcomes"])) for c in KEPT]
    assert kept == given
    assert min(case.n_draws for case in rules.CASES) >= 30


@each
def test_few_firm_outcomes_are_wrong(number: int) -> None:
    said, right = KEPT[number]["outcomes"], KEPT[number]["right"]
    assert set(said) <= set(VERBS)
    wrong = sum(outcome not in {*right, "undecided"} for outcome in said)
    assert wrong <= 0.05 * len(said)
    assert sum(outcome in right for outcome in said) > 0.5 * len(said)


def test_every_claim_is_tried_on_all_three() -> None:
    kinds = {case.claim: set() for case in rules.CASES}
    for case in rules.CASES:
        kinds[case.claim].add(case.kind)
    assert set(kinds) == {"1", "2", "3", "4", "5", "5b", "6", "7", "7, 94.6 %", "8"}
    assert all(found == {"holds", "does not hold", "confounder"} for found in kinds.values())


@each
def test_draws_are_made_again(number: int) -> None:
    again = [rules.outcome(number, draw) for draw in range(3)]
    assert again == KEPT[number]["outcomes"][:3]
