"""What the tasks of the zoo are learned from, and what the errors on its cards are of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cpdkit.datasets import Dataset, load_dataset
from cpdkit.zoo.displaced import load_displaced
from cpdkit.zoo.recipe import Task

__all__ = ["N_QM9", "unseen_molecules", "train_molecules"]

N_QM9 = 25_000, 2_000
"""Molecules of QM9 to train on, and others to test on."""


def train_molecules(task: Task, folder: Path) -> Dataset:
    """Molecules that a task is learned from.

    Of ``xtb9`` these are its train split, where forces are learned relaxed and displaced as the
    file in `folder`, that of the zoo, has them. QM9 gives 25,000 that all its tasks share: see
    :func:`unseen_molecules`.

    Raises
    ------
    FileNotFoundError
        If QM9 is needed and ``CPDKIT_DATA`` does not name the folder that holds it, or `folder`
        lacks the file.
    """
    if task.data == "qm9":
        return _qm9(slice(None, N_QM9[0]))
    return load_displaced(folder) if task.forces else load_dataset("xtb9", split="train")


def unseen_molecules(task: Task) -> Dataset:
    """Molecules that no model of a task has seen: the errors on its cards are of these.

    Of ``xtb9`` its probe split. Of QM9 they are drawn from the train split, as its probe split
    lacks the electronic energy; no molecule of that, and none with fluorine, is trained on or
    tested.

    Raises
    ------
    FileNotFoundError
        If QM9 is needed and ``CPDKIT_DATA`` does not name the folder that holds it.
    """
    if task.data == "qm9":
        return _qm9(slice(N_QM9[0], sum(N_QM9)))
    return load_dataset("xtb9", split="probe")


def _qm9(drawn: slice) -> Dataset:
    every = load_dataset("qm9", split="train")
    known = np.flatnonzero(every.targets[["homo", "e_el"]].notna().all(axis=1))
    return every.select(np.sort(np.random.default_rng(0).permutation(known)[drawn]))
