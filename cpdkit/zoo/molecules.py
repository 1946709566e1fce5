"""What the tasks of the zoo are learned from, and what the errors on its cards are of."""

from __future__ import annotations

import numpy as np

from cpdkit.datasets import Dataset, load_dataset
from cpdkit.zoo.recipe import Task

__all__ = ["N_QM9", "molecules"]

N_QM9 = 25_000, 2_000
"""Molecules of QM9 to train on, and others to test on."""


def molecules(task: Task) -> tuple[Dataset, Dataset]:
    """Molecules to train on, and to test on.

    Of ``xtb9`` these are its splits. Of QM9 both are drawn from the train split, as its probe split
    lacks the electronic energy: no molecule of that is in either, nor one with fluorine. All tasks
    on QM9 have the same molecules.

    Raises
    ------
    FileNotFoundError
        If QM9 is needed and ``CPDKIT_DATA`` does not name the folder that holds it.
    """
    if task.data == "xtb9":
        return load_dataset("xtb9", split="train"), load_dataset("xtb9", split="probe")
    every = load_dataset(task.data, split="train")
    known = np.flatnonzero(every.targets[["homo", "e_el"]].notna().all(axis=1))
    drawn = np.random.default_rng(0).permutation(known)
    n, n_test = N_QM9
    return every.select(np.sort(drawn[:n])), every.select(np.sort(drawn[n : n + n_test]))
