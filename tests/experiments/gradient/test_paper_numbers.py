"""A reported number is compatible with a definition whose interval holds it, and only then."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.experiments.gradient.measure import last_layers, pooled_layers
from cpdkit.experiments.gradient.paper_numbers import (
    REPORTED,
    Reported,
    definitions_of,
    near,
    settle,
    settled_list,
    settled_sentences,
)


def grid(*rows):
    columns = ["composition", "protocol", "score", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(encoder="soap", probe="ridge")


NUMBER = Reported(0.5, "some model", "soap", "ridge")


def test_compatible_nearest_and_above_the_ceiling():
    found = definitions_of(
        grid(
            ("counts", "sound", "r2_geom", 0.3, 0.2, 0.4),
            ("counts", "sound", "ceiling", 0.41, 0.37, 0.45),
            ("counts", "sound", "r2_partial", 0.52, 0.48, 0.56),
            ("fractions", "naive", "r2_geom", -4.0, -12.0, 4.0),
            ("fractions", "naive", "ceiling", 0.6, 0.55, 0.65),
        ),
        NUMBER,
    )
    assert found["score"].tolist() == ["r2_partial", "r2_geom", "r2_geom"]
    assert found["compatible"].tolist() == [True, False, True]
    assert found["above_ceiling"].tolist() == [False, True, False]
    assert found["distance"].tolist() == pytest.approx([0.02, 0.2, 4.5])


def test_other_encoders_and_probes_do_not_count():
    table = grid(("counts", "sound", "r2_geom", 0.5, 0.4, 0.6))
    other = table.assign(encoder="chgnet", mean=0.1)
    assert len(definitions_of(pd.concat([table, other]), NUMBER)) == 1
    with pytest.raises(ValueError, match=r"no scores of 'soap' under 'ridge'.*'chgnet'"):
        definitions_of(other, NUMBER)
    with pytest.raises(ValueError, match=r"lacks the columns \['low'\]"):
        definitions_of(table.drop(columns="low"), NUMBER)


def test_the_papers_numbers():
    assert [r.value for r in REPORTED] == [0.782, -0.792, 0.784]


def test_sentences_follow_the_table():
    rows = grid(
        ("counts", "sound", "r2_geom", 0.3, 0.2, 0.4),
        ("counts", "sound", "ceiling", 0.41, 0.37, 0.45),
        ("counts", "sound", "r2_partial", 0.52, 0.48, 0.56),
        ("fractions", "naive", "r2_geom", -4.0, -12.0, 4.0),
    )
    (found,) = settled_sentences(definitions_of(rows, NUMBER))
    assert found.startswith("**0.5** (SOAP descriptor, ridge): compatible with r2_partial of 0.52")
    assert "(counts, sound); 1 wider interval(s)" in found
    assert "above the ceiling" in found

    (other,) = settled_sentences(definitions_of(rows, Reported(0.35, "m", "soap", "ridge")))
    assert "compatible with r2_geom of 0.3 (counts, sound)" in other
    assert "ceiling" not in other
    (none,) = settled_sentences(definitions_of(rows, Reported(9.0, "m", "soap", "ridge")))
    assert "compatible with no definition" in none
    assert "wider" not in none


def test_every_definition_of_a_number_is_computed_where_its_encoder_is_there():
    ds = cpdkit.load_dataset("xtb9", n=60, targets=["gap"])
    layers = last_layers(pooled_layers(["ani2x-aev"], ds))
    options = {"target": "gap", "groups": ds.formulas, "ids": ds.ids}
    settled = settle(layers, ds, probes=["ridge"], **options)
    assert set(settled["reported"]) == {-0.792}
    assert len(settled) == 2 * 3 * 2  # composition, protocol, score
    C, X = composition_matrix(ds, kind="fractions"), layers["ani2x-aev"].features
    one = cpdkit.cpd(X, C, ds.targets, groups=ds.formulas, ids=ds.ids, protocol="naive", leak=False)
    keys = ["composition", "protocol", "score"]
    found = settled.set_index(keys).loc[("fractions", "naive", "r2_geom"), "mean"]
    assert found == one.set_index("score").loc["r2_geom", "mean"]

    known = {("ani2x-aev", "ridge", "fractions", "naive"): one.assign(mean=0.5)}
    told = settle(layers, ds, probes=["ridge"], known=known, **options).set_index(keys)["mean"]
    assert told["fractions", "naive", "r2_geom"] == 0.5  # and not computed
    sound = ("counts", "sound", "r2_geom")
    assert told[sound] == settled.set_index(keys)["mean"][sound]

    nothing = settle(layers, ds, probes=["mlp-of-others"], **options)
    assert nothing.empty
    assert list(nothing) == list(settled)
    assert "not asked for" in settled_list(nothing)
    assert settled_list(settled).startswith("- **-0.792** (ANI-2x descriptor (AEV), ridge)")


def test_near_are_narrow_intervals_that_hold_the_number():
    ridge = pd.DataFrame(
        {
            "representation": list("abcd"), "target": ["gap", "gap", "gap", "mu"],
            "score": "r2_geom", "mean": [0.5, 0.6, 0.5, 0.5],
            "low": [0.4, 0.55, 0.2, 0.4], "high": [0.6, 0.65, 0.8, 0.6],
        }
    )  # fmt: skip
    probed = pd.concat([ridge.assign(probe="ridge"), ridge.assign(probe="knn", score="ceiling")])
    probed = pd.concat([probed, ridge.iloc[:1].assign(probe="knn")])
    found = near(ridge, probed, target="gap", value=0.5)
    assert found[["probe", "representation"]].to_numpy().tolist() == [["knn", "a"], ["ridge", "a"]]
    assert np.allclose(found["mean"], 0.5)
