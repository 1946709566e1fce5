"""Laws of the nuisance ladder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, molecule

import cpdkit
from cpdkit.composition import (
    LADDER,
    bond_counts,
    composition_matrix,
    morgan_counts,
)
from cpdkit.composition.bonds import molecules
from cpdkit.datasets import AtomsSequence, Dataset

KNOWN = {
    "CH4": {"C-H": 4},
    "C2H4": {"C-H": 4, "C=C": 1},
    "C6H6": {"C-H": 6, "C:C": 6},
    "HCN": {"C-H": 1, "C#N": 1},
    "CH3OH": {"C-H": 3, "C-O": 1, "H-O": 1},
}


@pytest.fixture(scope="module")
def ds():
    return cpdkit.load_dataset("xtb9", n=150, seed=0, targets=["gap"])


def test_bonds_of_known_molecules_perceived_from_coordinates():
    counted = bond_counts([molecule(name) for name in KNOWN])
    for (_, row), expected in zip(counted.iterrows(), KNOWN.values(), strict=True):
        assert {k: v for k, v in row.items() if v} == expected


def test_counts_are_floats_as_every_nuisance_is(ds):
    assert {str(kind) for kind in bond_counts(ds).dtypes} == {"float64"}


def test_the_stored_bond_types_are_those_of_the_smiles(ds):
    ours = bond_counts(ds).sum(axis=1).to_numpy()
    assert (ours == [mol.GetNumBonds() for mol in molecules(ds)]).all()


def test_bonds_add_up_to_what_hydrogens_need(ds):
    counts = bond_counts(ds)
    hydrogens = counts[[c for c in counts if "H" in c]].sum(axis=1)
    expected = composition_matrix(ds.atoms, elements=[1, 6, 7, 8, 9])[:, 0]
    assert (hydrogens.to_numpy() == expected).all()


def test_every_rung_removes_what_the_one_before_removes(ds):
    y = np.random.default_rng(0).normal(size=(len(ds), 3))
    ranks, left = [], []
    for kind in ("counts", "bonds", "morgan"):
        fitted = cpdkit.CompositionProjector()
        Z = composition_matrix(ds, kind=kind)
        left.append(np.linalg.norm(fitted.fit_transform(y, composition=Z)))
        ranks.append(fitted.rank_)
    assert ranks == sorted(ranks)
    assert left == sorted(left, reverse=True)
    formula = composition_matrix(ds, kind="formula")
    residual = cpdkit.CompositionProjector().fit_transform(y, composition=formula)
    assert np.allclose(pd.DataFrame(residual).groupby(ds.formulas).mean(), 0, atol=1e-10)
    assert set(LADDER) == {"counts", "formula", "bonds", "morgan"}


def test_no_rung_sees_coordinates(ds):
    moved = Dataset(
        ds.name,
        ds.split,
        AtomsSequence(ds.atoms.numbers, ds.atoms.positions * 1.3 + 1.0, ds.atoms.n_atoms),
        ds.targets,
        ds.units,
        ds.ids,
        ds.smiles,
    )
    for kind in LADDER:
        assert (composition_matrix(ds, kind=kind) == composition_matrix(moved, kind=kind)).all()


def test_morgan_counts_have_one_environment_per_atom_and_radius(ds):
    counts = morgan_counts(ds, radius=0, n_bits=64)
    assert (counts.sum(axis=1) == ds.atoms.n_atoms).all()


def test_bad_input_is_answered(ds):
    with pytest.raises(ValueError, match="did you mean 'bonds'"):
        composition_matrix(ds, kind="bond")
    with pytest.raises(ValueError, match="bonds cannot be perceived"):
        bond_counts([bulk("Cu")])
    wrong = Dataset(
        ds.name, ds.split, ds.atoms, ds.targets, ds.units, ds.ids, np.roll(ds.smiles, 1)
    )
    with pytest.raises(ValueError, match="does not have the formula"):
        bond_counts(wrong)
    unreadable = Dataset(
        ds.name, ds.split, ds.atoms, ds.targets, ds.units, ds.ids, np.full(len(ds), "C(")
    )
    with pytest.raises(ValueError, match="cannot be read"):
        bond_counts(unreadable)
