"""Laws of the nuisance matrices."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, molecule
from ase.collections import g2

from cpdkit.composition import composition_controls, composition_matrix
from cpdkit.datasets import AtomsSequence, hill_formula

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


def test_controls_follow_from_the_formula():
    controls = composition_controls(["CH4", "C2H6O"])
    assert controls["N"].tolist() == [5, 9]
    assert np.allclose(controls["1/N"], [1 / 5, 1 / 9])
    assert np.allclose(controls[["x(H)", "x(C)", "x(O)"]].sum(axis=1), 1)


@pytest.mark.parametrize(
    ("atoms", "options", "message"),
    [
        (MOLECULES, {"kind": "count"}, "did you mean 'counts'"),
        ([], {}, "no structures"),
        ([bulk("Cu")[:0]], {}, "structure 0 has no atoms"),
        ([molecule("CH4"), molecule("H2O")], {"elements": ["C", "H"]}, "structure 1 holds O"),
        ([molecule("CH4")], {"elements": ["C", "Hx"]}, "'Hx' is no chemical element"),
    ],
)
def test_bad_input_is_answered(atoms, options, message):
    with pytest.raises(ValueError, match=message):
        composition_matrix(atoms, **options)


def test_labels_that_are_no_formulas_are_refused():
    with pytest.raises(ValueError, match="not all chemical formulas"):
        composition_controls(["CH4", "methane!"])
