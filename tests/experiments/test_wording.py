"""Numbers as sentences write them, and the outcome of a claim."""

from __future__ import annotations

import numpy as np
import pytest

from cpdkit.experiments.verdict import (
    OUTCOMES,
    STYLES,
    VERBS,
    decide,
    difference,
    listed,
    with_interval,
)
from cpdkit.intervals import corrected_t

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
    assert set(every) == set(OUTCOMES) == set(VERBS)


def test_a_difference_is_paired() -> None:
    one, other = [0.5, 0.6, 0.4, 0.7, 0.5], [0.4, 0.5, 0.3, 0.6, 0.4]
    gain = difference(one, other, n_folds=5)
    assert gain.tolist() == pytest.approx([0.1, 0.1, 0.1])
    noisy = difference(one, [0.1] * 5, n_folds=5, level=0.9)
    assert (noisy.low, noisy.high) == corrected_t(
        np.subtract(one, 0.1), test_share=1 / 4, level=0.9
    )
