"""How well composition is read: rules on planted tables, and scores against scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.experiments.gradient.composition import (
    composition_scores,
    layer_profiles,
    pooling,
    pooling_sentence,
    profile,
    profile_sentence,
    signs,
)
from cpdkit.experiments.gradient.measure import Layer, pooled_layers
from cpdkit.folds import make_folds
from cpdkit.scores import summarise

SCATTER = 0.01 * np.array([-1.0, 0.5, 0.0, 1.0, -0.5])


def planted(**encoders):
    """Mean-pooled scores of each layer, and of the last one also summed where it is given."""
    rows = []
    for encoder, (means, summed) in encoders.items():
        for i, mean in enumerate(means):
            depth = i / max(1, len(means) - 1) if len(means) > 1 else 1.0
            ways = {"mean": mean, **({"sum": summed} if depth == 1.0 else {})}
            for how, value in ways.items():
                numbers = summarise(value + np.roll(SCATTER, i) + 0.0, n_folds=5)
                about = {"encoder": encoder, "depth": depth, "pooling": how}
                rows.append({"representation": f"{encoder} / {i}", **about, **numbers})
    table = pd.DataFrame(rows)
    table.attrs = {"n_folds": 5, "level": 0.95}
    return table


@pytest.mark.parametrize(
    ("means", "state"),
    [
        ((0.9, 0.4, 0.9), "dips"),
        ((0.9, 0.9, 0.4, 0.8, 0.9), "dips"),
        ((0.9, 0.6, 0.3), "does not dip"),  # lost, and not regained
        ((0.3, 0.6, 0.9), "does not dip"),
        ((0.9, 0.88, 0.9), "does not dip"),  # less than the margin
        ((0.9, 0.8, 0.9), "open"),
        ((0.9, 0.3), "no layer between"),
    ],
)
def test_a_dip_lies_below_both_ends(means, state):
    found = layer_profiles(planted(net=(means, 0.9)), pooling="mean")
    assert found["state"].tolist() == [state]
    assert found.loc[0, ["first", "last"]].tolist() == pytest.approx([means[0], means[-1]])


def test_profiles_are_counted():
    table = planted(
        a=((0.9, 0.4, 0.9), 0.9), b=((0.9, 0.9, 0.9), 0.9), c=((0.9, 0.9), 0.9), d=((0.5,), 0.5)
    )
    said = profile_sentence(layer_profiles(table, pooling="mean"))
    assert "in 1 of 2 networks with a layer between the first and the last (a); 1 surely do" in said
    assert said.endswith("No layer between: c.")
    assert "no network" in profile_sentence(
        layer_profiles(planted(d=((0.5,), 0.5)), pooling="mean")
    )


@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ((0.9, 0.4, 0.9), (0.9, 0.3, 0.9), "holds"),
        ((0.9, 0.9, 0.9), (0.9, 0.6, 0.3), "fails"),
        ((0.9, 0.4, 0.9), (0.9, 0.9, 0.9), "undecided"),
        ((0.9, 0.9), (0.9, 0.3), "undecided"),
    ],
)
def test_trained_mace_networks_decide_the_profile(first, second, outcome):
    table = planted(
        **{
            "mace-spice": (first, 0.9),
            "zoo/mace-gap-0": (second, 0.9),
            "zoo/mace-untrained-0": ((0.9, 0.1, 0.9), 0.9),
            "chgnet": ((0.9, 0.9, 0.9), 0.9),
        }
    )
    verdict = profile(layer_profiles(table, pooling="mean"))
    assert verdict.outcome == outcome
    none = (
        "none of the 2 trained MACE networks has a layer between first and last" in verdict.sentence
    )
    assert none == (len(first) == 2)


@pytest.mark.parametrize(
    ("mean", "summed", "state"),
    [
        (0.9, 0.5, "stays"),
        (-0.9, -0.5, "stays"),
        (-0.9, 0.5, "turns"),
        (0.9, -0.5, "turns"),
        (0.9, 0.0, "open"),
        (-0.9, 0.0, "open"),
    ],
)
def test_the_sign_turns_only_where_both_are_sure(mean, summed, state):
    found = signs(planted(ani2x=((0.2, mean), summed), soap=((0.9,), 0.9)))
    assert found["state"].tolist() == [state, "stays"]
    outcome = {"turns": "holds", "stays": "fails", "open": "undecided"}[state]
    assert pooling(found).outcome == outcome
    assert pooling(found[found["encoder"] == "soap"]).outcome == "undecided"
    said = pooling_sentence(found)
    assert f"turns the sign of how well composition is read in {int(state == 'turns')} of 2" in said
    assert f"Of ani2x it {'is open' if state == 'open' else state}: R2 {mean:.2f} (" in said


def test_scores_are_those_of_ridge_on_features_as_they_are():
    ds = cpdkit.load_dataset("xtb9", n=120, targets=["gap"])
    C = composition_matrix(ds.atoms, kind="counts")
    layers = pooled_layers(["zoo/schnet-untrained-0"], ds, layers="all")
    about = {"groups": ds.formulas, "ids": ds.ids, "folds": "random", "repeats": 1, "seed": 0}
    found = composition_scores(layers, C, pooling="mean", **about)
    assert found["pooling"].tolist() == ["mean", "mean", "mean", "sum"]
    assert ((found["mean"] > 0.8) & (found["mean"] <= 1)).all()

    # Features that are counts but for noise, where least squares is as good as ridge.
    rng = np.random.default_rng(0)
    fold = make_folds(len(C), ids=ds.ids, seed=0)[0]
    Y = C[:, [1, 3]]  # carbon and oxygen
    X = Y @ rng.normal(size=(2, 8)) + 0.5 * rng.normal(size=(len(C), 8))
    layer = Layer("net", 1.0, X, rng.normal(size=X.shape))
    rare = np.zeros((len(C), 2))
    rare[fold > 0, 0] = np.arange((fold > 0).sum())  # the same throughout one test fold
    noisy = composition_scores({"net": layer}, np.hstack([Y, rare]), pooling="mean", **about)
    noisy = noisy.set_index("pooling")["mean"]
    r2 = []
    for k in range(5):
        test = fold == k
        error = Y[test] - LinearRegression().fit(X[~test], Y[~test]).predict(X[test])
        r2.append(np.mean(1 - (error**2).sum(0) / ((Y[test] - Y[test].mean(0)) ** 2).sum(0)))
    assert noisy["mean"] == pytest.approx(np.mean(r2), abs=0.02)
    assert noisy["sum"] < 0.1
    nothing = composition_scores({"net": layer}, rare, pooling="mean", **about)
    assert nothing.empty
    assert "No element varies" in pooling_sentence(signs(nothing))
    assert "no network" in profile_sentence(layer_profiles(nothing, pooling="mean"))
