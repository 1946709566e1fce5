"""Verdict on claim 2: constructed results for every outcome."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cpdkit.experiments.routing.verdict import family, irrep_routing, routing_states

UP, DOWN, ZERO = 0.3, -0.3, 0.0
SPREAD = 0.05 * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])


def index(**layers):
    """Index table of encoders (``_`` for ``-``), each a list of (vector side, scalar side)."""
    rows = []
    for encoder, sides in layers.items():
        for number, (vector, scalar) in enumerate(sides):
            means = {"index": vector + scalar, "vector side": vector, "scalar side": scalar}
            for quantity, mean in means.items():
                rows.append(
                    {
                        "encoder": encoder.replace("_", "-"),
                        "layer": number,
                        "name": f"block_{number}",
                        "irrep": "1o",
                        "l": 1,
                        "quantity": quantity,
                        "mean": mean,
                        "low": mean - 0.1,
                        "high": mean + 0.1,
                        "fold_values": tuple(mean + SPREAD),
                    }
                )
    table = pd.DataFrame(rows)
    table.attrs = {"n_folds": 5, "level": 0.95}
    return table


def changes(half=0.03, **layers):
    """Trained minus untrained index of encoders (``_`` for ``-``), a mean for each layer."""
    rows = [
        {
            "encoder": encoder.replace("_", "-"), "l": degree, "quantity": quantity,
            "name": f"block_{i}", "mean": mean, "low": mean - half, "high": mean + half,
            "least": mean - 1.5 * half, "most": mean + 1.5 * half,
        }
        for encoder, means in layers.items()
        for i, mean in enumerate(means)
        for degree, quantity in ((1, "index"), (1, "vector side"), (2, "index"))
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    table.loc[table["l"] == 2, ["mean", "low", "high", "least", "most"]] = 9.0
    table.loc[table["quantity"] != "index", ["mean", "low", "high", "least", "most"]] = 9.0
    return table


@pytest.mark.parametrize(
    ("mace", "visnet", "outcome"),
    [
        ([0.3], [0.0], "holds"),
        ([0.3, -0.3], [-0.3, 0.0], "holds"),  # one layer is enough, and every one is asked
        ([0.3], [0.3], "fails"),
        ([0.3], [0.0, 0.3], "fails"),
        ([0.0], [0.0], "fails"),  # as routed as without training
        ([-0.3], [-0.5], "fails"),
        ([0.3], [0.1], "undecided"),
        ([0.12], [0.0], "undecided"),
    ],
)
def test_outcomes_of_constructed_results(mace, visnet, outcome):
    verdict = irrep_routing(changes(mace_gap_0=mace, visnet_gap_0=visnet))
    assert verdict.outcome == outcome
    assert f"visnet-gap-0 {max(visnet) + 0.0:+.2f} (" in verdict.sentence.replace(
        "gains nothing, ", ""
    ).replace("gains stays open, ", "").replace("gains ", "")


def test_what_is_told_beside():
    table = changes(mace_gap_0=[0.3], visnet_gap_0=[0.0])
    trained = {"mace_gap_0": [(UP, UP)], "visnet_gap_0": [(DOWN, UP)]}
    beside = index(**trained, visnet_untrained_0=[(UP, 0.2)])
    other = changes(mace_gap_0=[0.0], visnet_gap_0=[0.0])
    verdict = irrep_routing(table, index=beside, other_folds={"formula": other})
    assert verdict.outcome == irrep_routing(table).outcome == "holds"
    assert "1 of 2 trained networks and 1 of 1 untrained networks route" in verdict.sentence
    assert "With formula folds it fails." in verdict.sentence


def test_one_large_side_does_not_make_a_route():
    """The index alone is above zero, and still nothing is sent to l=0."""
    states = routing_states(index(mace_gap_0=[(0.9, -0.2)])).iloc[0]
    assert states["low"] > 0
    assert states["state"] == "does not route"


def test_more_layers_are_not_more_chances():
    half = 1.9 * SPREAD.std(ddof=1) * np.sqrt(1 / 5 + 1 / 4)
    assert routing_states(index(m=[(1.6 * half, 1)])).state[0] == "routes"
    assert routing_states(index(m=[(1.6 * half, 1)] + 9 * [(DOWN, 1)])).state[0] == "open"


def test_a_missing_model_decides_nothing():
    verdict = irrep_routing(changes(mace_gap_0=[0.3], painn_gap_0=[0.3]))
    assert verdict.outcome == "undecided"
    assert "no trained ViSNet" in verdict.sentence
    old = irrep_routing(changes(mace_gap_0=[0.3]).drop(columns=["least", "most"]))
    assert (old.outcome, "lacks least and most" in old.sentence) == ("undecided", True)


def test_networks_that_were_taught_the_vector_are_told_and_not_judged():
    known = changes(mace_gap_0=[0.3], visnet_gap_0=[0.0])
    taught = changes(mace_gap_0=[0.3], visnet_gap_0=[0.0], visnet_dipole_0=[0.7])
    verdict = irrep_routing(taught, other_folds={"formula": taught})
    assert verdict.outcome == irrep_routing(known).outcome == "holds"
    assert "With formula folds it holds." in verdict.sentence
    apart = "Not judged, as they were taught the dipole moment: visnet-dipole-0 gains +0.70 ("
    assert apart in verdict.sentence
    assert "visnet-dipole-0" not in verdict.sentence.partition("Not judged")[0]
    assert irrep_routing(changes(mace_gap_0=[0.3], visnet_dipole_0=[0.7])).outcome == "undecided"


def test_names():
    names = ("zoo/dimenet++-gap-0", "mace-mp-0-small", "mace:a.model", "soap[n_max=4]")
    assert [family(name) for name in names] == ["dimenet++", "mace", "mace", "soap"]
