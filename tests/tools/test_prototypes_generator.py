"""The crystals of ``prototypes``: structure types, Madelung constants, rows made again."""

from __future__ import annotations

import json
from hashlib import sha256

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from paths import ROOT

from cpdkit.composition import space_groups
from cpdkit.datasets._npz import read_npz
from cpdkit.datasets.prototypes.ions import IONS, charges_of
from tools.prototypes.ewald import COULOMB, ewald_energy
from tools.prototypes.generate import Crystal, conformer_rows, plan, probe_rows
from tools.prototypes.structures import PROTOTYPES, distance

DATA = ROOT / "cpdkit" / "datasets" / "prototypes" / "data"


@pytest.mark.parametrize(
    ("crystal", "charges", "bond", "madelung"),
    [
        # Madelung constants for the nearest distance: CRC Handbook of Chemistry and Physics.
        (bulk("NaCl", "rocksalt", a=2.0), [1, -1], 1.0, 1.747564595),
        (bulk("CsCl", "cesiumchloride", a=1.0), [1, -1], 3**0.5 / 2, 1.762674773),
        (bulk("ZnS", "zincblende", a=1.0), [1, -1], 3**0.5 / 4, 1.638055),
        (bulk("CaF2", "fluorite", a=1.0), [2, -1, -1], 3**0.5 / 4, 5.03879),
    ],
)
def test_madelung_constants(crystal, charges, bond, madelung):
    energy = ewald_energy(crystal, np.array(charges)) * bond / COULOMB
    assert -energy == pytest.approx(madelung, rel=1e-5)


def test_the_energy_does_not_know_how_a_crystal_is_written():
    wurtzite = bulk("ZnS", "wurtzite", a=3.8, c=6.2)
    one = ewald_energy(wurtzite, charges_of(np.array([30, 16, 30, 16])))
    larger = wurtzite.repeat((2, 1, 3))
    larger.rotate(33, (1, 2, 3), rotate_cell=True)
    larger.positions += 0.7
    q = np.where(larger.numbers == 30, 2, -2)
    assert ewald_energy(larger, q) == pytest.approx(6 * one, rel=1e-10)
    with pytest.raises(ValueError, match="charge 2"):
        ewald_energy(Atoms("Zn", cell=np.eye(3) * 4, pbc=True), np.array([2]))


def test_the_energy_is_that_of_pymatgen():
    pytest.importorskip("pymatgen.analysis", reason="an independent Ewald sum")
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.io.ase import AseAtomsAdaptor

    stored = read_npz(DATA / "probe.npz", remedy="")
    offsets = np.concatenate([[0], np.cumsum(stored["n_atoms"])])
    for i in range(0, len(stored["ids"]), 60):
        part = slice(offsets[i], offsets[i + 1])
        numbers, positions = stored["numbers"][part], stored["positions"][part] * 1e-6
        atoms = Atoms(numbers, positions, cell=stored["cells"][i] * 1e-6, pbc=True)
        structure = AseAtomsAdaptor.get_structure(atoms)
        structure.add_oxidation_state_by_site(charges_of(numbers).tolist())
        theirs = EwaldSummation(structure, acc_factor=14).total_energy / len(atoms)
        assert stored["ewald_energy"][i] == pytest.approx(theirs, rel=1e-6), stored["ids"][i]


EXAMPLES = {
    "AX": ("Na", "Cl"), "AX2": ("Ti", "O"), "XA2": ("O", "Li"), "ABX3": ("Sr", "Ti", "O"),
    "AB2X4": ("Mg", "Al", "O"), "A2BX4": ("Sr", "Ti", "O"), "ABX": ("Li", "Mg", "N"),
    "AXY": ("Pb", "F", "Cl"), "A2BCX6": ("Cs", "Ag", "In", "Cl"), "A2X3": ("Al", "O"),
    "AX3": ("Al", "F"),
}  # fmt: skip


@pytest.mark.parametrize("name", PROTOTYPES)
def test_structure_types_have_their_space_group_and_distances(name):
    pytest.importorskip("spglib")
    type_ = PROTOTYPES[name]
    ions = ("Pb", "O") if name == "litharge" else EXAMPLES[type_.family]
    atoms = type_.build(ions, np.random.default_rng(0))
    assert space_groups([atoms], tolerance=1e-3).tolist() == [type_.space_group]
    assert charges_of(atoms.numbers).sum() == 0
    cations = [ion for ion in ions if IONS[ion].charge > 0]
    anions = [ion for ion in ions if IONS[ion].charge < 0]
    expected = min(distance(c, a, 6) for c in cations for a in anions)
    near = atoms.repeat(3).get_all_distances(mic=True)
    assert near[near > 0].min() == pytest.approx(expected, rel=0.16)


def test_a_few_rows_are_made_again():
    stored = read_npz(DATA / "probe.npz", remedy="")
    crystals = plan(0)
    assert [c.name for c in crystals] == stored["ids"].tolist()
    offsets = np.concatenate([[0], np.cumsum(stored["n_atoms"])])
    for i in range(3, len(crystals), 97):
        made = probe_rows([crystals[i]])
        part = slice(offsets[i], offsets[i + 1])
        assert np.array_equal(made["numbers"], stored["numbers"][part])
        assert np.abs(made["positions"] - stored["positions"][part]).max() <= 1
        assert np.abs(made["cells"][0] - stored["cells"][i]).max() <= 1
        assert made["ewald_energy"][0] == pytest.approx(stored["ewald_energy"][i], rel=1e-9)
        assert made["strained"][0] == stored["strained"][i]


def test_geometries_are_made_again():
    stored = read_npz(DATA / "conformers.npz", remedy="")
    offsets = np.concatenate([[0], np.cumsum(stored["n_atoms"])])
    prototype, ions = stored["parent"][0].split("/")
    crystal = next(c for c in plan(0) if c.name == f"{prototype}/{ions}")
    made = conformer_rows([crystal])
    assert made["ids"].tolist() == stored["ids"][:9].tolist()
    assert np.abs(made["positions"] - stored["positions"][: offsets[9]]).max() <= 1
    assert np.allclose(made["ewald_energy"], stored["ewald_energy"][:9], rtol=1e-9)


def test_a_row_depends_on_its_seed_alone():
    crystal = Crystal("rutile", ("Ti", "O"))
    alone, among = probe_rows([crystal]), probe_rows([Crystal("rocksalt", ("Na", "Cl")), crystal])
    assert np.array_equal(alone["positions"], among["positions"][2:])
    assert not np.array_equal(alone["cells"], probe_rows([crystal], seed=1)["cells"])


def test_the_files_are_small_and_those_of_the_manifest():
    sums = json.loads((DATA / "manifest.json").read_text())["sha256"]
    assert {n: sha256((DATA / n).read_bytes()).hexdigest() for n in sums} == sums
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_000_000
