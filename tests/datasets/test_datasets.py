"""Data sets: lazy structures, files, and errors that say what to do."""

from __future__ import annotations

import ase
import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, molecule
from ase.collections import g2
from hypothesis import given
from hypothesis import strategies as st

from cpdkit import load_dataset
from cpdkit.datasets import AtomsSequence, Dataset

MOLECULES = [molecule(name) for name in g2.names[:40]]


def test_a_sequence_gives_back_what_it_was_made_from():
    crystal = bulk("NaCl", "rocksalt", a=5.6)
    for frames in (MOLECULES, [crystal, crystal.repeat(2)]):
        again = list(AtomsSequence.from_atoms(frames))
        for a, b in zip(frames, again, strict=True):
            assert (a.numbers == b.numbers).all()
            assert (a.pbc == b.pbc).all()
            assert np.allclose(a.positions, b.positions)
            assert not a.pbc.any() or np.allclose(a.cell, b.cell)


@given(st.lists(st.integers(-40, 39), max_size=30))
def test_select_takes_rows_in_the_given_order(rows):
    sequence = AtomsSequence.from_atoms(MOLECULES)
    chosen = sequence.select(np.array(rows, dtype=int))
    assert [a.get_chemical_formula() for a in chosen] == [
        MOLECULES[i].get_chemical_formula() for i in rows
    ]
    for atoms, i in zip(chosen, rows, strict=True):
        assert (atoms.positions == sequence[i].positions).all()


def test_slices_and_negative_indices():
    sequence = AtomsSequence.from_atoms(MOLECULES)
    assert len(sequence[5:9]) == 4
    assert sequence[-1] == MOLECULES[-1]
    with pytest.raises(IndexError):
        sequence[40]


def test_arrays_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="n_atoms sums to 3"):
        AtomsSequence(np.ones(4), np.zeros((4, 3)), np.array([3]))
    with pytest.raises(ValueError, match="NaN or infinite coordinates"):
        AtomsSequence(np.ones(1), np.full((1, 3), np.nan), np.array([1]))


def make(n: int = 12) -> Dataset:
    return Dataset(
        name="toy",
        split="all",
        atoms=AtomsSequence.from_atoms(MOLECULES[:n]),
        targets=pd.DataFrame({"a": np.arange(n, dtype=float)}),
        units={"a": "eV"},
        ids=np.arange(n).astype(str),
    )


def test_a_sample_is_seeded_and_keeps_rows_together():
    a, b, c = make().sample(5, seed=1), make().sample(5, seed=1), make().sample(5, seed=2)
    assert a.fingerprint == b.fingerprint != c.fingerprint
    assert (a.targets["a"].to_numpy().astype(int).astype(str) == a.ids).all()
    assert all(
        s == MOLECULES[int(i)].get_chemical_formula("hill")
        for s, i in zip(a.formulas, a.ids, strict=True)
    )


@pytest.mark.parametrize("n", [0, 13])
def test_a_sample_larger_than_the_data_is_refused(n):
    with pytest.raises(ValueError, match="has 12"):
        make().sample(n)


def test_the_fingerprint_sees_every_number():
    base = make()
    moved = base.select(np.arange(12))
    moved.atoms.positions[0, 0] += 1e-9
    relabelled = base.select(np.arange(12))
    relabelled.targets.loc[0, "a"] = 0.5
    assert len({base.fingerprint, moved.fingerprint, relabelled.fingerprint}) == 3


def test_the_fingerprint_is_that_of_other_processors():
    """Labels that are computed here end differently in their last bits."""
    base = make()
    elsewhere = base.select(np.arange(12))
    elsewhere.targets.iloc[:, :] *= 1 + 4e-16
    assert elsewhere.fingerprint == base.fingerprint
    assert not elsewhere.targets.equals(base.targets)


def test_parts_of_different_length_are_refused():
    with pytest.raises(ValueError, match="12 structures but"):
        Dataset("x", "y", make().atoms, make(11).targets, {}, make().ids)


def write(path, frames):
    ase.io.write(path, frames, format="extxyz")
    return path


@pytest.fixture
def frames():
    frames = [atoms.copy() for atoms in MOLECULES[:10]]
    for i, atoms in enumerate(frames):
        atoms.info = {"gap": 0.1 * i, "name": f"m{i}", "tag": f"t{i}" if i else 3.0}
    return frames


def test_a_file_gives_named_targets(tmp_path, frames):
    path = write(tmp_path / "mine.xyz", frames)
    ds = load_dataset(path, targets=["gap"], units={"gap": "eV"})
    assert ds.name == "mine"
    assert ds.units == {"gap": "eV"}
    assert np.allclose(ds.targets["gap"], 0.1 * np.arange(10))
    assert [a.get_chemical_formula("hill") for a in frames] == ds.formulas.tolist()
    assert len(load_dataset(path, targets=["gap"], n=4, seed=0)) == 4


def test_results_that_ase_moves_to_a_calculator_are_found(tmp_path, frames):
    from ase.calculators.singlepoint import SinglePointCalculator

    for i, atoms in enumerate(frames):
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0 * i)
    ds = load_dataset(write(tmp_path / "mine.xyz", frames), targets=["energy"])
    assert np.allclose(ds.targets["energy"], -np.arange(10))


def test_bad_files_are_answered(tmp_path, frames):
    path = write(tmp_path / "mine.xyz", frames)
    with pytest.raises(ValueError, match=r"name the targets.*\['gap'\]"):
        load_dataset(path)
    with pytest.raises(ValueError, match="did you mean 'gap'"):
        load_dataset(path, targets=["gapp"])
    with pytest.raises(ValueError, match="'t1' in frame 1, not a number"):
        load_dataset(path, targets=["tag"])
    with pytest.raises(ValueError, match="must be a list"):
        load_dataset("xtb9", targets="gap")
    del frames[3].info["gap"]
    with pytest.raises(ValueError, match="missing from 1 of 10 frames .first: frame 3"):
        load_dataset(write(tmp_path / "gaps.xyz", frames), targets=["gap"])
    frames[3].info["gap"] = float("nan")
    said = "'gap': 1} .first: structure 3, '3'.; remove them from a file .*missing='drop'"
    with pytest.raises(ValueError, match=said):
        load_dataset(write(tmp_path / "nan.xyz", frames), targets=["gap"])
    assert len(load_dataset(tmp_path / "nan.xyz", targets=["gap"], missing="drop")) == 9
    with pytest.raises(FileNotFoundError, match="no file"):
        load_dataset(tmp_path / "none.xyz", targets=["gap"])
    (tmp_path / "empty.xyz").write_text("")
    with pytest.raises(ValueError, match="holds no structures|not a readable"):
        load_dataset(tmp_path / "empty.xyz", targets=["gap"])
    (tmp_path / "broken.xyz").write_text("3\ncomment\nH 0 0 0\n")
    with pytest.raises(ValueError, match="not a readable extended-XYZ file"):
        load_dataset(tmp_path / "broken.xyz", targets=["gap"])


def test_unknown_names_are_answered():
    with pytest.raises(ValueError, match="did you mean 'xtb9'"):
        load_dataset("xtb8")
    with pytest.raises(ValueError, match="did you mean 'drop'"):
        load_dataset("xtb9", missing="dropp")


def test_qm9_needs_cpdkit_data(monkeypatch, tmp_path):
    monkeypatch.delenv("CPDKIT_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="set the environment variable CPDKIT_DATA"):
        load_dataset("qm9")
    monkeypatch.setenv("CPDKIT_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        load_dataset("qm9")
    monkeypatch.setenv("CPDKIT_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="probe.extxyz"):
        load_dataset("qm9")
    with pytest.raises(ValueError, match="did you mean 'probe'"):
        load_dataset("qm9", split="prob")


def test_qm9_probe(cpdkit_data):
    ds = load_dataset("qm9")
    assert len(ds) == 2938
    assert ds.units["gap"] == "Ha"
    assert np.allclose(ds.targets["lumo"] - ds.targets["homo"], ds.targets["gap"], atol=2e-4)
    assert ds.formulas[0] == "CH4"
    assert ds.smiles[0] == "C"
    assert ds.ids[0] == "1"


XTB9 = {
    "energy": "eV", "atomization_energy": "eV", "homo": "eV", "lumo": "eV", "gap": "eV",
    "homo_gfn1": "eV", "lumo_gfn1": "eV", "gap_gfn1": "eV", "mu": "Debye", "alpha": "Bohr^3",
    "r2": "Bohr^2", "A": "GHz", "B": "GHz", "C": "GHz",
}  # fmt: skip


def test_xtb9_has_the_units_of_its_card():
    ds = load_dataset("xtb9")
    assert dict(ds.units) == XTB9
    assert (ds.targets["homo"] < ds.targets["lumo"]).all()
    assert np.allclose(ds.targets["lumo"] - ds.targets["homo"], ds.targets["gap"])


def test_qm9_train_is_disjoint_from_probe(cpdkit_data):
    train = load_dataset("qm9", split="train")
    assert len(train) == 125_818
    assert not set(train.ids) & set(load_dataset("qm9").ids)
    assert len(load_dataset("qm9", split="train", targets=["gap"], missing="drop")) == 25_604


PARTS = {
    "name": "d",
    "split": "s",
    "atoms": MOLECULES[:3],
    "targets": pd.DataFrame({"gap": [1.0, 2.0, 3.0]}),
    "units": {},
    "ids": np.array(list("abc")),
}
NAMED = pd.Series([1.0, 2.0, 3.0], index=list("abc"))


@pytest.mark.parametrize(
    "part",
    [
        {"ids": np.arange(3)},
        {"ids": [0, 1, 2]},
        {"ids": list(np.arange(3))},
        {"ids": pd.Series([0, 1, 2])},
        {"ids": np.array([0, 1, 2], dtype=object)},
        {"ids": ["0", "1", "2"], "smiles": ["C", "N", "O"]},
        {"ids": range(3), "targets": {"gap": [1, 2, 3]}},
        {"ids": range(3), "targets": pd.Series([1, 2, 3], name="gap")},
        {"ids": range(3), "targets": pd.DataFrame({"gap": pd.array([1, 2, 3], dtype="Int64")})},
        {"ids": range(3), "targets": pd.DataFrame({"gap": [1, 2, 3]}, index=[5, 6, 7])},
        {"ids": range(3), "atoms": iter(MOLECULES[:3]), "info": {"a": [1, 2, 3]}},
        {"ids": range(3), "atoms": AtomsSequence.from_atoms(MOLECULES[:3])},
    ],
)
def test_parts_in_other_containers_are_the_same_data_set(part):
    expected = Dataset(**PARTS | {"ids": np.array(list("012"))})
    ds = Dataset(**PARTS | part)
    assert ds.fingerprint == expected.fingerprint
    assert ds.select(np.array([2, 0])).ids.tolist() == ["2", "0"]
    assert ds.sample(2).fingerprint == expected.sample(2).fingerprint


def test_an_index_that_names_the_rows_is_kept_to():
    given = {"targets": NAMED.to_frame("gap"), "info": pd.DataFrame({"a": NAMED})}
    assert Dataset(**PARTS | given).targets["gap"].tolist() == [1, 2, 3]
    filtered = NAMED.set_axis([7, 8, 9])
    for info in (filtered, NAMED, NAMED.reset_index(drop=True)):
        given = {"targets": {"gap": filtered}, "info": {"a": info}}
        assert Dataset(**PARTS | given).info["a"].tolist() == [1, 2, 3]


def test_an_empty_sequence_has_no_formulas():
    assert AtomsSequence.from_atoms([]).formulas().tolist() == []


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ({"ids": np.array([0.0, 1.0, 2.0])}, "ids must be one string"),
        ({"ids": ["a", None, "c"]}, "ids must be one string for each structure; entry 1 is None"),
        ({"ids": ["a", np.nan, "c"]}, "ids must be one string"),
        ({"ids": [True, False, 3]}, "ids must be one string"),
        ({"ids": ["a", "b", "a"]}, "ids repeat: 'a' names rows 0 and 2"),
        ({"ids": [1, 2, "1"]}, "ids repeat|ids must be one string"),
        ({"ids": np.ma.masked_array([1, 2, 3], [0, 1, 0])}, "ids has masked entries"),
        ({"ids": [["a"], ["b"], ["c"]]}, "ids must be one string"),
        ({"ids": "abc"}, "ids must be a list or an array; got 'abc'"),
        ({"ids": {"a", "b", "c"}}, "ids must be a list or an array"),
        ({"ids": np.array([["a"], ["b"], ["c"]])}, "ids must be one string"),
        ({"smiles": ["C", None, "O"]}, "smiles must be one string"),
        ({"smiles": "CNO"}, "smiles must be a list"),
        ({"targets": np.ones((3, 1))}, "targets must be a pandas.DataFrame"),
        ({"targets": {"gap": [1, 2]}}, "targets.: 2"),
        ({"targets": {"gap": [1, 2, 3], "mu": [1, 2]}}, "targets has columns of different lengths"),
        ({"targets": {"gap": 1.0}}, r"targets\['gap'\] must be a list"),
        ({"targets": {"gap": ["1", "2", "3"]}}, r"targets\['gap'\] must be real numbers"),
        ({"targets": {"gap": [1j, 2, 3]}}, r"targets\['gap'\] must be real numbers; got complex"),
        (
            {"targets": {"gap": [True, False, True]}},
            r"targets\['gap'\] must be real numbers; got bool",
        ),
        ({"targets": {"gap": pd.date_range("2020", periods=3)}}, r"targets\['gap'\] must be real"),
        ({"targets": {"gap": np.ma.masked_array([1, 2, 3.0], [0, 1, 0])}}, "masked entries"),
        (
            {"targets": pd.DataFrame([[1, 2]] * 3, columns=["a", "a"])},
            "targets names a column twice",
        ),
        ({"targets": pd.DataFrame([[1, 2]] * 3, columns=[1, "1"])}, "targets names a column twice"),
        ({"targets": pd.DataFrame({"gap": [1, 2, 3]}, index=[2, 0, 1])}, "index of targets.*order"),
        ({"targets": NAMED[::-1].to_frame("gap")}, "the index of targets has the rows in another"),
        (
            {"targets": {"gap": NAMED[::-1]}},
            r"the index of targets\['gap'\] has the rows in another",
        ),
        (
            {"targets": NAMED.set_axis([7, 8, 9]), "info": {"a": NAMED.set_axis([9, 8, 7])}},
            r"the indices of targets and info\['a'\] differ",
        ),
        ({"info": [1, 2, 3]}, "info must be a pandas.DataFrame"),
        ({"info": pd.DataFrame({"a": [1]})}, "info.: 1"),
        ({"units": "eV"}, "units must be a mapping"),
        ({"atoms": [3]}, "structure 0 is 3"),
        ({"atoms": "a.xyz"}, "atoms is a path"),
        ({"atoms": 3}, "atoms must be ase.Atoms"),
        ({"atoms": [MOLECULES[0], MOLECULES[1], ase.Atoms()]}, "atoms: structure 2 has no atoms"),
        ({"atoms": MOLECULES[0]}, "1 structures but"),
    ],
)
def test_parts_that_would_lose_their_meaning_are_refused_by_name(part, answer):
    with pytest.raises((ValueError, TypeError), match=answer):
        Dataset(**PARTS | part)


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ({"numbers": np.array([1.5, 6])}, "numbers must be whole numbers; got 1.5"),
        ({"numbers": np.array([np.nan, 6])}, "numbers must be whole numbers; got nan"),
        ({"numbers": np.array([1 + 1j, 6])}, "numbers must be real numbers"),
        ({"numbers": np.array(["H", "C"])}, "numbers must be real numbers"),
        ({"numbers": np.array([True, True])}, "numbers must be real numbers"),
        ({"numbers": np.ma.masked_array([1, 6], [1, 0])}, "numbers has masked entries"),
        ({"positions": np.ma.masked_array(np.eye(3)[:2], True)}, "positions has masked entries"),
        ({"positions": np.eye(3)[:2] + 1j}, "positions must be real numbers"),
        ({"positions": np.eye(3)[:2].astype(str)}, "positions must be real numbers"),
        ({"numbers": np.array([1])}, "n_atoms sums to 2"),
        ({"positions": np.eye(3)}, "n_atoms sums to 2"),
        ({"positions": np.eye(2)}, "n_atoms sums to 2"),
        ({"n_atoms": np.array([1.5, 0.5])}, "n_atoms must be whole numbers"),
        ({"n_atoms": np.array([3, -1])}, "n_atoms must be counts"),
        ({"n_atoms": np.array([[1, 1]])}, "n_atoms must be counts"),
        ({"cells": np.eye(3)[None] * 1j}, "cells must be real numbers"),
        ({"cells": np.ma.masked_array(np.eye(3)[None], True)}, "cells has masked entries"),
        ({"pbc": np.ones((1, 3), bool)}, "give their cells"),
        (
            {"cells": np.eye(3)[None], "pbc": np.array([["T", "T", "F"]])},
            "pbc must be true or false",
        ),
    ],
)
def test_arrays_that_would_lose_their_meaning_are_refused_by_name(part, answer):
    plain = {"numbers": np.array([1, 6]), "positions": np.eye(3)[:2], "n_atoms": np.array([2])}
    assert len(AtomsSequence(**plain)) == 1
    with pytest.raises(ValueError, match=answer):
        AtomsSequence(**plain | part)


@pytest.mark.parametrize(
    "options", [{"n": 2.0}, {"n": True}, {"n": "3"}, {"seed": None}, {"seed": 1.5}, {"seed": -1}]
)
def test_draws_are_counted_and_seeded_with_whole_numbers(options):
    with pytest.raises(ValueError, match="must be a whole number"):
        load_dataset("xtb9", **{"n": 3} | options)


def test_dropping_what_is_missing_needs_no_choice_of_targets(cpdkit_data):
    ds = load_dataset("qm9", split="train", missing="drop")
    assert 0 < len(ds) < 125_818
    assert np.isfinite(ds.targets).all(axis=None)


def test_at_most_draws_like_n_and_takes_all_where_there_are_no_more() -> None:
    drawn = load_dataset("xtb9", at_most=20, seed=3)
    assert list(drawn.ids) == list(load_dataset("xtb9", n=20, seed=3).ids)
    every = load_dataset("xtb9", at_most=10**6, seed=3)
    assert sorted(every.ids) == sorted(load_dataset("xtb9").ids)
    with pytest.raises(ValueError, match="n=2 and at_most=3: give one of them"):
        load_dataset("xtb9", n=2, at_most=3)


def test_a_data_set_is_shown_in_a_line() -> None:
    shown = repr(load_dataset("xtb9", n=7, targets=["gap", "mu"]))
    assert shown.startswith("xtb9 (probe): 7 structures, ")
    assert shown.endswith(" formulas, targets gap, mu")


def test_what_is_left_out_after_a_draw_changes_no_other_row():
    drawn = load_dataset("xtb9", n=300, seed=1)
    kept = drawn.made_of(["H", "C", "N", "O"])
    fluorine = np.array(["F" in formula for formula in drawn.formulas])
    assert 0 < fluorine.sum() < 60
    assert kept.ids.tolist() == drawn.ids[~fluorine].tolist()
    assert kept.targets.equals(drawn.targets[~fluorine].reset_index(drop=True))
    assert kept.made_of(["O", "N", "C", "H", "F"]) is kept
    with pytest.raises(ValueError, match="made of these elements alone"):
        drawn.made_of(["Na"])
    with pytest.raises(ValueError, match="must be a list of symbols"):
        drawn.made_of("HCNO")
