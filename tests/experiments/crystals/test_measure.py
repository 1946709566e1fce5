"""Chapter 8: what is drawn, what is compared, and that scores are those of scikit-learn."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
import reference
from ase.build import molecule
from ase.data import chemical_symbols

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.datasets import Dataset
from cpdkit.experiments.crystals import figures, measure, tables, verdict
from cpdkit.experiments.gradient.measure import nuisances, pooled_layers
from cpdkit.experiments.of_crystals import extract_told, load_isomers
from cpdkit.experiments.verdict import Verdict
from cpdkit.folds import make_folds
from cpdkit.held_out.inputs import CompositionWarning

OPTIONS = {"leak": False, "seed": 0}


@pytest.fixture(scope="module")
def ds():
    return cpdkit.load_dataset("prototypes", n=150, seed=0)


@pytest.fixture(scope="module")
def reps(ds):
    names = ["painn-untrained", "schnet-untrained"]
    return measure.encoded(names, ds, elements_of=ds)


@pytest.mark.parametrize("folds", ["random", "formula"])
def test_scores_are_those_of_scikit_learn(folds):
    """Fold by fold, with penalties chosen on inner folds, where every fold has every element."""
    ds = cpdkit.load_dataset("prototypes")
    C = composition_matrix(ds)
    common = (C[:, (C > 0).sum(axis=0) < 45] == 0).all(axis=1)
    ds = ds.select(np.flatnonzero(common)[::2])
    C, target = composition_matrix(ds), ds.targets[["packing_fraction"]]
    given = {"groups": ds.formulas, "ids": ds.ids, "folds": folds}
    fold = make_folds(len(ds), scheme=folds, groups=ds.formulas, ids=ds.ids, seed=0)[0]
    (rep,) = measure.last_layers(measure.encoded(["schnet-untrained"], ds, elements_of=ds)).values()
    table = cpdkit.cpd(rep, C, target, **given, **OPTIONS).set_index("score")["fold_values"]
    X, y = np.asarray(rep.features, dtype=float), target.to_numpy()[:, 0]
    expected = [reference.one_fold(X, C, y, fold, k) for k in range(5)]
    for score in ("r2_comp", "r2_full", "r2_geom", "ceiling", "r2_partial"):
        assert np.allclose(table[score], [found[score] for found in expected], atol=1e-6), score


def test_polymorphs_are_whole_formulas(ds):
    everything = cpdkit.load_dataset("prototypes")
    drawn = measure.polymorphs(everything, 100, seed=0)
    assert 100 <= len(drawn) < 110
    inside = pd.Series(drawn.formulas).value_counts()
    assert (inside > 1).all()
    whole = pd.Series(everything.formulas).value_counts()
    assert (whole[inside.index] == inside).all()
    assert set(drawn.ids) != set(measure.polymorphs(everything, 100, seed=1).ids)
    one = everything.select(np.unique(everything.formulas, return_index=True)[1])
    assert measure.polymorphs(one, 100, seed=0) is None


def test_rungs_of_the_other_kind_are_named(ds):
    with pytest.warns(UserWarning, match="is left out") as caught:
        found = nuisances(["fractions", "bonds", "morgan", "coordination"], ds, folds="random")
    assert list(found) == ["fractions", "coordination"]
    said = [str(w.message) for w in caught]
    assert len(said) == 2
    assert all("is of molecules; crystals have" in text for text in said)
    water = Dataset("w", "", [molecule("H2O")], {"y": [1.0]}, {}, ["0"])
    with pytest.warns(UserWarning, match="'prototype' is left out: structure 0 is not periodic"):
        assert list(nuisances(["counts", "prototype"], water, folds="random")) == ["counts"]


def test_encoders_are_told_the_elements(ds):
    name = measure.with_elements("soap", ds)
    assert "elements=Li N O F" in name
    assert cpdkit.load_encoder(name).elements >= set(ds.atoms.numbers.tolist())
    assert measure.with_elements("chgnet", ds) == "chgnet"
    told = dict(extract_told(["soap", "random"], ds, pooling="mean"))
    assert list(told) == ["soap", "random"]
    same = measure.encoded(["soap"], ds, elements_of=ds)["soap"].select(pooling="mean")
    assert np.allclose(told["soap"].features, same.features)
    assert list(pooled_layers(["soap"], ds)) == ["soap"]
    water = Dataset("w", "", [molecule("H2O")], {"y": [1.0]}, {}, ["0"])
    plain = cpdkit.extract(cpdkit.load_encoder("soap"), water, pooling="mean", progress=False)
    assert np.allclose(dict(extract_told(["soap"], water))["soap"].features, plain.features)


def test_isomers_are_drawn_by_formula_of_crystals_only():
    found = load_isomers("prototypes", 40, seed=1)
    drawn = measure.polymorphs(cpdkit.load_dataset("prototypes"), 40, seed=1)
    assert found.ids.tolist() == drawn.ids.tolist()
    same = cpdkit.load_dataset("xtb9", at_most=30, seed=2, targets=["gap"])
    drawn = load_isomers("xtb9", 30, seed=2, targets=["gap"])
    assert drawn.fingerprint == same.fingerprint


def test_degrees_of_one_width_and_their_differences(ds, reps):
    C, targets = composition_matrix(ds), ds.targets[["packing_fraction"]]
    table = measure.degree_scores(reps, C, targets, width=16, seed=0)
    assert set(table["encoder"]) == {"painn-untrained"}  # SchNet has scalars only
    assert set(table["width"]) == {16}
    gaps = measure.degree_differences(table)
    row = gaps.iloc[0]
    score = table.set_index(["name", "kind"])["mean"]
    expected = score[row["name"], row["kind"]] - score[row["name"], "scalar and square"]
    assert row["mean"] == pytest.approx(expected, abs=1e-12)
    assert (gaps["low"] <= gaps["mean"]).all()
    assert len(figures.degree_figure(table).axes) == 1
    none = measure.degree_scores({"schnet": reps["schnet-untrained"]}, C, targets, width=16)
    assert verdict.degrees_in_words(measure.degree_differences(none)).startswith("No encoder")


def test_gains_compare_the_best_of_either_kind():
    rows = [
        ("a", "y", 0.5, [0.5, 0.5]), ("b", "y", 0.7, [0.6, 0.8]), ("c", "y", 0.4, [0.4, 0.4]),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["representation", "target", "mean", "fold_values"])
    table = table.assign(score="r2_partial")
    row = measure.training_gains(table, trained=["a", "b"], n_folds=2).iloc[0]
    assert (row["trained"], row["other"]) == ("b", "c")
    assert row["mean"] == pytest.approx(0.3)
    assert measure.training_gains(table, trained=["z"], n_folds=2).empty
    assert verdict.gains_in_words(pd.DataFrame()).startswith("The run has no network")


def outcomes(*known):
    names = list(verdict.CLAIMS)
    here = {n: Verdict("", o, "") for n, o in zip(names, known, strict=True) if o}
    molecules = {
        names[0]: {"xtb9": "fails", "qm9": "fails"},
        names[1]: {"xtb9": "holds", "qm9": "holds"},
        names[2]: {"xtb9": "undecided", "qm9": "undecided"},
        names[3]: {"xtb9": "holds", "qm9": "undecided"},
        names[4]: {"xtb9": "holds", "qm9": "fails"},
    }
    return verdict.carried_over(here, molecules)


@pytest.mark.parametrize(
    ("known", "outcome", "carried"),
    [
        (("fails", None, "holds", "holds", "holds"), "holds", "yes open open yes open"),
        (("holds", None, "holds", "holds", "holds"), "fails", "no open open yes open"),
        (("fails", None, "holds", "undecided", "holds"), "undecided", "yes open open open open"),
        (("undecided", None, None, "undecided", None), "undecided", "open open open open open"),
        (("fails", "fails", "holds", "undecided", "holds"), "fails", "yes no open open open"),
        (("fails", None, None, "partly", None), "undecided", "yes open open in-part open"),
    ],
)
def test_the_rule(known, outcome, carried):
    table = outcomes(*known)
    assert table["carries over"].str.replace(" ", "-").tolist() == carried.split()
    assert verdict.carries_over(table).outcome == outcome


def test_geometries_only_where_there_are_several():
    assert measure.geometries("materials-project", targets=["band_gap"]) is None
    assert measure.geometries("mine.xyz", targets=["y"]) is None
    assert measure.geometries("xtb9", targets=["gap"]) is None  # of molecules
    moving = measure.geometries("prototypes", targets=["density"])
    assert moving.split == "conformers"


def test_overview_counts_columns_that_say_nothing(ds):
    C = np.column_stack([composition_matrix(ds), np.zeros(len(ds))])
    facts = tables.overview(ds, C)["value"]
    assert facts["crystals"] == 150
    assert facts["elements (columns of composition)"] == C.shape[1]
    assert facts["rank of composition"] < C.shape[1]


def test_dropped_columns_and_rows_are_told(ds):
    few = ds.select(np.arange(0, 150, 3))
    C, y = composition_matrix(few), few.targets[["packing_fraction"]]
    X = np.random.default_rng(0).normal(size=(len(few), 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CompositionWarning)
        table = cpdkit.cpd(X, C, y, groups=few.formulas, ids=few.ids, **OPTIONS)
    fold = make_folds(len(few), groups=few.formulas, ids=few.ids, seed=0)[0]
    lacked = [(C[fold != k] == 0).all(axis=0) for k in range(5)]
    aside = sum(int((C[fold == k][:, lacked[k]] > 0).any(axis=1).sum()) for k in range(5))
    counts = [int(columns.sum()) for columns in lacked]
    assert aside
    assert max(counts) > min(counts)
    said = tables.unknown_in_words(table)
    assert said.startswith(f"Of the {C.shape[1]} columns of composition a training fold drops ")
    assert f" drops {min(counts)} to {max(counts)}, the elements" in said
    assert said.endswith(f"is set aside: {aside} of {len(few)} rows are.")


def test_where_structure_types_come_from(ds):
    assert "the data set names" in tables.types_in_words(ds)
    assert "found by symmetry" in tables.types_in_words(dataclasses.replace(ds, info=None))


@pytest.fixture(scope="module")
def two_thousand(cpdkit_data):
    """Crystals of 80 elements and more, and the last layers of two encoders."""
    ds = cpdkit.load_dataset("materials-project", n=2000, max_atoms=20, seed=0)
    elements = " ".join(chemical_symbols[z] for z in np.unique(ds.atoms.numbers))
    names = [f"soap[compression=mu1nu1,n_max=2,l_max=1,elements={elements}]", "painn-untrained"]
    return ds, measure.last_layers(measure.encoded(names, ds, elements_of=ds))


@pytest.mark.cpdkit_data
@pytest.mark.filterwarnings("ignore::cpdkit.held_out.inputs.CompositionWarning")
@pytest.mark.parametrize(("folds", "k"), [("random", 3), ("formula", 1)])
def test_two_encoders_on_2000_crystals_score_as_by_scikit_learn(two_thousand, folds, k):
    """Elements that a training fold lacks included: such rows are set aside by both."""
    ds, features = two_thousand
    C, target = composition_matrix(ds), ds.targets[["formation_energy_per_atom"]]
    fold = make_folds(len(ds), scheme=folds, groups=ds.formulas, ids=ds.ids, seed=0)[0]
    assert len(features) == 2
    for name, rep in features.items():
        X = np.asarray(rep.features, dtype=float)
        table = cpdkit.cpd(X, C, target, groups=ds.formulas, ids=ds.ids, folds=folds, **OPTIONS)
        found = table.set_index("score")["fold_values"]
        expected = reference.one_fold(X, C, target.to_numpy()[:, 0], fold, k)
        for score, value in expected.items():
            assert found[score][k] == pytest.approx(value, abs=1e-6), (name, score)


def test_whether_it_carries_over_is_said_in_words_of_its_own():
    said = verdict.carried_in_words({"prototypes": "undecided", "materials-project": "fails"})
    assert said == (
        "Do the conclusions on molecules carry over? Ionic crystals of ours: undecided; 2,000 "
        "Materials Project crystals: no."
    )
    assert verdict.carried_in_words({}).endswith("Not recorded.")
