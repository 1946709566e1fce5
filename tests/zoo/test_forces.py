"""Energies with their forces: gradients are gradients, and molecules stay together."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import cpdkit
from cpdkit.datasets import AtomsSequence
from cpdkit.zoo import ARCHITECTURES, TASKS, Recipe, load_model, train
from cpdkit.zoo.displaced import FILE, WithForces, load_displaced
from cpdkit.zoo.flat_graphs import FlatGraphs
from cpdkit.zoo.loop import Training
from cpdkit.zoo.loss import held_out
from cpdkit.zoo.model import ZooModel
from cpdkit.zoo.molecules import train_molecules, unseen_molecules

SHORT = Recipe(epochs=2, batch_size=8, n_validation=8, checkpoints=(0.5, 1.0))


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def planted() -> WithForces:
    """Forty molecules, three geometries each, bound by a potential between pairs of atoms."""
    base = cpdkit.load_dataset("xtb9", split="train", n=40, seed=1)
    row = np.repeat(np.arange(40), 3)
    atoms = base.atoms.select(row)
    rng = np.random.default_rng(0)
    positions = atoms.positions + 0.05 * rng.normal(size=atoms.positions.shape)
    energies, forces = [], np.empty_like(positions)
    for start, end in zip(atoms.offsets[:-1], atoms.offsets[1:], strict=True):
        apart = positions[start:end, None] - positions[start:end]
        distance = np.linalg.norm(apart, axis=-1) + np.eye(end - start)
        pair = np.exp(-distance) * (1 - np.eye(end - start))
        energies.append(pair.sum() / 2)
        forces[start:end] = -((pair / distance)[..., None] * apart).sum(axis=1)
    return WithForces(
        name="planted",
        split="train",
        atoms=AtomsSequence(atoms.numbers, positions, atoms.n_atoms),
        targets=pd.DataFrame({"atomization_energy": energies}),
        units={"atomization_energy": "eV"},
        ids=np.arange(120).astype(str),
        smiles=base.smiles[row],
        info=pd.DataFrame({"molecule": row, "relaxed": np.arange(120) % 3 == 0}),
        forces=forces,
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_forces_are_derivatives_of_the_prediction(architecture: str, planted: WithForces) -> None:
    model = ZooModel.untrained(architecture, "forces", dtype="float64")
    model.scale.fill_(100.0)  # readouts start small
    atoms, step = planted.atoms.select(np.arange(4)), 1e-4
    graphs = FlatGraphs(atoms, model.encoder)
    predicted, forces = model.with_gradient(graphs.batch(np.arange(4)))
    assert np.allclose(predicted.numpy(), model.predict(atoms))
    largest = float(forces.abs().max())
    assert largest > 1e-3
    for atom, axis in ((0, 0), (3, 1), (len(forces) - 1, 2)):
        energies = []
        for sign in (1, -1):
            moved = atoms.positions.copy()
            moved[atom, axis] += sign * step
            energies.append(model.predict(AtomsSequence(atoms.numbers, moved, atoms.n_atoms)).sum())
        slope = (energies[0] - energies[1]) / (2 * step)
        assert abs(slope - float(forces[atom, axis])) < 1e-4 * largest
    assert np.abs(np.add.reduceat(forces.numpy(), atoms.offsets[:-1])).max() < 1e-9 * largest


def test_geometries_of_a_molecule_stay_together(planted: WithForces) -> None:
    out, rest = held_out(planted, 8, 0)
    molecule = planted.info["molecule"].to_numpy()
    assert sorted([*out, *rest]) == list(range(120))
    assert len(set(molecule[out])) == 8
    assert not set(molecule[out]) & set(molecule[rest])
    assert list(held_out(planted, 8, 1)[0]) != list(out)
    with pytest.raises(ValueError, match="40 molecules are too few to hold 21 out"):
        held_out(planted, 21, 0)


def test_held_out_molecules_of_the_weights_that_travel_are_as_they_were() -> None:
    """Before forces were learned, rows were drawn; a molecule has one row there."""
    singles = cpdkit.load_dataset("xtb9", split="train", n=60, seed=2)
    order = np.random.default_rng([3, 1]).permutation(60)
    assert held_out(singles, 20, 3)[0].tolist() == sorted(order[:20])


@pytest.mark.parametrize("architecture", ["painn"])
def test_resumed_is_fresh(architecture: str, planted: WithForces, tmp_path: Path) -> None:
    def training(folder: str) -> Training:
        return Training(architecture, "forces", planted, directory=tmp_path / folder, recipe=SHORT)

    whole = training("whole").run(progress=False)
    for stop in (3, 13, None):
        parts = training("parts").run(progress=False, until=stop)
    for epoch in (0.5, 1.0, 2.0):
        both = whole.weights[epoch], parts.weights[epoch]
        assert all(torch.equal(both[0][name], both[1][name]) for name in both[0])
    timeless = [[{**row, "seconds": 0} for row in t.history] for t in (whole, parts)]
    assert timeless[0] == timeless[1]


def test_forces_are_learned_and_on_the_card(
    planted: WithForces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CPDKIT_ZOO", str(tmp_path))
    recipe = Recipe(epochs=12, batch_size=8, n_validation=8, checkpoints=(1,))
    card = train(
        "schnet", "forces", seed=5, recipe=recipe, progress=False,
        train_data=planted, probe_data=planted,
    )  # fmt: skip
    errors = [row["validation_forces_mae"] for row in card["validation_curve"]]
    zero = np.linalg.norm(planted.forces, axis=1).mean()
    assert errors[-1] < 0.6 * errors[0]
    assert errors[-1] < 0.6 * zero
    assert card["checkpoints"][0]["validation_forces_mae"] == errors[0]
    assert (card["data"]["molecules"], card["data"]["geometries"]) == (40, 120)
    assert set(card["probe"]) == {"mae", "r2", "mae_first_200"}
    truth = planted.targets["atomization_energy"]
    error = np.abs(load_model("schnet-forces-5").predict(planted.atoms) - truth)
    assert card["probe"]["mae"] == pytest.approx(error.mean(), 1e-3)


def test_what_has_no_forces_is_refused(planted: WithForces, tmp_path: Path) -> None:
    plain = cpdkit.load_dataset("xtb9", split="train", n=80, seed=3)
    with pytest.raises(ValueError, match="learns forces, which 'xtb9' lacks"):
        Training("schnet", "forces", plain, directory=tmp_path, recipe=SHORT)
    parts = {f.name: getattr(planted, f.name) for f in fields(planted)}
    with pytest.raises(ValueError, match=r"forces have shape \(5, 3\), but there are .* atoms"):
        WithForces(**parts | {"forces": np.zeros((5, 3))})
    other = WithForces(**parts | {"forces": planted.forces + 1e-3})
    assert other.fingerprint != planted.fingerprint


def test_the_file_is_asked_for_and_checked(tmp_path: Path) -> None:
    assert unseen_molecules(TASKS["forces"]).split == "probe"
    with pytest.raises(FileNotFoundError, match="tools.xtb9.displaced --out .* makes it"):
        train_molecules(TASKS["forces"], tmp_path)
    arrays = {"row": np.array([0, 30_000]), "displacement": np.zeros((9, 3)),
              "energy": np.zeros(2), "forces": np.zeros((9, 3))}  # fmt: skip
    np.savez(tmp_path / FILE, **arrays)
    with pytest.raises(ValueError, match="molecules that xtb9 does not have"):
        load_displaced(tmp_path)
    np.savez(tmp_path / FILE, **arrays | {"row": np.array([0, 1])})
    with pytest.raises(ValueError, match="belongs to other molecules"):
        load_displaced(tmp_path)


def test_the_generator_gives_energies_and_their_forces(tmp_path: Path) -> None:
    pytest.importorskip("tblite", reason="the generator needs tblite")
    pytest.importorskip("rdkit", reason="the generator needs rdkit")
    from ase.units import Hartree

    from tools.xtb9.conformers import displacement
    from tools.xtb9.displaced import main, springs
    from tools.xtb9.labels import singlepoint

    main(["--out", str(tmp_path), "--n", "3"])
    found, base = load_displaced(tmp_path), cpdkit.load_dataset("xtb9", split="train")
    assert found.info["molecule"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.info["relaxed"].tolist() == [True, False, False] * 3
    relaxed = found.targets["atomization_energy"][::3].to_numpy()
    assert np.abs(relaxed - base.targets["atomization_energy"][:3]).max() < 1e-4
    assert (relaxed > found.targets["atomization_energy"][1::3]).all()
    # a force is the slope of the atomization energy
    atoms, step, energies = found.atoms[4], 1e-3, []
    for sign in (1, -1):
        moved = atoms.positions.copy()
        moved[2, 1] += sign * step
        energies.append(singlepoint(atoms.numbers, moved).get("energy") * Hartree)
    slope = -(energies[0] - energies[1]) / (2 * step)
    assert slope == pytest.approx(found.forces[found.atoms.offsets[4] + 2, 1], abs=1e-3)
    # springs hold the molecule in its shape, and displacements have the energy asked for
    relaxed_atoms = base.atoms[0]
    constants, modes = springs(relaxed_atoms.numbers, relaxed_atoms.positions)
    flat = modes.reshape(len(modes), -1)
    assert constants.min() > 0
    assert np.allclose(flat @ flat.T, np.eye(len(flat)))
    assert np.abs(modes.sum(axis=1)).max() < 1e-8
    turned = np.cross(relaxed_atoms.positions, modes).sum(axis=1)
    assert np.abs(turned).max() < 1e-7
    small, large = (
        displacement(constants, modes, energy, np.random.default_rng(4)) for energy in (0.1, 0.4)
    )
    assert np.allclose(large, 2 * small, atol=1e-6)
