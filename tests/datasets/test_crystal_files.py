"""Crystals of one's own in three forms are one data set; bad ones are named."""

from __future__ import annotations

import ase.db
import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk, fcc111, molecule

from cpdkit import load_dataset
from cpdkit.datasets import AtomsSequence, check_crystals

TARGETS = {"targets": ["density", "packing_fraction"], "units": {"density": "g/cm^3"}}


@pytest.fixture(scope="module")
def ds():
    return load_dataset("prototypes", n=12, seed=1, targets=TARGETS["targets"])


def cif_folder(folder, frames, **columns):
    names = [f"c{i:02d}" for i in range(len(frames))]
    for name, atoms in zip(names, frames, strict=True):
        ase.io.write(folder / f"{name}.cif", atoms)
    pd.DataFrame({"id": names} | columns).to_csv(folder / "properties.csv", index=False)
    return folder


def write(kind, path, ds):
    columns = {name: ds.targets[name].to_numpy() for name in ds.targets}
    if kind == "cif":
        return cif_folder(path, list(ds.atoms), **columns)
    frames = list(ds.atoms)
    for i, atoms in enumerate(frames):
        atoms.info |= {name: float(values[i]) for name, values in columns.items()}
    if kind == "xyz":
        ase.io.write(path / "mine.xyz", frames, format="extxyz")
        return path / "mine.xyz"
    with ase.db.connect(path / f"mine.{kind}") as database:
        for atoms in frames:
            database.write(atoms, key_value_pairs=atoms.info)
    return path / f"mine.{kind}"


@pytest.mark.parametrize("kind", ["cif", "xyz", "db", "json"])
def test_every_form_gives_the_same_crystals(kind, ds, tmp_path):
    read = load_dataset(write(kind, tmp_path, ds), **TARGETS)
    assert len(read) == 12
    assert np.allclose(read.targets, ds.targets)
    assert dict(read.units) == {"density": "g/cm^3", "packing_fraction": ""}
    assert (read.formulas == ds.formulas).all()
    for ours, theirs in zip(read.atoms, ds.atoms, strict=True):
        assert ours.pbc.all()
        assert np.allclose(ours.cell.lengths(), theirs.cell.lengths(), atol=1e-4)
        near = [np.sort(a.get_all_distances(mic=True).ravel()) for a in (ours, theirs)]
        assert np.allclose(*near, atol=2e-4)


def test_folders_that_are_not_complete(tmp_path):
    with pytest.raises(FileNotFoundError, match="without properties.csv; write one with a column"):
        load_dataset(tmp_path, targets=["y"])
    folder = cif_folder(tmp_path, [bulk("Cu"), bulk("Al")], y=[1.0, 2.0], word=["a", "b"])
    with pytest.raises(ValueError, match=r"name the targets.*numbers that every structure.*'y'"):
        load_dataset(folder)
    with pytest.raises(ValueError, match="unknown target 'word'"):
        load_dataset(folder, targets=["word"])
    (folder / "c01.cif").write_text("data_nothing\n")
    with pytest.raises(ValueError, match="c01.cif'.*(cannot be read|holds 0)"):
        load_dataset(folder, targets=["y"])
    (folder / "c01.cif").unlink()
    with pytest.raises(FileNotFoundError, match="c01.cif', which properties.csv names"):
        load_dataset(folder, targets=["y"])
    (folder / "properties.csv").write_text("name,y\nc00,1\n")
    with pytest.raises(ValueError, match="has no column 'id'; it has .'name', 'y'."):
        load_dataset(folder, targets=["y"])


SHARED = """data_x
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 {first}
K1 K 0 0 0 {second}
Cl1 Cl 0.5 0.5 0.5 1
"""


@pytest.mark.parametrize("share", [(0.6, 0.4), (0.5, 0.2)])
def test_partly_occupied_sites_are_refused(tmp_path, share):
    folder = cif_folder(tmp_path, [bulk("Cu")], y=[1.0])
    (folder / "c00.cif").write_text(SHARED.format(first=share[0], second=share[1]))
    with pytest.raises(
        ValueError, match="c00.cif' has partly occupied sites, such as .'Na'.*ordered"
    ):
        load_dataset(folder, targets=["y"])


def test_bad_crystals_get_a_clear_word(tmp_path):
    def database(atoms):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.db"
        with ase.db.connect(path) as base:
            base.write(bulk("Cu"), y=1.0)
            base.write(atoms, y=2.0)
        return path

    close = bulk("NaCl", "rocksalt", a=5.6)
    close.positions[1] = close.positions[0] + 0.2
    flat = bulk("Cu")
    flat.set_cell(np.diag([3.0, 3.0, 0.0]))
    for atoms, said in {
        "no cell": (molecule("H2O"), "'2' has no cell; a crystal repeats in three directions"),
        "slab": (fcc111("Cu", (1, 1, 3), vacuum=8), "periodic in some directions only"),
        "overlap": (close, "'2': atoms 0 and 1 are 0.35 Angstrom apart"),
        "flat": (flat, "has a cell without volume"),
    }.values():
        with pytest.raises(ValueError, match=said):
            load_dataset(database(atoms), targets=["y"])
    slab = fcc111("Cu", (1, 1, 3), vacuum=8, periodic=True)
    with pytest.warns(UserWarning, match="1 of 2 structures, such as .*2., have more than 8"):
        load_dataset(database(slab), targets=["y"])
    (tmp_path / "broken.db").write_text("no database")
    with pytest.raises(ValueError, match="cannot be read as a database of ASE"):
        load_dataset(tmp_path / "broken.db", targets=["y"])
    with pytest.raises(FileNotFoundError, match="no file"):
        load_dataset(tmp_path / "none.db", targets=["y"])


def test_layered_crystals_are_crystals(recwarn):
    check_crystals(load_dataset("prototypes").atoms, str)
    assert not recwarn.list
    lone = AtomsSequence.from_atoms([bulk("Ar", "sc", a=12.0)])
    with pytest.warns(UserWarning, match="vacuum: slabs or molecules in boxes"):
        check_crystals(lone, str)
