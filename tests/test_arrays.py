"""What NumPy would misread is refused, by the name of the argument; rows stay where they are."""

from __future__ import annotations

import datetime
import re

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from toy import planted

import cpdkit
from cpdkit._arrays import check_labels, check_same_rows, real_array
from cpdkit.controls import null_scores
from cpdkit.folds import make_folds
from cpdkit.held_out.inputs import check_inputs
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.probes.equivariant import EquivariantRidge, equivariant_scores
from cpdkit.probes.residual import RidgeProbe
from cpdkit.projection.flexible import BasisProjector, CrossFittedResidual
from cpdkit.projection.within import WithinGroups, within_r2

DATA = planted(n=60)
V = np.random.default_rng(0).normal(size=(60, 3, 3))
HIDDEN = np.arange(60) < 3


def masked(array):
    return np.ma.masked_array(
        array, np.broadcast_to(HIDDEN.reshape(-1, *[1] * (array.ndim - 1)), array.shape)
    )


def dates(array):
    return np.full(array.shape, np.datetime64("2020-01-01")) + np.arange(array.size).reshape(
        array.shape
    ).astype("timedelta64[D]")


ODD = {
    "masked": (masked, "masked entries"),
    "complex": (lambda a: a + 1j, "Complex data"),
    "dates": (dates, "dates or durations"),
    "durations": (lambda a: dates(a) - np.datetime64("2020-01-01"), "dates or durations"),
    "text": (lambda a: a.astype(str), "got text"),
    "objects of text": (lambda a: a.astype(str).astype(object), "got text"),
    "objects of dates": (
        lambda a: np.full(a.shape, datetime.date(2020, 1, 1), dtype=object), "dates or durations"
    ),
    "grad": (lambda a: torch.tensor(a, requires_grad=True), r"detach\(\)"),
}  # fmt: skip
DOORS = {
    "features": lambda x: cpdkit.cpd(x(DATA.X), DATA.C, DATA.y),
    "composition": lambda x: cpdkit.cpd(DATA.X, x(DATA.C), DATA.y),
    "targets": lambda x: cpdkit.cpd(DATA.X, DATA.C, x(DATA.y)),
    "targets['a']": lambda x: cpdkit.cpd(DATA.X, DATA.C, {"a": x(DATA.y)}),
    "features ": lambda x: moments_from_arrays(x(DATA.X), DATA.C, DATA.y),
    "composition ": lambda x: moments_from_arrays(DATA.X, x(DATA.C), DATA.y),
    "targets ": lambda x: moments_from_arrays(DATA.X, DATA.C, x(DATA.y)),
    "X": lambda x: cpdkit.CompositionProjector().fit(x(DATA.X), composition=DATA.C),
    "composition  ": lambda x: cpdkit.CompositionProjector().fit(DATA.X, composition=x(DATA.C)),
    "composition   ": lambda x: BasisProjector().fit(DATA.X, composition=x(DATA.C)),
    "composition    ": lambda x: CrossFittedResidual().fit(DATA.X, composition=x(DATA.C)),
    "composition     ": lambda x: WithinGroups().fit(DATA.X, composition=x(DATA.C)),
    "X ": lambda x: RidgeProbe().fit(x(DATA.X), DATA.y),
    "y": lambda x: RidgeProbe().fit(DATA.X, x(DATA.y)),
    "y ": lambda x: RidgeProbe().fit(DATA.X, DATA.y).score(DATA.X, x(DATA.y)),
    "vectors": lambda x: equivariant_scores(x(V), V[:, 0]),
    "targets['y']": lambda x: equivariant_scores(V, x(V[:, 0])),
    "y  ": lambda x: EquivariantRidge().fit(V, V[:, 0]).score(V, x(V[:, 0])),
    "prediction": lambda x: within_r2(DATA.y, x(DATA.y), DATA.formulas),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", ODD)
def test_what_numpy_would_misread_is_refused_by_name(door, kind):
    change, message = ODD[kind]
    with pytest.raises(ValueError, match=message) as caught:
        DOORS[door](change)
    assert door.strip() in str(caught.value)


@pytest.mark.parametrize(
    "door", [d for d in DOORS if d.strip() in ("features", "composition", "X")]
)
def test_sparse_matrices_are_answered_by_a_sentence(door):
    with pytest.raises(ValueError, match=r"is a sparse matrix; give a dense array.*toarray\(\)"):
        DOORS[door](sparse.csr_matrix)


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_column_of_a_frame_is_named(name):
    frame = pd.DataFrame({"a": DATA.y, "b": DATA.y})
    frame[name] = pd.date_range("2020", periods=60)
    with pytest.raises(ValueError, match=f"column '{name}' of targets must be numbers; got dates"):
        cpdkit.cpd(DATA.X, DATA.C, frame)


@given(st.lists(st.floats(allow_nan=False, width=32) | st.integers(-9, 9) | st.booleans()))
def test_numbers_in_any_container_are_the_numbers(values):
    expected = np.array([float(value) for value in values])
    objects = np.array(values, dtype=object)
    for container in (
        values,
        tuple(values),
        objects,
        pd.Series(objects),
        np.ma.masked_array(expected),
        torch.tensor(expected),
    ):
        np.testing.assert_array_equal(real_array(container, "x"), expected)


def test_a_missing_entry_of_pandas_is_nan():
    given = pd.DataFrame({"a": pd.array([1, None], dtype="Int64"), "b": [1.0, 2.0]})
    np.testing.assert_array_equal(real_array(given, "x"), [[1, 1], [np.nan, 2]])


@pytest.mark.parametrize("column", [1.0, "1.0", DATA.y[:1], DATA.y[:, None], DATA.y[:59]])
def test_a_column_of_a_mapping_never_broadcasts(column):
    with pytest.raises(ValueError, match=r"targets\['b'\]"):
        cpdkit.cpd(DATA.X, DATA.C, {"a": DATA.y, "b": column})


# --- rows ---------------------------------------------------------------------------------------


def series(values, index):
    values = np.asarray(values)
    return pd.DataFrame(values, index) if values.ndim == 2 else pd.Series(values, index)


PAIRS = {
    "features, targets": lambda a, b: cpdkit.cpd(
        series(DATA.X, a), DATA.C, series(DATA.y, b), leak=False
    ),
    "composition, targets": lambda a, b: cpdkit.cpd(
        DATA.X, series(DATA.C, a), series(DATA.y, b), leak=False
    ),
    "features, groups": lambda a, b: cpdkit.cpd(
        series(DATA.X, a), DATA.C, DATA.y, groups=series(DATA.formulas, b)
    ),
    "targets, ids": lambda a, b: cpdkit.cpd(
        DATA.X, DATA.C, series(DATA.y, a), ids=series(range(60), b), leak=False
    ),
    "targets, folds": lambda a, b: cpdkit.cpd(
        DATA.X, DATA.C, series(DATA.y, a), folds=series(np.arange(60) % 4, b), leak=False
    ),
    "of a mapping": lambda a, b: cpdkit.cpd(
        DATA.X, DATA.C, {"y": series(DATA.y, a), "z": series(DATA.y, b)}, leak=False
    ),
    "nulls": lambda a, b: null_scores(
        series(DATA.X, a), DATA.C, DATA.y, groups=series(DATA.formulas, b), n_draws=2
    ),
    "moments": lambda a, b: moments_from_arrays(series(DATA.X, a), series(DATA.C, b), DATA.y),
    "projector": lambda a, b: cpdkit.CompositionProjector().fit_transform(
        series(DATA.X, a), composition=series(DATA.C, b)
    ),
    "within": lambda a, b: WithinGroups().fit(
        series(DATA.X, a), composition=series(DATA.formulas, b)
    ),
    "probe": lambda a, b: RidgeProbe().fit(
        series(DATA.X, a), DATA.y, composition=series(DATA.C, b)
    ),
    "probe, y": lambda a, b: RidgeProbe().fit(series(DATA.X, a), series(DATA.y, b)),
    "vectors": lambda a, b: equivariant_scores(
        V, series(V[:, 0], a), groups=series(DATA.formulas, b)
    ),
}  # fmt: skip
NAMES = [f"m{i}" for i in range(60)]
TURNED = np.roll(np.arange(60), 1)


@pytest.mark.parametrize("pair", PAIRS)
def test_indices_that_disagree_are_refused_everywhere(pair):
    for one, other in [
        (np.arange(60), TURNED), (TURNED, np.arange(60)), (NAMES, NAMES[::-1]),
        (NAMES, [f"k{i}" for i in range(60)]), (np.arange(60), np.arange(60) + 1),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=r"the indices of .* and .* differ; rows are posit"):
            PAIRS[pair](one, other)


@pytest.mark.parametrize("pair", PAIRS)
def test_indices_that_agree_change_nothing(pair):
    for one, other in [(TURNED, TURNED), (NAMES, NAMES), (np.arange(60), NAMES)]:
        PAIRS[pair](one, other)


@given(st.permutations(range(6)), st.permutations(range(6)))
def test_two_orders_agree_only_if_they_are_one(a, b):
    parts = {"a": pd.Series(0, index=a), "b": {"c": pd.Series(0, index=b)}}
    if a == b:
        check_same_rows(parts)
        return
    with pytest.raises(ValueError, match=re.escape("indices of a and b['c'] differ")):
        check_same_rows(parts)


# --- labels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("hole", [None, np.nan, pd.NA, pd.NaT, "", " ", "nan"])
@pytest.mark.parametrize("container", [list, pd.Series, lambda v: np.array(v, dtype=object)])
def test_missing_groups_are_refused(hole, container):
    groups = container([*DATA.formulas[:7], hole, *DATA.formulas[8:]])
    for call in (
        lambda: cpdkit.cpd(DATA.X, DATA.C, DATA.y, groups=groups),
        lambda: make_folds(60, scheme="formula", groups=groups),
        lambda: WithinGroups().fit(DATA.X, composition=groups),
    ):
        with pytest.raises(ValueError, match=r"is missing in 1 of 60 rows \(first: row 7"):
            call()


def test_masked_labels_and_other_shapes_are_refused():
    with pytest.raises(ValueError, match="groups has masked entries"):
        check_labels(np.ma.masked_array(DATA.formulas, HIDDEN), "groups", 60)
    for ids in ("abc", [["a"]] * 3, np.zeros((3, 1)), range(4)):
        with pytest.raises(ValueError, match="ids has . entries, but there are 3 rows"):
            check_labels(ids, "ids", 3)


# --- composition far from zero, or tiny ---------------------------------------------------------


@given(
    offset=st.sampled_from([0.0, 1e3, 1e6, -1e8, 1e10, 1e12]),
    scale=st.sampled_from([1.0, 1e-9, 1e9, 1e-100, 1e100]),
)
@settings(deadline=None, max_examples=20)
def test_units_and_offsets_of_composition_do_not_matter(offset, scale):
    moved = (DATA.C + offset) * scale
    expected = cpdkit.cpd(DATA.X, DATA.C, DATA.y, leak=False)
    found = cpdkit.cpd(DATA.X, moved, DATA.y, leak=False)
    tolerance = 1e-8 + 1e-14 * abs(offset)
    np.testing.assert_allclose(found["mean"], expected["mean"], atol=tolerance)
    projector = cpdkit.CompositionProjector()
    residual = projector.fit_transform(DATA.X, composition=moved)
    assert projector.rank_ == 4
    plain = cpdkit.CompositionProjector().fit_transform(DATA.X, composition=DATA.C)
    np.testing.assert_allclose(residual, plain, atol=tolerance + 1e-12 * abs(offset))


def test_composition_that_cannot_be_resolved_is_refused_or_named():
    with pytest.raises(ValueError, match="column 0 of composition.*vanish"):
        cpdkit.cpd(DATA.X, DATA.C * 1e-170, DATA.y)
    frame = pd.DataFrame(DATA.C * 1e170, columns=["C", "H", "O"])
    with pytest.raises(ValueError, match="column 'C' of composition.*overflow"):
        cpdkit.CompositionProjector().fit(DATA.X, composition=frame)
    lost = np.column_stack([DATA.C, 1e14 + DATA.C[:, 0] / 64])
    with pytest.warns(UserWarning, match=r"columns \[3\] of composition vary by rounding only"):
        check_inputs(DATA.X, lost, DATA.y)
    moments = moments_from_arrays(DATA.X, DATA.C + 1e9, DATA.y)
    with pytest.raises(ValueError, match="which moments cannot resolve; subtract an offset"):
        cpdkit.cpd_from_moments(moments)


def test_columns_that_add_nothing_are_told():
    C = np.column_stack([DATA.C, np.ones(60), DATA.C[:, 0] + DATA.C[:, 1]])
    projector = cpdkit.CompositionProjector().fit(DATA.X, composition=C)
    assert projector.dropped_.tolist() == [3]
    assert projector.rank_ == 4


@pytest.mark.parametrize("scale", [1e-170, 1e170])
def test_targets_and_features_of_impossible_size_are_refused(scale):
    with pytest.raises(ValueError, match="column 'y' of targets.*rescale"):
        cpdkit.cpd(DATA.X, DATA.C, DATA.y * scale)
    with pytest.raises(ValueError, match="of features.*rescale"):
        cpdkit.cpd(DATA.X * scale, DATA.C, DATA.y)
    with pytest.raises(ValueError, match="of X.*rescale"):
        RidgeProbe().fit(DATA.X * scale, DATA.y)
