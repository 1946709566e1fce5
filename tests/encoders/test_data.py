"""All encoders on the data of this project: xtb9, QM9 and crystals."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")


import cpdkit  # noqa: E402
from cpdkit.encoders import load_encoder  # noqa: E402
from cpdkit.extraction.extract import extract  # noqa: E402

MOLECULES = ["ani2x-aev", "bond-counts", "chgnet", "dimenet++-untrained", "mace-untrained"]
MOLECULES += ["painn-untrained", "random", "schnet-untrained", "sevennet-0", "sevennet-l3i5"]
MOLECULES += ["soap", "visnet-untrained"]


def data_folder(part):
    root = os.environ.get("CPDKIT_DATA")
    if not root or not Path(root, part).exists():
        pytest.skip(f"needs $CPDKIT_DATA/{part}")
    return Path(root, part)


def sound(rep, n):
    assert rep.features.shape[0] == n
    assert np.isfinite(rep.features).all()
    assert len(np.unique(rep.features.round(6), axis=0)) > n // 2


@pytest.mark.parametrize("name", MOLECULES)
def test_xtb9(name):
    dataset = cpdkit.load_dataset("xtb9", n=40, seed=0)
    sound(extract(load_encoder(name), dataset, progress=False), 40)


@pytest.mark.cpdkit_data
@pytest.mark.parametrize("name", [*MOLECULES, "ani2x"])
def test_qm9(name):
    data_folder("qm9")
    dataset = cpdkit.load_dataset("qm9", n=40, seed=0)
    sound(extract(load_encoder(name), dataset, progress=False), 40)


@pytest.mark.cpdkit_data
@pytest.mark.parametrize("name", ["sevennet-0", "chgnet", "mace-untrained", "soap"])
def test_crystals_of_the_materials_project(name):
    data_folder("materials_project")
    structures = list(cpdkit.load_dataset("materials-project", n=12, seed=0, max_atoms=20).atoms)
    elements = sorted({int(z) for a in structures for z in a.numbers})
    options = {"mace-untrained": {"elements": elements}}
    options["soap"] = {"elements": elements, "n_max": 2, "l_max": 2}
    encoder = load_encoder(name, **options.get(name, {}))
    known = [a for a in structures if not encoder.elements or encoder.elements >= set(a.numbers)]
    assert len(known) >= 10
    sound(extract(encoder, known, progress=False), len(known))
