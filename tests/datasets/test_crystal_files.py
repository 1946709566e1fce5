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
    with pytest.raises(ValueError, match="unknown target 'words'"):
        load_dataset(folder, targets=["words"])
    with pytest.raises(ValueError, match="target 'word' is 'a' in 'c00', not a number; correct it"):
        load_dataset(folder, targets=["word"])
    (folder / "c01.cif").write_text("data_nothing\n")
    with pytest.raises(ValueError, match="c01.cif'.*holds no structure with a cell"):
        load_dataset(folder, targets=["y"])
    (folder / "c01.cif").unlink()
    with pytest.raises(FileNotFoundError, match="c01.cif', which properties.csv names"):
        load_dataset(folder, targets=["y"])
    (folder / "properties.csv").write_text("name,y\nc00,1\n")
    with pytest.raises(ValueError, match="has no column 'id'; it has .'name', 'y'."):
        load_dataset(folder, targets=["y"])
    (folder / "properties.csv").write_text("id,y\n")
    with pytest.raises(ValueError, match="holds no structures: properties.csv has no rows; write"):
        load_dataset(folder, targets=["y"])


@pytest.mark.parametrize("kind", ["cif", "db", "json"])
def test_a_word_among_numbers_is_named(tmp_path, kind):
    frames, values = [bulk(s) for s in ("Cu", "Al", "Ag")], [140.0, "soft", 100.0]
    if kind == "cif":
        path, name = cif_folder(tmp_path, frames, bulk_modulus=values), "'c01'"
    else:
        path, name = tmp_path / f"mine.{kind}", "'2'"
        with ase.db.connect(path) as base:
            for i, (atoms, value) in enumerate(zip(frames, values, strict=True)):
                base.write(atoms, bulk_modulus=value, **({"y": 1.0} if i != 1 else {}))
        with pytest.raises(ValueError, match="'y' is missing from 1 of 3 rows .first: row 2"):
            load_dataset(path, targets=["y"])
    said = f"target 'bulk_modulus' is 'soft' in {name}, not a number"
    with pytest.raises(ValueError, match=said):
        load_dataset(path, targets=["bulk_modulus"])


def test_files_that_no_row_names_are_told(tmp_path):
    folder = cif_folder(tmp_path, [bulk(s) for s in ("Cu", "Al", "Ag")], y=[1.0, 2.0, 3.0])
    (folder / "properties.csv").write_text("id,y\nc00,1\n")
    with pytest.warns(UserWarning, match="2 of 3 CIF files are not read.*first: c01.cif.; add"):
        assert load_dataset(folder, targets=["y"]).ids.tolist() == ["c00"]


def test_a_cell_that_pbc_denies_is_told_from_no_cell(tmp_path):
    said = 'has a cell, but pbc is F F F; .* directions: write pbc="T T T", or remove it'
    frames = [bulk("Cu"), bulk("Al")]
    for atoms in frames:
        atoms.pbc, atoms.info["y"] = False, 1.0
    ase.io.write(tmp_path / "a.xyz", frames, format="extxyz")
    ds = load_dataset(tmp_path / "a.xyz", targets=["y"])
    assert not ds.atoms.periodic.any()
    with pytest.raises(ValueError, match=f"^0 {said}"):
        check_crystals(ds.atoms, str)
    with ase.db.connect(tmp_path / "a.db") as base:
        base.write(frames[0], y=1.0)
    with pytest.raises(ValueError, match=said):
        load_dataset(tmp_path / "a.db", targets=["y"])


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
@pytest.mark.parametrize("kind", ["cif", "xyz", "db", "json"])
def test_partly_occupied_sites_are_refused_in_every_form(tmp_path, share, kind):
    cif = tmp_path / "shared.cif"
    cif.write_text(SHARED.format(first=share[0], second=share[1]))
    shared = ase.io.read(cif)
    if kind == "cif":
        path = cif_folder(tmp_path, [bulk("Cu"), bulk("Al")], y=[1.0, 2.0])
        cif.rename(path / "c01.cif")
    elif kind == "xyz":
        path, plain = tmp_path / "mine.xyz", bulk("Cu")
        plain.info["y"] = shared.info["y"] = 1.0
        ase.io.write(path, [plain, shared], format="extxyz")
    else:
        path = tmp_path / f"mine.{kind}"
        with ase.db.connect(path) as base:
            base.write(bulk("Cu"), y=1.0)
            base.write(shared, y=2.0, data={"occupancy": shared.info["occupancy"]})
    name = {"cif": "c01.cif'", "xyz": "mine.xyz', frame 1"}.get(kind, f"mine.{kind}', '2'")
    with pytest.raises(
        ValueError, match=f"{name} has partly occupied sites, such as .'Na'.*Give an ordered"
    ):
        load_dataset(path, targets=["y"])


def test_occupancy_beside_the_atoms_of_a_crystal(tmp_path):
    def read(shares, pbc=True):
        atoms = bulk("NaCl", "rocksalt", a=5.6)
        atoms.set_array("occupancy", np.array(shares))
        atoms.pbc, atoms.info["y"] = pbc, 1.0
        ase.io.write(tmp_path / "a.xyz", atoms, format="extxyz")
        return load_dataset(tmp_path / "a.xyz", targets=["y"])

    with pytest.raises(ValueError, match=r"frame 0 has partly occupied sites, such as 0\.75"):
        read([1.0, 0.75])
    assert len(read([1.0, 1.0])) == len(read([1.0, 0.75], pbc=False)) == 1


def test_garbage_gets_a_sentence(tmp_path):
    folder = cif_folder(tmp_path, [bulk("Cu")], y=[1.0])
    for text, said in {
        "rubbish": "cannot be read as CIF: it does not begin with data_NAME, as CIF does.$",
        "data_x\nfoo bar\n": 'cannot be read as CIF: Unexpected CIF file entry: "foo bar".$',
        "data_x\n": "holds no structure with a cell and sites",
    }.items():
        (folder / "c00.cif").write_text(text)
        with pytest.raises(ValueError, match=said):
            load_dataset(folder, targets=["y"])
    (tmp_path / "broken.db").write_text("no database")
    with pytest.raises(ValueError, match="cannot be read as a database of ASE: .* database"):
        load_dataset(tmp_path / "broken.db", targets=["y"])
    with pytest.raises(FileNotFoundError, match="no file"):
        load_dataset(tmp_path / "none.db", targets=["y"])


def beside_copper(kind, folder, atoms):
    """A file with a crystal of copper, and `atoms` behind it."""
    frames = [bulk("Cu"), atoms]
    atoms.info.clear()  # of what the builder notes, which ASE does not write
    path = folder / f"{len(list(folder.iterdir()))}{kind}"
    if kind == ".db":
        with ase.db.connect(path) as base:
            for i, frame in enumerate(frames):
                base.write(frame, y=float(i))
        return path, "'2'"
    for i, frame in enumerate(frames):
        frame.info["y"] = float(i)
    ase.io.write(path, frames, format="extxyz")
    return path, "frame 1"


@pytest.mark.parametrize("kind", [".db", ".xyz"])
def test_bad_crystals_get_a_clear_word(kind, tmp_path):
    close = bulk("NaCl", "rocksalt", a=5.6)
    close.positions[1] = close.positions[0] + 0.2
    flat = bulk("Cu")
    flat.set_cell(np.diag([3.0, 3.0, 0.0]))
    for atoms, said in {
        "no cell": (molecule("H2O"), "has no cell; a crystal repeats in three directions: give"),
        "slab": (fcc111("Cu", (1, 1, 3), vacuum=8), "in some directions only, pbc is T T F"),
        "overlap": (close, ": atoms 0 and 1 are 0.35 Angstrom apart"),
        "flat": (flat, "has a cell without volume"),
    }.values():
        path, name = beside_copper(kind, tmp_path, atoms)
        with pytest.raises(ValueError, match=name + ".*" + said):
            load_dataset(path, targets=["y"])
    slab = fcc111("Cu", (1, 1, 3), vacuum=8, periodic=True)
    path, name = beside_copper(kind, tmp_path, slab)
    with pytest.warns(UserWarning, match=f"1 of 2 structures, such as .*{name}, have more than 8"):
        load_dataset(path, targets=["y"])


def test_molecules_are_not_checked(tmp_path, monkeypatch):
    close = molecule("H2O")
    close.positions[1] = close.positions[0] + 0.1
    close.info = {"y": 1.0, "occupancy": {"0": {"O": 0.5}}}
    ase.io.write(tmp_path / "a.xyz", close, format="extxyz")
    monkeypatch.setattr("cpdkit.datasets.extxyz.check_crystals", None)  # would fail if called
    assert len(load_dataset(tmp_path / "a.xyz", targets=["y"])) == 1


def test_layered_crystals_are_crystals(recwarn):
    check_crystals(load_dataset("prototypes").atoms, str)
    assert not recwarn.list
    lone = AtomsSequence.from_atoms([bulk("Ar", "sc", a=12.0)])
    with pytest.warns(UserWarning, match="vacuum: slabs or molecules in boxes"):
        check_crystals(lone, str)
