"""What the chapter on the zoo says follows its tables."""

from __future__ import annotations

import pandas as pd

from cpdkit.experiments.zoo import exceptions_list, learning_figure, zoo_sentence


def overview(error_of_the_second):
    return pd.DataFrame(
        {
            "model": ["mace-gap-0", "schnet-gap-0", "mace-energy-0"],
            "architecture": ["mace", "schnet", "mace"], "task": ["gap", "gap", "energy"],
            "parameters": [1000, 2000, 1000], "unit": ["eV", "eV", "Ha"],
            "mae": [0.1, error_of_the_second, 0.0012], "mae_bonds": [0.5, 0.5, 0.0181],
        }
    )  # fmt: skip


def test_the_sentence_names_the_errors_and_who_counts_no_better():
    good = zoo_sentence(overview(0.2))
    assert good.startswith("3 models of 1,000 to 2,000 weights")
    assert "0.10 to 0.20 eV for gaps (bond counts 0.50)" in good
    assert "0.0012 to 0.0012 Ha for energies (bond counts 0.0181)" in good
    assert good.endswith("all beat bond counts.")
    assert zoo_sentence(overview(0.5)).endswith("not better than bond counts: schnet-gap-0.")


def test_exceptions_are_listed_with_their_reason():
    table = pd.DataFrame(
        {
            "model": ["visnet-gap-0"] * 2, "setting": ["learning_rate", "clip"],
            "value": [0.001, 5.0], "first": [0.003, 10.0], "remark": "It grew.",
        }
    )  # fmt: skip
    assert exceptions_list(table) == (
        "- ViSNet, trained on the gap: learning_rate 0.001 instead of 0.003 and "
        "clip 5.0 instead of 10.0. It grew."
    )
    assert exceptions_list(table.iloc[:0]) == "All models share one recipe."


def test_one_panel_per_task_with_the_error_of_bond_counts():
    curves = pd.DataFrame(
        {"architecture": "mace", "task": ["gap", "gap", "energy"], "seed": 0,
         "epoch": [1.0, 10.0, 10.0], "mae": [0.5, 0.2, 0.1]}
    )  # fmt: skip
    axes = learning_figure(curves, {"gap": 0.9, "energy": 0.7}).axes
    assert [axis.get_title() for axis in axes] == ["trained on the gap", "trained on energies"]
    assert [axis.lines[-1].get_ydata()[0] for axis in axes] == [0.9, 0.7]
