"""Laws of scores and intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import r2_score

from cpdkit.intervals import bootstrap_weights, corrected_t
from cpdkit.scores import SCORES, HeldOut, Sums, summarise


def held_out(y, comp, mean=0.0, **predictions):
    column = {name: value[:, None] for name, value in predictions.items()}
    rows = np.arange(len(y))
    return HeldOut(0, 0, rows, np.array([mean]), y[:, None], comp[:, None], column, {})


@given(st.integers(0, 2**32 - 1), st.integers(3, 50))
def test_weighted_scores_are_scores_of_repeated_rows(seed, n):
    rng = np.random.default_rng(seed)
    y, geom, joint, comp = rng.normal(size=(4, n)) + 100
    weights = rng.integers(0, 4, size=(1, n))
    weights[0, :2] = 1
    again = np.repeat(np.arange(n), weights[0])
    sums = Sums.of_rows(held_out(y, comp, geom=geom, joint=joint), weights)
    found = {name: score(sums)[0, 0] for name, score in SCORES.items()}
    assert found["r2_geom"] == pytest.approx(r2_score(y[again], geom[again]), rel=1e-9)
    assert found["r2_comp"] == pytest.approx(r2_score(y[again], comp[again]), rel=1e-9)
    expected = np.corrcoef(geom[again], comp[again])[0, 1] ** 2
    assert found["r2_comp_in_probe"] == pytest.approx(expected, abs=1e-9)
    sse = [((y - p)[again] ** 2).sum() for p in (joint, comp)]
    assert found["r2_partial"] == pytest.approx(1 - sse[0] / sse[1], rel=1e-9)
    assert np.isnan(found["r2_full"])


def test_a_probe_that_knows_all_but_composition_scores_the_ceiling():
    rng = np.random.default_rng(0)
    comp, rest = rng.normal(size=(2, 500))
    y, mean = comp + rest, 0.1
    sums = Sums.of_rows(held_out(y, comp, mean, geom=mean + y - comp))
    assert SCORES["ceiling"](sums) == pytest.approx(SCORES["r2_geom"](sums))
    assert SCORES["crossing"](sums) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 12])
def test_corrected_t_is_the_t_interval_where_nothing_is_shared(n):
    values = np.random.default_rng(1).normal(size=n)
    expected = stats.t.interval(0.9, n - 1, loc=values.mean(), scale=stats.sem(values))
    assert np.allclose(corrected_t(values, test_share=0.0, level=0.9), expected)


@given(st.floats(0.01, 1.0))
def test_sharing_training_rows_widens_the_interval(share):
    values = np.random.default_rng(2).normal(size=5)
    low, high = corrected_t(values, test_share=share)
    ratio = (high - low) / np.diff(corrected_t(values, test_share=0.0))[0]
    assert ratio == pytest.approx(np.sqrt((1 / 5 + share) / (1 / 5)))


def test_the_bootstrap_interval_is_of_quantiles_of_the_draws():
    row = summarise(np.array([0.4, 0.6]), n_folds=5, level=0.9, draws=np.linspace(0, 1, 101))
    assert (row["low"], row["high"]) == pytest.approx((0.05, 0.95))
    with pytest.raises(ValueError, match="between 0 and 1"):
        summarise(np.array([0.4, 0.6]), n_folds=5, level=90, draws=np.linspace(0, 1, 101))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_whether_composition_leaves_anything_does_not_depend_on_the_unit(unit):
    y = unit * np.random.default_rng(0).normal(size=50)
    for error, left in ((1e-6, False), (1e-4, True)):
        sums = Sums.of_rows(held_out(y, y + unit * error, geom=y, joint=y))
        assert np.isfinite(SCORES["r2_partial"](sums)).all() == left


def test_one_value_has_no_interval():
    assert np.isnan(corrected_t(np.array([0.3]), test_share=0.25)).all()


def test_the_cluster_bootstrap_draws_whole_groups():
    groups = np.array(["a", "b", "a", "c", "b"])
    with pytest.warns(UserWarning, match="3 group"):
        weights, again = (bootstrap_weights(groups, n_draws=200, seed=0) for _ in range(2))
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert (weights == again).all()


def covered(interval: str, n_sets: int = 120) -> float:
    """Share of planted data sets whose interval holds the score on endless data."""
    from toy import planted

    import cpdkit

    truth = 1.25 / 1.61  # planted(noise=0.6): geometry over geometry and noise
    hits = 0
    for seed in range(n_sets):
        data = planted(n=300, seed=1000 + seed, noise=0.6)
        row = (
            cpdkit.cpd(
                data.X,
                data.C,
                data.y,
                groups=data.formulas,
                leak=False,
                interval=interval,
                n_draws=200,
                seed=seed,
            )
            .set_index("score")
            .loc["r2_partial"]
        )
        hits += row.low <= truth <= row.high
    return hits / n_sets


@pytest.mark.parametrize("interval", ["corrected-t", "cluster-bootstrap"])
def test_coverage_on_planted_data_is_near_its_level(interval):
    # Heuristics both: the bounds are what a 95 % interval must meet to be worth its name.
    assert 0.85 <= covered(interval) <= 1.0
