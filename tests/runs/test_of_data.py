"""Chapters on molecules take what crystals need, and say which of them do not apply."""

from __future__ import annotations

import pandas as pd
import pytest
from paths import ROOT

from cpdkit.cli import main
from cpdkit.composition import CRYSTAL_LADDER
from cpdkit.datasets import CRYSTALS, LIVE, load_dataset
from cpdkit.runs.run import _elsewhere, given_by_data, read_notebook

NOTEBOOKS = {path.stem[:2]: path for path in (ROOT / "notebooks").glob("0*.ipynb")}


def given(number, parameters, profile="default"):
    return given_by_data(read_notebook(NOTEBOOKS[number]), parameters, profile)


@pytest.mark.parametrize("profile", ["default", "test", "full"])
def test_crystals_change_targets_composition_and_encoders(profile):
    found = given("01", {"dataset": "materials-project", "targets": ["density"]}, profile)
    assert found["removed"] == "fractions"
    assert found["ladder"] == list(CRYSTAL_LADDER)
    assert "ani2x-aev" not in found["encoders"]
    assert "targets" not in found  # they were asked for
    assert given("03", {"dataset": "prototypes"}, profile)["target"] == "packing_fraction"
    assert given("03", {"dataset": "prototypes"}, profile)["control"] == "mean_Z"
    assert given("04", {"dataset": "prototypes", "composition": "counts"}, profile) == {
        "targets": list(CRYSTALS["prototypes"]), "encoders": found["encoders"],
    }  # fmt: skip
    for parameters in ({}, {"dataset": "xtb9"}, {"dataset": "mine.xyz"}, {"seed": 1}):
        assert not given("01", parameters, profile)


def test_the_chapter_on_crystals_takes_targets_only():
    assert given("08", {"dataset": "materials-project"}) == {
        "targets": list(CRYSTALS["materials-project"])
    }
    assert not given("08", {"dataset": "materials-project"}, "full")  # that is its data set
    assert not given("08", {"dataset": "prototypes"})


def test_default_targets_are_there(cpdkit_data):
    for name in sorted(set(CRYSTALS) - {LIVE}):
        assert set(CRYSTALS[name]) <= set(load_dataset(name).targets)


@pytest.mark.parametrize(
    ("chapter", "why"), [("routing", "no vector"), ("6", "no"), ("task", "trained on molecules")]
)
def test_chapters_that_do_not_apply_say_so(chapter, why, capsys):
    assert main(["run", chapter, "-p", "dataset", "prototypes"]) == 2
    said = capsys.readouterr().err
    assert "does not apply to 'prototypes'" in said
    assert why in said
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1


ENCODERS = "encoders=painn-untrained,schnet-untrained"


@pytest.mark.parametrize(
    ("chapter", "table"),
    [("gradient", "01_ladder"), ("3", "03_kinds"), ("efficiency", "04_curves")],
)
def test_chapters_run_on_crystals_as_the_command_is_written(chapter, table, tmp_path, capsys):
    command = ["run", chapter, "--profile", "test", "-p", "dataset=prototypes", "-p", ENCODERS]
    assert main([*command, "--runs-dir", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "for prototypes, unless you say otherwise: -p target" in told.err
    (written,) = tmp_path.glob(f"*/{table}.csv")
    found = pd.read_csv(written)
    if chapter == "3":
        assert set(found["target"]) == {"mean_Z"}
        sentence = (written.parent / "03_sentence.txt").read_text()
        assert "mass" not in sentence
    else:
        assert "packing_fraction" in set(found["target"])
        assert set(found["target"]) <= set(CRYSTALS["prototypes"])
    if chapter == "gradient":
        assert "fractions" in set(found["removed"])
        assert found["note"].fillna("").str.len().max() > 0


@pytest.mark.parametrize(
    ("dataset", "usual", "elsewhere"),
    [
        ("qm9", "xtb9", False),
        ("prototypes", "xtb9", True),
        ("materials-project", "prototypes", False),
        ("xtb9", "prototypes", True),
        ("mine.xyz", "xtb9", True),
    ],
)
def test_what_is_recorded_of_others_is_left_out(dataset, usual, elsewhere):
    assert _elsewhere(dataset, usual) is elsewhere
