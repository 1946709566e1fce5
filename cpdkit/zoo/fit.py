"""Train one model of the zoo from beginning to end, or write what it is before the first step."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from cpdkit._messages import unknown
from cpdkit._options import check_seed
from cpdkit.datasets import Dataset, load_dataset
from cpdkit.encoders._base import parse_device
from cpdkit.zoo.card import baselines, card_header, finish
from cpdkit.zoo.checkpoints import STOPPED, UNTRAINED, own_directory, write_model
from cpdkit.zoo.loop import Training
from cpdkit.zoo.molecules import train_molecules, unseen_molecules
from cpdkit.zoo.recipe import ARCHITECTURES, TASKS, Recipe

__all__ = ["check_call", "train", "write_untrained"]


def train(
    architecture: str,
    task: str,
    *,
    seed: int = 0,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    directory: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    progress: bool = True,
    train_data: Dataset | None = None,
    probe_data: Dataset | None = None,
    remark: str = "",
    stop_after: float | None = None,
) -> dict[str, Any]:
    """Train a model, or go on where an earlier call was stopped, and write it with its card.

    On one thread the result depends on the seed alone. Torch's number of threads is set to one
    meanwhile; two trainings side by side are faster than one on two threads.

    Parameters
    ----------
    architecture : str
        Of :data:`ARCHITECTURES`.
    task : str
        Of :data:`TASKS`.
    seed : int
        Seed of weights, order of the data and held-out molecules.
    recipe : Recipe
        How to train.
    directory : path, optional
        Where weights and card go, and the state meanwhile; ``$CPDKIT_ZOO`` or a folder of the
        user's cache by default, where ``load_encoder("zoo/...")`` finds them.
    device : str
        ``"cpu"`` or ``"cuda"``.
    progress : bool
        Show a bar.
    train_data, probe_data : Dataset, optional
        Molecules in place of those that the task is learned from and tested on.
    remark : str
        Anything to add to the card.
    stop_after : float, optional
        One of the recipe's checkpoints: stop there, write these weights alone, which are then
        known as ``NAME@EPOCH``, and keep the state, so that a later call can go on.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    ValueError
        If a name is unknown, the state found belongs to another training, no weights are kept
        at `stop_after`, or forces are to be learned that the molecules lack.
    FileNotFoundError
        If the task's molecules are not here; says how to get them.
    """
    check_call(architecture, task, seed=seed, recipe=recipe, device=device, stop_after=stop_after)
    home = Path(directory) if directory is not None else own_directory()
    training_set = train_data if train_data is not None else train_molecules(TASKS[task], home)
    probe = probe_data if probe_data is not None else unseen_molecules(TASKS[task])
    state = home / "training" / f"{architecture}-{task}-{seed}"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        training = Training(
            architecture, task, training_set,
            directory=state, seed=seed, recipe=recipe, device=device,
        )  # fmt: skip
        compared = baselines(training_set, probe, TASKS[task])  # what fails, fails at once
        until = None if stop_after is None else training.step_of(stop_after)
        trained = training.run(progress=progress, until=until)
        card = finish(
            training, trained, train=training_set, probe=probe, compared=compared, remark=remark,
            directory=home if stop_after is None else home / STOPPED, stopped=stop_after,
        )  # fmt: skip
    finally:
        torch.set_num_threads(threads)
    if stop_after is None:
        shutil.rmtree(state)
    return card


def check_call(
    architecture: str,
    task: str,
    *,
    seed: int,
    recipe: Recipe,
    device: str,
    stop_after: float | None,
) -> None:
    """Refuse what cannot be trained, before anything is read.

    Raises
    ------
    ValueError
        If a name is unknown, the seed or the device is none, or no weights are kept at
        `stop_after`.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(unknown("architecture", architecture, ARCHITECTURES))
    if task not in TASKS:
        raise ValueError(unknown("task", task, TASKS))
    if stop_after is not None and stop_after not in recipe.checkpoints:
        raise ValueError(
            f"stop_after={stop_after:g} is no checkpoint of the recipe; choose one of "
            f"{', '.join(f'{epoch:g}' for epoch in recipe.checkpoints)}."
        )
    check_seed(seed)
    parse_device(device)


def write_untrained(
    architecture: str, *, seed: int = 0, directory: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """Write the weights an architecture has before its first step, with their card.

    Parameters
    ----------
    architecture : str
        Of :data:`ARCHITECTURES`.
    seed : int
        Of the weights; a training with this seed starts from them.
    directory : path, optional
        Where they go, as for :func:`train`.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    ValueError
        If there is no such architecture.
    """
    few = load_dataset("xtb9", split="train", n=16)  # weights do not depend on the molecules
    recipe = Recipe(batch_size=8, n_validation=8)
    with tempfile.TemporaryDirectory() as state:
        training = Training(architecture, "gap", few, directory=state, seed=seed, recipe=recipe)
    card = {
        "name": f"{architecture}-{UNTRAINED}-{seed}",
        **card_header(architecture, seed, training.model.encoder),
        "task": UNTRAINED,
        "parameters": training.parameters,
        "epochs": 0,
        "checkpoints": [],
    }
    weights = {
        key.removeprefix("network."): value  # the readout is a trained model's
        for key, value in training.current_weights().items()
        if key.startswith("network.")
    }
    home = Path(directory) if directory is not None else own_directory()
    write_model(card, weights, {}, directory=home)
    return card
