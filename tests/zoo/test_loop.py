"""The training loop: resume = fresh, one seed one result, flat graphs = collated graphs."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import cpdkit
from cpdkit.encoders._graph import collate
from cpdkit.zoo import (
    ARCHITECTURES,
    Recipe,
    load_model,
    model_names,
    read_card,
    stopped_names,
    train,
)
from cpdkit.zoo.flat_graphs import FlatGraphs
from cpdkit.zoo.loop import Training
from cpdkit.zoo.model import ZooModel, composition_offsets
from cpdkit.zoo.recipe import CUTOFF

SHORT = Recipe(epochs=2, batch_size=8, n_validation=16, checkpoints=(0.5, 1.0))


@pytest.fixture(scope="module")
def molecules() -> cpdkit.Dataset:
    return cpdkit.load_dataset("xtb9", split="train", n=80, seed=3)


pytestmark = pytest.mark.usefixtures("one_thread")


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize(
    ("architecture", "task"), [("schnet", "gap"), ("mace", "gap"), ("painn", "dipole")]
)
def test_resumed_is_fresh(architecture, task, molecules, tmp_path):
    def training(folder):
        return Training(architecture, task, molecules, directory=tmp_path / folder, recipe=SHORT)

    whole = training("whole").run(progress=False)
    for stop in (3, 11, None):  # within the first epoch, within the second, to the end
        parts = training("parts").run(progress=False, until=stop)
    assert sorted(parts.weights) == [0.5, 1.0, 2.0]
    assert all(same(whole.weights[e], parts.weights[e]) for e in whole.weights)
    timeless = [[{**row, "seconds": 0} for row in t.history] for t in (whole, parts)]
    assert timeless[0] == timeless[1]
    # and training does something
    first, last = whole.weights[0.5], whole.weights[2.0]
    assert not any(torch.equal(first[k], last[k]) for k in first)


def test_state_of_another_training_is_refused(molecules, tmp_path):
    Training("schnet", "gap", molecules, directory=tmp_path, recipe=SHORT).run(
        progress=False, until=1
    )
    with pytest.raises(ValueError, match=r"another training \(task, seed differ\)"):
        Training("schnet", "energy", molecules, directory=tmp_path, seed=1, recipe=SHORT)


def test_only_the_newest_state_is_kept(molecules, tmp_path):
    training = Training("schnet", "gap", molecules, directory=tmp_path, recipe=SHORT)
    training.run(progress=False, until=4, save_every=0.0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["state-4.safetensors", "state.json"]
    assert json.loads((tmp_path / "state.json").read_text())["step"] == 4


def test_a_seed_decides_weights_and_order(molecules, tmp_path):
    def weights(seed, folder):
        training = Training(
            "schnet", "gap", molecules, directory=tmp_path / folder, seed=seed, recipe=SHORT
        )
        training.run(progress=False, until=2)
        return training.current_weights()

    assert same(weights(0, "a"), weights(0, "b"))
    assert not same(weights(0, "c"), weights(1, "d"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "pain"}, "did you mean 'painn'"),
        ({"task": "gaps"}, "did you mean 'gap'"),
        ({"recipe": Recipe(n_validation=41)}, "80 molecules are too few"),
    ],
)
def test_what_cannot_be_trained_is_refused(change, message, molecules, tmp_path):
    given = {"architecture": "painn", "task": "gap", "recipe": SHORT} | change
    with pytest.raises(ValueError, match=message):
        Training(
            given["architecture"], given["task"], molecules,
            directory=tmp_path, recipe=given["recipe"],
        )  # fmt: skip


def test_recipe_refuses_checkpoints_outside_the_training():
    with pytest.raises(ValueError, match=r"between 0 and 3 epochs; got \[4\]"):
        Recipe(epochs=3, checkpoints=(1, 4))
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        Recipe(batch_size=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_flat_graphs_are_collated_graphs(architecture, molecules):
    model = ZooModel.untrained(architecture, "gap")
    rows = np.array([5, 0, 31])
    flat = FlatGraphs(molecules.atoms, model.encoder).batch(rows)
    graphs = [model.encoder.graph(molecules.atoms[int(r)]) for r in rows]
    joined = collate(graphs, dtype=model.encoder.dtype)
    for name in vars(joined):
        assert torch.equal(getattr(flat, name), getattr(joined, name)), name
    with torch.no_grad():
        alone = model.predict(molecules.atoms.select(rows), batch_size=1)
        assert np.allclose(model(flat).numpy(), alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_sizes_are_matched(architecture, molecules, tmp_path):
    """Trained weights within a factor of two of every other architecture's."""
    sizes = {
        a: Training(a, "gap", molecules, directory=tmp_path / a, recipe=SHORT).parameters
        for a in {architecture, "mace", "painn"}
    }
    assert max(sizes.values()) < 2 * min(sizes.values())


@pytest.mark.parametrize("pooling", ["sum", "mean"])
def test_offsets_are_least_squares_on_composition(pooling, molecules):
    y = molecules.targets["gap"].to_numpy()
    offsets, spread = composition_offsets(molecules.atoms, y, pooling)
    counts, elements = molecules.atoms.element_counts()
    design = counts / counts.sum(1, keepdims=True) if pooling == "mean" else counts
    left = y - design @ offsets[elements]
    assert np.abs(design.T @ left).max() < 1e-8 * np.abs(design.T @ y).max()
    assert np.count_nonzero(offsets) == len(elements)
    assert spread == pytest.approx(left.std())


def test_a_trained_model_is_found_by_name(molecules, tmp_path, monkeypatch):
    monkeypatch.setenv("CPDKIT_ZOO", str(tmp_path))
    probe = cpdkit.load_dataset("xtb9", n=40, seed=0)
    card = train(
        "schnet", "energy", seed=7, recipe=SHORT, progress=False,
        train_data=molecules, probe_data=probe,
    )  # fmt: skip
    assert read_card("schnet-energy-7") == json.loads(
        (tmp_path / "schnet-energy-7.json").read_text()
    )
    assert not (tmp_path / "training" / "schnet-energy-7").exists()
    model = load_model("schnet-energy-7")
    error = np.abs(model.predict(probe.atoms) - probe.targets["atomization_energy"]).mean()
    assert error == pytest.approx(card["probe"]["mae"], abs=2e-5)
    early = load_model("schnet-energy-7@0.5")
    error = np.abs(early.predict(probe.atoms) - probe.targets["atomization_energy"]).mean()
    assert error == pytest.approx(card["checkpoints"][0]["mae"], abs=2e-5)
    rep = cpdkit.extract(cpdkit.load_encoder("zoo/schnet-energy-7"), probe)
    assert rep.features.shape == (40, 3 * 96)

    weights = tmp_path / "schnet-energy-7.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match="damaged: its SHA-256"):
        load_model("schnet-energy-7")


def test_a_stopped_training_leaves_what_a_whole_one_has_there(molecules, tmp_path, monkeypatch):
    """The weights of an epoch do not depend on whether training went on; it can still go on."""
    monkeypatch.setenv("CPDKIT_ZOO", str(tmp_path / "stopped_here"))
    about = {"seed": 7, "recipe": SHORT, "progress": False, "train_data": molecules}
    about["probe_data"] = cpdkit.load_dataset("xtb9", n=40, seed=0)
    finished = model_names()
    card = train("schnet", "gap", stop_after=0.5, **about)
    assert model_names() == finished
    assert "schnet-gap-7@0.5" in stopped_names()
    early = load_model("schnet-gap-7@0.5")
    error = np.abs(early.predict(about["probe_data"].atoms) - about["probe_data"].targets["gap"])
    assert error.mean() == pytest.approx(card["probe"]["mae"], abs=2e-5)
    with pytest.raises(ValueError, match=r"stopped after 0.5 of \d+ epochs; load schnet-gap-7@0.5"):
        load_model("schnet-gap-7")

    train("schnet", "gap", **about)
    assert "schnet-gap-7@0.5" not in stopped_names()
    whole = load_model("schnet-gap-7@0.5")
    for name, weight in whole.named_parameters():
        assert torch.equal(weight, dict(early.named_parameters())[name]), name
    with pytest.raises(ValueError, match="stop_after=0.3 is no checkpoint"):
        train("schnet", "gap", stop_after=0.3, **about)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_models_of_one_architecture_share_nothing(architecture, molecules):
    """They are copies of one that is built once; each is as if built anew."""
    rows = molecules.atoms.select(np.arange(3))
    changed, other = (ZooModel.untrained(architecture, "gap") for _ in range(2))
    for model in (changed, other):
        model.scale.fill_(10.0)
    before = other.predict(rows)
    with torch.no_grad():
        for weight in changed.parameters():
            weight.mul_(1.1)
    assert np.abs(changed.predict(rows) - before).max() > 1e-3
    options = ARCHITECTURES[architecture]
    anew = cpdkit.load_encoder(f"{architecture}-untrained", cutoff=CUTOFF, **options)
    again = ZooModel(anew, other.task)
    for model in (other, ZooModel.untrained(architecture, "gap"), again):
        model.scale.fill_(10.0)
        assert np.array_equal(model.predict(rows), before)
