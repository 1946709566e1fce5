"""Tables of chapter 2: every choice, what training changed, multipoles beside a baseline."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

import cpdkit
from cpdkit.experiments.routing.measure import routing_index
from cpdkit.experiments.routing.multipoles import with_vectors
from cpdkit.experiments.routing.tables import (
    PAPER,
    best_vectors,
    by_degree,
    changes,
    choices,
    irreps,
    multipole_scores,
    roles,
)
from cpdkit.experiments.routing.verdict import elsewhere, origin, routing_by
from cpdkit.probes.widths import WIDTHS

KINDS = {"scalar": 0, "scalar and square": 0, "norm of pooled": 1, "pooled norm": 1}
SCORES = {(1, "mu"): 0.6, (0, "mu"): 0.2, (1, "gap"): 0.3, (0, "gap"): 0.5}


def scores(**encoders):
    """Scores of encoders with one layer; atom by atom l=1 loses what it is given here."""
    rows = []
    for encoder, loss in encoders.items():
        for matched, (kind, degree), target in product(WIDTHS, KINDS.items(), ["mu", "gap"]):
            mean = SCORES[degree, target] - (loss if kind == "pooled norm" else 0)
            rows.append(
                {
                    "layer": 0,
                    "name": "block_1",
                    "irrep": "1o" if degree else "0e",
                    "l": degree,
                    "kind": kind,
                    "matched": matched,
                    "target": target,
                    "fold_values": tuple(mean + np.linspace(-0.02, 0.02, 5) * (1 + degree)),
                    "encoder": encoder.replace("_", "-"),
                }
            )
    table = pd.DataFrame(rows)
    table.attrs = {"n_folds": 5, "level": 0.95}
    return table


def test_changes_are_those_of_the_pairs_that_are_there():
    index = routing_index(scores(mace_gap_0=0.5, mace_untrained_0=0, painn=0), norms="pooled norm")
    pairs = {"mace-gap-0": "mace-untrained-0", "visnet-gap-0": "visnet-untrained-0"}
    found = changes(index, pairs).set_index("quantity")
    assert set(found["encoder"] + found["untrained"]) == {"mace-gap-0mace-untrained-0"}
    assert found.loc["vector side", "mean"] == pytest.approx(-0.5)
    assert found.loc["scalar side", "mean"] == pytest.approx(0.5)
    assert changes(index, {"a": "b"}).empty


def test_every_choice_says_index_and_state():
    table = scores(mace_gap_0=0.5, visnet_gap_0=0.5)
    found = choices(table, vector="mu", scalar="gap")
    assert len(found) == 12
    assert (found.loc["norm of pooled", "mace-gap-0"] == "+0.60, routes").all()
    assert (found.loc["pooled norm", "mace-gap-0"] == "+0.60, does not route").all()
    assert routing_by(found, "norm of pooled") == 2
    assert routing_by(found, "pooled norm") == 0
    atomic = routing_index(table, norms="pooled norm")
    sentence = origin(routing_index(table), atomic, found)
    assert "2 of 2 networks route; where it is taken atom by atom, 0 do." in sentence
    assert sentence.endswith("12 of 24 states say that a network routes.")


@pytest.fixture(scope="module")
def molecules():
    return cpdkit.load_dataset("xtb9", n=60)


@pytest.fixture(scope="module")
def features(molecules):
    encoder = cpdkit.load_encoder("painn-untrained")
    return cpdkit.extract(encoder, molecules, pooling=["mean", "sum"], progress=False)


def test_a_baseline_stands_beside_the_layers(molecules, features):
    table = multipole_scores({"painn": features}, molecules, width=8, n_draws=2)
    assert set(table["target"]) == {"dipole"}, "there is no l=2 to read a quadrupole from"
    plain = table[table["name"] == ""]
    assert plain["encoder"].tolist() == ["one charge per element"]
    best = best_vectors(table)
    assert best["encoder"].tolist() == ["painn", "one charge per element"]
    assert best["mean"][0] == table.loc[table["name"] != "", "mean"].max()
    assert best["mean"][1] == plain["mean"].iloc[0]
    assert irreps({"painn": features}, pooling="mean")["block 1"].tolist() == ["64x0e + 64x1o"]


def test_without_labels_there_is_nothing_to_score(molecules, features):
    bare = replace(molecules, info=None)
    assert multipole_scores({"painn": features}, bare, width=4, n_draws=1).empty
    for ds in (bare, molecules):
        assert with_vectors(ds, split="train", at_most=5, seed=0) is ds


def test_two_targets_have_roles():
    assert roles(["mu", "gap", "homo"]) == {"vector": "mu", "scalar": "gap"}
    with pytest.raises(ValueError, match="the norm of a vector first, then a scalar"):
        roles(["mu"])


def test_networks_from_elsewhere_stand_beside_the_paper_layer_by_layer():
    table = scores(sevennet_0=0.2, mace_untrained_0=0.0)
    table["mean"] = table["fold_values"].map(np.mean)
    table = table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.1, width=32)
    found = by_degree(table, targets=["mu", "gap"])
    paper = found[found["name"] == ""]
    assert {(r.target, r.l): r.mean for r in paper.itertuples()} == PAPER
    assert paper["low"].isna().all()
    theirs = found[found["name"] != ""].set_index(["matched", "l", "target"])["mean"]
    assert set(found["encoder"]) == {"sevennet-0", "MACE of the paper"}
    assert set(theirs.index.get_level_values("matched")) == {"all", "subset"}
    for (degree, target), mean in SCORES.items():  # no squares, no norms atom by atom
        assert theirs["all", degree, target] == pytest.approx(mean)
    assert set(by_degree(table, targets=["mu"])["target"]) == {"mu"}
    assert by_degree(table[table["encoder"] != "sevennet-0"], targets=["mu", "gap"]).empty


def test_networks_from_elsewhere_are_told_with_their_state():
    index = routing_index(scores(sevennet_0=0, mace_untrained_0=0), vector="mu", scalar="gap")
    said = elsewhere(index)
    assert "sevennet-0 / block_1 routes, +0.60 (" in said
    assert "untrained" not in said
    turned = routing_index(scores(sevennet_0=0), vector="gap", scalar="mu")
    assert "sevennet-0 / block_1 does not route, -0.60 (" in elsewhere(turned)
    assert "was trained elsewhere" in elsewhere(index[index["encoder"] != "sevennet-0"])
