"""Floors under the scale of a residual, column by column."""

from __future__ import annotations

import numpy as np
import pytest
from toy import planted

from cpdkit import CompositionProjector
from cpdkit.projection.conditioned import ConditionedResidual, floored_scale


def test_each_floor_holds_where_it_is_the_largest():
    before = np.array([4.0, 100.0, 1e-9, 1.0])
    residual = np.array([1.0, 1e-4, 1e-9, 1e-13])
    mean = before.mean()
    found = floored_scale(residual, before)
    # Its own spread; 1e-4 of its variance; 1e-2 of the typical spread; only rounding is left.
    expected = [1.0, np.sqrt(1e-4 * 100.0), np.sqrt(1e-4 * mean), np.inf]
    assert found == pytest.approx(expected, rel=1e-12)


def test_columns_are_divided_by_their_own_spread():
    data = planted(n=200)
    almost = 10 * data.C[:, 0] + 0.01 * np.random.default_rng(0).normal(size=200)
    X = np.column_stack([data.X * np.logspace(-1, 1, 12), data.C, almost])
    fitted = ConditionedResidual().fit(X, composition=data.C)
    residual = CompositionProjector().fit_transform(X, composition=data.C)
    np.testing.assert_allclose(
        fitted.scale_, floored_scale(residual.var(axis=0), X.var(axis=0)), rtol=1e-9
    )
    found = fitted.transform(X, composition=data.C)
    np.testing.assert_allclose(found[:, :12].std(axis=0), 1.0, rtol=1e-9)
    assert (found[:, 12:15] == 0).all()
    assert found[:, 15].std() < 0.1  # not blown up to one
