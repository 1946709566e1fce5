"""Whatever encodes a list of encoders checks them all before the first is run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from molecules import molecule

import cpdkit
from cpdkit import encoders as package
from cpdkit.datasets import Dataset
from cpdkit.datasets._dataset import AtomsSequence
from cpdkit.encoders.baselines import RandomFeatures
from cpdkit.experiments.crystals.measure import encoded
from cpdkit.experiments.gradient.measure import pooled_layers
from cpdkit.experiments.task.models import score_models, trained_elsewhere

NOTEBOOKS = sorted(Path(__file__).parents[2].joinpath("notebooks").glob("*.ipynb"))
CALLS = {
    "chapter 1": lambda names, ds: pooled_layers(names, ds),
    "chapter 5": lambda names, ds: score_models(
        trained_elsewhere(names), ds, np.zeros((len(ds), 1))
    ),
    "chapter 8": lambda names, ds: encoded(names, ds, elements_of=ds),
    "the others": lambda names, ds: dict(cpdkit.extract_each(names, ds)),
}


class Watched(RandomFeatures):
    """Random features that write down how many structures they were asked for."""

    seen: list[int] = []

    def forward(self, graphs):
        Watched.seen.append(len(graphs))
        return super().forward(graphs)


def dataset(*names):
    structures = [molecule(name) for name in names]
    return Dataset(
        name="made", split="test", atoms=AtomsSequence.from_atoms(structures),
        targets=pd.DataFrame({"n": [float(len(a)) for a in structures]}), units={"n": "1"},
        ids=np.array(names),
    )  # fmt: skip


@pytest.mark.parametrize("chapter", CALLS)
def test_the_first_encoder_waits_for_the_elements_of_the_last(chapter, monkeypatch):
    monkeypatch.setattr(package, "_REGISTRY", package._REGISTRY | {"watched": Watched})
    monkeypatch.setattr(Watched, "seen", [])
    monkeypatch.setenv("CPDKIT_CACHE", "off")
    names = ["watched", "ani2x-aev"]
    with pytest.raises(ValueError, match="H4Si, has Si, which encoder 'ani2x-aev' does not know"):
        CALLS[chapter](names, dataset("H2O", "SiH4"))
    assert Watched.seen == []
    if chapter != "chapter 5":  # which scores, and of two molecules there is nothing to score
        found = CALLS[chapter](names, dataset("H2O", "CH4"))
        assert list(found) == names
        assert sum(Watched.seen) >= 2


def test_an_unknown_element_is_answered_with_what_to_do():
    leave = "1 of 2 structures hold such elements; .* -p elements=H,C,N,O,F,S,Cl, leaves them out"
    ds = dataset("H2O", "SiH4")
    with pytest.raises(ValueError, match=f"'ani2x-aev' does not know.*{leave}.$"):
        list(cpdkit.extract_each(["ani2x-aev"], ds))
    with pytest.raises(ValueError, match=f"{leave}. Or name all there are: soap.elements=H C"):
        list(cpdkit.extract_each(["soap"], ds))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_chapter_loads_its_encoders_one_by_one(notebook):
    cells = json.loads(notebook.read_text())["cells"]
    code = "".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    assert "load_encoder" not in code
    assert "cpdkit.extract(" not in code
