"""The one training loop of the zoo: the same for every architecture and task."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from cpdkit._files import replacing
from cpdkit._messages import unknown
from cpdkit._options import check_seed
from cpdkit.datasets import Dataset
from cpdkit.zoo.flat_graphs import FlatGraphs
from cpdkit.zoo.loss import Loss, forces_of, held_out
from cpdkit.zoo.model import ZooModel, composition_offsets
from cpdkit.zoo.recipe import ARCHITECTURES, TASKS, Recipe

__all__ = ["Training", "Trained"]


@dataclass(frozen=True)
class Trained:
    """What a finished training leaves.

    Attributes
    ----------
    weights : dict of float to dict of str to Tensor
        Averaged weights by epoch; the last epoch is the final model.
    history : list of dict
        Step, epoch, training loss, validation error and seconds, a row per validation.
    parameters : int
        Number of weights that are trained.
    seconds : float
        Time in training steps and validation, all sittings together.
    """

    weights: dict[float, dict[str, torch.Tensor]]
    history: list[dict[str, float]]
    parameters: int
    seconds: float


class Training:
    """A training that can be stopped at any moment and taken up again.

    Everything random follows from the seed and the number of the step, so a training that was
    interrupted ends with the same weights as one that was not (on one thread).

    Parameters
    ----------
    architecture, task : str
        Of :data:`ARCHITECTURES` and :data:`TASKS`.
    dataset : Dataset
        Molecules with the task's target; some are held out for validation.
    directory : path
        Where the state is kept; a training found there is continued.
    seed : int
        Seed of weights, order of the data and held-out molecules.
    recipe : Recipe
        How to train.
    device : str
        ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ValueError
        If a name is unknown, the data set lacks the target or is too small, or `directory`
        holds another training.
    """

    def __init__(
        self,
        architecture: str,
        task: str,
        dataset: Dataset,
        *,
        directory: str | os.PathLike[str],
        seed: int = 0,
        recipe: Recipe = Recipe(),  # noqa: B008 - frozen
        device: str = "cpu",
    ) -> None:
        if architecture not in ARCHITECTURES:
            raise ValueError(unknown("architecture", architecture, ARCHITECTURES))
        if task not in TASKS:
            raise ValueError(unknown("task", task, TASKS))
        y, forces = TASKS[task].labels(dataset), forces_of(dataset, TASKS[task])
        self.recipe = recipe
        check_seed(seed)
        self.seed = seed
        self.directory = Path(directory)
        self.identity = {
            "architecture": architecture,
            "task": task,
            "seed": seed,
            "data": dataset.fingerprint,
            "recipe": json.loads(json.dumps(asdict(recipe))),
            "options": dict(ARCHITECTURES[architecture]),
        }
        self._validation, self._train = held_out(dataset, recipe.n_validation, seed)
        self.model = ZooModel.untrained(architecture, task, seed=seed).to_device(device)
        self._graphs = FlatGraphs(dataset.atoms, self.model.encoder)
        self._prepare(dataset, y)
        self._loss = Loss(self.model, self._graphs, y, self._spread, forces, rows=self._train)
        self.step = 0
        self.seconds = 0.0
        self.history: list[dict[str, float]] = []
        self._losses: list[float] = []  # since the last validation
        self.kept: dict[float, dict[str, torch.Tensor]] = {}
        self._resume()

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps per epoch; the last, incomplete batch is left out."""
        return max(1, len(self._train) // self.recipe.batch_size)

    @property
    def n_steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.steps_per_epoch * self.recipe.epochs

    def step_of(self, epoch: float) -> int:
        """The step after which `epoch` passes are over, as nearly as whole steps allow."""
        return round(epoch * self.steps_per_epoch)

    @property
    def parameters(self) -> int:
        """Number of weights that the loss depends on."""
        return sum(p.numel() for p in self._trained.values())

    def current_weights(self) -> dict[str, torch.Tensor]:
        """The weights that are trained, as they are now."""
        return {name: weight.detach().clone() for name, weight in self._trained.items()}

    def _prepare(self, dataset: Dataset, y: np.ndarray) -> None:
        """Offsets, scales, and which weights the loss depends on."""
        model, rows = self.model, self._train
        atoms = dataset.atoms.select(rows)
        offsets, self._spread = composition_offsets(atoms, y[rows], model.task.pooling)
        model.offsets.copy_(torch.from_numpy(offsets))
        per_atom = 1.0 if model.task.pooling == "mean" else float(atoms.n_atoms.mean()) ** 0.5
        model.scale.fill_(self._spread / per_atom)
        model.requires_grad_(True)
        batch = self._graphs.batch(self._epoch_order(0)[: self.recipe.batch_size])
        with torch.no_grad():
            scalars, vectors = model.parts(batch)
            model.unit.fill_(float(scalars.double().pow(2).mean().sqrt()))
            if vectors is not None:
                model.vector_unit.fill_(float(vectors.double().pow(2).sum(-1).mean().sqrt()))
        weights = dict(model.named_parameters())
        found = torch.autograd.grad(model(batch).sum(), list(weights.values()), allow_unused=True)
        # A model's own readout is not used; these weights stay as they are.
        self._trained = {
            name: weight
            for (name, weight), gradient in zip(weights.items(), found, strict=True)
            if gradient is not None
        }
        self._average = {name: w.detach().clone() for name, w in self._trained.items()}
        self._optimizer = torch.optim.AdamW(
            list(self._trained.values()),
            lr=self.recipe.learning_rate,
            weight_decay=self.recipe.weight_decay,
        )

    def _epoch_order(self, epoch: int) -> np.ndarray:
        return np.random.default_rng([self.seed, 2, epoch]).permutation(self._train)

    def _learning_rate(self, step: int) -> float:
        warm = self.recipe.warmup * self.steps_per_epoch
        if step < warm:
            return self.recipe.learning_rate * (step + 1) / warm
        share = (step - warm) / max(1.0, self.n_steps - warm)
        return self.recipe.learning_rate * 0.5 * (1 + math.cos(math.pi * share))

    def run(
        self, *, progress: bool = True, until: int | None = None, save_every: float = 60.0
    ) -> Trained:
        """Train to the end, or until step `until`, saving the state every so many seconds.

        Returns
        -------
        Trained
            Weights kept so far.
        """
        recipe, total = self.recipe, min(until or self.n_steps, self.n_steps)
        keep = {self.step_of(epoch): epoch for epoch in recipe.checkpoints}
        keep[self.n_steps] = float(recipe.epochs)
        weights: list[torch.Tensor] = list(self._trained.values())
        averages = list(self._average.values())
        order = self._epoch_order(self.step // self.steps_per_epoch)
        started = saved = time.monotonic()
        bar = tqdm(
            total=self.n_steps, initial=self.step, unit="step", disable=not progress,
            desc=f"{self.identity['architecture']} {self.identity['task']}", mininterval=5,
        )  # fmt: skip
        with bar:
            while self.step < total:
                epoch, position = divmod(self.step, self.steps_per_epoch)
                if position == 0:
                    order = self._epoch_order(epoch)
                rows = order[position * recipe.batch_size : (position + 1) * recipe.batch_size]
                self._losses.append(self._update(rows, weights, averages))
                self.step += 1
                bar.update()
                if self.step in keep:
                    self.kept[keep[self.step]] = {k: v.clone() for k, v in self._average.items()}
                if self.step in keep or self.step % self.steps_per_epoch == 0:
                    now = time.monotonic()
                    errors = self._validate()
                    self.history.append(
                        {
                            "step": self.step,
                            "epoch": round(self.step / self.steps_per_epoch, 4),
                            "train_loss": float(np.mean(self._losses)) * self._spread,
                            **errors,
                            "seconds": round(self.seconds + now - started, 1),
                        }
                    )
                    self._losses = []
                    bar.set_postfix({name: f"{value:.3f}" for name, value in errors.items()})
                if time.monotonic() - saved > save_every:
                    self.seconds += time.monotonic() - started
                    started = time.monotonic()
                    self._save()
                    saved = time.monotonic()
        self.seconds += time.monotonic() - started
        self._save()
        return Trained(self.kept, self.history, self.parameters, self.seconds)

    def _update(
        self,
        rows: np.ndarray,
        weights: list[torch.Tensor],
        averages: list[torch.Tensor],
    ) -> float:
        loss = self._loss.of(rows)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=weights)
        torch.nn.utils.clip_grad_norm_(weights, self.recipe.clip)
        for group in self._optimizer.param_groups:
            group["lr"] = self._learning_rate(self.step)
        self._optimizer.step()
        decay = min(self.recipe.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1 - decay)
        value = loss.item()
        if not math.isfinite(value):
            raise RuntimeError(
                f"the loss became {value} at step {self.step}; lower the learning rate."
            )
        return value

    def _validate(self) -> dict[str, float]:
        """Errors of the averaged weights on the held-out molecules."""
        return self._with_average(lambda: self._loss.errors(self._validation))

    def _with_average(self, action: Callable[[], Any]) -> Any:
        current = {name: weight.detach().clone() for name, weight in self._trained.items()}
        with torch.no_grad():
            for name, weight in self._trained.items():
                weight.copy_(self._average[name])
            try:
                return action()
            finally:
                for name, weight in self._trained.items():
                    weight.copy_(current[name])

    # State: tensors in one file, the rest beside it; the JSON names the file it belongs to.

    def _save(self) -> None:
        tensors: dict[str, torch.Tensor] = {}
        for name, weight in self._trained.items():
            tensors[f"weight/{name}"] = weight.detach()
            tensors[f"average/{name}"] = self._average[name]
            for key, value in self._optimizer.state.get(weight, {}).items():
                tensors[f"adam-{key}/{name}"] = value
        for epoch, weights in self.kept.items():
            tensors |= {f"kept-{epoch!r}/{name}": value for name, value in weights.items()}
        tensors = {key: value.cpu().contiguous() for key, value in tensors.items()}
        self.directory.mkdir(parents=True, exist_ok=True)
        name = f"state-{self.step}.safetensors"
        part = self.directory / f".{name}"
        save_file(tensors, part)
        os.replace(part, self.directory / name)
        state = {
            "identity": self.identity, "step": self.step, "seconds": self.seconds,
            "history": self.history, "losses": self._losses, "tensors": name,
        }  # fmt: skip
        with replacing(self.directory / "state.json") as file:
            file.write(json.dumps(state, indent=1).encode())
        for old in self.directory.glob("state-*.safetensors"):
            if old.name != name:
                old.unlink()

    def _resume(self) -> None:
        path = self.directory / "state.json"
        if not path.is_file():
            return
        state = json.loads(path.read_text())
        if state["identity"] != self.identity:
            differs = [k for k, v in self.identity.items() if state["identity"].get(k) != v]
            raise ValueError(
                f"{self.directory} holds another training ({', '.join(differs)} differ); "
                "choose another directory or remove it."
            )
        tensors = load_file(self.directory / state["tensors"])
        device = self.model.encoder.device
        adam: dict[int, dict[str, torch.Tensor]] = {}
        names = {name: index for index, name in enumerate(self._trained)}
        with torch.no_grad():
            for key, value in tensors.items():
                kind, _, name = key.partition("/")
                if kind == "weight":
                    self._trained[name].copy_(value)
                elif kind == "average":
                    self._average[name].copy_(value)
                elif kind.startswith("adam-"):
                    adam.setdefault(names[name], {})[kind.removeprefix("adam-")] = value
                else:
                    epoch = float(kind.removeprefix("kept-"))
                    self.kept.setdefault(epoch, {})[name] = value.to(device)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": adam, "param_groups": groups})
        self.step, self.seconds = state["step"], state["seconds"]
        self.history, self._losses = state["history"], state["losses"]
