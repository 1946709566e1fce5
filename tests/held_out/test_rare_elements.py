"""Composition of which training rows know only a part: rare elements, and columns that depend."""

import warnings

import numpy as np
import pandas as pd
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

import cpdkit
from cpdkit._messages import LACKING
from cpdkit.folds import make_folds
from cpdkit.held_out.inputs import CompositionWarning
from cpdkit.held_out.moments import held_out_moments
from cpdkit.held_out.rows import held_out
from cpdkit.moments.folds import FoldMoments
from cpdkit.moments.scores import nested_sums
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.rank import untold
from cpdkit.scores import SCORES


def rows(seed=0, n=150, d=6, rare=(1, 3), together=0):
    """Counts of elements of which some rows hold rare ones, and of which some always go together.

    `rare` rows hold each rare element; of the last two columns only `together` rows hold one
    without the other.
    """
    rng = np.random.default_rng(seed)
    C = rng.integers(1, 6, (n, 3)).astype(float)
    for held_by in rare:
        column = np.zeros(n)
        column[rng.choice(n, held_by, replace=False)] = 1.0
        C = np.column_stack([C, column])
    if together:
        pair = rng.integers(0, 3, n).astype(float)
        other = pair.copy()
        other[rng.choice(n, together, replace=False)] += 1.0
        C = np.column_stack([C, pair, other])
    X = rng.normal(size=(n, d)) + C @ rng.normal(size=(C.shape[1], d))
    y = X[:, 0] + np.sin(X[:, 1]) + rng.normal(size=n)
    return X, C, y


def partial(table):
    return np.array(table.set_index("score").loc["r2_partial", "fold_values"])


@settings(deadline=None, max_examples=15)
@given(
    seed=st.integers(0, 10_000),
    rare=st.lists(st.integers(1, 8), min_size=1, max_size=3),
    d=st.sampled_from([4, 200]),
    size=st.sampled_from([1.0, 1e3]),
    folds=st.sampled_from(["random", "formula"]),
)
def test_a_linear_function_of_composition_in_the_target_changes_nothing(seed, rare, d, size, folds):
    X, C, y = rows(seed, d=d, rare=rare)
    formulas = [f"C{a:.0f}H{b:.0f}O{c:.0f}" for a, b, c in C[:, :3]]
    moved = y + size * C @ np.random.default_rng(seed + 1).normal(size=C.shape[1])
    options = {"groups": formulas, "folds": folds, "seed": seed, "leak": False}
    plain, shifted = (cpdkit.cpd(X, C, target, **options) for target in (y, moved))
    np.testing.assert_allclose(partial(shifted), partial(plain), atol=1e-9 * size)
    assert plain.loc[0, "note"] == shifted.loc[0, "note"]


@pytest.mark.parametrize("probe", ["knn", "trees"])
def test_nor_under_other_probes(probe):
    X, C, y = rows(3, rare=(1, 2, 4))
    moved = y + 1e3 * C[:, 3] - 50 * C[:, 0]
    plain, shifted = (cpdkit.cpd(X, C, t, probe=probe, leak=False) for t in (y, moved))
    np.testing.assert_allclose(partial(shifted), partial(plain), atol=1e-6)


@pytest.mark.parametrize(
    ("seed", "rare", "d"), [(0, (1,), 5), (1, (2, 3), 5), (2, (4, 1), 5), (3, (1, 2), 180)]
)
def test_scores_are_those_of_the_plain_reference(seed, rare, d):
    X, C, y = rows(seed, d=d, rare=rare)
    fold = make_folds(len(X), seed=seed)[0]
    found = cpdkit.cpd(X, C, y, folds=fold, leak=False).set_index("score")["fold_values"]
    for score, values in reference.cpd(X, C, y, fold).items():
        np.testing.assert_allclose(found[score], values, atol=1e-6, err_msg=score)


@pytest.mark.filterwarnings("ignore:columns .* vary only together")
@pytest.mark.parametrize("engine", [held_out, held_out_moments])
@pytest.mark.parametrize("seed", range(5))
def test_no_order_of_columns_matters(engine, seed):
    """Two columns that vary together in training and apart in the test fold."""
    X, C, y = rows(seed, together=1)
    fold = make_folds(len(X), seed=seed)
    alone = int(fold[0, np.flatnonzero(C[:, -1] != C[:, -2])[0]])
    order = np.random.default_rng(seed).permutation(C.shape[1])
    (one,), (other,) = (
        list(engine(X, columns, y[:, None], fold, only=alone)) for columns in (C, C[:, order])
    )
    assert np.array_equal(one.rows, other.rows)
    np.testing.assert_allclose(one.comp, other.comp, atol=1e-9)
    for name, predicted in one.predictions.items():
        np.testing.assert_allclose(predicted, other.predictions[name], atol=1e-8, err_msg=name)


@pytest.mark.filterwarnings("ignore:columns .* vary only together")
@pytest.mark.parametrize("seed", range(2))
def test_columns_that_depend_in_training_get_the_solution_of_minimum_norm(seed):
    X, C, y = rows(seed, together=1)
    fold = make_folds(len(X), seed=seed)[0]
    found = cpdkit.cpd(X, C, y, folds=fold, leak=False).set_index("score")["fold_values"]
    for score, values in reference.cpd(X, C, y, fold).items():
        np.testing.assert_allclose(found[score], values, atol=1e-6, err_msg=score)


def test_rows_set_aside_are_counted():
    X, C, y = rows(1, rare=(1, 5))
    fold = make_folds(len(X), repeats=2)
    expected = 0
    for labels in fold:
        for k in range(5):
            train, test = C[labels != k], C[labels == k]
            expected += int(((test > 0) & (train == 0).all(axis=0)).any(axis=1).sum())
    assert expected >= 2
    table = cpdkit.cpd(X, C, y, folds=fold, leak=False)
    assert set(table.note) == {f"{expected} of 300 test rows set aside: {LACKING}"}
    assert table.attrs["rows_set_aside"] == expected
    assert table.attrs["columns"] == C.shape[1]
    lacked = [int((np.ptp(C[f != k], axis=0) == 0).sum()) for f in fold for k in range(5)]
    assert list(table.attrs["columns_dropped"]) == lacked
    assert max(lacked) > 0
    assert cpdkit.cpd(X, C[:, :3], y, leak=False).note.eq("").all()


def test_a_test_fold_without_a_known_row_is_refused():
    X, C, y = rows(0, rare=(1,))
    fold = np.arange(len(X)) % 5
    C[:, 3] = fold == 2
    with pytest.raises(ValueError, match="every row of a test fold holds an element"):
        cpdkit.cpd(X, C, y, folds=fold, leak=False)


@pytest.mark.filterwarnings("ignore:columns .* vary only together")
@pytest.mark.parametrize("probe", ["ridge", "knn"])
def test_inner_folds_without_a_known_row_choose_nothing(probe):
    rng = np.random.default_rng(0)
    element = np.repeat(np.arange(4), 30)  # each fold but the last has an element of its own
    C = np.column_stack([rng.integers(1, 5, 120), *(element == k for k in range(3))]).astype(float)
    C[element == 3, 1:] = 1.0  # the last fold knows them all
    X, y = rng.normal(size=(120, 4)), rng.normal(size=120)
    alone = {"probe": probe, "leak": False}
    with pytest.raises(ValueError, match="training rows lack"):
        cpdkit.cpd(X, C, y, folds=element, **alone)
    if probe == "ridge":
        for engine in (held_out, held_out_moments):
            with pytest.raises(ValueError, match="no penalty can be chosen"):
                list(engine(X, C, y[:, None], element[None], only=3))


def test_moments_without_rows_apart_refuse_what_they_cannot_leave_out():
    X, C, y = rows(0, rare=(1,))
    moments = moments_from_arrays(X, C, y)
    with pytest.raises(ValueError, match="column 3 of composition does not vary outside fold"):
        cpdkit.cpd_from_moments(moments)
    kept = moments_from_arrays(X[C[:, 3] == 0], C[C[:, 3] == 0][:, :3], y[C[:, 3] == 0])
    assert np.isfinite(cpdkit.cpd_from_moments(kept)["mean"]).all()


def test_moments_by_fold_give_what_rows_give():
    X, C, y = rows(5, rare=(2, 3, 4))
    fold = make_folds(len(X), seed=5)
    sums = nested_sums(FoldMoments.of_rows(X, C, y[:, None], fold[0]))
    table = cpdkit.cpd(X, C, y, folds=fold, leak=False).set_index("score")["fold_values"]
    for score, function in SCORES.items():
        found = [float(np.ravel(function(part.sums))[0]) for part in sums]
        np.testing.assert_allclose(found, table[score], atol=1e-9, err_msg=score)


def test_columns_that_depend_and_many_columns_are_told():
    X, C, y = rows(0, rare=(), together=1)
    with pytest.warns(UserWarning, match="columns 'Na', 'Cl' of composition vary only together"):
        cpdkit.cpd(X, pd.DataFrame(C, columns=["H", "C", "O", "Na", "Cl"]), y, leak=False)
    many = np.random.default_rng(0).normal(size=(150, 30))
    with pytest.warns(UserWarning, match="30 columns of composition stand against 1.. training"):
        cpdkit.cpd(X, many, y, leak=False)


def test_one_composition_is_warned_of_once():
    X, _, y = rows(0, rare=())
    many = np.random.default_rng(0).normal(size=(len(X), 60))
    for C, times in ((many, 1), (many.copy(), 0), (many + 1, 1)):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for folds in ("random", make_folds(len(X), seed=1)[0]):
                cpdkit.cpd(X, C, y, folds=folds, leak=False)
        assert len([w for w in caught if w.category is CompositionWarning]) == times
        assert all(w.filename == __file__ for w in caught)


def test_folds_of_which_no_row_is_told_are_no_reason_for_a_crash():
    X, _, y = rows(0, rare=())
    element = np.arange(len(X)) % 5
    C = np.column_stack([np.eye(5)[element], np.eye(5)[element]])  # no element is in two folds
    with pytest.raises(ValueError, match="every row of every inner fold holds an element"):
        cpdkit.cpd(X, C, y, folds=element, leak=False)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_untold_without_a_fit_is_what_a_fit_says(seed):
    X, C, _ = rows(seed, rare=(1, 2, 5))
    for k, fold in enumerate(np.eye(5, dtype=bool)[make_folds(len(X), seed=seed)[0]].T):
        fit = CompositionProjector().fit(X[~fold], composition=C[~fold])
        dropped, unseen = untold(C, ~fold)
        assert dropped == len(fit.dropped_), k
        np.testing.assert_array_equal(unseen, fit.unseen(C))


def test_rows_that_are_set_aside_raise_no_alarm():
    """Rare elements always come in pairs, and only where the test fold has them together."""
    X, C, y = rows(0, rare=())
    fold = make_folds(len(X))[0]
    C = np.column_stack([C, np.zeros((len(C), 3))])
    C[:, 3:5] = np.random.default_rng(0).integers(0, 2, (len(C), 1))
    strange = np.flatnonzero(fold == 2)[:2]
    C[strange, 3:] = (1.0, 0.0, 1.0)  # apart in rows that hold an element that training lacks
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompositionWarning)
        cpdkit.cpd(X, C, y, folds=fold, leak=False)


def test_the_worst_fold_is_told():
    X, C, y = rows(0, rare=())
    fold = make_folds(len(X))[0]
    one, two = (np.random.default_rng(i).integers(0, 2, len(C)) for i in range(2))
    C = np.column_stack([C, one, one, two, two, two]).astype(float)
    C[np.flatnonzero(fold == 0)[0], 4] += 1.0  # tested in fold 0, of which two columns are not told
    C[np.flatnonzero(fold == 3)[0], 6] += 1.0  # tested in fold 3, of which three are not
    said = r"columns 5, 6, 7 of .* training rows of fold 3 \(rank 6 of 8 columns\)"
    with pytest.warns(CompositionWarning, match=said):
        cpdkit.cpd(X, C, y, folds=fold, leak=False)


def test_fractions_and_columns_that_always_depend_are_not_worth_a_warning():
    X, C, y = rows(0, rare=())
    fractions = C / C.sum(axis=1, keepdims=True)
    doubled = np.column_stack([C, C[:, 0]])
    for columns in (fractions, doubled):
        assert len(cpdkit.cpd(X, columns, y, leak=False))
    np.testing.assert_allclose(
        partial(cpdkit.cpd(X, doubled, y, leak=False)), partial(cpdkit.cpd(X, C, y, leak=False))
    )


@pytest.mark.parametrize("d", [3, 200])
def test_features_that_are_composition_say_the_same_of_all_isomers(d):
    """Nothing but rounding is left of them; it must not order what is alike."""
    rng = np.random.default_rng(d)
    C = rng.integers(1, 6, (150, 3)).astype(float)
    X, y = C @ rng.normal(size=(3, d)) + 0.1, rng.normal(size=150)
    for engine in (held_out, held_out_moments):
        for part in engine(X, C, y[:, None], make_folds(150)):
            assert np.ptp(part.predictions["geom"]) == 0
