"""Any container, dtype, order, index, gap or scale: the plain input's numbers, or our error."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import torch
from ase import Atoms
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from molecules import molecules
from scipy import sparse
from toy import planted

import cpdkit
from cpdkit.extraction import extract

DATA = planted(n=60)
ARGUMENTS = {"features": DATA.X, "composition": DATA.C, "targets": DATA.y}
SAME = {
    "array": lambda a: a,
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(map(tuple, a)) if a.ndim > 1 else tuple(a),
    "Fortran order": np.asfortranarray,
    "a view": lambda a: np.repeat(a, 2, axis=0)[::2],
    "read only": lambda a: np.frombuffer(a.tobytes()).reshape(a.shape),
    "objects": lambda a: a.astype(object),
    "tensor": torch.tensor,
    "frame": lambda a: pd.DataFrame(a) if a.ndim > 1 else pd.Series(a),
    "names as index": lambda a: (pd.DataFrame if a.ndim > 1 else pd.Series)(
        a, index=[f"row {i}" for i in range(len(a))]
    ),
    "nullable": lambda a: (pd.DataFrame if a.ndim > 1 else pd.Series)(a).astype("Float64"),
    "big endian": lambda a: a.astype(">f8"),
    "long double": lambda a: a.astype(np.longdouble),
    "masked nowhere": np.ma.masked_array,
}
ODD = {
    "shuffled index": lambda a: (pd.DataFrame if a.ndim > 1 else pd.Series)(
        a, index=np.random.default_rng(1).permutation(len(a))
    ),
    "another index": lambda a: (pd.DataFrame if a.ndim > 1 else pd.Series)(
        a, index=np.arange(len(a)) + 7
    ),
    "one row less": lambda a: a[:-1],
    "NaN": lambda a: np.where(np.arange(len(a)).reshape(-1, *[1] * (a.ndim - 1)) == 3, np.nan, a),
    "infinite": lambda a: (
        a * np.where(np.arange(len(a)) == 3, np.inf, 1).reshape(-1, *[1] * (a.ndim - 1))
    ),
    "masked": lambda a: np.ma.masked_array(a, a > np.median(a)),
    "complex": lambda a: a + 0j,
    "text": lambda a: a.astype(str),
    "bytes": lambda a: a.astype("S8"),
    "dates": lambda a: a.astype("datetime64[s]"),
    "sparse": lambda a: sparse.csr_matrix(a.reshape(len(a), -1)),
    "cube": lambda a: np.stack([a, a], axis=-1)[..., None],
    "records": lambda a: a.ravel().view([("x", float)]),
    "nothing": lambda a: a[:0],
    "too small": lambda a: a * 1e-200,
    "too large": lambda a: a * 1e200,
    "a number": lambda a: 1.5,
    "a set": lambda a: {1.0, 2.0},
    "a generator": lambda a: (row for row in a),
    "a string": lambda a: "features.npy",
}
PLAIN = cpdkit.cpd(DATA.X, DATA.C, DATA.y, leak=False)
RESIDUAL = cpdkit.CompositionProjector().fit_transform(DATA.X, composition=DATA.C)


def given_as(kinds: dict[str, str]) -> dict:
    made = SAME | ODD
    return {name: made[kinds[name]](array.copy()) for name, array in ARGUMENTS.items()}


def same_or_refused(call, plain, names) -> None:
    """In a sentence of ours, which names an argument."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = call()
        except (ValueError, TypeError) as error:
            assert re.search("|".join(names), str(error)), error  # noqa: PT017, or the same
        else:
            np.testing.assert_allclose(found, plain, rtol=0, atol=1e-9)


@settings(max_examples=150)
@given(st.fixed_dictionaries({name: st.sampled_from([*SAME]) for name in ARGUMENTS}))
def test_a_container_changes_nothing_in_cpd(kinds):
    table = cpdkit.cpd(**given_as(kinds), leak=False)
    np.testing.assert_array_equal(table["mean"], PLAIN["mean"])


@settings(max_examples=250)
@given(st.fixed_dictionaries({name: st.sampled_from([*SAME, *ODD]) for name in ARGUMENTS}))
def test_cpd_gives_the_same_numbers_or_names_the_argument(kinds):
    assume(set(kinds.values()) != {"one row less"})  # these are other data
    same_or_refused(
        lambda: cpdkit.cpd(**given_as(kinds), leak=False)["mean"],
        PLAIN["mean"],
        ["features", "composition", "targets", "formula", "rows"],
    )


@settings(max_examples=150)
@given(st.sampled_from([*SAME, *ODD]), st.sampled_from([*SAME, *ODD]))
def test_the_projector_gives_the_same_residual_or_names_the_argument(features, composition):
    assume((features, composition) != ("one row less", "one row less"))
    parts = given_as({"features": features, "composition": composition, "targets": "array"})
    scale = {"too small": 1e-200, "too large": 1e200}.get(features, 1)
    same_or_refused(
        lambda: (
            cpdkit.CompositionProjector().fit_transform(
                parts["features"], composition=parts["composition"]
            )
            / scale
        ),
        RESIDUAL,
        [r"\bX\b", "features", "composition", "rows"],
    )


STRUCTURES = molecules(3)


@settings(max_examples=60)
@given(
    st.sampled_from(
        ["list", "tuple", "generator", "one", "none", "text", "empty", "ghost", "far", "nan"]
    )
)
def test_extract_gives_the_same_features_or_names_the_structure(kind):
    far = [m.copy() for m in STRUCTURES]
    odd = [m.copy() for m in STRUCTURES]
    for m in far:
        m.positions += 1e4
    if kind == "ghost":
        odd[1].numbers[0] = 0
    if kind == "nan":
        odd[1].positions[0, 0] = np.nan
    structures = {
        "list": STRUCTURES, "tuple": tuple(STRUCTURES), "generator": iter(STRUCTURES),
        "one": STRUCTURES[0], "none": None, "text": "molecules.xyz", "empty": [Atoms()],
        "ghost": odd, "far": far, "nan": odd,
    }[kind]  # fmt: skip
    encoder = cpdkit.load_encoder("bond-counts")
    plain = extract(encoder, STRUCTURES, progress=False).features
    same_or_refused(
        lambda: extract(encoder, structures, progress=False).features,
        plain[:1] if kind == "one" else plain,
        ["structure"],
    )
