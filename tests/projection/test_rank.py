"""One rank rule: rows and moments cut composition at the same direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import cpdkit
from cpdkit.held_out.inputs import _independent
from cpdkit.moments.ridge import FoldRidge
from cpdkit.moments.scores import cpd_from_moments
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.projection import factors
from cpdkit.projection.linear import CompositionProjector


def nearly_dependent(share: float, k: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Composition whose last column is a mixture of the others, but for a direction of its own."""
    rng = np.random.default_rng(seed)
    C = rng.normal(size=(200, k))
    own = rng.normal(size=200)
    mixed = C @ rng.normal(size=k)
    order = rng.permutation(k + 1)
    return np.column_stack([C, mixed / mixed.std() + share * own])[:, order], own


@settings(max_examples=60)
@given(share=st.floats(-9, -1), k=st.integers(1, 6), seed=st.integers(0, 999))
@example(share=-5.5, k=3, seed=0)  # both sides of the rule, near it
@example(share=-6.5, k=3, seed=0)
def test_rows_and_moments_have_one_rank(share, k, seed):
    C, own = nearly_dependent(10**share, k, seed)
    pivots = np.abs(np.diag(np.linalg.qr(_unit(C), mode="r")))
    assume(not 2e-7 < pivots.min() < 5e-6)  # where rounding of moments, or the order, may decide
    plain = CompositionProjector().fit(own[:, None], composition=C)
    moments = moments_from_arrays(C, C, own)
    assert plain.rank_ == 1 + k + (pivots.min() > 2e-6)
    assert FoldRidge(moments.pool(), n_full=0).rank == plain.rank_
    assert _independent(C) == (plain.rank_ == k + 2)


def tolerance(value: float):
    """Pivots above a share of the first."""
    return lambda pivots, tol=0: int((pivots > value * pivots[0]).sum())


def largest_gap(pivots, tol=0):
    """What stands before the largest drop; what moments cannot resolve is all the same."""
    floored = np.append(np.maximum(pivots, 1e-7), 1e-7)
    return int(np.argmax(floored[:-1] / floored[1:])) + 1


@pytest.mark.parametrize(
    ("rule", "cut"),
    [(tolerance(1e-4), 1e-4), (tolerance(1e-1), 1e-1), (largest_gap, 1e-3)],
    ids=["looser", "much looser", "largest gap"],
)
def test_another_rule_is_written_in_one_place(monkeypatch, rule, cut):
    """Who changes `rank_of` changes both engines and what is warned of."""
    monkeypatch.setattr(factors, "rank_of", rule)
    factors._kept_factors.cache_clear()
    X = np.random.default_rng(1).normal(size=(200, 3))
    for share in (cut / 20, cut * 20):
        C, own = nearly_dependent(share, 3, seed=2)
        full = share > cut
        plain = CompositionProjector().fit(own[:, None], composition=C)
        assert plain.rank_ == (5 if full else 4)
        table = cpd_from_moments(moments_from_arrays(X, C, own)).set_index("score")
        assert (table.loc["r2_comp", "mean"] > 0.9) == full
        assert _independent(C) == full
    factors._kept_factors.cache_clear()


def _unit(C: np.ndarray) -> np.ndarray:
    centred = C - C.mean(axis=0)
    return centred / np.linalg.norm(centred, axis=0)


def test_all_columns_may_be_constant():
    assert _independent(np.ones((5, 2)))
    assert cpdkit.CompositionProjector().fit(np.eye(5), composition=np.ones((5, 2))).rank_ == 1
