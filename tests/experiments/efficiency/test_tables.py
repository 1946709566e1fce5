"""Tables of chapter 4: a row for every curve, order as given, numbers in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from toy import planted

from cpdkit.experiments.efficiency import tables, verdict
from cpdkit.experiments.efficiency.measure import (
    CURVE_SCORES,
    learning_curve,
    learning_curves,
    unstructured_curves,
)
from cpdkit.experiments.efficiency.needed import share_of_final
from cpdkit.experiments.efficiency.subsets import nested_subsets
from cpdkit.experiments.verdict import Verdict


@pytest.fixture(scope="module")
def data():
    return planted(n=150, seed=0, d=8)


@pytest.fixture(scope="module")
def curves(data):
    subsets = nested_subsets(150, n_sizes=4, repeats=2)
    features = {"a": data.X, "b": data.X[:, :6]}
    options = {"width": 4, "matched": ["subset"], "seed": 0}
    return learning_curves(features, data.C, {"gap": data.y, "mu": data.y**2}, subsets, **options)


def test_every_way_of_matching_has_the_curve_of_the_library(data, curves):
    assert list(curves) == [("a", "all"), ("a", "subset"), ("b", "all"), ("b", "subset")]
    assert [curve.width for curve in curves.values()] == [8, 4, 6, 4]
    subsets = nested_subsets(150, n_sizes=4, repeats=2)
    assert str(subsets).startswith(f"test set: {len(subsets.test)}; subsets: 25, ")
    alone = learning_curve(
        data.X, data.C, {"gap": data.y}, subsets, width=4, matched="subset", seed=0
    )
    np.testing.assert_allclose(alone.joint[..., 0], curves["a", "subset"].joint[..., 0])


def test_every_curve_and_score_is_tabulated(data, curves):
    options = {"groups": data.formulas, "fractions": [0.5], "levels": [0.25]}
    found = tables.score_curves(curves, **options, n_draws=10, seed=0)
    per_curve = found.curves.groupby(["representation", "width", "score"]).size()
    assert len(per_curve) == 4 * len(CURVE_SCORES)
    assert set(found.needs.criterion) == {share_of_final(0.5), "score 0.25"}
    assert set(found.needs.smallest) == {25}
    assert found.laws.representation.tolist() == ["a", "a", "b", "b"]
    correlations = tables.correlations_by_score(found.needs)
    assert correlations.score.unique().tolist() == list(CURVE_SCORES)


def needs(*rows):
    columns = ["representation", "target", "needed", "low", "high", "bound"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(
        criterion="50% of final", width="all", final=0.4, goal=0.2, smallest=25, largest=400,
        score="r2_partial",
    )  # fmt: skip


NONE = float("nan")
NEEDS = needs(
    ("painn-gap-0", "mu", 60.4, 40.0, NONE, "exact"),
    ("painn-gap-0", "gap", NONE, NONE, NONE, "below"),
    ("soap", "mu", NONE, NONE, NONE, "above"),
    ("soap", "gap", NONE, NONE, NONE, "undefined"),
)


def test_needs_outside_the_sizes_are_bounds():
    table = tables.needed_by_criterion(NEEDS)
    assert list(table) == ["target", "representation", "50% of final"]
    assert table.target.tolist() == ["mu", "mu", "gap", "gap"]
    assert table["50% of final"].tolist() == ["60 (40 to > 400)", "> 400", "< 25", "no score"]


def test_unstructured_needs_are_those_of_the_same_score_and_width():
    reference = pd.DataFrame({
        "target": "mu", "criterion": "50% of final", "channels": 8, "smallest": 25, "largest": 400,
        "final": [0.2, 0.4, 0.6, 0.1, 0.05], "needed": [200.0, 100.0, NONE, NONE, NONE],
        "bound": ["exact", "exact", "below", "above", "undefined"],
    })  # fmt: skip
    given = pd.concat([NEEDS.iloc[[0]].assign(final=f) for f in (0.1, 0.3, 0.6, 0.9)])
    given = given.assign(width="subset")
    given = pd.concat([given.assign(channels=8), given.iloc[[0]].assign(channels=9)])
    found = tables.with_unstructured(given.reset_index(drop=True), reference)["unstructured"]
    # between 200 and 100 on a logarithmic scale; beyond the reference its ends
    assert found[:4].tolist() == pytest.approx([400, np.sqrt(200 * 100), 25, 25])
    assert np.isnan(found[4])
    table = tables.unstructured_needs(NEEDS.assign(unstructured=[100.0, 20.0, NONE, NONE]))
    assert table["unstructured"].tolist() == [100, 20]
    assert verdict.fewer_than_unstructured(table).endswith("need: 1 of 2.")


def test_networks_trained_on_the_target_are_left_out():
    many = [(f"zoo/painn-{t}-{i}", "gap", 50.0 + i, 40.0, 60.0, "exact")
            for t in ("gap", "energy") for i in range(3)]  # fmt: skip
    table = needs(*many).assign(final=[0.1, 0.2, 0.3, 0.6, 0.5, 0.4])
    rest = tables.untaught(table, "gap")
    assert rest.models.tolist() == [3]
    line = verdict.in_one_line(
        Verdict("", "holds", ""), rest, target="gap", criterion="50% of final"
    )
    assert line == (
        "Claim 4: holds; rank correlation of score and need for gap: all -1.00 (no interval)."
    )


def test_other_subsets_go_the_same_way(data):
    features = {name: data.X[:, :d] for name, d in [("a", 8), ("b", 6), ("c", 5), ("zoo/x-y-0", 4)]}
    subsets = nested_subsets(150, groups=data.formulas, scheme="formula", n_sizes=4, repeats=2)
    assert not set(data.formulas[subsets.test]) & set(data.formulas[subsets.order.ravel()])
    target = pd.DataFrame({"y": data.y})
    of = {"groups": data.formulas, "fractions": [0.5], "n_draws": 10, "seed": 0}
    cut = {"width": 4, "seed": 0}
    shares = [0.2, 0.8]
    found = tables.untaught_on(subsets, features, data.C, target, shares=shares, width=4, **of)
    curves = learning_curves(features, data.C, target, subsets, matched=["subset"], **cut)
    plain = unstructured_curves(data.C, target, subsets, shares=shares, draws=1, **cut)
    needs = tables.score_curves(curves, levels=[], **of).needs
    needs = tables.with_unstructured(needs, tables.reference_needs(plain, **of))
    assert needs.loc[needs.width == "subset", "unstructured"].notna().any()
    needs = needs[needs.representation != "zoo/x-y-0"]
    expected = verdict.efficiency_correlations(needs[needs.score == "r2_partial"])
    pd.testing.assert_frame_equal(found, expected)
    assert set(found.models) == {3}


def test_correlations_of_a_target_stand_together_in_the_order_given():
    one = {"rho": 0.5, "low": 0.1, "high": 0.8, "p": 0.02, "models": 20, "left_out": 0}
    table = pd.DataFrame(
        {"criterion": "c", "target": target, "width": width, **one}
        for width in ("pca", "all") for target in ("mu", "gap")
    )  # fmt: skip
    words = tables.correlations_in_words(table)
    assert words.target.tolist() == ["mu", "mu", "gap", "gap"]
    assert words.width.tolist() == ["pca", "all"] * 2
    assert set(words.rho) == {"+0.50 (+0.10 to +0.80)"}


def test_limits_turn_the_interval_of_the_error():
    law = {"limit": 0.7, "a_low": 0.2, "a_high": 0.5, "c": 0.4, "c_low": 0.3, "c_high": 0.6}
    rows = [{"target": t, "representation": "a", "misfit": 0.01, "note": "", **law} for t in "xy"]
    words = tables.laws_in_words(pd.DataFrame(rows))
    assert words.limit.tolist() == ["0.70 (0.50 to 0.80)"] * 2
    assert words.exponent.iloc[0] == "0.40 (0.30 to 0.60)"
