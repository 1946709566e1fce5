"""The maps of molecules are what their tool makes, and the page quotes them rightly."""

from __future__ import annotations

import json

import numpy as np
import pytest
from paths import ROOT
from rdkit import Chem

import cpdkit
from tools import explorer

BOOK = ROOT / "book"
PAGE = " ".join((BOOK / "explorer.md").read_text().split())


@pytest.fixture(scope="module")
def stored() -> dict:
    return json.loads((BOOK / "explorer.json").read_text())


def values(data: dict, name: str) -> np.ndarray:
    return np.array(data["properties"][name]["values"])


def test_the_stored_maps_are_those_of_the_tool(stored: dict) -> None:
    name = "zoo/painn-gap-0"
    made = explorer.explored({name: explorer.ENCODERS[name]})
    for axis in made["maps"][explorer.ENCODERS[name]]["axes"]:
        np.testing.assert_allclose(values(made, axis), values(stored, axis), atol=0.02)
    for target in explorer.TARGETS.values():
        np.testing.assert_allclose(values(made, target[0]), values(stored, target[0]))
    assert made["structures"] == stored["structures"]


def test_what_composition_leaves_has_nothing_of_it(stored: dict) -> None:
    ds = cpdkit.load_dataset("xtb9", n=explorer.N_MOLECULES, seed=0)
    counts = cpdkit.composition.composition_matrix(ds)
    for target, _ in explorer.TARGETS.values():
        left = values(stored, f"{target}, {explorer.LEFT}")
        assert abs(left @ np.c_[np.ones(len(left)), counts]).max() < 1e-3 * len(left) * counts.max()


def test_the_page_quotes_the_maps(stored: dict) -> None:
    for known in stored["maps"].values():
        first, colour = values(stored, known["axes"][0]), values(stored, known["colour"])
        assert f"{np.corrcoef(first, colour)[0, 1]:.2f}".replace("-", "−") in PAGE
        assert f"{100 * known['share']:.0f} %" in PAGE
    ds = cpdkit.load_dataset("xtb9", n=explorer.N_MOLECULES, seed=0)
    double = Chem.MolFromSmarts("[#6]=[#8,#7]")
    has = [Chem.MolFromSmiles(str(s)).HasSubstructMatch(double) for s in ds.smiles]
    order = np.argsort(values(stored, stored["maps"]["PaiNN, trained on the gap"]["axes"][0]))
    left, right = (np.array(has)[order[part]].sum() for part in (slice(40), slice(-40, None)))
    assert (left, right) == (3, 40)
    assert "Of the 40 molecules furthest to the right all" in PAGE
    assert "of the 40 furthest to the left three" in PAGE
