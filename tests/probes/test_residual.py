"""Probes as estimators: composition reaches them in scikit-learn's own loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from toy import planted

from cpdkit.probes.residual import ResidualProbe, RidgeProbe

DATA = planted(n=90)
PROBES = [RidgeProbe(), ResidualProbe(Ridge(1e-3))]


def routed(probe):
    for name in ("fit", "predict", "score"):
        getattr(probe, f"set_{name}_request")(composition=True)
    return probe


@pytest.mark.parametrize("probe", PROBES)
def test_cross_validation_hands_composition_on(probe):
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_val_score(
            routed(sklearn.clone(probe)), DATA.X, DATA.y, params={"composition": DATA.C}, cv=3
        )
    expected = []
    for test in np.array_split(np.arange(90), 3):
        train = np.setdiff1d(np.arange(90), test)
        fitted = sklearn.clone(probe).fit(DATA.X[train], DATA.y[train], composition=DATA.C[train])
        expected.append(fitted.score(DATA.X[test], DATA.y[test], composition=DATA.C[test]))
    np.testing.assert_allclose(found, expected)


def test_a_search_hands_composition_on():
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(routed(RidgeProbe()), {"alpha": [1e-6, 1.0]}, cv=3)
        search.fit(DATA.X, DATA.y, composition=DATA.C)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert search.score(DATA.X, DATA.y, composition=DATA.C) > 0


@pytest.mark.parametrize("probe", PROBES)
def test_a_score_weighs_rows_and_keeps_them_where_they_are(probe):
    fitted = sklearn.clone(probe).fit(DATA.X, DATA.y, composition=DATA.C)
    half = np.repeat([1.0, 0.0], 45)
    assert fitted.score(DATA.X, DATA.y, half, composition=DATA.C) == pytest.approx(
        fitted.score(DATA.X[:45], DATA.y[:45], composition=DATA.C[:45])
    )
    turned = np.roll(np.arange(90), 1)
    with pytest.raises(ValueError, match="the indices of y and composition differ"):
        fitted.score(DATA.X, pd.Series(DATA.y), composition=pd.DataFrame(DATA.C, index=turned))


@pytest.mark.parametrize("probe", PROBES)
def test_single_precision_targets_are_computed_with_in_double(probe):
    y = DATA.y.astype(np.float32)
    found, expected = (
        sklearn.clone(probe)
        .fit(DATA.X, kind, composition=DATA.C)
        .predict(DATA.X, composition=DATA.C)
        for kind in (y, y.astype(np.float64))
    )
    np.testing.assert_array_equal(found, expected)
