"""Blocks select, invariants follow from components, files round-trip."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from molecules import rotation
from safetensors.numpy import save_file

from cpdkit._sealed import checksum
from cpdkit.encoders.irreps import Irreps
from cpdkit.representation import Block, Representation


def build(layers, n=5, seed=0):
    rng = np.random.default_rng(seed)
    blocks, start = [], 0
    for index, text in enumerate(layers):
        for term, part in Irreps.parse(text).slices():
            blocks.append(
                Block(index, f"layer_{index}", term.l, term.p, term.mul, "mean", start + part.start)
            )
        start += Irreps.parse(text).dim
    return Representation(
        rng.standard_normal((n, start)), tuple(blocks), np.arange(1, n + 1), {"encoder": "made"}
    )


layer_text = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 3), st.sampled_from("eo")), min_size=1, max_size=4
).map(lambda parts: "+".join(f"{m}x{d}{p}" for m, d, p in parts))


@settings(max_examples=40, deadline=None)
@given(st.lists(layer_text, min_size=1, max_size=4))
def test_parts_make_up_the_whole(layers):
    rep = build(layers)
    channels = rep.channels
    assert rep.features.shape == (5, len(channels))
    assert len(channels) == sum(block.mul for block in rep.blocks)
    for index in range(len(layers)):
        part = rep.select(layer=index)
        assert np.array_equal(part.features, rep.features[:, channels["layer"] == index])
        for degree in set(part.channels["l"]):
            chosen = rep.select(layer=index, l=degree)
            mask = (channels["layer"] == index) & (channels["l"] == degree)
            assert np.array_equal(chosen.features, rep.features[:, mask])
            vectors = rep.vectors(layer=index, l=degree)
            assert vectors.shape == (5, int(mask.sum()), 2 * degree + 1)
            if degree:
                assert np.allclose(np.linalg.norm(vectors, axis=2), chosen.features)
            else:
                assert np.array_equal(vectors[:, :, 0], chosen.features)


def test_layers_by_index_name_and_sequence_agree():
    rep = build(["4x0e+2x1o", "3x0e+2x1o", "5x0e"])
    assert np.array_equal(rep.select(layer=-1).values, rep.select(layer="layer_2").values)
    both = rep.select(layer=[0, "layer_1"], l=1)
    assert np.array_equal(both.values, np.hstack([rep.select(layer=i, l=1).values for i in (0, 1)]))
    assert rep.layers == ("layer_0", "layer_1", "layer_2")
    # A selection is again a representation, with the encoder's layer numbers.
    assert np.array_equal(both.select(layer=1).values, rep.select(layer=1, l=1).values)


def test_parity_separates_channels_of_one_degree():
    rep = build(["2x0e+3x1o+4x1e"])
    assert rep.select(l=1, p="o").features.shape[1] == 3
    assert rep.select(l=1, p="e").features.shape[1] == 4
    assert rep.select(l=1).features.shape[1] == 7


def test_squares_follow_the_scalars_they_square():
    rep = build(["2x0e+3x1o", "4x0e"])
    both = rep.with_squares()
    n = rep.values.shape[1]
    assert np.array_equal(both.values[:, :n], rep.values)
    squares = both.channels["kind"] == "square"
    assert squares.sum() == 6
    scalars = rep.channels["kind"] == "scalar"
    assert np.array_equal(both.features[:, squares], rep.features[:, scalars] ** 2)
    assert both.select(layer=1).features.shape[1] == 8


def test_features_do_not_change_when_vectors_turn():
    rep = build(["3x0e+4x1o"])
    turned = rep.values.copy()
    turned[:, 3:] = (rep.vectors(l=1) @ rotation(3).T).reshape(5, -1)
    other = Representation(turned, rep.blocks, rep.n_atoms)
    assert np.abs(other.values - rep.values).max() > 0.1
    assert np.allclose(other.features, rep.features, rtol=1e-13)


@pytest.mark.parametrize(
    "arguments",
    [
        {"layer": -1, "l": 1},
        {"layer": 7},
        {"layer": -4},
        {"layer": "layer_9"},
        {"l": 3},
        {"l": 1, "p": "e"},
        {"layer": [0, 2], "l": 1},
        {"layer": 0, "l": [0, 2]},
    ],
)
def test_what_is_absent_is_refused_with_a_list_of_what_is_there(arguments):
    rep = build(["4x0e+2x1o", "3x0e", "5x0e"])
    with pytest.raises(ValueError, match=r"there is: 0 'layer_0': 4x0e\+2x1o; 1 'layer_1'"):
        rep.select(**arguments)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_file_gives_back_every_bit(tmp_path, dtype):
    rep = build(["4x0e+2x1o", "3x0e"])
    rep = Representation(rep.values.astype(dtype), rep.blocks, rep.n_atoms, {"a": {"b": [1, None]}})
    path = rep.save(tmp_path / "deep" / "rep.safetensors")
    back = Representation.load(path)
    assert back.values.dtype == dtype
    assert np.array_equal(back.values, rep.values)
    assert np.array_equal(back.n_atoms, rep.n_atoms)
    assert back.blocks == rep.blocks
    assert back.metadata == rep.metadata
    assert [p.name for p in path.parent.iterdir()] == ["rep.safetensors"]


def test_headers_hold_what_json_can(tmp_path):
    block = Block(np.int64(0), "a", np.int64(0), "e", np.int64(4), "mean", np.int64(0))
    rep = Representation(np.ones((2, 4)), (block,), np.ones(2, int))
    assert Representation.load(rep.save(tmp_path / "a.safetensors")).blocks == rep.blocks
    odd = Representation(rep.values, rep.blocks, rep.n_atoms, {"seed": np.int64(3)})
    with pytest.raises(TypeError, match="b.safetensors can hold what JSON can, no more: .*int64"):
        odd.save(tmp_path / "b.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_failed_save_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    rep = build(["4x0e"])
    path = rep.save(tmp_path / "rep.safetensors")
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        build(["5x0e"]).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["rep.safetensors"]


def test_damaged_foreign_and_missing_files_are_named(tmp_path):
    path = build(["4x0e"], n=50).save(tmp_path / "rep.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="damaged"):
        Representation.load(path)
    save_file({"x": np.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="holds no representation"):
        Representation.load(tmp_path / "other.safetensors")
    with pytest.raises(FileNotFoundError, match="no representation at"):
        Representation.load(tmp_path / "none.safetensors")


def test_blocks_rows_and_columns_must_fit():
    rep = build(["4x0e"])
    with pytest.raises(ValueError, match="cover 4 columns"):
        Representation(rep.values[:, :3], rep.blocks, rep.n_atoms)
    with pytest.raises(ValueError, match="n_atoms of shape"):
        Representation(rep.values, rep.blocks, rep.n_atoms[:-1])
    with pytest.raises(ValueError, match="starts at column 1; expected 0"):
        Representation(rep.values, (Block(0, "x", 0, "e", 4, "mean", 1),), rep.n_atoms)


def pooled(*poolings):
    """One layer of 3x0e+2x1o, pooled in several ways."""
    rng, blocks, start = np.random.default_rng(1), [], 0
    for pooling in poolings:
        for degree, mul in ((0, 3), (1, 2)):
            kind = "norm" if pooling == "mean_norm" and degree else "component"
            parity = "eo"[degree]
            blocks.append(Block(0, "a", degree, parity, mul, pooling, start, None, kind))
            start = blocks[-1].columns.stop
    return Representation(rng.standard_normal((4, start)), tuple(blocks), np.ones(4, int))


def test_vectors_are_components_of_one_pooling():
    both = pooled("mean", "mean_norm")
    assert np.array_equal(both.vectors(l=1), both.values[:, 3:9].reshape(4, 2, 3))
    two = pooled("mean", "sum")
    with pytest.raises(ValueError, match=r"\['mean', 'sum'\]; choose one with pooling="):
        two.vectors(l=1)
    assert np.array_equal(two.vectors(l=1, pooling="sum"), two.values[:, 12:].reshape(4, 2, 3))
    with pytest.raises(ValueError, match="norms of l=1"):
        pooled("mean_norm").vectors(l=1)


def test_squares_are_added_once_and_are_no_vectors():
    rep = pooled("mean")
    squared = rep.with_squares()
    assert squared.values.shape[1] == rep.values.shape[1] + 3
    assert squared.with_squares() is squared
    assert np.array_equal(squared.vectors(l=0)[:, :, 0], rep.values[:, :3])


@pytest.mark.parametrize("arguments", [{"layer": []}, {"l": []}, {"l": "1o"}, {"l": ["1"]}])
def test_asking_for_nothing_or_for_text_is_refused(arguments):
    with pytest.raises(ValueError, match="nothing was asked for|l is a degree such as 1"):
        pooled("mean").select(**arguments)


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_refused(tmp_path_factory, where, bit):
    rep = Representation(np.ones((3, 4)), build(["4x0e"]).blocks, np.ones(3, int), {"a": "b"})
    path = rep.save(tmp_path_factory.mktemp("rep") / "rep.safetensors")
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= 1 << bit
    path.write_bytes(bytes(data))
    with pytest.raises(ValueError, match="altered|damaged|holds no representation"):
        Representation.load(path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no representation at"):
        Representation.load(tmp_path)


def sealed(path, about, **arrays):
    """A file with a true checksum, whatever it says."""
    header = about if isinstance(about, str) else json.dumps(about)
    arrays = {"values": np.ones((2, 1)), "n_atoms": np.ones(2, int)} | arrays
    arrays = {name: array for name, array in arrays.items() if array is not None}
    seal = checksum(*arrays.values(), header=header)
    save_file(arrays, path, metadata={"cpdkit": header, "sha256": seal})
    return path


SOUND = {
    "format": "cpdkit-representation-3",
    "blocks": [
        {"layer": 0, "name": "a", "l": 0, "p": "e", "mul": 1, "pooling": "mean", "start": 0}
    ],
    "metadata": {},
}


def changed(**block):
    return SOUND | {"blocks": [SOUND["blocks"][0] | block]}


@pytest.mark.parametrize(
    "about",
    [
        "[" * 100_000,
        "{",
        "[]",
        "3",
        "null",
        "",
        {},
        {"format": "cpdkit-representation-3"},
        SOUND | {"format": "cpdkit-representation-2"},
        SOUND | {"blocks": None},
        SOUND | {"blocks": 3},
        SOUND | {"blocks": []},
        SOUND | {"blocks": ["a"]},
        SOUND | {"blocks": {"a": 1}},
        SOUND | {"blocks": [[1, 2]]},
        {k: v for k, v in SOUND.items() if k != "metadata"},
        changed(mul="1"),
        changed(mul=True),
        changed(mul=-1),
        changed(mul=2),
        changed(l=1.0),
        changed(layer=None),
        changed(p="x"),
        changed(kind="cube"),
        changed(colour="red"),
        changed(start=1),
    ],
)
def test_a_broken_header_is_refused_in_our_words(tmp_path, about):
    with pytest.raises(ValueError, match=r"extract it again"):
        Representation.load(sealed(tmp_path / "a.safetensors", about))


@pytest.mark.parametrize(
    "arrays",
    [
        {"values": None},
        {"n_atoms": None},
        {"values": np.ones(2)},
        {"values": np.ones((3, 1))},
        {"values": np.ones((2, 1), dtype=np.int8)},
        {"n_atoms": np.ones(2)},
    ],
)
def test_arrays_that_are_no_features_are_refused(tmp_path, arrays):
    assert len(Representation.load(sealed(tmp_path / "a.safetensors", SOUND))) == 2
    with pytest.raises(ValueError, match="extract it again"):
        Representation.load(sealed(tmp_path / "b.safetensors", SOUND, **arrays))
