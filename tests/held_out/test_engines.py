"""Which engine predicts what, and which fold settings are chosen on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import Ridge
from toy import planted

from cpdkit.folds import make_folds
from cpdkit.held_out import moments
from cpdkit.held_out.engine import engine_for
from cpdkit.held_out.estimators import held_out_regressor
from cpdkit.held_out.protocol import PROTOCOLS

DATA = planted(n=200)
Y = DATA.y[:, None]


def test_ridge_alone_has_an_engine_of_its_own():
    assert engine_for("ridge", seed=0) is moments.held_out_moments
    for probe in ("trees", "knn", Ridge()):
        assert engine_for(probe, seed=0) is not moments.held_out_moments


class Slow(Exception):
    """Raised where the plain reference is asked."""


@pytest.mark.parametrize(
    ("protocol", "never", "columns", "slow"),
    [
        ("sound", 0, 12, False),
        ("naive", 0, 12, True),
        ("transductive", 0, 12, True),
        ("sound", 5, 12, True),
        ("sound", 0, 130, True),
        ("no penalties", 0, 12, True),
    ],
)
def test_the_plain_reference_is_asked_only_where_moments_cannot(
    monkeypatch, protocol, never, columns, slow
):
    def reference(*arguments, **options):
        raise Slow

    monkeypatch.setattr(moments, "held_out", reference)
    fold = make_folds(200)
    fold[0, :never] = -1
    X = np.random.default_rng(0).normal(size=(200, columns))
    how = PROTOCOLS.get(protocol, replace(PROTOCOLS["sound"], alphas=None))
    found = moments.held_out_moments(X, DATA.C, Y, fold, protocol=how)
    if slow:
        with pytest.raises(Slow):
            list(found)
    else:
        assert len(list(found)) == 5


class Memory(RegressorMixin, BaseEstimator):
    """Remembers how many rows it was fitted to and asked for; one setting is always better."""

    seen: list = []

    def __init__(self, value=0.0):
        self.value = value

    def fit(self, X, y):
        self.rows = len(X)
        return self

    def predict(self, X):
        Memory.seen.append((self.rows, len(X)))
        return np.full(len(X), self.value)


def test_settings_are_chosen_on_the_next_fold():
    fold = np.repeat([[0, 1, 2, 3]], [50, 60, 70, 20], axis=1)
    sizes = [50, 60, 70, 20]
    Memory.seen = []
    list(
        held_out_regressor(
            DATA.X, DATA.C, Y, fold,
            protocol=PROTOCOLS["sound"], inputs=(), candidates=[Memory(), Memory(1e6)],
        )
    )  # fmt: skip
    chosen = [(200 - sizes[k] - sizes[(k + 1) % 4], sizes[(k + 1) % 4]) for k in range(4)]
    final = [(200 - size, size) for size in sizes]
    expected = [pair for k in range(4) for pair in (chosen[k], chosen[k], final[k])]
    assert Memory.seen == expected
