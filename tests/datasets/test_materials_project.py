"""Crystals of the Materials Project: what is read, and what is said of files that are no good."""

from __future__ import annotations

import gzip
import shutil
import time
import tracemalloc

import numpy as np
import pytest
from ase.geometry import cellpar_to_cell
from hypothesis import given
from hypothesis import strategies as st

from cpdkit import load_dataset
from cpdkit.datasets.materials_project import lattice_vectors


@pytest.fixture
def files(cpdkit_data):
    folder = cpdkit_data / "materials_project"
    if not folder.is_dir():
        pytest.skip(f"{cpdkit_data} holds no materials_project/")
    return folder


def test_volumes_and_densities_are_those_of_the_structures(files):
    """The labels come from elsewhere, so cells, atoms and rows belong together."""
    ds = load_dataset("materials-project", n=300, seed=1)
    assert list(ds.targets) == list(ds.units)
    assert (ds.units["formation_energy_per_atom"], ds.units["density"]) == ("eV", "g/cm^3")
    volume = np.array([a.get_volume() / len(a) for a in ds.atoms])
    assert np.allclose(volume, ds.targets["volume_per_atom"], rtol=1e-4)
    mass = np.array([a.get_masses().mean() for a in ds.atoms])
    assert np.allclose(1.66053907 * mass / volume, ds.targets["density"], rtol=2e-3)
    assert ds.atoms[0].pbc.all()


def test_all_of_it(files):
    ds = load_dataset("materials-project")
    assert len(ds) == 36_738
    assert len(np.unique(ds.atoms.numbers)) == 87
    assert (ds.targets["band_gap"] == 0).sum() == 15_599
    assert len(load_dataset("materials-project", max_atoms=20)) == 19_618
    silicon = ds.select(ds.ids == "mp-149")
    assert silicon.formulas.tolist() == ["Si"]
    assert silicon.atoms.formulas(cell=True).tolist() == ["Si2"]
    assert silicon.atoms[0].get_all_distances(mic=True)[0, 1] == pytest.approx(2.37, abs=0.01)


def test_a_draw_is_seeded_and_cheap(files):
    """No object for a structure is built, and 36,738 of them cost no memory to speak of."""
    tracemalloc.start()
    start = time.process_time()
    ds = load_dataset("materials-project", n=2000, seed=0, max_atoms=20)
    spent, (_, peak) = time.process_time() - start, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spent < 10
    assert peak < 300e6
    assert ds.atoms.n_atoms.max() <= 20
    again = load_dataset("materials-project", n=2000, seed=0, max_atoms=20)
    assert ds.fingerprint == again.fingerprint
    assert set(ds.ids) != set(load_dataset("materials-project", n=2000, seed=1, max_atoms=20).ids)


def test_missing_and_damaged_files_are_named(files, tmp_path, monkeypatch):
    monkeypatch.delenv("CPDKIT_DATA")
    with pytest.raises(FileNotFoundError, match="CPDKIT_DATA.*materials_project/structures.npz"):
        load_dataset("materials-project")
    monkeypatch.setenv("CPDKIT_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="structures.npz"):
        load_dataset("materials-project")
    here = tmp_path / "materials_project"
    here.mkdir()
    shutil.copyfile(files / "structures.npz", here / "structures.npz")
    with pytest.raises(FileNotFoundError, match="properties.csv.gz"):
        load_dataset("materials-project")
    labels = (files / "properties.csv.gz").read_bytes()
    text = gzip.decompress(labels).decode().splitlines(keepends=True)
    swapped = [*text[:1], text[2], text[1], *text[3:]]
    for written, said in {
        labels[:-1000]: "properties.csv.gz.*is damaged",
        b"not gzip": "properties.csv.gz.*is damaged",
        gzip.compress(b"material_id,a\nmp-1,2\n"): "properties.csv.gz.*is damaged.*usecols|Usecols",
        gzip.compress("".join(text[:99]).encode()): "does not list the crystals of",
        gzip.compress("".join(swapped).encode()): "does not list the crystals of",
    }.items():
        (here / "properties.csv.gz").write_bytes(written)
        with pytest.raises(ValueError, match=said):
            load_dataset("materials-project")
    (here / "structures.npz").write_bytes((files / "structures.npz").read_bytes()[:50_000])
    with pytest.raises(ValueError, match="structures.npz' is damaged"):
        load_dataset("materials-project")
    with pytest.raises(ValueError, match="did you mean 'probe'"):
        load_dataset("materials-project", split="prob")


@given(
    st.lists(st.floats(1, 30), min_size=3, max_size=3),
    st.lists(st.sampled_from([60.0, 77.3, 90.0, 101.0]), min_size=3, max_size=3),
)
def test_lattice_vectors_are_those_of_ase(lengths, angles):
    cellpar = [*lengths, *angles]
    assert np.allclose(lattice_vectors([cellpar])[0], cellpar_to_cell(cellpar), atol=1e-12)


def test_impossible_cells_are_refused():
    with pytest.raises(ValueError, match="no cell has the lengths and angles.*structure 1"):
        lattice_vectors([[3, 3, 3, 90, 90, 90], [3, 3, 3, 30, 30, 90]])
    with pytest.raises(ValueError, match="no cell has"):
        lattice_vectors([[3, 0, 3, 90, 90, 90]])


def test_small_structures_only():
    ds = load_dataset("xtb9", max_atoms=12)
    assert 0 < len(ds) < 4200
    assert ds.atoms.n_atoms.max() == 12
    with pytest.raises(ValueError, match="the smallest has 10"):
        load_dataset("xtb9", max_atoms=5)
    with pytest.raises(ValueError, match="max_atoms"):
        load_dataset("xtb9", max_atoms=0)
