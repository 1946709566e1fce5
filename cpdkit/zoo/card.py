"""From a finished training to weights with a card."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ase.data import chemical_symbols
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cpdkit.composition import bond_counts
from cpdkit.datasets import Dataset
from cpdkit.zoo.checkpoints import write_model
from cpdkit.zoo.loop import Trained, Training
from cpdkit.zoo.loss import molecule_of
from cpdkit.zoo.model import length
from cpdkit.zoo.recipe import ARCHITECTURES, CUTOFF, TASKS, Task

__all__ = ["N_SAMPLE", "baselines", "card_header", "finish", "hardware"]

N_SAMPLE = 200  # first molecules of the probe split, for a quick check of the weights
_LIBRARY = {
    "mace": "mace-torch",
    "painn": "graph-pes",
    "schnet": "graph-pes",
    "dimenet++": "torch-geometric",
    "visnet": "torch-geometric",
}
_ON_PROBE = ("mae", "r2", "vector_mae", "vector_r2")
_LICENCE = "CC-BY-4.0 (weights); the architecture's code keeps its own licence"


def hardware(device: torch.device | str = "cpu") -> str:
    """The processor or accelerator in words."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name()
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        lines = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return f"{model}, {torch.get_num_threads()} thread(s)"


def scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Mean absolute error, in the target's unit, and R2."""
    error = predicted - truth
    r2 = 1 - float((error**2).sum() / ((truth - truth.mean()) ** 2).sum())
    return {"mae": round(float(np.abs(error).mean()), 6), "r2": round(r2, 6)}


def vector_scores(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Mean length of the error of vectors, and R2 against predicting none."""
    error = predicted - truth
    r2 = 1 - float((error**2).sum() / (truth**2).sum())
    return {"vector_mae": round(float(length(error).mean()), 6), "vector_r2": round(r2, 6)}


def baselines(train: Dataset, probe: Dataset, task: Task) -> dict[str, dict[str, float]]:
    """Ridge on what needs no geometry: element counts or fractions, and bond counts.

    The penalty is chosen by leave-one-out on `train`, and so is whether counts enter as they are
    or divided by the number of atoms: whichever fits `train` better. Of displaced molecules the
    relaxed ones are fitted, as `probe` is relaxed.

    Returns
    -------
    dict of str to dict
        ``"composition"`` and ``"bonds"`` (element and bond counts together), each with ``mae`` and
        ``r2`` on `probe`.
    """
    if train.info is not None and "relaxed" in train.info:
        train = train.select(train.info["relaxed"].to_numpy())
    y, truth = (d.targets[task.target].to_numpy(dtype=float) for d in (train, probe))
    sizes = [d.atoms.n_atoms[:, None] for d in (train, probe)]
    elements = [_element_counts(d) for d in (train, probe)]
    bonds = [
        pd.concat([e, bond_counts(d)], axis=1)
        for e, d in zip(elements, (train, probe), strict=True)
    ]
    result = {}
    for name, (fitted, tested) in {"composition": elements, "bonds": bonds}.items():
        tested = tested.reindex(columns=fitted.columns, fill_value=0)  # unseen ones are unusable
        best = -np.inf
        for divisors in ((1, 1), sizes):
            a, b = (t.to_numpy(float) / n for t, n in zip((fitted, tested), divisors, strict=True))
            ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-6, 3, 19))).fit(a, y)
            if ridge.score(a, y) > best:
                best = ridge.score(a, y)
                result[name] = scores(truth, ridge.predict(b))
    return result


def _element_counts(data: Dataset) -> pd.DataFrame:
    counts, elements = data.atoms.element_counts()
    return pd.DataFrame(counts, columns=[chemical_symbols[z] for z in elements])


def card_header(architecture: str, seed: int, encoder: Any) -> dict[str, Any]:
    """What every card says: architecture, sizes, layers, versions and licence."""
    libraries = ("torch", "cpdkit", "numpy", _LIBRARY[architecture])
    return {
        "architecture": architecture,
        "options": dict(ARCHITECTURES[architecture]),
        "cutoff": CUTOFF,
        "seed": seed,
        "layers": {layer.name: str(layer.irreps) for layer in encoder.layers},
        "versions": {name: version(name) for name in libraries},
        "licence": _LICENCE,
    }


def finish(
    training: Training,
    trained: Trained,
    *,
    train: Dataset,
    probe: Dataset,
    directory: Path,
    compared: Mapping[str, Mapping[str, float]],
    remark: str = "",
    stopped: float | None = None,
) -> dict[str, Any]:
    """Measure every kept set of weights on `probe`, and write them with their card.

    Of a training that was `stopped` only the weights of that epoch are written, in half precision
    like all intermediate ones, so that they can stand beside another seed's weights of that epoch.

    Parameters
    ----------
    training : Training
        The training, run to its end.
    trained : Trained
        What it returned.
    train, probe : Dataset
        Molecules trained on, and molecules to test on.
    directory : path
        Where to write.
    compared : mapping
        What :func:`baselines` returned for the task.
    remark : str
        Anything to add about the circumstances.
    stopped : float, optional
        The kept epoch at which the training was stopped.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    ValueError
        If the training is not at its end, or has not kept the epoch `stopped`.
    """
    last = float(training.recipe.epochs)
    if stopped is not None and stopped not in trained.weights:
        raise ValueError(f"no weights are kept at epoch {stopped:g}, only at {[*trained.weights]}.")
    if stopped is None and last not in trained.weights:
        raise ValueError(
            f"the training stands at step {training.step} of {training.n_steps}; run it to the end."
        )
    model, identity = training.model, training.identity
    task = TASKS[identity["task"]]
    truth = probe.targets[task.target].to_numpy(dtype=float)
    validation = {
        row["step"]: {name: row[name] for name in row if name.startswith("validation")}
        for row in trained.history
    }
    places = dict(model.named_parameters())
    rows, kept = [], {}
    for epoch in sorted(trained.weights) if stopped is None else [stopped]:
        weights = trained.weights[epoch]
        if epoch != last:
            weights = {key: value.half() for key, value in weights.items()}
        with torch.no_grad():
            for key, value in weights.items():
                places[key].copy_(value)
        vectors = model.predict_vectors(probe.atoms) if task.components else None
        predicted = model.predict(probe.atoms) if vectors is None else length(vectors)
        constants = {key: value.clone() for key, value in model.named_buffers(recurse=False)}
        kept[f"{epoch:g}"] = weights | constants
        rows.append(
            {
                "epoch": epoch,
                **validation[training.step_of(epoch)],
                **scores(truth, predicted),
                **({} if vectors is None else vector_scores(task.labels(probe), vectors)),
            }
        )
        sample = float(np.abs(predicted - truth)[:N_SAMPLE].mean())
    name = f"{identity['architecture']}-{identity['task']}-{identity['seed']}"
    n_molecules = len(np.unique(molecule_of(train)))
    card = {
        "name": name,
        **card_header(identity["architecture"], identity["seed"], model.encoder),
        "task": identity["task"],
        "target": task.target,
        "pooling": task.pooling,
        "unit": task.unit,
        "parameters": trained.parameters,
        "data": {
            "name": f"{train.name}/{train.split}",
            "molecules": n_molecules,
            **({"geometries": len(train)} if len(train) > n_molecules else {}),
            "elements": [chemical_symbols[z] for z in train.atoms.element_counts()[1]],
            "validation": training.recipe.n_validation,
            "sha256": train.fingerprint,
            "probe": f"{probe.name}/{probe.split}",
            "probe_molecules": len(probe),
            "probe_sha256": probe.fingerprint,
        },
        "recipe": identity["recipe"],
        "epochs": training.recipe.epochs if stopped is None else stopped,
        "validation_curve": trained.history,
        "probe": {
            **{key: rows[-1][key] for key in rows[-1] if key in _ON_PROBE},
            "mae_first_200": round(sample, 6),
        },
        "baselines": compared,
        "checkpoints": rows[:-1] if stopped is None else rows,
        "hardware": hardware(training.model.encoder.device),
        "seconds": round(trained.seconds),
        "remark": remark,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    final = kept.pop(f"{last:g}", {})
    write_model(card, final, kept, directory=directory)
    return card
