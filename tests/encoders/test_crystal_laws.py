"""What is read from a crystal does not depend on how it is written, in real structure types."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import ase
import numpy as np
import pytest
from ase.build import bulk, niggli_reduce
from ase.spacegroup import crystal

from cpdkit import extract, load_dataset, load_encoder

ELEMENTS = "Na Cl Ti O Zn S"
ENCODERS = [
    "sevennet-0",
    "sevennet-l3i5",
    "chgnet",
    f"mace-untrained[elements={ELEMENTS}]",
    "schnet-untrained",
    "painn-untrained",
    f"soap[n_max=3,l_max=3,elements={ELEMENTS}]",
]
LIBRARIES = {
    "sevennet": "sevenn", "chgnet": "chgnet", "mace": "mace", "schnet": "graph_pes",
    "painn": "graph_pes", "soap": "dscribe",
}  # fmt: skip


encoder = cache(load_encoder)


def crystals() -> list[ase.Atoms]:
    """A salt without any symmetry, and two structure types as they are."""
    salt = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    salt.rattle(0.05, seed=1)
    salt.set_cell(salt.cell.array @ (np.eye(3) + 0.03 * np.diag([1, -1], 1)), scale_atoms=True)
    cell = [4.59, 4.59, 2.96, 90, 90, 90]
    rutile = crystal(["Ti", "O"], [(0, 0, 0), (0.305, 0.305, 0)], spacegroup=136, cellpar=cell)
    return [salt, rutile, bulk("ZnS", "wurtzite", a=3.8)]


def ways_to_write(atoms: ase.Atoms) -> dict[str, ase.Atoms]:
    moved, turned, reduced, skewed = (atoms.copy() for _ in range(4))
    moved.positions += (0.4, -3.3, 11.0)
    turned.rotate(50, (1, 2, -1), rotate_cell=True)
    niggli_reduce(reduced)
    skewed.set_cell(np.array([[1, 0, 0], [1, 1, 0], [0, -1, 1]]) @ atoms.cell.array)
    shuffled = atoms[np.random.default_rng(0).permutation(len(atoms))]
    return {
        "supercell": atoms.repeat(2), "translation": moved, "rotation": turned,
        "order": shuffled, "Niggli": reduced, "another basis": skewed,
    }  # fmt: skip


def check(model, known) -> None:
    for atoms in known:
        ways = ways_to_write(atoms)
        features = extract(model, [atoms, *ways.values()], progress=False).features
        scale = np.abs(features[0]).max()
        assert scale > 1e-3
        for way, row in zip(ways, features[1:], strict=True):
            error = np.abs(row - features[0]).max() / scale
            assert error < 2e-4, (model.name, atoms.get_chemical_formula(), way, error)


@pytest.mark.parametrize("name", ENCODERS)
def test_how_a_crystal_is_written_does_not_matter(name):
    pytest.importorskip(LIBRARIES[name.split("-")[0].split("[")[0]])
    check(encoder(name), crystals()[1:] if "l3" in name else crystals())


def test_primitive_and_conventional_cells_are_one_crystal():
    pytest.importorskip("sevenn")
    primitive = bulk("NaCl", "rocksalt", a=5.64)
    both = [primitive, bulk("NaCl", "rocksalt", a=5.64, cubic=True)]
    rows = extract(encoder("sevennet-0"), both, progress=False).features
    assert np.allclose(rows[0], rows[1], atol=1e-4 * np.abs(rows[0]).max())


@pytest.mark.cpdkit_data
def test_a_published_mace(cpdkit_data: Path):
    pytest.importorskip("mace")
    file = cpdkit_data / "checkpoints" / "MACE_SPICE.model"
    if not file.is_file():
        pytest.skip(f"{cpdkit_data} holds no checkpoints/")
    check(load_encoder(f"mace:{file}"), crystals()[:1])  # it knows sodium and chlorine


def test_small_displacements_move_features_a_little():
    """The geometries of one crystal lie nearer to each other than to another crystal."""
    pytest.importorskip("sevenn")
    ds = load_dataset("prototypes", split="conformers")
    chosen = ds.select(np.arange(27))
    rows = extract(encoder("sevennet-0"), chosen, progress=False).select(layer=-1).features
    start, same, plain = rows[::9], rows.reshape(3, 9, -1), chosen.info["geometry"] == "supercell"
    assert np.allclose(rows[plain.to_numpy()], start, atol=1e-3 * np.abs(start).max())
    within = np.linalg.norm(same - same[:, :1], axis=2).max()
    between = min(np.linalg.norm(start[i] - start[j]) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert 0 < within < between
