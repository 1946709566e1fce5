"""Run everything that takes a device on the CPU and on ``"second"``; print what differs as JSON.

    python tests/device/on_second_device.py FOLDER NAME...

Each NAME is an encoder; ``train:ARCHITECTURE:TASK`` trains two epochs of a zoo model.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch
from molecules import molecules
from second_device import register

import cpdkit
from cpdkit.encoders import Encoder, Layer, ModuleEncoder, load_encoder
from cpdkit.extraction.extract import extract
from cpdkit.zoo import Recipe, load_model
from cpdkit.zoo.loop import Training

POOLINGS = ("mean", "sum", "element_mean", "mean_norm")


class LeftBehind(Encoder):
    """An encoder as one should not write it: its table stays on the CPU."""

    def __init__(self) -> None:
        super().__init__(name="left", model=torch.nn.Linear(1, 4), layers=[Layer("a", "4x0e")])
        self.table = torch.randn(120, 4)

    def forward(self, graphs):
        numbers = torch.from_numpy(np.concatenate([g.numbers for g in graphs])).to(self.device)
        return [self.model(numbers[:, None].float()) + self.table[numbers.cpu()]]


def module_encoder() -> ModuleEncoder:
    model = torch.nn.Sequential(torch.nn.Embedding(120, 4), torch.nn.Linear(4, 8))
    return ModuleEncoder(model, {"1": "8x0e"}, lambda m, batch: m(batch.numbers), name="module")


def relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max() / np.abs(b).max())


def encode(name: str, folder: Path) -> dict:
    own = {"module": module_encoder, "left-behind": LeftBehind}
    if name in own:
        encoder = own[name]()
    else:
        dtype = "float32" if name == "chgnet" else "float64"
        encoder = load_encoder(name, dtype=dtype)
    zoo, small = frozenset({1, 6, 7, 8, 9}), frozenset({1, 6, 7, 8})
    seen = {"mace-ani-cc": small, "mace-spice": small}
    seen = zoo if name.startswith("zoo/") else seen.get(name)
    mols = molecules(6, elements=seen) if seen else molecules(6)
    forward, places, structures = encoder.forward, [], []

    def watched(graphs):
        structures.append(len(graphs))
        features = forward(graphs)
        places.extend(f.device.type for f in features)
        return features

    def run(frames, device, **options):
        return extract(encoder, frames, device=device, progress=False, **options).values

    encoder.forward = watched
    here = run(mols, "cpu", pooling=POOLINGS)
    places.clear()
    there = run(mols, "second", pooling=POOLINGS, store=folder / name.replace("/", "-"))
    result = {"features": relative(there, here), "places": sorted(set(places))}
    structures.clear()
    # Shards are the same wherever they were made; one structure of the one shard is tried.
    run(mols, "cpu", pooling=POOLINGS, store=folder / name.replace("/", "-"))
    result["computed_again"] = sum(structures)
    back = run(mols, "cpu", pooling=POOLINGS)
    result["back"] = bool(np.array_equal(back, here))
    if encoder.periodic:
        crystals = [mol.copy() for mol in mols[:2]]
        for crystal in crystals:
            crystal.set_cell(np.diag(np.ptp(crystal.positions, axis=0) + 2.5))
            crystal.pbc = True
        result["crystals"] = relative(run(crystals, "second"), run(crystals, "cpu"))
    if hasattr(encoder, "energy") and not name.startswith("zoo/"):
        graphs = [encoder.graph(atoms) for atoms in mols]
        energies = [encoder.to(d).energy(graphs).cpu().numpy() for d in ("second", "cpu")]
        result["energy"] = relative(*energies)
    if name.startswith("zoo/"):
        model = load_model(name.removeprefix("zoo/"))
        predicted = [model.to_device(d).predict(mols) for d in ("second", "cpu")]
        result["predicted"] = relative(*predicted)
    return result


def training(architecture: str, task: str, folder: Path) -> dict:
    data = cpdkit.load_dataset("xtb9", split="train", n=40, seed=3)
    recipe = Recipe(epochs=2, batch_size=8, n_validation=8, checkpoints=(0.5,))
    weights = {}
    for device in ("cpu", "second"):
        for stop in (5, None):  # the second time from the state that the first left on disk
            trainer = Training(
                architecture, task, data, directory=folder / f"{architecture}-{task}-{device}",
                recipe=recipe, device=device,
            )  # fmt: skip
            trained = trainer.run(progress=False, until=stop)
        weights[device] = {k: v.cpu() for k, v in trained.weights[2.0].items()}
        places = sorted({p.device.type for p in trainer.model.parameters()})
    difference = max(
        float((weights["second"][k] - v).abs().max() / v.abs().max().clamp(min=1e-3))
        for k, v in weights["cpu"].items()
    )
    return {"weights": difference, "places": places}


def main(folder: Path, names: list[str]) -> None:
    torch.set_num_threads(1)
    register(folder)
    results = {}
    for name in names:
        try:
            if name.startswith("train:"):
                results[name] = training(*name.split(":")[1:], folder=folder)
            else:
                results[name] = encode(name, folder)
        except Exception as error:  # the test that asks for it shows it
            results[name] = {"error": f"{type(error).__name__}: {error}"}
    (folder / "results.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
