"""Laws of `cpd`: agreement with scikit-learn, exact cases, invariances, leaks, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from toy import planted

import cpdkit
from cpdkit import CompositionProjector
from cpdkit.datasets import canonical_formulas
from cpdkit.folds import make_folds
from cpdkit.intervals import bootstrap_weights


def scores(table: pd.DataFrame, target: str = "y") -> pd.Series:
    return table[table.target == target].set_index("score")["mean"]


def agree(X, C, y, fold, formulas):
    table = cpdkit.cpd(X, C, y, groups=formulas, folds=fold).set_index("score")
    for name, values in reference.cpd(X, C, y, fold).items():
        assert np.allclose(table.loc[name, "fold_values"], values, rtol=0, atol=1e-6), name


@pytest.mark.parametrize("scheme", ["random", "formula"])
@pytest.mark.parametrize(("n", "d"), [(300, 12), (120, 200)])
def test_agrees_with_scikit_learn_on_planted_data(n, d, scheme):
    data = planted(n=n, d=d, seed=1)
    fold = make_folds(n, scheme=scheme, groups=data.formulas)[0]
    agree(data.X, data.C, data.y, fold, data.formulas)


def test_fold_labels_and_scheme_names_mean_the_same():
    data = planted()
    fold = make_folds(400, scheme="formula", groups=data.formulas, seed=4)
    options = {"groups": data.formulas}
    a = cpdkit.cpd(data.X, data.C, data.y, folds="formula", seed=4, **options)
    b = cpdkit.cpd(data.X, data.C, data.y, folds=fold, **options)
    pd.testing.assert_frame_equal(a, b, check_exact=True)


@pytest.mark.parametrize(
    "kind", [np.asarray, list, pd.Series, pd.Categorical, lambda f: pd.Series(f, index=f)]
)
def test_formulas_stand_for_their_counts_and_are_the_groups(kind):
    data = planted()
    counts = cpdkit.composition.composition_matrix(data.formulas)
    spelled = canonical_formulas(data.formulas)
    expected = cpdkit.cpd(data.X, counts, data.y, groups=spelled, folds="formula")
    found = cpdkit.cpd(data.X, kind(data.formulas), data.y, folds="formula")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    groups = np.roll(data.formulas, 1)
    expected = cpdkit.cpd(data.X, counts, data.y, groups=groups)
    found = cpdkit.cpd(data.X, kind(data.formulas), data.y, groups=groups)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_planted_shares_are_found():
    # var(y) = composition + 1.25 + 0.09 of noise; X shows all four latent directions.
    data = planted(n=4000, seed=2)
    found = scores(cpdkit.cpd(data.X, data.C, data.y, groups=data.formulas))
    composition = (data.C @ [1.0, -0.5, 0.2]).var()
    total = composition + 1.25 + 0.09
    assert found["r2_comp"] == pytest.approx(composition / total, abs=0.02)
    assert found["ceiling"] == pytest.approx(1 - composition / total, abs=0.02)
    assert found["r2_geom"] == pytest.approx(1.25 / total, abs=0.02)
    assert found["r2_partial"] == pytest.approx(1.25 / 1.34, abs=0.02)


@given(st.integers(0, 2**32 - 1), st.floats(1e-4, 1e4), st.floats(-1e3, 1e3))
@settings(deadline=None, max_examples=10)
def test_scores_do_not_depend_on_units(seed, scale, shift):
    data = planted(n=150, seed=seed)
    a = cpdkit.cpd(data.X, data.C, data.y, groups=data.formulas)
    b = cpdkit.cpd(scale * data.X + shift, 3 * data.C, scale * data.y + shift, groups=data.formulas)
    a, b = (t[t.score != "r2_leak"]["mean"].to_numpy() for t in (a, b))
    assert np.allclose(a, b, atol=1e-6)


def test_a_linear_target_is_gone_under_fold_safe_projection_and_below_zero_transductively():
    data = planted(n=300, d=100, seed=3)
    y = data.C @ [1.0, 2.0, -1.0]
    sound = cpdkit.cpd(data.X, data.C, y, groups=data.formulas)
    assert abs(scores(sound)["r2_geom"]) < 0.02
    biased = cpdkit.cpd(data.X, data.C, y, groups=data.formulas, protocol="transductive")
    assert scores(biased)["r2_geom"] < -0.1
    partial = sound[sound.score == "r2_partial"].iloc[0]
    assert np.isnan(partial["mean"])
    assert "nothing is left" in partial["note"]


def test_trees_find_a_linear_target_again_in_nonlinear_functions_of_composition():
    data = planted(n=1000, seed=5)
    y = data.C @ [1.0, 2.0, -1.0]
    X = np.column_stack([data.C**2, data.C[:, :1] * data.C[:, 1:], np.exp(-data.C)])
    fold = make_folds(1000)[0]
    linear = scores(cpdkit.cpd(X, data.C, y, groups=data.formulas, folds=fold))["r2_geom"]
    trees, ceilings = [], []
    for k in range(5):
        fit, test = fold != k, fold == k
        projector = CompositionProjector().fit(X[fit], composition=data.C[fit])
        residual = projector.transform(X, composition=data.C)
        model = HistGradientBoostingRegressor(max_iter=60, random_state=0)
        model.fit(residual[fit], y[fit])
        trees.append(r2_score(y[test], model.predict(residual[test])))
        comp = CompositionProjector().fit(y[fit, None], composition=data.C[fit])
        found = comp.explained(data.C[test])[:, 0]
        spread = ((y[test] - y[test].mean()) ** 2).sum()
        ceilings.append(1 - ((found - y[fit].mean()) ** 2).sum() / spread)
    assert abs(linear) < 0.02
    assert np.mean(trees) > 0.5
    # Nothing but composition is there to be found, and the ceiling says so: it is crossed.
    assert np.allclose(ceilings, 0, atol=0.05)


def almost_constant(seed: int = 0, n: int = 500):
    """Columns like the AEV's: zero in nearly all rows, and large in one or two."""
    data = planted(n=n, seed=seed)
    rng = np.random.default_rng(seed)
    rare = np.zeros((n, 200))
    rare[:, :] = 1e-8 * rng.normal(size=rare.shape)
    rare[rng.integers(n, size=200), np.arange(200)] = 0.5
    return data, np.hstack([data.X, rare])


def test_almost_constant_columns_ruin_the_naive_probe_and_not_the_sound_one():
    data, X = almost_constant()
    clean = scores(cpdkit.cpd(data.X, data.C, data.y, groups=data.formulas))
    sound = scores(cpdkit.cpd(X, data.C, data.y, groups=data.formulas))
    naive = scores(cpdkit.cpd(X, data.C, data.y, groups=data.formulas, protocol="naive"))
    assert naive["r2_geom"] < -100
    assert sound["r2_geom"] > clean["r2_geom"] - 0.05
    assert sound["r2_full"] > clean["r2_full"] - 0.05


def test_naive_is_standard_scaler_and_ridge_of_scikit_learn():
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    data = planted(n=200)
    data.X[:, 0] *= 1e-4  # below the floors that the practice lacks
    fold = make_folds(200)[0]
    table = cpdkit.cpd(data.X, data.C, data.y, folds=fold, protocol="naive").set_index("score")
    expected = {"r2_geom": [], "r2_full": []}
    for k in range(5):
        fit, test = fold != k, fold == k
        ols = LinearRegression().fit(data.C[fit], data.X[fit])
        for name, X in (("r2_geom", data.X - ols.predict(data.C)), ("r2_full", data.X)):
            model = make_pipeline(StandardScaler(), Ridge()).fit(X[fit], data.y[fit])
            expected[name].append(r2_score(data.y[test], model.predict(X[test])))
    for name, values in expected.items():
        assert np.allclose(table.loc[name, "fold_values"], values, atol=1e-9)


def test_leak_sees_size_that_fractions_leave_and_counts_take():
    data = planted(n=600, seed=6)
    size = data.C.sum(axis=1, keepdims=True)
    X = np.column_stack([data.X, size])
    fractions = cpdkit.cpd(X, data.C / size, data.y, groups=data.formulas)
    leak = fractions[fractions.score == "r2_leak"].set_index("target")["mean"]
    assert leak["N"] > 0.5
    counts = cpdkit.cpd(X, data.C, data.y, groups=data.formulas)
    leak = counts[counts.score == "r2_leak"].set_index("target")["mean"]
    assert "N" not in leak
    assert {"1/N", "x(C)", "y"} <= set(leak.index)
    assert leak["1/N"] < 0.1


def test_a_sound_probe_of_noisy_data_stays_below_its_ceiling():
    data = planted(n=600, seed=7, noise=1.0)
    table = cpdkit.cpd(data.X, data.C, data.y, groups=data.formulas).set_index("score")
    assert table.loc["crossing", "high"] < 0
    assert np.allclose(
        table.loc["crossing", "fold_values"],
        np.subtract(table.loc["r2_geom", "fold_values"], table.loc["ceiling", "fold_values"]),
    )


@pytest.mark.parametrize("interval", ["corrected-t", "cluster-bootstrap"])
def test_table_is_tidy_and_intervals_hold_the_mean(interval):
    data = planted()
    targets = pd.DataFrame({"a": data.y, "b": data.y**2})
    table = cpdkit.cpd(data.X, data.C, targets, groups=data.formulas, interval=interval, repeats=2)
    assert not table.duplicated(["target", "score"]).any()
    assert (table.fold_values.map(len) == 10).all()
    defined = table.dropna(subset="mean")
    assert np.allclose(defined["mean"], defined.fold_values.map(np.mean))
    # Not r2_comp_in_probe: a square near zero is biased upwards in every bootstrap sample.
    held = defined[defined.score.isin(["r2_comp", "r2_full", "r2_geom", "ceiling", "r2_partial"])]
    assert ((held.low <= held["mean"]) & (held["mean"] <= held.high)).all()
    assert (table[table["mean"].isna()].note != "").all()


def test_the_cluster_bootstrap_is_that_of_weighted_scores():
    data = planted(n=150)
    fold = make_folds(150)[0]
    options = {"groups": data.formulas, "n_draws": 40, "seed": 3, "level": 0.9, "leak": False}
    row = (
        cpdkit.cpd(data.X, data.C, data.y, folds=fold, interval="cluster-bootstrap", **options)
        .set_index("score")
        .loc["r2_comp"]
    )
    weights = bootstrap_weights(data.formulas, n_draws=40, seed=3)
    means = np.zeros(40)
    for k in range(5):
        fit, test = fold != k, fold == k
        comp = LinearRegression().fit(data.C[fit], data.y[fit]).predict(data.C[test])
        for draw in range(40):
            own = weights[draw, test]
            means[draw] += r2_score(data.y[test], comp, sample_weight=own) / 5
    expected = np.quantile(means, [0.05, 0.95])
    assert (row.low, row.high) == pytest.approx(tuple(expected))
    with pytest.raises(ValueError, match="n_draws=1 must be a whole number, at least 2"):
        cpdkit.cpd(data.X, data.C, data.y, n_draws=1)


def test_the_leak_of_a_formula_mean_is_what_is_left_beside_composition():
    data = planted(n=300)
    y = data.C @ [1.0, 2.0, -1.0] + data.X[:, 0] * 1e-3
    for C, least, most in ((data.C, -1.0, 0.1), (None, 0.9, 1.0)):
        table = cpdkit.cpd(data.X, C, y, groups=data.formulas)
        leak = table[(table.score == "r2_leak") & (table.target == "y")]["mean"].item()
        assert least < leak < most


def test_level_widens_the_interval():
    data = planted()
    narrow, wide = (
        cpdkit.cpd(data.X, data.C, data.y, level=level).set_index("score").loc["r2_geom"]
        for level in (0.5, 0.99)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_a_representation_and_its_features_score_alike():
    from types import SimpleNamespace

    data = planted()
    a = cpdkit.cpd(SimpleNamespace(features=data.X), data.C, data.y)
    pd.testing.assert_frame_equal(a, cpdkit.cpd(data.X, data.C, data.y))


DATA = planted(n=60)


def bad(**changes):
    given = {"features": DATA.X, "composition": DATA.C, "targets": DATA.y}
    return given | changes


def with_entry(array, value):
    array = array.copy()
    array[(7,) + (2,) * (array.ndim - 1)] = value
    return array


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (bad(features=with_entry(DATA.X, np.nan)), "features has 1 NaN.*row 7, column 2"),
        (bad(features=with_entry(DATA.X, np.inf)), "features has 1 NaN or infinite"),
        (bad(features=DATA.X[:0]), "the data set is empty"),
        (bad(features=DATA.X[:, 0]), "expected .n_structures, n_channels"),
        (bad(features=DATA.X[:, :0]), "at least one channel"),
        (bad(features=[["a"]]), "features must be numbers"),
        (bad(composition=DATA.C[:-1]), "60 rows, but composition has shape"),
        (bad(composition=with_entry(DATA.C, np.nan)), "composition has 1 NaN"),
        (bad(composition=np.ones((60, 3))), "one formula only"),
        (bad(composition="CH4"), "one formula for each row; got 'CH4'"),
        (bad(composition=[*DATA.formulas[:-1], np.nan]), "row 59 has no chemical formula but nan"),
        (bad(composition=DATA.formulas[:-1]), "60 rows, but composition has shape .59"),
        (bad(targets=DATA.y[:-1]), "60 rows, but targets have shape"),
        (bad(targets=with_entry(DATA.y, np.nan)), "target 'y' is NaN or infinite in 1 of 60"),
        (bad(targets=np.ones(60)), r"target 'y' is constant \(1\)"),
        (bad(targets={"a": DATA.y, "b": np.eye(60)[0]}), "target 'b' is constant in test fold"),
        (bad(groups=DATA.formulas[:-1]), "groups have shape"),
        (bad(groups=["scaffold 1"] * 60), "not all chemical formulas.*leak=False"),
        (bad(folds="formula"), "needs groups"),
        (bad(folds="formula", groups=["CH4"] * 60), "cannot fill 5 formula-disjoint folds"),
        (bad(folds="formulae", groups=DATA.formulas), "did you mean 'formula'"),
        (bad(folds=np.zeros(60, int)), "same number of folds"),
        (bad(folds=np.zeros(59, int)), "expected integers of shape"),
        (bad(n_folds=61), "60 rows cannot fill 61 folds"),
        (bad(n_folds=2), "at least 3 folds"),
        (bad(protocol="sounds"), "did you mean 'sound'"),
        (bad(interval="bootstrap"), "did you mean 'cluster-bootstrap'"),
        (bad(interval="cluster-bootstrap"), "needs groups"),
        (bad(level=95), "between 0 and 1"),
    ],
)
def test_bad_input_is_answered(given, message):
    with pytest.raises(ValueError, match=message):
        cpdkit.cpd(**given)
