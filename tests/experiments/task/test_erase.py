"""Erasing leaves the readout alone and removes composition, all of it and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.encoders._graph import collate
from cpdkit.experiments.task.erase import erase_then_predict
from cpdkit.folds import make_folds
from cpdkit.zoo import load_model


@pytest.fixture(scope="module")
def data():
    ds = cpdkit.load_dataset("xtb9", n=120, seed=0)
    return ds, composition_matrix(ds.atoms), make_folds(len(ds), ids=ds.ids, seed=0)[0]


@pytest.fixture(scope="module")
def model():
    return load_model("schnet-gap-0", dtype="float64")


def test_before_is_the_model(data, model):
    ds, C, folds = data
    erased = erase_then_predict(model, ds.atoms, C, folds)
    assert np.abs(erased.before - model.predict(ds.atoms)).max() < 1e-9
    assert erased.rank == np.linalg.matrix_rank(C - C.mean(axis=0))
    assert np.abs(erased.after - erased.before).max() > 1e-3
    assert np.abs(erased.rotated - erased.before).max() > 1e-3
    again = erase_then_predict(model, ds.atoms, C, folds)
    assert np.array_equal(again.rotated, erased.rotated)


def test_nothing_to_erase_changes_nothing(data, model):
    ds, C, folds = data
    erased = erase_then_predict(model, ds.atoms, np.ones_like(C), folds)
    assert erased.rank == 0
    assert np.abs(erased.rotated - erased.before).max() < 1e-9
    assert np.abs(erased.after - erased.before).max() < 1e-9


def test_a_linear_readout_loses_what_composition_explains(data, model):
    """With the identity in place of the network the change is the fitted share of h, read out."""
    ds, C, folds = data
    linear = torch.nn.Linear(96, 1).double()
    kept, model.readout = model.readout, torch.nn.Sequential(linear)
    try:
        erased = erase_then_predict(model, ds.atoms, C, folds)
        graphs = [model.encoder.graph(a) for a in ds.atoms]
        batch = collate(graphs, dtype=torch.float64)
        with torch.no_grad():
            pooled = model.pool(model.scalars(batch), batch)
            weights = (linear.weight[0] * model.scale / model.unit).numpy()
        for fold in np.unique(folds):
            test = folds == fold
            Z = np.column_stack([np.ones(len(C)), C])
            B = np.linalg.lstsq(Z[~test], pooled.numpy()[~test], rcond=None)[0]
            share = (Z[test] @ B - pooled.numpy()[~test].mean(axis=0)) @ weights
            assert erased.before[test] - erased.after[test] == pytest.approx(share, abs=1e-8)
    finally:
        model.readout = kept


def test_what_does_not_fit_is_refused(data, model):
    ds, C, folds = data
    with pytest.raises(ValueError, match="120 molecules need 120 rows"):
        erase_then_predict(model, ds.atoms, C[:5], folds)
    with pytest.raises(ValueError, match="at least two folds"):
        erase_then_predict(model, ds.atoms, C, np.zeros(120, int))
