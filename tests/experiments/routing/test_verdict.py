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


@pytest.mark.parametrize(
    ("mace", "visnet", "outcome"),
    [
        ([(UP, UP)], [(DOWN, UP)], "holds"),
        ([(UP, UP)], [(DOWN, UP), (UP, DOWN)], "holds"),
        ([(UP, UP)], [(UP, UP)], "fails"),
        ([(UP, UP)], [(DOWN, UP), (UP, UP)], "fails"),
        ([(UP, DOWN)], [(DOWN, UP)], "fails"),
        ([(UP, UP)], [(ZERO, UP)], "undecided"),
        ([(ZERO, UP)], [(DOWN, UP)], "undecided"),
    ],
)
def test_outcomes_of_constructed_results(mace, visnet, outcome):
    verdict = irrep_routing(index(mace_gap_0=mace, visnet_gap_0=visnet))
    assert verdict.outcome == outcome
    best = max(sum(sides) for sides in visnet)
    assert f"visnet-gap-0 {best + 0.0:+.2f} (" in verdict.sentence
    lead = max(sum(sides) for sides in mace) - best
    assert f"Best MACE minus best ViSNet: {lead + 0.0:+.2f} (" in verdict.sentence


def test_one_large_side_does_not_make_a_route():
    """The index alone is above zero, and still nothing is sent to l=0."""
    states = routing_states(index(mace_gap_0=[(0.9, -0.2)])).iloc[0]
    assert states["low"] > 0
    assert states["state"] == "does not route"


def test_more_layers_are_not_more_chances():
    half = 1.9 * SPREAD.std(ddof=1) * np.sqrt(1 / 5 + 1 / 4)
    assert routing_states(index(m=[(1.6 * half, 1)])).state[0] == "routes"
    assert routing_states(index(m=[(1.6 * half, 1)] + 9 * [(DOWN, 1)])).state[0] == "open"


def test_untrained_networks_are_told_and_do_not_count():
    trained = {"mace_gap_0": [(UP, UP)], "visnet_gap_0": [(DOWN, UP)]}
    verdict = irrep_routing(index(**trained, visnet_untrained_0=[(UP, 0.2)]))
    assert verdict.outcome == "holds"
    assert "Without training, visnet-untrained-0 routes: +0.50" in verdict.sentence


def test_a_missing_model_decides_nothing():
    verdict = irrep_routing(index(mace_gap_0=[(UP, UP)], visnet_untrained=[(UP, UP)]))
    assert verdict.outcome == "undecided"
    assert "no trained ViSNet" in verdict.sentence
    verdict = irrep_routing(index(mace_gap_0=[(UP, UP)]).assign(l=2))
    assert verdict.outcome == "undecided"
    assert "no encoder has a layer with both l=0 and l=1" in verdict.sentence


def test_names():
    names = ("zoo/dimenet++-gap-0", "mace-mp-0-small", "mace:a.model", "soap[n_max=4]")
    assert [family(name) for name in names] == ["dimenet++", "mace", "mace", "soap"]
