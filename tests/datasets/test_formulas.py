"""Formulas as text: one spelling, and what is no formula is refused by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ase.data import chemical_symbols
from ase.formula import Formula
from hypothesis import given
from hypothesis import strategies as st

from cpdkit.composition import composition_matrix
from cpdkit.controls import compositional_targets, other_parametrisations
from cpdkit.datasets import canonical_formulas, load_dataset, parse_formula
from cpdkit.datasets.formulas import atomic_number, canonical_groups

COUNTS = st.dictionaries(
    st.sampled_from(chemical_symbols[1:]), st.integers(1, 300), min_size=1, max_size=5
)


@given(COUNTS, st.randoms())
def test_any_order_and_partition_of_a_formula_is_one_formula(count, random):
    parts = [(symbol, 1) for symbol in count] + [(s, n - 1) for s, n in count.items() if n > 1]
    random.shuffle(parts)
    text = "".join(s + (str(n) if n > 1 or random.random() < 0.3 else "") for s, n in parts)
    assert parse_formula(text) == count
    assert canonical_formulas([text]).tolist() == [Formula.from_dict(count).format("hill")]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("(CH3)2O", {"C": 2, "H": 6, "O": 1}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("((CH3)3Si)2O", {"C": 6, "H": 18, "Si": 2, "O": 1}),
        (" H₂O ", {"H": 2, "O": 1}),
        ("(CH3)(CH2)OH", {"C": 2, "H": 6, "O": 1}),
        ("Co", {"Co": 1}),
        ("CO", {"C": 1, "O": 1}),
        ("C02", {"C": 2}),
    ],
)
def test_formulas_are_read(text, count):
    assert parse_formula(text) == count


NO_FORMULAS = {
    "": "names no element",
    "  ": "names no element",
    "OH-": "'-' cannot be read; charges",
    "NH4+": "'[+]' cannot be read; charges",
    "H₃O⁺": "cannot be read",
    "C0.5O": "'C0.5O' cannot be read; counts must be whole",
    "CO1.5": "counts must be whole",
    "CO0": "'O0' cannot be read",
    "D2O": "'D' is deuterium",
    "T2": "'T' is tritium",
    "x": "'x' cannot be read",
    "X": "'X' is a ghost or dummy atom",
    "C2X": "'X' is a ghost",
    "Xx2": "'Xx' is no symbol of an element",
    "h2o": "'h2o' cannot be read",
    "C H4": "' H4' cannot be read",
    "2H2O": "'2H2O' cannot be read",
    "CuSO4.5H2O": "[.]5H2O' cannot be read",
    "H2O+CO": "cannot be read",
    "(CH3": "a bracket is not closed",
    "CH3)2": "a bracket is not opened",
    "()2": "is no chemical formula",
    "C(2)": "cannot be read",
    "site-1": "'site-1' cannot be read",
    "C1000000000": "cannot be read",
    "methane!": "'methane!' cannot be read",
    "nan": "cannot be read",
    "Nan": "'Na' |'n' cannot be read",
    "１": "cannot be read",
}


@pytest.mark.parametrize("text", NO_FORMULAS)
def test_what_is_no_formula_is_refused_by_name(text):
    with pytest.raises(ValueError, match=NO_FORMULAS[text]) as caught:
        parse_formula(text)
    assert repr(text) in str(caught.value)
    for call in (other_parametrisations, compositional_targets, composition_matrix):
        with pytest.raises(ValueError, match="is no chemical formula"):
            call(["CH4", text])


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, 4])
def test_a_missing_formula_is_none(missing):
    for call in (other_parametrisations, compositional_targets, canonical_formulas):
        with pytest.raises(ValueError, match="row 1 has no chemical formula"):
            call(["CH4", missing])
    with pytest.raises(TypeError, match="row 1 is .* where others are formulas"):
        composition_matrix(["CH4", missing])


@pytest.mark.parametrize("formulas", ["CH4", {"CH4", "H2O"}, 3, None])
def test_formulas_come_in_rows(formulas):
    for call in (other_parametrisations, compositional_targets, canonical_formulas):
        with pytest.raises(ValueError, match="must be a list, one formula for each row"):
            call(formulas)
    with pytest.raises(TypeError, match="in a list|in another order|must be ase.Atoms"):
        composition_matrix(formulas)


def test_spellings_of_one_formula_have_the_same_controls():
    first, second = ["CH4", "C2H6O", "H2O"], ["H4C", "(CH3)2O", "HOH"]
    for call in (other_parametrisations, compositional_targets, composition_matrix):
        assert np.array_equal(call(first), call(second))
    assert canonical_formulas(second).tolist() == first


def test_formulas_give_the_matrix_of_the_structures():
    ds = load_dataset("xtb9", n=50)
    for kind in ("counts", "fractions"):
        expected = composition_matrix(ds, kind=kind, as_frame=True)
        pd.testing.assert_frame_equal(
            composition_matrix(ds.formulas, kind=kind, as_frame=True), expected
        )
        assert np.array_equal(composition_matrix(pd.Series(ds.formulas), kind=kind), expected)


def test_groups_are_one_spelling_or_stay_as_they_are():
    assert canonical_groups(["H4C", "CH4"]).tolist() == ["CH4", "CH4"]
    assert canonical_groups(np.array(["H4C", "CH4"])).tolist() == ["CH4", "CH4"]
    for labels in (["H4C", "site-1"], [1, 2], ["OH", "OH-"], ["H4C", ""]):
        assert canonical_groups(labels).tolist() == labels


def test_symbols_and_numbers_are_those_of_ase():
    assert [atomic_number(symbol) for symbol in chemical_symbols[1:]] == list(range(1, 119))
