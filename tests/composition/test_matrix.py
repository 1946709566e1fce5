"""Laws of the nuisance matrices."""

from __future__ import annotations

import ase
import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.collections import g2

from cpdkit.composition import composition_matrix
from cpdkit.datasets import AtomsSequence, hill_formula, load_dataset

MOLECULES = [molecule(name) for name in g2.names[:60]]


def test_counts_are_those_of_ase():
    frame = composition_matrix(MOLECULES, as_frame=True)
    for atoms, (_, row) in zip(MOLECULES, frame.iterrows(), strict=True):
        assert {k: v for k, v in row.items() if v} == atoms.symbols.formula.count()


def test_fractions_are_counts_over_size_and_sum_to_one():
    counts = composition_matrix(MOLECULES)
    fractions = composition_matrix(MOLECULES, kind="fractions")
    assert np.allclose(fractions.sum(axis=1), 1)
    assert np.allclose(fractions * counts.sum(axis=1, keepdims=True), counts)


def test_a_lazy_sequence_and_a_list_agree():
    lazy = AtomsSequence.from_atoms(MOLECULES)
    assert (composition_matrix(lazy) == composition_matrix(MOLECULES)).all()


def test_chosen_elements_fix_the_columns():
    water = composition_matrix([molecule("H2O")], elements=["C", 1, "O"])
    assert water.tolist() == [[0, 2, 1]]


def test_formulas_are_hill_formulas():
    sequence = AtomsSequence.from_atoms(MOLECULES)
    assert sequence.formulas().tolist() == [a.get_chemical_formula("hill") for a in MOLECULES]
    assert hill_formula([8, 1, 1]) == "H2O"


def test_a_crystal_is_described_as_the_crystal_and_not_as_its_cell():
    salt = bulk("NaCl", "rocksalt", a=5.6)
    cells = [salt, salt.repeat((2, 1, 1)), bulk("NaCl", "rocksalt", a=5.6, cubic=True)]
    sequence = AtomsSequence.from_atoms(cells)
    assert composition_matrix(cells).tolist() == [[0.5, 0.5]] * 3
    assert composition_matrix(cells, kind="formula").tolist() == [[1.0]] * 3
    assert sequence.formulas().tolist() == ["ClNa"] * 3
    assert sequence.formulas(cell=True).tolist() == ["ClNa", "Cl2Na2", "Cl4Na4"]
    with pytest.warns(UserWarning, match="3 of 3 structures are periodic.*kind='fractions'"):
        assert composition_matrix(cells, kind="counts")[:, 0].tolist() == [1, 2, 4]


def test_molecules_keep_their_formula():
    benzene = molecule("C6H6")
    mixed = AtomsSequence.from_atoms([benzene, bulk("NaCl", "rocksalt", a=5.6).repeat(2)])
    assert mixed.formulas().tolist() == ["C6H6", "ClNa"]
    assert composition_matrix([benzene]).tolist() == [[6, 6]]


@pytest.mark.parametrize(
    ("atoms", "options", "message"),
    [
        (MOLECULES, {"kind": "count"}, "did you mean 'counts'"),
        ([], {}, "no structures"),
        ([bulk("Cu")[:0]], {}, "structure 0 has no atoms"),
        ([molecule("CH4"), molecule("H2O")], {"elements": ["C", "H"]}, "structure 1 holds O"),
        ([molecule("CH4")], {"elements": ["C", "Hx"]}, "'Hx' is no chemical element"),
        ([molecule("CH4")], {"elements": ["C", True]}, "True is no chemical element"),
        ([molecule("CH4")], {"elements": {"C", "H"}}, "must be a list: its order is that of"),
        ([molecule("CH4")], {"elements": "CH"}, "must be a list: its order is that of"),
        ([molecule("CH4")], {"elements": ["C", "H", 6]}, "each once"),
        ([molecule("CH4")], {"elements": []}, "each once"),
        ([ase.Atoms("OX", positions=np.eye(3)[:2])], {}, "got 0 in structure 0 .0 is 'X', a ghost"),
    ],
)
def test_bad_input_is_answered(atoms, options, message):
    with pytest.raises(ValueError, match=message):
        composition_matrix(atoms, **options)


def test_structures_come_in_any_form():
    frames, expected = MOLECULES[:5], composition_matrix(MOLECULES[:5])
    rows = np.empty(5, dtype=object)
    rows[:] = frames
    for given in (tuple(frames), (atoms for atoms in frames), iter(frames), rows):
        assert np.array_equal(composition_matrix(given), expected)
    assert composition_matrix(molecule("H2O")).tolist() == [[2, 1]]
    ds = load_dataset("xtb9", n=5)
    assert np.array_equal(composition_matrix(ds), composition_matrix(ds.atoms))


@pytest.mark.parametrize(
    "given",
    [3, None, "a.xyz", {"a": molecule("CH4")}, [molecule("CH4"), 3], ["CH4", molecule("CH4")]],
)
def test_what_is_no_structure_is_refused_by_name(given):
    with pytest.raises(TypeError, match="structure|formula"):
        composition_matrix(given)


@pytest.mark.parametrize("kind", ["counts", "fractions", "formula", "bonds", "morgan"])
def test_rungs_of_the_ladder_take_an_iterator(kind):
    pytest.importorskip("rdkit")
    frames = [molecule(name) for name in ("H2O", "CH4", "CH3OH")]
    expected = composition_matrix(frames, kind=kind)
    assert np.array_equal(composition_matrix((atoms for atoms in frames), kind=kind), expected)
    assert composition_matrix(frames[0], kind=kind).shape[0] == 1
