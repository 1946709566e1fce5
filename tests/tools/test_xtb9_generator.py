"""The xtb9 generator: same seed, same molecules, whatever interrupts or divides the run."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rdkit", reason="the generator needs rdkit")
pytest.importorskip("tblite", reason="the generator needs tblite")

from rdkit import Chem, RDLogger
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

import cpdkit
from cpdkit.datasets.xtb9 import read
from tools.xtb9 import generate as gen
from tools.xtb9.chunks import collect
from tools.xtb9.conformers import normal_modes
from tools.xtb9.filters import RULES, penalty, violations
from tools.xtb9.molecular_graphs import iter_graphs, parse_formula
from tools.xtb9.relax import Dropped, embed, keeps_bonds, relax_smiles
from tools.xtb9.rows import molecule_rows

RDLogger.DisableLog("rdApp.*")
ENV = os.environ | {"PYTHONPATH": str(Path(cpdkit.__file__).parents[1])}


# --- filters -----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_rejects_its_example_and_accepts_the_relative(rule):
    bad, good = Chem.MolFromSmiles(rule.rejects), Chem.MolFromSmiles(rule.accepts)
    assert rule.matches(bad) > 0
    assert rule.name in violations(bad)
    assert violations(good) == []
    assert penalty(bad) >= rule.weight
    assert penalty(good) == 0


# Molecules anybody has met in a bottle.
@pytest.mark.parametrize(
    "smiles",
    ["c1ccccc1O", "CC(=O)OC", "C1CC2CCC1C2", "Nc1ncnc2[nH]cnc12", "OCC(O)CO", "CC#N", "C1CO1",
     "NC(N)=O", "CC(=O)C(C)=O", "FC(F)(F)c1cnc[nH]1", "O=C1CCCN1", "C1=CC2C=CC1C2"],
)  # fmt: skip
def test_common_molecules_pass(smiles):
    assert violations(Chem.MolFromSmiles(smiles)) == []


def test_early_exit_never_accepts():
    mol = Chem.MolFromSmiles("COOC=C=NO")
    total = penalty(mol)
    for limit in np.arange(0, total + 2, 0.5):
        assert (penalty(mol, limit=limit) > limit) == (total > limit)


# --- graphs ------------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", ["C6H9NO2", "C5H5F3N2", "C4H3N3O2", "C9H20", "C8H8O"])
def test_graphs_have_the_formula_pass_the_filters_and_differ(formula):
    found = list(itertools.islice(iter_graphs(formula, seed=1), 30))
    assert len({key for _, key in found}) == len(found) == 30
    for smiles, key in found:
        mol = Chem.MolFromSmiles(smiles)
        assert CalcMolFormula(mol) == formula
        assert violations(mol) == []
        assert Chem.MolToInchiKey(mol)[:14] == key


def test_all_isomers_of_a_small_formula_are_found():
    # C4H10O has exactly seven constitutional isomers: four alcohols and three ethers.
    found = {smiles for smiles, _ in iter_graphs("C4H10O", seed=0, patience=4000)}
    ethers = {"CCOCC", "CCCOC", "COC(C)C"}
    assert found == ethers | {"CCCCO", "CCC(C)O", "CC(C)CO", "CC(C)(C)O"}


def test_graphs_depend_on_the_seed_alone():
    def first(seed):
        return list(itertools.islice(iter_graphs("C6H8O2", seed=seed), 20))

    assert first(5) == first(5)
    assert first(5) != first(6)


@pytest.mark.parametrize("text", ["", "C6H9S", "c6h6", "CH5", "C2H7", "CH3", "O2H9", "H2"])
def test_impossible_formulas_are_refused(text):
    with pytest.raises(ValueError, match="formula"):
        parse_formula(text)


# --- geometries --------------------------------------------------------------------------------


def test_short_contacts_are_not_bonds():
    # The bridgeheads of bicyclo[1.1.1]pentane: 1.9 Angstrom apart, one bond order below a half.
    relaxed = relax_smiles("C1C2CC1C2", seed=0)
    heads = [a.GetIdx() for a in relaxed.mol.GetAtoms() if a.GetTotalNumHs(True) == 1]
    distance = np.linalg.norm(np.subtract(*relaxed.positions[heads]))
    assert 1.7 < distance < 2.0


def test_a_broken_or_new_bond_is_noticed():
    from tools.xtb9.labels import bond_orders, singlepoint

    relaxed = relax_smiles("CCO", seed=0)
    orders = bond_orders(singlepoint(relaxed.numbers, relaxed.positions))
    assert keeps_bonds(relaxed.mol, relaxed.positions, orders)
    other = Chem.AddHs(Chem.MolFromSmiles("COC"))  # same atoms, other bonds
    assert not keeps_bonds(other, relaxed.positions, orders)
    stretched = relaxed.positions.copy()
    stretched[2:] += 3 * (stretched[2] - stretched[1])
    assert not keeps_bonds(relaxed.mol, stretched, orders)


def test_stereochemistry_and_atom_order_are_those_of_the_smiles():
    relaxed = relax_smiles("CC=CC(C)O", seed=4)
    again = Chem.Mol(relaxed.mol)
    Chem.AssignStereochemistryFrom3D(again)
    assert Chem.MolToSmiles(Chem.RemoveHs(again)) == relaxed.smiles
    assert "@" in relaxed.smiles
    assert "/" in relaxed.smiles
    expected = Chem.AddHs(Chem.MolFromSmiles(relaxed.smiles))
    assert relaxed.numbers.tolist() == [a.GetAtomicNum() for a in expected.GetAtoms()]
    assert Chem.MolToInchiKey(expected) == relaxed.inchikey


def test_an_impossible_cage_is_dropped_with_a_reason():
    mol = Chem.AddHs(Chem.MolFromSmiles("C12C3C1C23"))  # tetrahedrane, made trans by force
    for atom in list(mol.GetAtoms())[:4]:
        atom.SetChiralTag(Chem.ChiralType.CHI_TETRAHEDRAL_CW)
    with pytest.raises(Dropped, match="embedding|force field"):  # noqa: PT012, by one of them
        for seed in range(20):
            embed(mol, seed)


def test_normal_modes_of_water_against_ase(tmp_path):
    import ase
    from ase.vibrations import Vibrations
    from tblite.ase import TBLite

    relaxed = relax_smiles("O", seed=0)
    constants, modes = normal_modes(relaxed.numbers, relaxed.positions)
    assert modes.shape == (3, 3, 3)
    atoms = ase.Atoms(relaxed.numbers, relaxed.positions, calculator=TBLite(verbosity=0))
    vibrations = Vibrations(atoms, name=str(tmp_path / "vib"), delta=0.005)
    vibrations.run()
    expected = np.sort(vibrations.get_energies().real)[-3:]
    hbar = ase.units._hbar / np.sqrt(ase.units._amu * ase.units._e) * 1e10
    np.testing.assert_allclose(hbar * np.sqrt(constants), expected, rtol=2e-3)


# --- the run -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def few_formulas(tmp_path_factory):
    """Run the command with a short formula table, so that the graphs take no time."""
    home = tmp_path_factory.mktemp("short")
    (home / "short.py").write_text(
        "import sys\n"
        "from cpdkit.datasets.xtb9 import formulas\n"
        "rows = [formulas.FormulaWeight(f, 1, t) for f, t in\n"
        "        (('C5H8O2', True), ('C5H9NO', True), ('C6H10O', False))]\n"
        "formulas.formula_table = lambda: tuple(rows)\n"
        "from tools.xtb9 import generate, splits\n"
        "splits.formula_table = formulas.formula_table\n"
        "generate.CHUNK.update(probe=3, train=3)\n"
        "from tools.xtb9.__main__ import main\n"
        "if __name__ == '__main__':\n"
        "    main(sys.argv[1:])\n"
    )

    def command(out, *extra):
        args = ["--out", out, "--seed", 3, "--n-probe", 12, "--n-train", 12, *extra]
        return [sys.executable, str(home / "short.py"), *map(str, args)]

    return command


@pytest.fixture(scope="module")
def fresh(few_formulas, tmp_path_factory):
    out = tmp_path_factory.mktemp("fresh")
    subprocess.run(few_formulas(out, "--n-conformers", 1), check=True, capture_output=True, env=ENV)
    return out


def same(first, second, splits=("probe", "train")):
    for split in splits:
        one, two = (read.read_arrays(d / f"{split}.npz") for d in (first, second))
        assert one.keys() == two.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])


def test_two_processes_give_what_one_gives(few_formulas, fresh, tmp_path):
    command = few_formulas(tmp_path, "--n-conformers", 1, "--processes", 2)
    subprocess.run(command, check=True, capture_output=True, env=ENV)
    same(fresh, tmp_path, read.SPLITS)


def test_a_killed_run_continues_to_the_same_result(few_formulas, fresh, tmp_path):
    command = few_formulas(tmp_path, "--n-conformers", 1, "--processes", 2)
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=ENV)
    chunks = tmp_path / "chunks" / "probe"
    deadline = time.monotonic() + 60
    while not list(chunks.glob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    # The workers hold the other end of the pipe: it closes when the last of them has gone.
    run.communicate(timeout=30)
    kept = {p.name: p.stat().st_mtime_ns for p in chunks.glob("*.npz")}
    assert kept
    assert not (tmp_path / "train.npz").exists()
    command = few_formulas(tmp_path, "--n-conformers", 1)
    subprocess.run(command, check=True, capture_output=True, env=ENV)
    same(fresh, tmp_path, read.SPLITS)
    assert {name: (chunks / name).stat().st_mtime_ns for name in kept} == kept


def test_other_settings_do_not_mix_with_an_existing_run(fresh):
    with pytest.raises(ValueError, match="n_train.*12.*99"):
        gen.generate(fresh, gen.Settings(3, 12, 99, 1))


def test_running_out_of_molecules_is_an_error(tmp_path):
    def job():
        raise Dropped("bonds changed")

    with pytest.raises(RuntimeError, match="3 molecules wanted, 2 candidates"):
        collect(tmp_path, [job] * 2, 3, size=2, processes=1)
    with pytest.raises(RuntimeError, match="only 0 of 3.*'bonds changed': 4"):
        collect(tmp_path, [job] * 4, 3, size=2, processes=1)


def test_command_line_help_and_errors():
    base = [sys.executable, "-m", "tools.xtb9"]
    done = subprocess.run([*base, "--help"], capture_output=True, text=True, check=True, env=ENV)
    for option in ("--out", "--seed", "--processes", "--n-probe", "--n-train", "--n-conformers"):
        assert option in done.stdout
    bad = subprocess.run(
        [*base, "--out", "x", "--n-train", "0"], capture_output=True, text=True, env=ENV
    )
    assert bad.returncode == 2
    assert "--n-train" in bad.stderr


# --- the shipped data come out of the generator ------------------------------------------------


def test_twenty_molecules_come_out_again():
    """Graph by graph for five formulas, then geometry and labels, from the seed in the manifest."""
    settings = gen.Settings(
        **{k: v for k, v in read.manifest()["settings"].items() if k in vars(gen.Settings())}
    )
    found = 0
    for split in ("probe", "train"):
        ds = read.load(split)
        row = {key[:14]: i for i, key in enumerate(ds.ids)}
        for formula in ("C7H11NO", "C6H10N2O", "C8H10", "C6H9FO2", "C5H8O3"):
            shipped = {k for k, f in zip(row, ds.formulas, strict=True) if f == formula}
            here = [
                (smiles, key)
                for smiles, key in itertools.islice(iter_graphs(formula, seed=settings.seed), 80)
                if key in shipped
            ]
            for smiles, key in here[:2]:
                (again,) = molecule_rows(smiles, key, seed=settings.seed, alpha=False)
                i = row[key]
                assert again["smiles"] == ds.smiles[i]
                assert again["inchikey"] == ds.ids[i]
                np.testing.assert_allclose(again["positions"], ds.atoms[i].positions, atol=1e-3)
                assert again["energy"] == pytest.approx(ds.targets["energy"][i], abs=1e-4)
                found += 1
    assert found >= 20
