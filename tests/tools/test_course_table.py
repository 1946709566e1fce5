"""The table of the course is what its tool makes from xtb9."""

from __future__ import annotations

import numpy as np
import pytest

import cpdkit
from cpdkit.course.table import FEATURES, PATH, load_table
from tools import course_table


@pytest.fixture(scope="module")
def molecules() -> cpdkit.Dataset:
    return cpdkit.load_dataset("xtb9", n=course_table.N_MOLECULES, seed=0)


def test_it_is_small() -> None:
    assert PATH.stat().st_size < 400_000


def test_all_but_the_features_is_that_of_the_data_set(molecules: cpdkit.Dataset) -> None:
    with np.load(PATH, allow_pickle=False) as stored:
        for name, expected in course_table.described(molecules).items():
            assert np.array_equal(stored[name], expected), name


@pytest.mark.parametrize("name", ["untrained", "descriptor"])
def test_features_are_those_of_the_encoder(molecules: cpdkit.Dataset, name: str) -> None:
    again = course_table.reduced(molecules, FEATURES[name]).astype(float)
    assert np.allclose(load_table().features[name], again, atol=2e-3)


def test_rows_belong_together_and_are_split_three_to_one() -> None:
    table = load_table()
    assert len(table) == len(table.counts) == len(table.bonds) == 1200
    assert table.train.sum() == 900
    hydrogens = table.bonds[["C-H", "H-N", "H-O"]].sum(axis=1)
    assert (hydrogens == table.counts["H"]).all()
    assert (table.molecules["n_atoms"] == table.counts.sum(axis=1)).all()
    assert all(X.shape == (1200, 24) and np.isfinite(X).all() for X in table.features.values())


def test_each_call_gives_a_table_of_its_own() -> None:
    load_table().features["trained"][:] = 0
    assert load_table().features["trained"].any()
