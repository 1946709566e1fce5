"""Rungs of crystals: what they are for known structures, and that the cell does not matter."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, fcc111, molecule

pytest.importorskip("spglib", reason="space groups are found by spglib")

from cpdkit.composition import (
    CRYSTAL_LADDER,
    composition_matrix,
    coordination,
    prototypes,
    space_groups,
)
from cpdkit.datasets import load_dataset

SALT = bulk("NaCl", "rocksalt", a=5.64)
KNOWN = {
    "rocksalt": (SALT, 225, {6: 1.0}),
    "caesium chloride": (bulk("CsCl", "cesiumchloride", a=4.12), 221, {8: 1.0}),
    "zincblende": (bulk("ZnS", "zincblende", a=5.41), 216, {4: 1.0}),
    "fluorite": (bulk("CaF2", "fluorite", a=5.46), 225, {4: 2 / 3, 8: 1 / 3}),
    "copper": (bulk("Cu"), 225, {12: 1.0}),
    "diamond": (bulk("C", "diamond", a=3.57), 227, {4: 1.0}),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_crystals(name):
    atoms, group, shares = KNOWN[name]
    assert space_groups([atoms]).tolist() == [group]
    row = coordination([atoms]).iloc[0]
    assert {int(k.split()[0]): v for k, v in row.items() if "neighbours" in k} == pytest.approx(
        shares
    )


def written(atoms):
    """One crystal in other cells, turned, moved, and in another order."""
    larger = atoms.repeat((2, 2, 2))
    turned = atoms.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    moved = atoms.copy()
    moved.positions += (0.3, -1.2, 7.7)
    sheared = atoms.copy()
    sheared.set_cell(np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1]]) @ atoms.cell.array)
    order = np.random.default_rng(0).permutation(len(larger))
    return [larger, turned, moved, sheared, larger[order]]


@pytest.mark.parametrize("kind", CRYSTAL_LADDER)
def test_no_rung_knows_how_a_crystal_is_written(kind):
    ds = load_dataset("prototypes")
    for row in (0, 170, 300, 420):
        atoms = ds.atoms[row]
        matrix = composition_matrix([atoms, *written(atoms)], kind=kind)
        assert np.allclose(matrix, matrix[0], atol=1e-9), ds.ids[row]


def test_a_strain_of_a_twentieth_of_an_angstrom_is_seen_unless_it_is_tolerated():
    strained = bulk("Cu", cubic=True)
    strained.set_cell(strained.cell.array * [[1], [1], [1.014]], scale_atoms=True)
    assert space_groups([strained]).tolist() == [139]
    assert space_groups([strained], tolerance=0.1).tolist() == [225]


def test_prototypes_are_anonymous():
    magnesia = bulk("MgO", "rocksalt", a=4.2, cubic=True)
    fluorite, anti = bulk("CaF2", "fluorite", a=5.46), bulk("CaF2", "fluorite", a=4.6)
    anti.symbols = ["O", "Li", "Li"]
    found = prototypes([SALT, magnesia, fluorite, anti, KNOWN["zincblende"][0]])
    assert found[0] == found[1]
    assert found[2] == found[3]
    assert len(set(found)) == 3


def test_the_types_of_the_embedded_crystals_are_found_again():
    """What is not strained has the name of its type; types that share one are listed."""
    ds = load_dataset("prototypes")
    ds = ds.select(~ds.info["strained"].to_numpy() & (np.arange(len(ds)) % 3 == 0))
    names = pd.Series(prototypes(ds)).groupby(ds.info["prototype"]).agg(set)
    assert (names.map(len) == 1).all(), names[names.map(len) > 1]
    shared = names.map(lambda s: next(iter(s))).reset_index().groupby(0)["prototype"].agg(sorted)
    assert sorted(types for types in shared if len(types) > 1) == [
        ["antifluorite", "fluorite"],
        ["cadmium iodide", "inverse cadmium iodide"],
    ]


def test_strained_crystals_keep_the_name_that_the_data_set_gives():
    ds = load_dataset("prototypes").select(slice(None, None, 8))
    strained = ds.info["strained"].to_numpy(bool)
    assert 30 < strained.sum() < len(ds)
    matrix = composition_matrix(ds, kind="prototype", as_frame=True)
    named = matrix.loc[:, sorted(set(ds.info["prototype"]))]
    assert (named.idxmax(axis=1) == ds.info["prototype"]).all()
    assert (named.sum(axis=1) == 1).all()
    found = pd.Series(prototypes(ds))
    types = ds.info["prototype"]
    usual = found[~strained].groupby(types).agg(set)
    known = [name in usual.get(kind, ()) for name, kind in zip(found, types, strict=True)]
    assert not any(np.array(known)[strained])  # which is why the names are taken
    unnamed = dataclasses.replace(ds, info=None)
    by_symmetry = composition_matrix(unnamed, kind="prototype", as_frame=True)
    assert set(found) <= set(by_symmetry)


def test_rungs_hold_what_stands_below_them():
    ds = load_dataset("prototypes", n=60, seed=0)
    ds = dataclasses.replace(ds, info=None)  # types found by symmetry
    by_group = composition_matrix(ds, kind="space group")
    by_type = composition_matrix(ds, kind="prototype")
    rank = np.linalg.matrix_rank
    assert rank(np.column_stack([by_type, by_group])) == rank(by_type)
    for kind in CRYSTAL_LADDER[1:]:
        matrix = composition_matrix(ds, kind=kind)
        with_fractions = np.column_stack([matrix, composition_matrix(ds)])
        assert rank(with_fractions) == rank(matrix), kind


def test_rungs_that_do_not_apply_say_so():
    water, slab = molecule("H2O"), fcc111("Cu", (1, 1, 3), vacuum=8, periodic=False)
    with pytest.raises(ValueError, match="structure 1 is not periodic, and only crystals have"):
        composition_matrix([SALT, water], kind="prototype")
    with pytest.raises(ValueError, match="structure 0 is periodic in some directions only"):
        space_groups([slab])
    with pytest.raises(ValueError, match="is of molecules; crystals have .'space group'"):
        composition_matrix([SALT], kind="bonds")
    with pytest.raises(ValueError, match="formula says nothing of bonds"):
        composition_matrix(["NaCl"], kind="coordination")
    pair = bulk("Si")
    pair.positions[1] = pair.positions[0] + 1e-4
    with pytest.raises(ValueError, match="spglib finds no symmetry"):
        space_groups([pair])


def test_lone_atoms_have_no_neighbours():
    far = bulk("Ar", "sc", a=40.0)
    assert coordination([far]).shape[1] == 0
    assert coordination([molecule("H2O")]).iloc[0].to_dict() == pytest.approx(
        {"1 neighbours": 2 / 3, "2 neighbours": 1 / 3, "H contacts": 2 / 3, "O contacts": 2 / 3}
    )
