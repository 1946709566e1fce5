"""The embedded crystals: exact targets, and what their splits hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from paths import ROOT

from cpdkit import load_dataset
from cpdkit.datasets.prototypes.ions import IONS, charges_of


@pytest.fixture(scope="module")
def probe():
    return load_dataset("prototypes")


def test_targets_follow_from_the_structures(probe):
    for i in range(0, len(probe), 50):
        atoms, y = probe.atoms[i], probe.targets.iloc[i]
        volume = atoms.get_volume()
        assert y["volume_per_atom"] == pytest.approx(volume / len(atoms), rel=1e-9)
        assert y["density"] == pytest.approx(1.660539 * atoms.get_masses().sum() / volume, rel=1e-5)
        near = atoms.repeat(3).get_all_distances(mic=True)
        assert y["nearest_distance"] == pytest.approx(near[near > 0].min(), rel=1e-9)
        spheres = sum(IONS[s].radius ** 3 for s in atoms.get_chemical_symbols())
        assert y["packing_fraction"] == pytest.approx(4 / 3 * np.pi * spheres / volume, rel=1e-9)


def test_every_crystal_is_neutral_and_bound(probe):
    sums = np.add.reduceat(charges_of(probe.atoms.numbers), probe.atoms.offsets[:-1])
    assert (sums == 0).all()
    assert (probe.targets["ewald_energy"] < 0).all()
    assert probe.targets["nearest_distance"].between(1.5, 4.2).all()
    assert probe.atoms[0].pbc.all()


def test_most_formulas_have_polymorphs(probe):
    per_formula = pd.Series(probe.formulas).value_counts()
    assert (per_formula >= 2).sum() > 250
    pairs = pd.DataFrame({"formula": probe.formulas, "type": probe.info["prototype"]})
    pairs = pairs[~pairs["type"].isin(["elpasolite"])]  # B and B' may change places
    assert not pairs.duplicated().any()


def test_geometries_of_one_crystal():
    ds = load_dataset("prototypes", split="conformers")
    assert set(ds.info["parent"]) <= set(load_dataset("prototypes").ids)
    assert (ds.info.groupby("parent").size() == 9).all()
    start = ds.select((ds.info["geometry"] == "start").to_numpy())
    double = ds.select((ds.info["geometry"] == "supercell").to_numpy())
    assert (double.atoms.n_atoms == 2 * start.atoms.n_atoms).all()
    assert np.allclose(double.targets, start.targets, rtol=1e-5)
    assert (start.formulas == double.formulas).all()


def test_unknown_splits_are_answered():
    with pytest.raises(ValueError, match="did you mean 'conformers'"):
        load_dataset("prototypes", split="conformer")


def test_the_card_counts_what_there_is(probe):
    card = (ROOT / "book" / "data_card_crystals.md").read_text("utf-8")
    text = " ".join(card.split())
    for name, count in probe.info["prototype"].value_counts().items():
        assert f"{name} ({count})" in text
    per_formula = pd.Series(probe.formulas).value_counts()
    assert f"{len(probe)} crystals of {len(per_formula)} formulas" in text
    pairs = (per_formula * (per_formula - 1) // 2).sum()
    assert f"{(per_formula > 1).sum()} formulas have two or three polymorphs, {pairs} pairs" in text
    assert f"{len(np.unique(probe.atoms.numbers))} elements, each as one ion" in text
    for charge in {ion.charge for ion in IONS.values()}:
        ions = " ".join(symbol for symbol, ion in IONS.items() if ion.charge == charge)
        assert f"{ions} ({charge:+d})".replace("-", "−") in text
    over = (probe.targets["packing_fraction"] > 1).mean()
    assert f"{100 * over:.0f} % exceed one" in text
