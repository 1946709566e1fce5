"""What the tasks of the zoo are learned from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cpdkit
from cpdkit.experiments.task.verdict import saw
from cpdkit.zoo import TASKS
from cpdkit.zoo.molecules import N_QM9, train_molecules, unseen_molecules


def test_tasks_on_our_molecules_have_the_splits(tmp_path: Path) -> None:
    train, probe = train_molecules(TASKS["dipole"], tmp_path), unseen_molecules(TASKS["dipole"])
    assert (train.split, probe.split) == ("train", "probe")
    assert not set(train.ids) & set(probe.ids)


@pytest.mark.cpdkit_data
def test_tasks_on_qm9_have_the_same_molecules_and_none_of_the_probe_set(
    tmp_path: Path,
) -> None:
    tasks = {task: TASKS[task] for task in ("qm9_homo", "qm9_energy")}
    parts = {
        name: (train_molecules(task, tmp_path), unseen_molecules(task))
        for name, task in tasks.items()
    }
    (train, test), again = parts["qm9_homo"], parts["qm9_energy"]
    assert (len(train), len(test)) == N_QM9
    assert [part.fingerprint for part in again] == [train.fingerprint, test.fingerprint]
    asked = cpdkit.load_dataset("qm9", split="probe")
    for a, b in ((train, test), (train, asked), (test, asked)):
        assert not set(a.ids.astype(str)) & set(b.ids.astype(str))
    for task in parts:
        assert np.isfinite(TASKS[task].labels(train)).all()
    assert train.atoms.element_counts()[1].tolist() == [1, 6, 7, 8]


def test_who_saw_an_energy_of_qm9_saw_its_other_names() -> None:
    assert saw("qm9_energy", "u0")
    assert saw("qm9_homo", "homo")
    assert not saw("qm9_homo", "gap")
