"""What the cards say as tables, checked against the cards themselves."""

from __future__ import annotations

import pytest

from cpdkit.zoo import model_names, read_card
from cpdkit.zoo.compare import (
    bond_errors,
    errors_on_first,
    recipe,
    recipe_exceptions,
    trained_names,
)


def test_only_models_that_were_trained():
    assert trained_names(["mace-untrained-0", "mace-gap-0"]) == ["mace-gap-0"]
    assert set(trained_names()) == {n for n in model_names() if "untrained" not in n}
    with pytest.raises(ValueError, match="none of these models was trained"):
        trained_names(["mace-untrained-0"])


def test_a_recipe_holds_what_the_card_says():
    card = read_card("painn-gap-0")
    said = recipe("painn-gap-0").set_index("setting")["value"]
    assert said["learning_rate"] == str(card["recipe"]["learning_rate"])
    assert said["molecules"] == str(card["data"]["molecules"])
    assert said["cutoff / Å"] == str(card["cutoff"])


def test_exceptions_are_all_settings_that_differ():
    (row,) = recipe_exceptions(["painn-gap-0", "schnet-gap-0", "visnet-gap-0"]).itertuples()
    assert (row.model, row.setting, row.value, row.first) == (
        "visnet-gap-0", "learning_rate", 0.001, 0.003,
    )  # fmt: skip
    assert row.remark == read_card("visnet-gap-0")["remark"]
    assert recipe_exceptions(["painn-gap-0", "schnet-gap-0"]).empty


def test_bonds_have_one_error_per_task():
    found = bond_errors(["mace-untrained-0", "mace-gap-0", "painn-energy-0"])
    assert list(found) == ["gap", "energy"]
    assert found["gap"] == read_card("mace-gap-0")["baselines"]["bonds"]["mae"]


def test_errors_computed_anew_are_those_of_the_card():
    (row,) = errors_on_first(["schnet-gap-0"], 200).itertuples(index=False)
    probe = read_card("schnet-gap-0")["probe"]
    assert (row.model, row.molecules) == ("schnet-gap-0", 200)
    assert row.mae == pytest.approx(probe["mae_first_200"], abs=1e-4)
    assert row[-1] == probe["mae"]


def test_models_whose_data_are_not_here_are_left_out(monkeypatch):
    monkeypatch.delenv("CPDKIT_DATA", raising=False)
    both = ["painn-qm9_homo-0", "schnet-gap-0"]
    assert errors_on_first(both, 3)["model"].tolist() == ["schnet-gap-0"]
    with pytest.raises(FileNotFoundError, match="CPDKIT_DATA"):
        errors_on_first(both[:1], 3)
