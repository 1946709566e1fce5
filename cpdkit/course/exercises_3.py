"""Exercises of lesson 3: features of real models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.course.feedback import (
    Wrong,
    many_numbers,
    name_mistake,
    numbers,
    one_number,
    two_numbers,
)

__all__ = ["exercise_3_1", "exercise_3_2", "exercise_3_3", "exercise_3_4", "exercise_3_5"]

_DIGITS = 5e-3  # by how much a number of two digits may be off


def exercise_3_1(answer: Any, *, vectors: Any) -> str:
    """Norm of the mean over atoms, and mean of the norms."""
    given = two_numbers(answer, "the norm of the mean, then the mean of the norms")
    v = np.asarray(vectors, dtype=np.float64)
    norms = np.linalg.norm(v, axis=1)
    pooled, atomwise = float(np.linalg.norm(v.mean(axis=0))), float(norms.mean())
    right = np.array([pooled, atomwise])
    if np.abs(given - right).max() < _DIGITS:
        return (
            f"{pooled:.2f} and {atomwise:.2f}. Vectors on different atoms may cancel before the "
            "norm is taken, as the dipoles of the two bonds do; norms never cancel."
        )
    mistakes = {
        "the two are exchanged: first pool the vectors and take the norm, then the other way "
        "round.": right[::-1],
        "these are sums over atoms; mean pooling divides by their number.": right * len(v),
        "the atom whose vector is zero was left out. It counts when the mean is taken.": (
            np.array([pooled * len(v), norms.sum()]) / max((norms > 0).sum(), 1)
        ),
        "these are squares of norms.": np.array([pooled**2, (norms**2).mean()]),
        "both are the mean of the norms. For the first, add the vectors up before any norm is "
        "taken: they have directions.": np.array([atomwise, atomwise]),
        "both are the norm of the mean. For the second, take the norm of every atom's vector "
        "first.": np.array([pooled, pooled]),
    }
    name_mistake(given, mistakes, tolerance=_DIGITS)
    which = "first" if abs(given[0] - pooled) >= _DIGITS else "second"
    raise Wrong(f"the {which} of the two is not right; write down the three vectors and pool.")


def exercise_3_2(answer: Any, *, vectors: Any) -> str:
    """Turn pooled vectors into invariant features: the norm of each channel."""
    v = np.asarray(vectors, dtype=np.float64)
    n, channels, components = v.shape
    shape = numbers(answer).shape
    if shape in {v.shape, (n, channels * components)}:
        raise Wrong("these still are components. They turn with the molecule; a gap does not.")
    if shape == (n, components):
        raise Wrong("the norm ran over the channels; it must run over the three components.")
    if shape == (n,):
        raise Wrong("one number for each molecule: the channels were mixed. Keep them apart.")
    given = many_numbers(answer, (n, channels))
    right = np.linalg.norm(v, axis=2)
    size = right.max()
    if np.abs(given - right).max() < 1e-4 * size:
        return (
            f"{channels} numbers for each molecule, and none of them changes when it is turned. "
            "This is what `features` holds for l = 1."
        )
    mistakes = {
        "squares of the norms are invariant too, but a linear probe sees other features; take the "
        "root.": (v**2).sum(axis=2),
        "the components were added up. That sum changes when the molecule is turned.": v.sum(
            axis=2
        ),
        "the mean of the components changes when the molecule is turned.": v.mean(axis=2),
        "absolute components were added up. That changes when the molecule is turned: only sums "
        "of squares do not.": np.abs(v).sum(axis=2),
        "a mean of squares was taken below the root. It is invariant, but the length of a vector "
        "is the root of the sum.": right / np.sqrt(components),
        "one component alone was taken, or the largest. It changes when the molecule is turned.": (
            np.abs(v).max(axis=2)
        ),
    }
    name_mistake(given, mistakes, tolerance=1e-4 * size)
    raise Wrong("not the lengths of the vectors: root of the sum of squares over the last axis.")


def exercise_3_3(answer: Any, *, vectors: Any, rotation: Any) -> str:
    """Vectors of turned molecules, without running the network again."""
    v, R = np.asarray(vectors, dtype=np.float64), np.asarray(rotation, dtype=np.float64)
    given = many_numbers(answer, v.shape)
    right = v @ R.T
    size = np.abs(v).max()
    if np.abs(given - right).max() < 1e-4 * size:
        return (
            "every vector is multiplied by R, channel by channel. The network need not run again: "
            "this is what *equivariant* means."
        )
    mistakes = {
        "unchanged. That holds for l = 0; vectors turn with the molecule.": v,
        "turned backwards: for vectors in rows, R v is `v @ R.T`.": v @ R,
        "turned and mirrored.": -right,
        "these are lengths, three times over; the vectors keep their directions.": np.broadcast_to(
            np.linalg.norm(v, axis=2, keepdims=True), v.shape
        ),
        "turned twice.": right @ R.T,
    }
    name_mistake(given, mistakes, tolerance=1e-4 * size)
    if np.abs(np.linalg.norm(given, axis=2) - np.linalg.norm(v, axis=2)).max() > 1e-4 * size:
        raise Wrong("the vectors have changed their lengths; a rotation does not do that.")
    raise Wrong("the lengths are right, the directions are not: multiply each vector by R.")


def exercise_3_4(
    answer: Any, *, trained: pd.DataFrame, untrained: pd.DataFrame, target: str = "gap"
) -> str:
    """By how much training changed the share of what composition leaves."""
    value = one_number(answer)
    tables = {"trained": trained, "untrained": untrained}
    scores = {name: _scores(table, target) for name, table in tables.items()}
    before, after = (scores[name]["r2_partial"] for name in ("untrained", "trained"))
    added = after - before
    if abs(value - added) < 2.1 * _DIGITS:  # a difference of two such numbers
        return (
            f"{after:.3f} - {before:.3f} = {added:+.3f}. The untrained network has the same shape "
            "and was read on the same folds, so what it scores needed no training."
        )
    others = {
        f"that is the difference for {name}; asked was {target}.": (
            _scores(trained, name)["r2_partial"] - _scores(untrained, name)["r2_partial"]
        )
        for name in dict.fromkeys(trained["target"])
        if name != target
    }
    differences = {s: scores["trained"][s] - scores["untrained"][s] for s in ("r2_full", "r2_geom")}
    mistakes = others | {
        "that is what the trained network scores, not what training added: what does the same "
        "network score untrained?": after,
        "that is what the untrained network scores.": before,
        "the sign is turned: trained minus untrained.": -added,
        "these are scores of `r2_full`, where composition helps both networks; take "
        "`r2_partial`.": differences["r2_full"],
        "these are scores of `r2_geom`, which end at the ceiling; take `r2_partial`.": (
            differences["r2_geom"]
        ),
        "a quotient of scores says little, since the lower one may be near zero; take the "
        "difference.": after / before,
        "that is the gain relative to the lower score; asked was the difference.": added / before,
        "that is the gain as a share of what was missing; asked was the difference.": (
            added / (1 - before)
        ),
    }
    name_mistake(value, mistakes, tolerance=_DIGITS)
    raise Wrong(f"{value:.3f} is not the difference of the two means of `r2_partial` of {target}.")


def exercise_3_5(
    answer: Any, *, scores: pd.DataFrame, vector: str = "mu", scalar: str = "gap"
) -> str:
    """Routing index: a double difference of four scores."""
    value = one_number(answer)
    vector_side = float(scores.loc[vector, 1] - scores.loc[vector, 0])
    scalar_side = float(scores.loc[scalar, 0] - scores.loc[scalar, 1])
    index = vector_side + scalar_side
    if abs(value - index) < 4.1 * _DIGITS:  # four such numbers
        routes = "both sides are above zero" if min(vector_side, scalar_side) > 0 else "one is not"
        return (
            f"{vector_side:+.2f} for the vector and {scalar_side:+.2f} for the scalar make "
            f"{index:+.2f}; {routes}. Before you call that learned, look at which network it is."
        )
    mistakes = {
        f"that is the side of {vector} alone; add that of {scalar}.": vector_side,
        f"that is the side of {scalar} alone; add that of {vector}.": scalar_side,
        "the sign is turned: l = 1 minus l = 0 for the vector, l = 0 minus l = 1 for the scalar.": (
            -index
        ),
        "l = 1 minus l = 0 was taken for both. That asks which degree is better altogether.": (
            vector_side - scalar_side
        ),
        "l = 0 minus l = 1 was taken for both. That asks which degree is better altogether.": (
            scalar_side - vector_side
        ),
        "that is the mean of the two sides; the index is their sum.": index / 2,
    }
    name_mistake(value, mistakes, tolerance=_DIGITS)
    raise Wrong(
        f"{value:.3f} is not R({vector}, 1) - R({vector}, 0) + R({scalar}, 0) - R({scalar}, 1)."
    )


def _scores(table: pd.DataFrame, target: str) -> Mapping[str, float]:
    """Mean of each score of one target."""
    return table[table["target"] == target].set_index("score")["mean"].to_dict()
