"""The dipole moment is a vector: it turns and is mirrored with the molecule, wherever that lies."""

from __future__ import annotations

from dataclasses import replace

import ase
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.experiments.task.erase import erasures
from cpdkit.experiments.task.readout import readout_directions
from cpdkit.zoo import ARCHITECTURES, TASKS, Recipe, load_model, train
from cpdkit.zoo.model import ZooModel, composition_offsets

DIPOLE = TASKS["dipole"]


@pytest.fixture(scope="module")
def molecules() -> cpdkit.Dataset:
    return cpdkit.load_dataset("xtb9", split="train", n=80, seed=3)


def untrained(architecture: str) -> ZooModel:
    """With charges of the elements, so that every term of the readout counts."""
    model = ZooModel.untrained(architecture, "dipole", dtype="float64")
    model.offsets.copy_(torch.linspace(-1, 1, len(model.offsets)))
    return model


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_moves_with_the_molecule(architecture: str, molecules: cpdkit.Dataset) -> None:
    model = untrained(architecture)
    assert model.reads_vectors == (architecture in {"mace", "painn", "visnet"})
    few = [molecules.atoms[i] for i in (3, 40)]
    here = model.predict_vectors(few)
    assert np.linalg.norm(here, axis=1).min() > 1e-2
    turn = Rotation.random(random_state=0).as_matrix()
    order = np.random.default_rng(0).permutation
    for change in (turn, -turn):  # the second mirrors as well
        there = [
            ase.Atoms(m.numbers[p], m.positions[p] @ change.T + [1.0, -2.0, 30.0])
            for m in few
            for p in [order(len(m))]
        ]
        assert np.abs(model.predict_vectors(there) - here @ change.T).max() < 1e-9
    assert np.allclose(model.predict(few), np.linalg.norm(here, axis=1))


def test_offsets_are_the_charges_that_fit_best(molecules: cpdkit.Dataset) -> None:
    """Of planted charges, which no molecule can tell from these plus a constant."""
    charges = np.zeros(10)
    charges[[1, 6, 7, 8, 9]] = [0.3, 0.1, -0.4, -0.5, -0.2]
    planted = np.array(
        [
            charges[m.numbers] @ (m.positions - m.positions.mean(axis=0))
            for m in (molecules.atoms[i] for i in range(len(molecules)))
        ]
    )
    offsets, spread = composition_offsets(molecules.atoms, planted, "vector")
    elements = molecules.atoms.element_counts()[1]
    assert np.ptp((offsets[:10] - charges)[elements]) < 1e-8
    assert spread < 1e-8
    truth = DIPOLE.labels(molecules)
    zero = np.sqrt((truth**2).sum(axis=1).mean())
    assert 0 < composition_offsets(molecules.atoms, truth, "vector")[1] < zero


def test_labels_have_the_length_of_the_target(molecules: cpdkit.Dataset) -> None:
    assert np.allclose(np.linalg.norm(DIPOLE.labels(molecules), axis=1), molecules.targets["mu"])
    blind = replace(molecules, info=molecules.info.drop(columns="dipole_y"))
    with pytest.raises(ValueError, match=r"info needs the columns \['dipole_y'\] \(in Debye"):
        DIPOLE.labels(blind)


@pytest.mark.parametrize("architecture", ["painn", "schnet"])
def test_a_trained_one_predicts_better_and_says_how_well(
    architecture: str, molecules: cpdkit.Dataset, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("CPDKIT_ZOO", str(tmp_path))
    recipe = Recipe(epochs=8, batch_size=8, n_validation=16, checkpoints=(1,))
    card = train(
        architecture, "dipole", seed=7, recipe=recipe, progress=False,
        train_data=molecules, probe_data=molecules,
    )  # fmt: skip
    losses = [row["train_loss"] for row in card["validation_curve"]]
    assert losses[-1] < 0.8 * losses[0]
    name = f"{architecture}-dipole-7"
    model, truth = load_model(name), DIPOLE.labels(molecules)
    error = model.predict_vectors(molecules.atoms) - truth
    assert card["probe"]["vector_mae"] == pytest.approx(np.linalg.norm(error, axis=1).mean(), 1e-4)
    shares = 1 - (error**2).sum() / (truth**2).sum()
    assert card["probe"]["vector_r2"] == pytest.approx(shares, abs=1e-4)
    assert shares > 0.1
    lengths = model.predict(molecules.atoms) - molecules.targets["mu"]
    assert card["probe"]["mae"] == pytest.approx(np.abs(lengths).mean(), 1e-4)
    assert model.encoder.trained_elements == {*molecules.atoms.element_counts()[1].tolist()}
    if not model.reads_vectors:
        assert len(readout_directions(model, molecules.atoms.select(range(20)))) > 0
        return
    with pytest.raises(ValueError, match=f"{name}' sees vectors beside scalars"):
        readout_directions(model, molecules.atoms)
    few = molecules.select(range(30))
    nuisances = {"composition": composition_matrix(few.atoms)}
    table = erasures([architecture], ["dipole"], few, nuisances, training=7).iloc[0]
    assert table["error"] == pytest.approx(np.abs(lengths[:30]).mean(), 1e-4)
    assert table["change, composition erased"] > 0


def test_other_tasks_have_no_vectors(molecules: cpdkit.Dataset) -> None:
    with pytest.raises(ValueError, match="'gap' is no vector; use predict"):
        ZooModel.untrained("schnet", "gap").predict_vectors(molecules.atoms)
