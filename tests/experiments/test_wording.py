"""Numbers as sentences write them, and the outcome of a claim."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpdkit.experiments.verdict import STYLES, VERBS, decide, listed, of_target, with_interval

ROW = {"mean": 0.4149, "low": -0.001, "high": 0.5}


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("number", "0.41 (0.00 to 0.50)"),
        ("signed", "+0.41 (+0.00 to +0.50)"),
        ("percent", "41.5% (-0.1% to 50.0%)"),
        ("signed percent", "+41% (+0% to +50%)"),
        ("points", "+41.5 (-0.1 to +50.0)"),
    ],
)
def test_every_style(style: str, expected: str) -> None:
    assert with_interval(ROW, style=style) == expected


@pytest.mark.parametrize("style", STYLES)
def test_what_is_not_defined_is_said(style: str) -> None:
    assert with_interval(ROW | {"mean": np.nan}, style=style) == "not defined"
    assert with_interval(ROW | {"low": np.nan}, style=style).endswith(" (no interval)")


def test_lists() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == [
        "a", "a and b", "a, b and c",
    ]  # fmt: skip


def test_a_refuted_claim_is_not_rescued() -> None:
    every = [decide(holds=h, fails=f) for h in (True, False) for f in (True, False)]
    assert every == ["fails", "holds", "fails", "undecided"]
    assert set(every) == set(VERBS) - {"partly"}


def test_a_missing_target_is_named_beside_those_there_are() -> None:
    table = pd.DataFrame({"target": ["gap", "mu"], "mean": [0.1, 0.2]})
    assert of_target(table, "mu")["mean"].tolist() == [0.2]
    with pytest.raises(ValueError, match=r"no target 'homo'; it has \['gap', 'mu'\]"):
        of_target(table, "homo")
