"""The shipped xtb9 splits: what the data card promises, and labels that can be computed again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cpdkit.datasets.xtb9 import read
from cpdkit.datasets.xtb9.formulas import formula_table, interleave, quotas
from tools.xtb9.arrays import write_arrays

DATA = read.data_file("probe.npz").parent


@pytest.fixture(scope="module")
def splits():
    return {name: read.load(name) for name in read.SPLITS}


def blocks(ds):
    return {key[:14] for key in ds.info["inchikey"]}


# --- promises of the data card -----------------------------------------------------------------


def test_counts_promised(splits):
    probe, train, conformers = (splits[s] for s in read.SPLITS)
    assert len(probe) >= 4000
    assert len(train) >= 20000
    names, counts = np.unique(probe.formulas, return_counts=True)
    assert len(names) >= 100
    assert counts[counts >= 10].sum() >= 2 / 3 * len(probe)
    assert conformers.info["molecule"].nunique() >= 300
    assert (conformers.info.groupby("molecule").size() == 10).all()


def test_no_molecule_in_two_places(splits):
    probe, train, conformers = (splits[s] for s in read.SPLITS)
    assert len(blocks(probe)) == len(probe)
    assert len(blocks(train)) == len(train)
    assert not blocks(probe) & blocks(train)
    assert set(conformers.info["inchikey"]) <= set(probe.info["inchikey"])


def test_formulas_held_out_of_train_are_marked(splits):
    probe, train = splits["probe"], splits["train"]
    marked = probe.info["formula_in_train"].to_numpy()
    assert (marked == np.isin(probe.formulas, train.formulas)).all()
    assert len(np.unique(probe.formulas[~marked])) >= 20
    assert train.info["formula_in_train"].all()


def test_manifest_matches_files(splits):
    about = read.manifest()
    for name, ds in splits.items():
        entry = about["splits"][name]
        assert entry["rows"] == len(ds)
        assert entry["sha256"] == hashlib.sha256((DATA / f"{name}.npz").read_bytes()).hexdigest()


def test_size_of_the_shipped_data():
    sizes = [p.stat().st_size for p in DATA.iterdir()]
    assert sum(sizes) <= 8e6
    assert max(sizes) <= 6e6


@pytest.mark.parametrize("split", read.SPLITS)
def test_loads_in_under_a_second(split):
    # Best of three: the machine may be busy with something else.
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        read.load(split)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 1.0


def test_loading_needs_neither_rdkit_nor_tblite():
    code = (
        "import sys; from cpdkit.datasets.xtb9 import read; read.load('probe');"
        "print([m for m in ('rdkit', 'tblite', 'torch', 'matplotlib') if m in sys.modules])"
    )
    env = os.environ | {"PYTHONPATH": str(Path(read.__file__).parents[3])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout.strip() == "[]"


def test_unknown_split_says_what_there_is():
    with pytest.raises(ValueError, match="did you mean 'probe'.*'conformers'"):
        read.load("prob")


# --- consistency of what is stored -------------------------------------------------------------


def test_targets_follow_from_each_other(splits):
    about = read.manifest()
    for ds in splits.values():
        t = ds.targets
        assert np.isfinite(t.to_numpy()).all()
        assert (t["gap"] > 0).all()
        assert (t["atomization_energy"] > 0).all()
        np.testing.assert_allclose(t["gap"], t["lumo"] - t["homo"])
        counts, elements = ds.atoms.element_counts()
        free = counts @ [about["atom_energies_eV"][str(z)] for z in elements]
        np.testing.assert_allclose(t["energy"] + t["atomization_energy"], free)
        quadrupole = ds.info[["quadrupole_xx", "quadrupole_yy", "quadrupole_zz"]]
        np.testing.assert_allclose(quadrupole.sum(axis=1), 0, atol=1e-9)


def test_conformer_energies_lie_within_the_stated_range(splits):
    ds = splits["conformers"]
    per_atom = ds.targets["relative_energy"] / ds.atoms.n_atoms
    assert (per_atom >= 0).all()
    assert (per_atom <= 0.1).all()
    assert (ds.targets["relative_energy"].groupby(ds.info["molecule"]).min() == 0).all()
    assert per_atom.groupby(ds.info["molecule"]).max().median() > 0.05
    first = ds.select(np.flatnonzero([key.endswith("/0") for key in ds.ids]))
    probe = splits["probe"]
    row = {key: i for i, key in enumerate(probe.ids)}
    for i in range(0, len(first), 40):
        j = row[first.info["inchikey"][i]]
        np.testing.assert_array_equal(first.atoms[i].positions, probe.atoms[j].positions)


def test_rotational_constants_and_extent_against_ase(splits):
    from ase.units import Bohr

    from cpdkit.datasets.xtb9.derived import MASSES

    probe = splits["probe"]
    for i in range(0, len(probe), 400):
        atoms = probe.atoms[i]
        atoms.set_masses([MASSES[z] for z in atoms.numbers])
        # 505.379 GHz u Angstrom^2 is the textbook constant h / (8 pi^2).
        constants = np.sort(505.3790 / atoms.get_moments_of_inertia())[::-1]
        np.testing.assert_allclose(probe.targets.loc[i, ["A", "B", "C"]], constants, rtol=1e-6)
        r = (atoms.positions - atoms.get_center_of_mass()) / Bohr
        assert probe.targets.loc[i, "r2"] == pytest.approx(atoms.numbers @ (r**2).sum(axis=1))


def test_smiles_formula_bonds_and_atom_order_agree(splits):
    Chem = pytest.importorskip("rdkit.Chem")
    from tools.xtb9.rows import bond_counts

    names = read.manifest()["bond_types"]
    for ds in splits.values():
        for i in range(0, len(ds), max(1, len(ds) // 40)):
            mol = Chem.AddHs(Chem.MolFromSmiles(ds.smiles[i]))
            assert [a.GetAtomicNum() for a in mol.GetAtoms()] == ds.atoms[i].numbers.tolist()
            assert Chem.MolToInchiKey(mol) == ds.info["inchikey"][i]
            np.testing.assert_array_equal(bond_counts(mol), ds.info.loc[i, names].astype(int))


def test_no_shipped_molecule_breaks_a_filter(splits):
    Chem = pytest.importorskip("rdkit.Chem")
    from tools.xtb9.filters import violations

    for name in ("probe", "train"):
        smiles = splits[name].smiles
        assert not [s for s in smiles[::25] if violations(Chem.MolFromSmiles(s))]


# --- labels ------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", read.SPLITS)
def test_labels_can_be_computed_again(splits, split):
    labels = pytest.importorskip("tools.xtb9.labels")
    ds = splits[split]
    for i in np.random.default_rng(1).choice(len(ds), size=20, replace=False):
        atoms = ds.atoms[int(i)]
        again = labels.compute_labels(atoms.numbers, atoms.positions, alpha=False)
        for name in ("energy", "homo", "lumo", "homo_gfn1", "lumo_gfn1"):
            assert getattr(again, name) == pytest.approx(ds.targets[name][i], abs=1e-6)
        stored = ds.info.loc[i, ["dipole_x", "dipole_y", "dipole_z"]].astype(float)
        np.testing.assert_allclose(again.dipole, stored, rtol=0, atol=1e-6)
        parts = [f"quadrupole_{c}" for c in ("xx", "xy", "yy", "xz", "yz", "zz")]
        stored = ds.info.loc[i, parts].astype(float)
        np.testing.assert_allclose(again.quadrupole, stored, rtol=0, atol=1e-5)


def test_polarizability_does_not_hang_on_the_field_step(splits):
    labels = pytest.importorskip("tools.xtb9.labels")
    ds = splits["probe"]
    for i in (0, 1000, 3000):
        atoms = ds.atoms[i]
        stored = ds.targets["alpha"][i]
        for field, tolerance in ((labels.FIELD, 2e-4), (labels.FIELD / 2, 2e-3)):
            again = labels.polarizability(atoms.numbers, atoms.positions, field=field)
            assert again == pytest.approx(stored, abs=tolerance)


def test_energies_of_the_free_atoms():
    labels = pytest.importorskip("tools.xtb9.labels")
    for number, energy in read.manifest()["atom_energies_eV"].items():
        assert labels.atom_energy(int(number)) == pytest.approx(energy, abs=1e-6)


def test_labels_turn_with_the_molecule(splits):
    labels = pytest.importorskip("tools.xtb9.labels")
    from tools.xtb9.relax import random_rotation

    atoms = splits["probe"].atoms[7]
    turn = random_rotation(np.random.default_rng(0))
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1)
    one = labels.compute_labels(atoms.numbers, atoms.positions, alpha=True)
    two = labels.compute_labels(atoms.numbers, atoms.positions @ turn.T, alpha=True)
    for name in ("energy", "homo", "lumo", "homo_gfn1", "lumo_gfn1"):
        assert getattr(one, name) == pytest.approx(getattr(two, name), abs=2e-6)
    assert one.alpha == pytest.approx(two.alpha, abs=2e-3)
    np.testing.assert_allclose(turn @ one.dipole, two.dipole, atol=2e-6)

    turned = turn @ tensor(one.quadrupole) @ turn.T
    np.testing.assert_allclose(turned, tensor(two.quadrupole), atol=1e-5)


def test_quadrupole_follows_the_law_of_shifted_origins(splits):
    """Moving a neutral molecule by R adds 3/2 (R mu + mu R) - R.mu 1 to its quadrupole."""
    labels = pytest.importorskip("tools.xtb9.labels")
    atoms = splits["probe"].atoms[7]
    shift = np.array([0.7, -0.4, 1.1])
    one = labels.compute_labels(atoms.numbers, atoms.positions, alpha=False)
    two = labels.compute_labels(atoms.numbers, atoms.positions + shift, alpha=False)
    both = np.outer(shift, one.dipole)
    expected = 1.5 * (both + both.T) - np.trace(both) * np.eye(3)
    change = tensor(two.quadrupole) - tensor(one.quadrupole)
    np.testing.assert_allclose(change, expected, atol=1e-5)


def tensor(q):
    xx, xy, yy, xz, yz, zz = q
    return np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])


# --- storage -----------------------------------------------------------------------------------


def test_arrays_survive_storage(tmp_path):
    rng = np.random.default_rng(0)
    columns = {
        "positions": np.rint(rng.normal(scale=3e4, size=(50, 3))) * 1e-4,
        "energy": rng.normal(-800, 100, size=20),
        "dipole": rng.normal(size=(20, 3)),
        "n_atoms": rng.integers(0, 30, size=20),
        "bonds": rng.integers(0, 300, size=(20, 5)),
        "smiles": np.array(["C" * int(k) for k in rng.integers(1, 9, size=20)]),
    }
    write_arrays(tmp_path / "x.npz", columns)
    back = read.read_arrays(tmp_path / "x.npz")
    assert back.keys() == columns.keys()
    for name, values in columns.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(back[name], values, rtol=0, atol=0.51 * read.STEPS[name])
        else:
            np.testing.assert_array_equal(back[name], values)
    # What is on the grid already comes back to the last bit: labels belong to these coordinates.
    np.testing.assert_array_equal(back["positions"], columns["positions"])
    assert list(tmp_path.iterdir()) == [Path(tmp_path / "x.npz")]


def test_storage_refuses_negative_counts(tmp_path):
    with pytest.raises(ValueError, match="n_atoms"):
        write_arrays(tmp_path / "x.npz", {"n_atoms": np.array([-1, 2])})
    assert not list(tmp_path.iterdir())


# --- formulas ----------------------------------------------------------------------------------


def test_formula_table():
    table = formula_table()
    assert len({row.formula for row in table}) == len(table) >= 100
    assert sum(not row.in_train for row in table) >= 20


@pytest.mark.parametrize("split", ["probe", "train"])
@pytest.mark.parametrize("n", [100, 4200, 60000])
def test_quotas_reach_the_number_asked_for(split, n):
    assert sum(quotas(split, n).values()) >= n
    held_out = {row.formula for row in formula_table() if not row.in_train}
    assert (split == "probe") == bool(held_out & quotas(split, n).keys())


def test_interleaved_prefixes_keep_the_proportions():
    counts = {"A": 60, "B": 30, "C": 10}
    order = interleave(counts)
    assert sorted(order) == [(f, r) for f, n in counts.items() for r in range(n)]
    for stop in (10, 20, 50, 70):
        seen = [f for f, _ in order[:stop]]
        for f, n in counts.items():
            assert abs(seen.count(f) - stop * n / 100) <= 1
