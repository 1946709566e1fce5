"""Exercises of lesson 3: right answers pass, typical mistakes are named, data decide."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from answers import refused
from scipy.spatial.transform import Rotation

from cpdkit.course.feedback import check
from cpdkit.representation import Block, Representation


def test_3_1_of_carbon_dioxide():
    data = {"vectors": [[0, 0, 2.0], [0, 0, 0], [0, 0, -2.0]]}
    for form in ((0, 4 / 3), [0.0, 1.333], np.array([[0], [4 / 3]])):
        assert check("3.1", form, **data).right
    refused(
        "3.1",
        {
            "exchanged": (4 / 3, 0),
            "sums over atoms": (0, 4),
            "left out": (0, 2),
            "squares": (0, 8 / 3),
            "both are the mean of the norms": (4 / 3, 4 / 3),
            "both are the norm of the mean": (0, 0),
            "the second of the two": (0, 1),
            "the first of the two": (1, 4 / 3),
            "two finite numbers": 1.33,
            "two numbers were expected": "none",
        },
        **data,
    )


@pytest.fixture
def vectors():
    return np.random.default_rng(0).normal(size=(6, 4, 3))


def test_3_2_is_what_a_representation_gives(vectors):
    block = Block(layer=0, name="a", l=1, p="o", mul=4, pooling="mean", start=0)
    rep = Representation(vectors.reshape(6, -1), (block,), np.full(6, 3))
    rooted = np.sqrt(np.einsum("ncx,ncx->nc", vectors, vectors))
    for form in (rep.features, rooted, rooted.tolist(), rooted.astype(np.float32)):
        assert check("3.2", form, vectors=vectors).right
    refused(
        "3.2",
        {
            "still are components": vectors,
            "They turn": vectors.reshape(6, -1),
            "over the channels": np.linalg.norm(vectors, axis=1),
            "were mixed": np.linalg.norm(vectors, axis=(1, 2)),
            "take the root": (vectors**2).sum(axis=2),
            "components were added": vectors.sum(axis=2),
            "mean of the components": vectors.mean(axis=2),
            "absolute components": np.abs(vectors).sum(axis=2),
            "mean of squares": np.sqrt((vectors**2).mean(axis=2)),
            "one component": np.abs(vectors).max(axis=2),
            "not the lengths": np.ones((6, 4)),
            "has shape": np.ones((2, 2)),
            "numbers were expected, got list": [[1, 2], [3]],
        },
        vectors=vectors,
    )


def test_3_3_turns_with_the_molecule(vectors):
    R = Rotation.from_euler("zyx", [0.3, 1.0, 2.0]).as_matrix()
    data = {"vectors": vectors, "rotation": R}
    each = np.array([[R @ v for v in molecule] for molecule in vectors])
    for form in (each, np.einsum("ij,ncj->nci", R, vectors), each.astype(np.float32)):
        assert check("3.3", form, **data).right
    norms = np.linalg.norm(vectors, axis=2)
    refused(
        "3.3",
        {
            "unchanged": vectors,
            "backwards": vectors @ R,
            "mirrored": -each,
            "three times over": np.repeat(norms[:, :, None], 3, axis=2),
            "twice": each @ R.T,
            "changed their lengths": 2 * each,
            "directions are not": np.roll(vectors, 1, axis=2),
            "has shape": norms,
        },
        **data,
    )


def _table(mu: float, **means: float) -> pd.DataFrame:
    rows = [{"target": "gap", "score": name, "mean": value} for name, value in means.items()]
    return pd.DataFrame([*rows, {"target": "mu", "score": "r2_partial", "mean": mu}])


def test_3_4_asks_for_what_training_added():
    trained = _table(0.5, r2_partial=0.9, r2_full=0.95, r2_geom=0.4)
    data = {
        "trained": trained,
        "untrained": _table(0.72, r2_partial=0.3, r2_full=0.63, r2_geom=0.11),
    }
    for form in (0.6, np.float32(0.6), pd.Series([0.6]), 0.602):
        assert check("3.4", form, **data).right
    refused(
        "3.4",
        {
            "not what training added": 0.9,
            "untrained network scores": 0.3,
            "sign is turned": -0.6,
            "r2_full": 0.32,
            "r2_geom": 0.29,
            "quotient": 3,
            "relative to the lower": 2,
            "of what was missing": 0.6 / 0.7,
            "is not the difference": 0.5,
            "difference for mu; asked was gap": -0.22,
            "one number": "much",
        },
        **data,
    )


def test_3_5_is_a_double_difference():
    R = pd.DataFrame([[0.05, 0.55], [0.45, 0.1]], index=["mu", "gap"], columns=[0, 1])
    for form in (0.85, np.float32(0.85), [0.85]):
        assert check("3.5", form, scores=R).right
        assert "both sides" in check("3.5", form, scores=R).why
    refused(
        "3.5",
        {
            "side of mu alone": 0.5,
            "side of gap alone": 0.35,
            "sign is turned": -0.85,
            "better altogether": 0.15,
            "l = 0 minus l = 1 was taken": -0.15,
            "mean of the two": 0.425,
            "is not R(mu, 1)": 0.7,
            "one number": R,
        },
        scores=R,
    )
    turned = R[[1, 0]].set_axis([0, 1], axis=1)
    assert "one is not" in check("3.5", -0.85, scores=turned).why
