"""Every model that travels with the package: loads, keeps its word, knows no direction."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import ase
import numpy as np
import pandas as pd
import pytest
import torch
from ase.build import molecule
from ase.units import Hartree
from safetensors.torch import load_file
from scipy.spatial.transform import Rotation

import cpdkit
from cpdkit.cli import main
from cpdkit.runs.record import recorded_tables
from cpdkit.zoo import (
    ARCHITECTURES,
    TASKS,
    absent_names,
    load_model,
    model_names,
    read_card,
    stopped_names,
)
from cpdkit.zoo.card import N_SAMPLE, baselines, scores
from cpdkit.zoo.checkpoints import _PACKAGED, Name, kept_epochs, zoo_encoder
from cpdkit.zoo.compare import at_equal_error
from cpdkit.zoo.molecules import unseen_molecules

CARDS = {path.stem: read_card(path.stem) for path in sorted(_PACKAGED.glob("*.json"))}
TRAINED = [name for name, card in CARDS.items() if card["epochs"]]
DEFAULT = ("gap", "energy")


def epochs(name: str) -> list[str]:
    return [name, *(f"{name}@{epoch}" for epoch in kept_epochs(name))]


@pytest.fixture(scope="module")
def probe() -> cpdkit.Dataset:
    return cpdkit.load_dataset("xtb9", split="probe")


@pytest.fixture(scope="module")
def of_qm9(cpdkit_data: Path) -> cpdkit.Dataset:
    return unseen_molecules(TASKS["qm9_homo"])


def moved(atoms: ase.Atoms, rng: np.random.Generator) -> ase.Atoms:
    """The same molecule turned, shifted, mirrored never, its atoms in another order."""
    order = rng.permutation(len(atoms))
    turned = Rotation.random(rng=rng).apply(atoms.positions) + rng.normal(size=3)
    return ase.Atoms(atoms.numbers[order], turned[order])


def test_all_ten_are_there_and_untrained_ones_too() -> None:
    for architecture in ARCHITECTURES:
        for task in (*DEFAULT, "untrained"):
            assert f"{architecture}-{task}-0" in CARDS
        for task in (*DEFAULT, "untrained"):
            assert f"{architecture}-{task}-1" in CARDS
    assert stopped_names() == []
    assert [name for name in CARDS if name in absent_names()] == []


def test_sizes() -> None:
    assert sum(path.stat().st_size for path in _PACKAGED.rglob("*.safetensors")) <= 60e6
    assert all(len(CARDS[name]["checkpoints"]) >= 5 for name in TRAINED)
    parameters = {name: card["parameters"] for name, card in CARDS.items()}
    assert max(parameters.values()) < 2 * min(parameters.values())


@pytest.mark.parametrize("name", TRAINED)
def test_a_card_keeps_its_word(name: str, request: pytest.FixtureRequest) -> None:
    """The error on the first molecules, from the weights; the data are those of the card."""
    card = read_card(name)
    tested = request.getfixturevalue(
        "of_qm9" if card["data"]["name"].startswith("qm9") else "probe"
    )
    assert card["data"]["probe_sha256"] == tested.fingerprint
    first = tested.select(np.arange(N_SAMPLE))
    predicted = load_model(name).predict(first.atoms)
    error = np.abs(predicted - first.targets[card["target"]]).mean()
    assert error == pytest.approx(card["probe"]["mae_first_200"], rel=2e-3)


@pytest.mark.parametrize("name", TRAINED)
def test_it_beats_what_needs_no_geometry(name: str) -> None:
    card = CARDS[name]
    bonds, composition = (card["baselines"][name] for name in ("bonds", "composition"))
    assert card["probe"]["mae"] < min(bonds["mae"], composition["mae"])
    assert card["probe"]["r2"] >= max(bonds["r2"], composition["r2"])  # of energies all round to 1
    errors = [row["mae"] for row in card["checkpoints"]] + [card["probe"]["mae"]]
    assert errors[-1] < errors[0]


@pytest.mark.parametrize("name", [n for model in TRAINED for n in epochs(model)])
def test_predictions_do_not_depend_on_the_frame(name: str, probe: cpdkit.Dataset) -> None:
    rng = np.random.default_rng(0)
    pair = [probe.atoms[i] for i in (7, 1200)]
    model = load_model(name, dtype="float64")
    here = model.predict(pair)
    there = model.predict([moved(m, rng) for m in pair])
    assert np.abs(here - there).max() < 1e-7
    unit = Hartree if model.task.unit == "Ha" else 1.0
    assert unit * abs(here[0] - here[1]) > 1e-3  # it says something, in eV or Debye
    if model.task.components:
        mirrored = [ase.Atoms(m.numbers, -m.positions) for m in pair]
        away = model.predict_vectors(pair) + model.predict_vectors(mirrored)
        assert np.abs(away).max() < 1e-7


@pytest.mark.parametrize("name", list(CARDS))
def test_encoders_know_names_and_layers(name: str, probe: cpdkit.Dataset) -> None:
    encoder = cpdkit.load_encoder(f"zoo/{name}")
    assert encoder.name == f"zoo/{name}"
    assert {layer.name: str(layer.irreps) for layer in encoder.layers} == CARDS[name]["layers"]
    with pytest.raises(NotImplementedError, match="predict"):
        encoder.energy([])  # type: ignore[attr-defined]


UNSEEN = [a for name in ("SiH4", "PH3", "SH2", "HCl", "CH3Cl") for a in [molecule(name)]]


@pytest.mark.parametrize("name", [*TRAINED, "painn-gap-0@1"])
def test_elements_that_a_network_never_saw_are_refused(name: str) -> None:
    encoder = cpdkit.load_encoder(f"zoo/{name}")
    assert encoder.trained_elements == {1, 6, 7, 8} | (set() if "qm9" in name else {9})
    model = load_model(name)
    for atoms in UNSEEN:
        with pytest.raises(ValueError, match=r"structure 1, .*(H, C, N, O)(, F(, S, Cl)?)?\b"):
            cpdkit.extract(encoder, [molecule("H2O"), atoms], progress=False)
        with pytest.raises(ValueError, match="structure 1, .* which encoder"):
            model.predict([molecule("H2O"), atoms])


def test_unseen_elements_can_be_asked_for() -> None:
    chloride = molecule("CH3Cl")
    for name in ("zoo/painn-gap-0", "zoo/mace-gap-0"):
        with pytest.raises(ValueError, match="Cl, which .* never saw .*allow_unseen_elements="):
            cpdkit.extract(cpdkit.load_encoder(name), chloride, progress=False)
        with_switch = cpdkit.load_encoder(name, allow_unseen_elements=True)
        by_name = cpdkit.load_encoder(f"{name}[allow_unseen_elements=true]")
        a, b = (cpdkit.extract(e, chloride, progress=False) for e in (with_switch, by_name))
        assert np.array_equal(a.values, b.values)
        assert b.metadata["encoder"] == f"{name}[allow_unseen_elements=true]"
    untrained = cpdkit.load_encoder("zoo/painn-untrained-0")  # has seen nothing, so nothing unseen
    assert len(cpdkit.extract(untrained, UNSEEN, progress=False).values) == len(UNSEEN)


@pytest.mark.parametrize("name", [name for name in TRAINED if not name.endswith("-0")])
def test_other_seeds_are_like_the_first_but_for_the_seed(name: str) -> None:
    card = CARDS[name]
    first = CARDS[f"{card['architecture']}-{card['task']}-0"]
    for key in ("recipe", "options", "parameters", "layers", "epochs", "baselines"):
        assert card[key] == first[key], key
    assert card["data"] == first["data"]
    assert card["seed"] == Name.parse(name).seed != first["seed"]
    assert card["probe"]["mae"] != first["probe"]["mae"]
    assert 0.75 < card["probe"]["mae"] / first["probe"]["mae"] < 4 / 3


def renamed(source: Path, name: str, into: Path) -> None:
    """A model under another name: card, weights, and what the card says of them."""
    card = json.loads(source.with_suffix(".json").read_text())
    into.mkdir(exist_ok=True)
    sums = {}
    for file, digest in card["sha256"].items():
        new = file.replace(source.name, name)
        shutil.copy(source.with_name(file), into / new)
        sums[new] = digest
    card |= {"name": name, "seed": Name.parse(name).seed, "sha256": sums}
    (into / f"{name}.json").write_text(json.dumps(card))


def test_weights_beyond_the_package_are_found_and_checked(
    probe: cpdkit.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that has another seed's card alone, then its last weights, then early ones."""
    package, own = tmp_path / "package", tmp_path / "own"
    monkeypatch.setattr("cpdkit.zoo.checkpoints._PACKAGED", package)
    monkeypatch.setenv("CPDKIT_ZOO", str(own))
    for name in ("schnet-gap-0", "schnet-gap-5"):
        renamed(_PACKAGED / "schnet-gap-0", name, package)
    weights = package / "schnet-gap-5.safetensors"
    elsewhere = shutil.move(weights, tmp_path / "mine.safetensors")
    (package / "schnet-gap-5.checkpoints.safetensors").unlink()
    few = probe.select(range(5)).atoms
    expected = load_model("schnet-gap-0").predict(few)

    assert (model_names(), absent_names()) == (["schnet-gap-0"], ["schnet-gap-5"])
    with pytest.raises(ValueError, match="a clone of the repository has all. Let CPDKIT_ZOO name"):
        load_model("schnet-gap-5")
    assert np.array_equal(load_model("schnet-gap-5", weights=elsewhere).predict(few), expected)
    by_name, first = (
        cpdkit.extract(cpdkit.load_encoder(f"zoo/{name}"), probe.select(range(5)), progress=False)
        for name in (f"schnet-gap-5[weights={elsewhere}]", "schnet-gap-0")
    )
    assert np.array_equal(by_name.features, first.features)
    other = _PACKAGED / "schnet-energy-0.safetensors"
    with pytest.raises(ValueError, match="schnet-energy-0.safetensors is damaged: its SHA-256"):
        load_model("schnet-gap-5", weights=other)
    with pytest.raises(ValueError, match="schnet-gap-5.safetensors is not at .*nowhere"):
        load_model("schnet-gap-5", weights=tmp_path / "nowhere")

    own.mkdir()
    shutil.copy(elsewhere, own / weights.name)
    assert model_names() == ["schnet-gap-0", "schnet-gap-5"]
    assert np.array_equal(load_model("schnet-gap-5").predict(few), expected)
    with pytest.raises(ValueError, match="schnet-gap-5.checkpoints.safetensors is not here"):
        load_model("schnet-gap-5@1")
    (chosen,) = at_equal_error("gap").itertuples()  # of those that can be loaded
    assert chosen.seed == 0

    stopped = package / "stopped"
    renamed(_PACKAGED / "schnet-gap-0", "schnet-gap-5", stopped)
    (stopped / "schnet-gap-5.safetensors").unlink()
    card = json.loads((stopped / "schnet-gap-5.json").read_text())
    early_card = {**card, "epochs": 2, "checkpoints": card["checkpoints"][:4]}
    (stopped / "schnet-gap-5.json").write_text(json.dumps(early_card))
    early = load_model("schnet-gap-5@2").predict(few)
    with monkeypatch.context() as patch:
        patch.setattr("cpdkit.zoo.checkpoints._PACKAGED", _PACKAGED)
        assert np.array_equal(early, load_model("schnet-gap-0@2").predict(few))
    assert read_card("schnet-gap-5@2")["epochs"] == 2
    assert read_card("schnet-gap-5")["epochs"] == 10


def test_epochs_that_were_left_out_to_save_space_are_said_and_not_chosen() -> None:
    name = "schnet-gap-1"
    assert kept_epochs(name) == ["2", "4", "7"]
    assert len(CARDS[name]["checkpoints"]) == 6
    with pytest.raises(ValueError, match="does not hold epoch 0.5, .* load schnet-gap-1@2, .*@7"):
        load_model(f"{name}@0.5")
    early = CARDS[name]["checkpoints"][1]["validation_mae"]  # of epoch 0.5
    (chosen,) = at_equal_error("gap", names=[name], level=early).itertuples()
    assert chosen.model == f"{name}@2"
    (chosen,) = at_equal_error("gap", names=["schnet-gap-0"], level=early).itertuples()
    assert chosen.model in ("schnet-gap-0@0.25", "schnet-gap-0@0.5")


def test_a_damaged_file_of_epochs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpdkit.zoo.checkpoints._PACKAGED", tmp_path)
    monkeypatch.setenv("CPDKIT_ZOO", str(tmp_path / "own"))
    renamed(_PACKAGED / "schnet-gap-0", "schnet-gap-0", tmp_path)
    file = tmp_path / "schnet-gap-0.checkpoints.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"checkpoints\.safetensors is damaged .*cpdkit zoo train"):
        at_equal_error("gap")


@pytest.mark.parametrize("record", ["xtb9", "qm9", "qm9-trained-on-qm9"])
def test_what_a_record_took_at_equal_error_is_kept_and_taken_again(record: str) -> None:
    recorded = recorded_tables("05_task_or_architecture", dataset=record)
    assert recorded is not None
    scores = recorded["scores"]
    taken = set(scores.loc[scores["at"] == "equal error", "encoder"])
    tasks = recorded.manifest["parameters"]["tasks"]
    models = {name.removeprefix("zoo/").partition("@")[0] for name in taken}
    chosen = pd.concat([
        at_equal_error(task, names=[m for m in models if Name.parse(m).task == task])
        for task in tasks
    ])  # fmt: skip
    assert {f"zoo/{name}" for name in chosen["model"]} == taken


def test_tasks_and_epochs_are_different_encoders() -> None:
    names = ["schnet-gap-0", "schnet-gap-0@1", "schnet-energy-0", "schnet-untrained-0"]
    assert len({zoo_encoder(name).fingerprint for name in names}) == 4


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pain-gap-0", "did you mean 'painn-gap-0'.*cpdkit zoo train"),
        ("painn-gap-99", "cpdkit zoo train painn gap --seed 99"),
        ("painn-untrained-99", "Make it with: cpdkit zoo untrained painn --seed 99"),
        ("painn", "ARCHITECTURE-TASK-SEED"),
        ("painn-gap-0@3", r"unknown epoch of 'painn-gap-0':.*'3'"),
        ("painn-gap-0@", "ARCHITECTURE-TASK-SEED"),
    ],
)
def test_a_wrong_name_is_explained(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"(?s){message}"):
        cpdkit.load_encoder(f"zoo/{name}")


def test_an_untrained_model_predicts_nothing() -> None:
    with pytest.raises(ValueError, match="was not trained to predict"):
        load_model("painn-untrained-0")


def test_a_command_makes_the_untrained_weights_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the seed alone; another processor may round the draws, so bytes are not compared."""
    assert main(["zoo", "untrained", "--directory", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("zoo/") >= len(ARCHITECTURES)
    for architecture in ARCHITECTURES:
        name = f"{architecture}-untrained-0"
        made, shipped = (
            load_file(folder / f"{name}.safetensors") for folder in (tmp_path, _PACKAGED)
        )
        torch.testing.assert_close(made, shipped, rtol=1e-6, atol=1e-7)
        card = json.loads((tmp_path / f"{name}.json").read_text())
        for key in ("options", "layers", "parameters", "cutoff", "epochs", "task", "seed"):
            assert card[key] == CARDS[name][key], key


def test_untrained_weights_are_those_of_their_seed(tmp_path: Path) -> None:
    command = ["zoo", "untrained", "schnet", "--directory", str(tmp_path)]
    assert main([*command, "--seed", "1"]) == 0
    made = load_file(tmp_path / "schnet-untrained-1.safetensors")
    assert any(
        not torch.equal(made[k], w)
        for k, w in load_file(_PACKAGED / "schnet-untrained-0.safetensors").items()
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "schnet-untrained-1.json",
        "schnet-untrained-1.safetensors",
    ]


def test_names_are_read_from_the_end() -> None:
    assert Name.parse("dimenet++-gap-0@0.25") == Name("dimenet++", "gap", 0, "0.25")
    assert Name.parse("my-net-energy-12") == Name("my-net", "energy", 12)


def test_the_list_shows_every_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zoo", "list"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in CARDS)


def test_baselines_are_the_cards(probe: cpdkit.Dataset) -> None:
    """Recomputed from a part of the data they come close; a perfect guess scores one."""
    train = cpdkit.load_dataset("xtb9", split="train", n=4000, seed=0)
    found = baselines(train, probe, TASKS["gap"])
    for kind in ("composition", "bonds"):
        card = CARDS["painn-gap-0"]["baselines"][kind]
        assert found[kind]["r2"] == pytest.approx(card["r2"], abs=0.03)
    y = probe.targets["gap"].to_numpy()
    assert scores(y, y) == {"mae": 0.0, "r2": 1.0}
    assert scores(y, np.full_like(y, y.mean()))["r2"] == pytest.approx(0.0, abs=1e-9)


def test_weights_are_where_the_package_says() -> None:
    assert Path(cpdkit.__file__).parent / "zoo" / "weights" == _PACKAGED
