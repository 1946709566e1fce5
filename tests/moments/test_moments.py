"""Moments are those of the rows, however the rows arrive."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from cpdkit._sealed import write_sealed
from cpdkit.folds import N_BUCKETS, hash_buckets
from cpdkit.moments.accumulate import MomentAccumulator
from cpdkit.moments.moments import Moments
from cpdkit.moments.sources import (
    moments_from_arrays,
    moments_from_chunks,
    moments_from_dask,
    representation_chunks,
)
from cpdkit.representation import Block, Representation

RTOL = 1e-11


def rows(n: int, *, k: int = 2, d: int = 4, t: int = 2, seed: int = 0):
    rng = np.random.default_rng(seed)
    C = rng.integers(0, 5, (n, k)).astype(float)
    return C @ rng.normal(size=(k, d)) + rng.normal(size=(n, d)), C, rng.normal(size=(n, t))


def assert_same(a: Moments, b: Moments, rtol: float = RTOL, atol: float = 0.0) -> None:
    assert (a.n_composition, a.n_features, a.targets) == (b.n_composition, b.n_features, b.targets)
    assert np.array_equal(a.counts, b.counts)
    for mine, theirs in ((a.means, b.means), (a.scatters, b.scatters)):
        near = max(atol, rtol * np.abs(theirs).max())
        np.testing.assert_allclose(mine, theirs, rtol=rtol, atol=near)


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 700),
    buckets=st.integers(1, 6),
    cuts=st.lists(st.integers(0, 700)),
    seed=st.integers(0, 99),
)
def test_any_chunks_in_any_order_give_the_moments_numpy_gives(n, buckets, cuts, seed):
    X, C, Y = rows(n, seed=seed)
    keys = np.random.default_rng(seed).permutation(n)
    parts = np.split(np.random.default_rng(seed + 1).permutation(n), sorted(cuts))
    got = moments_from_chunks(((X[p], C[p], Y[p], keys[p]) for p in parts), n_buckets=buckets)
    bucket = hash_buckets(keys, n_buckets=buckets)
    M = np.hstack([C, X, Y])
    for b in range(buckets):
        own = M[bucket == b]
        assert got.counts[b] == len(own)
        if len(own):
            np.testing.assert_allclose(got.means[b], own.mean(axis=0), rtol=RTOL, atol=RTOL)
            expected = len(own) * np.cov(own.T, bias=True)
            np.testing.assert_allclose(got.scatters[b], expected, rtol=1e-10, atol=1e-10 * n)


@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(1, 80), min_size=2, max_size=5), data=st.data())
def test_sums_do_not_depend_on_order_and_differences_undo_them(sizes, data):
    parts = []
    for i, n in enumerate(sizes):
        X, C, Y = rows(n, seed=i)
        parts.append(moments_from_arrays(X + 10 * i, C, Y, n_buckets=3))
    order = data.draw(st.permutations(range(len(parts))))
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    shuffled = parts[order[0]]
    for i in order[1:]:
        shuffled = parts[i] + shuffled
    assert_same(shuffled, total, rtol=1e-10)
    rest = parts[1]
    for part in parts[2:]:
        rest = rest + part
    assert_same(total - parts[0], rest, atol=1e-11 * (1 + np.abs(total.scatters).max()))


def test_selected_columns_are_the_moments_of_those_columns():
    X, C, Y = rows(300)
    whole = moments_from_arrays(X, C, Y, targets=["gap", "mu"])
    part = whole.select(features=[3, 1], composition=slice(0, 1), targets=["mu"])
    assert_same(part, moments_from_arrays(X[:, [3, 1]], C[:, :1], Y[:, 1:], targets=["mu"]))
    mask = np.array([False, True, True, False])
    bare = whole.select(features=mask, composition=[])
    assert_same(bare, moments_from_arrays(X[:, mask], None, Y, targets=["gap", "mu"]))
    with pytest.raises(ValueError, match=r"no targets \['homo'\]; there are \['gap', 'mu'\]"):
        whole.select(targets=["homo"])
    with pytest.raises(ValueError, match="no feature chosen of 4"):
        whole.select(features=[])


def test_regrouped_buckets_are_the_moments_of_their_union():
    X, C, Y = rows(400)
    fold_of = np.arange(N_BUCKETS) % 3
    fold_of[0] = -1
    bucket = hash_buckets(np.arange(400))
    kept = bucket != 0
    direct = moments_from_arrays(
        X[kept], C[kept], Y[kept], buckets=fold_of[bucket][kept], n_buckets=3
    )
    assert_same(moments_from_arrays(X, C, Y).regroup(fold_of), direct)


def test_features_far_from_zero_keep_their_scatter():
    X, C, Y = rows(20_000, d=3)
    near = moments_from_arrays(X, C, Y).pool()
    far = moments_from_arrays(X + 1e6, C, Y).pool()
    # X + 1e6 is itself rounded to 1e-10.
    np.testing.assert_allclose(far.scatter, near.scatter, rtol=1e-8, atol=1e-5)


def test_single_precision_is_accumulated_in_double():
    X, C, Y = rows(5000)
    single = X.astype(np.float32)
    assert_same(moments_from_arrays(single, C, Y), moments_from_arrays(single.astype(float), C, Y))


def test_rows_may_follow_a_result_without_changing_it():
    X, C, Y = rows(300)
    accumulator = MomentAccumulator().update(X[:100], C[:100], Y[:100])
    first = accumulator.result()
    kept = first.scatters.copy()
    second = accumulator.update(X[100:], C[100:], Y[100:]).result()
    assert np.array_equal(first.scatters, kept)
    assert_same(second, moments_from_arrays(X, C, Y))


def test_saved_moments_come_back_and_other_files_do_not(tmp_path):
    X, C, Y = rows(50)
    moments = moments_from_arrays(X, C, Y, targets=["gap", "mu"])
    path = moments.save(tmp_path / "new" / "m.safetensors")
    assert_same(Moments.load(path), moments, rtol=0)
    assert [p.name for p in path.parent.iterdir()] == ["m.safetensors"]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="is damaged"):
        Moments.load(path)
    save_file({"a": np.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no moments"):
        Moments.load(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match="no moments at"):
        Moments.load(tmp_path / "missing.safetensors")


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_refused(tmp_path_factory, where, bit):
    moments = moments_from_arrays(*rows(50), targets=["gap", "mu"])
    path = moments.save(tmp_path_factory.mktemp("m") / "m.safetensors")
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="altered|damaged|holds no moments"):
        Moments.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"n_composition": "3"},
        {"n_composition": -1},
        {"n_features": None},
        {"targets": 3},
        {"targets": []},
        {"format": "cpdkit-moments-1"},
    ],
)
def test_a_broken_header_is_refused_in_our_words(tmp_path, change):
    moments = moments_from_arrays(*rows(50), targets=["gap", "mu"])
    about = {"format": "cpdkit-moments-2", "n_composition": moments.n_composition}
    about |= {"n_features": moments.n_features, "targets": ["gap", "mu"]}
    arrays = {name: getattr(moments, name) for name in ("counts", "means", "scatters")}
    path = write_sealed(tmp_path / "m.safetensors", arrays, about)
    assert_same(Moments.load(path), moments, rtol=0)
    with pytest.raises(ValueError, match="accumulate them again"):
        Moments.load(write_sealed(path, arrays, about | change))


@pytest.mark.parametrize(
    ("part", "column", "message"),
    [
        (0, 2, "features have a NaN or infinite entry in column 2"),
        (1, 1, "composition have a NaN or infinite entry in column 1"),
        (2, 0, "targets have a NaN or infinite entry in column 0"),
    ],
)
def test_what_is_not_finite_is_named(part, column, message):
    arrays = rows(30)
    arrays[part][17, column] = np.inf if part else np.nan
    with pytest.raises(ValueError, match=message):
        moments_from_arrays(*arrays)


def test_bad_rows_are_refused():
    X, C, Y = rows(30)
    with pytest.raises(ValueError, match=r"features have 30 rows, but another array .*\(29, 2\)"):
        moments_from_arrays(X, C[:-1], Y)
    with pytest.raises(ValueError, match=r"expected \(n_rows, n_channels\)"):
        moments_from_arrays(X[:, 0], C, Y)
    with pytest.raises(ValueError, match=r"30 rows, but keys or buckets of shape \(29,\)"):
        moments_from_arrays(X, C, Y, keys=np.arange(29))
    with pytest.raises(ValueError, match=r"bucket numbers must lie in 0\.\.4"):
        moments_from_arrays(X, C, Y, buckets=np.full(30, 5), n_buckets=5)
    with pytest.raises(ValueError, match="1 target names for 2 columns"):
        moments_from_arrays(X, C, Y, targets=["gap"])
    with pytest.raises(ValueError, match=r"a chunk has \(2, 3, 2\).*had \(2, 4, 2\)"):
        moments_from_chunks([(X, C, Y), (X[:, :3], C, Y)])
    with pytest.raises(ValueError, match="the data set is empty"):
        moments_from_chunks([])
    with pytest.raises(ValueError, match="overflow"):
        moments_from_arrays(X * 1e200, C, Y)
    one, two = moments_from_arrays(X, C, Y), moments_from_arrays(X[:, :3], C, Y)
    with pytest.raises(ValueError, match="moments do not match"):
        one + two
    with pytest.raises(ValueError, match="fewer rows than are to be taken away"):
        one - (one + one)
    with pytest.raises(ValueError, match="50 buckets, but labels of shape"):
        one.regroup(np.zeros(3, dtype=int))


def test_files_of_representations_stream_as_one(tmp_path):
    X, C, Y = rows(90)
    block = Block(0, "layer", 0, "e", 4, "mean", 0)
    paths = [
        Representation(part, (block,), np.ones(len(part), dtype=np.int64)).save(
            tmp_path / f"{i}.safetensors"
        )
        for i, part in enumerate(np.split(X, [20, 65]))
    ]
    whole = moments_from_arrays(X, C, Y)
    assert_same(moments_from_chunks(representation_chunks(paths, C, Y)), whole)
    with pytest.raises(ValueError, match="hold 65 rows, but targets have 90"):
        list(representation_chunks(paths[:2], C, Y))
    with pytest.raises(ValueError, match="hold 90 rows; targets have 80"):
        list(representation_chunks(paths, C[:80], Y[:80]))


def test_a_dask_array_gives_the_same_as_memory():
    da = pytest.importorskip("dask.array", reason="dask is not installed")
    X, C, Y = rows(500)
    whole = moments_from_arrays(X, C, Y)
    lazy = da.from_array(X, chunks=(70, 3))
    assert_same(moments_from_dask(lazy, C, Y, split_every=2), whole)
    assert_same(moments_from_dask(lazy, da.from_array(C, chunks=60), da.from_array(Y)), whole)
    with pytest.raises(ValueError, match="X has 500 rows, but another array has 499"):
        moments_from_dask(lazy, C, Y[1:])
    with pytest.raises(ValueError, match="unknown sizes"):
        moments_from_dask(lazy[lazy[:, 0] > 0], C, Y)


def test_a_cluster_gives_the_same_as_memory():
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    da = pytest.importorskip("dask.array", reason="dask is not installed")
    X, C, Y = rows(400)
    with distributed.Client(
        processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0"
    ):
        assert_same(
            moments_from_dask(da.from_array(X, chunks=(90, -1)), C, Y),
            moments_from_arrays(X, C, Y),
        )
