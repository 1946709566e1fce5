"""Shards: resume equals fresh bit for bit, damage is found, processes do not harm each other."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from paths import ROOT

torch = pytest.importorskip("torch")

from molecules import molecules  # noqa: E402

from cpdkit.encoders import Encoder, Layer, ModuleEncoder, load_encoder  # noqa: E402
from cpdkit.extraction.extract import extract  # noqa: E402
from cpdkit.extraction.shards import ShardedRepresentation, Store  # noqa: E402
from cpdkit.representation import Representation  # noqa: E402


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("ani2x-aev")  # the quickest to import, which matters for processes


MOLS = molecules(40)
OPTIONS = {"shard_size": 8, "progress": False}


def shards(root):
    return sorted((root / "shards").glob("*.safetensors"))


class Counting:
    """Counts the structures an encoder is given, by wrapping its forward pass."""

    def __init__(self, encoder, monkeypatch, fail_after=None):
        self.seen = 0
        inner = encoder.forward

        def forward(graphs):
            if fail_after is not None and self.seen >= fail_after:
                raise KeyboardInterrupt
            self.seen += len(graphs)
            return inner(graphs)

        monkeypatch.setattr(encoder, "forward", forward)


def test_a_store_changes_nothing_but_the_second_time(encoder, tmp_path, monkeypatch):
    plain = extract(encoder, MOLS, **OPTIONS)
    first = extract(encoder, MOLS, store=tmp_path, **OPTIONS)
    counter = Counting(encoder, monkeypatch)
    second = extract(encoder, MOLS, store=tmp_path, **OPTIONS)
    assert counter.seen == 5  # the largest structure of each shard is tried again
    for rep in (first, second):
        assert np.array_equal(rep.values, plain.values)
        assert rep.blocks == plain.blocks
        assert rep.metadata == plain.metadata
    assert len(shards(tmp_path)) == 5
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".")]


def test_interrupted_extraction_resumes_and_is_bit_identical(encoder, tmp_path, monkeypatch):
    plain = extract(encoder, MOLS, **OPTIONS)
    with monkeypatch.context() as patch:
        Counting(encoder, patch, fail_after=20)
        with pytest.raises(KeyboardInterrupt):
            extract(encoder, MOLS, store=tmp_path, batch_size=4, **OPTIONS)
    done = len(shards(tmp_path))
    assert 0 < done < 5
    assert not list(tmp_path.glob("*.json"))
    counter = Counting(encoder, monkeypatch)
    resumed = extract(encoder, MOLS, store=tmp_path, batch_size=4, **OPTIONS)
    assert counter.seen == 40 - 8 * done + done
    fresh = extract(encoder, MOLS, batch_size=4, **OPTIONS)
    assert np.array_equal(resumed.values, fresh.values)
    assert np.allclose(resumed.values, plain.values, rtol=1e-4, atol=1e-6)


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def alter(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


def empty(path):
    path.write_bytes(b"")


def swap(path):
    other = next(p for p in shards(path.parent.parent) if p != path)
    path.write_bytes(other.read_bytes())


@pytest.mark.parametrize("harm", [cut, alter, empty, swap])
def test_a_harmed_shard_is_reported_and_made_again(encoder, tmp_path, monkeypatch, harm):
    first = extract(encoder, MOLS, store=tmp_path, **OPTIONS)
    harm(shards(tmp_path)[2])
    counter = Counting(encoder, monkeypatch)
    with pytest.warns(UserWarning, match="made again"):
        second = extract(encoder, MOLS, store=tmp_path, **OPTIONS)
    assert counter.seen == 8 + 4
    assert np.array_equal(second.values, first.values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract(encoder, MOLS, store=tmp_path, **OPTIONS)


def test_structures_at_the_end_cost_only_themselves(encoder, tmp_path, monkeypatch):
    extract(encoder, MOLS[:32], store=tmp_path, **OPTIONS)
    counter = Counting(encoder, monkeypatch)
    rep = extract(encoder, MOLS, store=tmp_path, **OPTIONS)
    assert counter.seen == 8 + 4
    assert len(rep) == 40


def test_what_determines_features_determines_shards(encoder, tmp_path):
    moved = [m.copy() for m in MOLS[:8]]
    moved[3].positions[0, 0] += 1e-9
    extract(encoder, MOLS[:8], store=tmp_path, **OPTIONS)
    extract(encoder, moved, store=tmp_path, **OPTIONS)
    extract(encoder, MOLS[:8], store=tmp_path, pooling="sum", **OPTIONS)
    extract(load_encoder("ani2x-aev", dtype="float64"), MOLS[:8], store=tmp_path, **OPTIONS)
    for seed in (0, 1):
        extract(load_encoder("random", seed=seed), MOLS[:8], store=tmp_path, **OPTIONS)
    assert len(shards(tmp_path)) == 6


def test_features_may_stay_on_disk(encoder, tmp_path):
    plain = extract(encoder, MOLS, **OPTIONS)
    kept = extract(encoder, MOLS, store=tmp_path, collect=False, **OPTIONS)
    assert isinstance(kept, ShardedRepresentation)
    assert len(kept) == 40
    parts = list(kept)
    assert [len(part) for part in parts] == [8] * 5
    assert all(isinstance(part, Representation) for part in parts)
    again = ShardedRepresentation.open(kept.manifest_path).collect()
    assert np.array_equal(again.values, plain.values)
    assert np.array_equal(again.n_atoms, plain.n_atoms)
    assert again.blocks == plain.blocks
    assert again.metadata == plain.metadata
    about = json.loads(kept.manifest_path.read_text())["metadata"]
    assert set(about) >= {"encoder_fingerprint", "dataset_fingerprint", "pooling", "versions"}


def test_reading_what_is_gone_says_so(encoder, tmp_path):
    kept = extract(encoder, MOLS, store=tmp_path, collect=False, **OPTIONS)
    shards(tmp_path)[0].unlink()
    with pytest.raises(ValueError, match="missing or damaged; extract again"):
        kept.collect()
    with pytest.raises(FileNotFoundError, match="no manifest at"):
        ShardedRepresentation.open(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{}")
    with pytest.raises(ValueError, match="not a manifest of shards"):
        ShardedRepresentation.open(tmp_path / "bad.json")
    with pytest.raises(ValueError, match="give store="):
        extract(encoder, MOLS, collect=False)


class Scaled(Encoder):
    """Features that depend on what no fingerprint sees: a plain attribute."""

    def __init__(self, scale=1.0, **options):
        layers = [Layer("numbers", "1x0e")]
        super().__init__(name="scaled", model=torch.nn.Linear(1, 1), layers=layers, **options)
        self.scale = scale

    def forward(self, graphs):
        numbers = np.concatenate([g.numbers for g in graphs])
        return [self.scale * self.model(torch.from_numpy(numbers[:, None]).float())]


def test_features_of_another_model_are_not_taken_for_its_own(tmp_path):
    one, other = Scaled(), Scaled(2.0)
    other.model.load_state_dict(one.model.state_dict())
    assert other.fingerprint == one.fingerprint
    first = extract(one, MOLS, store=tmp_path, collect=False, **OPTIONS)
    for _ in range(2):
        with pytest.warns(UserWarning, match="holds other features than 'scaled' gives now"):
            again = extract(other, MOLS, store=tmp_path, **OPTIONS)
        assert np.array_equal(again.values, extract(other, MOLS, **OPTIONS).values)
    assert len(shards(tmp_path)) == 10
    assert np.array_equal(first.collect().values, extract(one, MOLS, **OPTIONS).values)


class TwoLayers(Scaled):
    """A large layer that always is the same beside a small one that is scaled."""

    def __init__(self, scale):
        super().__init__(scale)
        self.layers = (Layer("large", "1x0e"), Layer("small", "1x0e"))

    def forward(self, graphs):
        numbers = np.concatenate([g.numbers for g in graphs])[:, None]
        large = torch.from_numpy(1000.0 * numbers).float()
        return [large, 1e-4 * self.scale * large]


def test_a_small_layer_counts_beside_a_large_one(tmp_path):
    one, other = TwoLayers(1.0), TwoLayers(9.0)
    other.model.load_state_dict(one.model.state_dict())
    extract(one, MOLS, store=tmp_path, **OPTIONS)
    with pytest.warns(UserWarning, match="holds other features"):
        again = extract(other, MOLS, store=tmp_path, **OPTIONS)
    assert np.array_equal(again.values, extract(other, MOLS, **OPTIONS).values)


def test_rounding_is_no_other_model(tmp_path):
    """Vectors that vanish by symmetry are nothing but rounding, and batches round differently."""
    inner = load_encoder("mace-untrained")
    vectors = ModuleEncoder(
        inner.model,
        {"products.0": "32x1o"},
        lambda model, batch: model(inner._data(batch), compute_force=False),
        read=lambda inputs, output: output[:, 32:],
        name="vectors",
        cutoff=inner.cutoff,
    )
    crystals = [bulk("C", "diamond", a=3.3 + 0.05 * k) for k in range(12)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for batch_size in (64, 3):
            for pooling in (("mean",), ("sum", "element_mean")):
                extract(
                    vectors, crystals, store=tmp_path, pooling=pooling, batch_size=batch_size,
                    shard_size=6, progress=False,
                )  # fmt: skip


def test_a_shard_made_again_with_other_rounding_serves_old_manifests(tmp_path):
    model = load_encoder("mace-untrained")
    kept = extract(model, MOLS, store=tmp_path, collect=False, **OPTIONS)
    before = kept.collect().values
    for shard in shards(tmp_path):
        shard.unlink()
    extract(model, MOLS, store=tmp_path, batch_size=2, **OPTIONS)
    assert np.allclose(kept.collect().values, before, rtol=1e-4, atol=1e-6)


def test_changed_weights_are_seen(tmp_path):
    model = Scaled()
    extract(model, MOLS, store=tmp_path, **OPTIONS)
    with torch.no_grad():
        model.model.weight += 1
    again = extract(model, MOLS, store=tmp_path, **OPTIONS)
    assert np.array_equal(again.values, extract(model, MOLS, **OPTIONS).values)
    assert len(shards(tmp_path)) == 10


@pytest.mark.parametrize(
    "name", ["zoo/a-b-0", "../../evil", "a" * 300, "分" * 80, "mace:my.model", "..."]
)
def test_any_name_can_be_kept_and_read(name, tmp_path):
    model = Scaled()
    model.name = name
    root = tmp_path / "deep" / "store"
    kept = extract(model, MOLS, store=root, collect=False, **OPTIONS)
    assert kept.manifest_path.parent == root
    assert np.array_equal(kept.collect().values, extract(model, MOLS, **OPTIONS).values)
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["store"]


def test_a_complete_store_need_not_be_writable(encoder, tmp_path, monkeypatch):
    first = extract(encoder, MOLS, store=tmp_path, **OPTIONS)

    def refuse(path):
        raise PermissionError(f"{path} is read-only")

    monkeypatch.setattr("cpdkit.extraction.shards.replacing", refuse)
    again = extract(encoder, MOLS, store=tmp_path, **OPTIONS)
    assert np.array_equal(again.values, first.values)
    kept = extract(encoder, MOLS, store=tmp_path, collect=False, **OPTIONS)
    assert np.array_equal(kept.collect().values, first.values)


def test_an_altered_manifest_is_noticed(encoder, tmp_path):
    kept = extract(encoder, MOLS, store=tmp_path, collect=False, **OPTIONS)
    about = json.loads(kept.manifest_path.read_text())
    changes = [
        {"n_structures": 3},
        {"keys": about["keys"][::-1]},
        {"keys": about["keys"][:-1]},
        {"blocks": [block | {"p": "o"} for block in about["blocks"]]},
        {"metadata": about["metadata"] | {"dataset": "another"}},
    ]
    for change in changes:
        text = json.dumps(about | change, indent=1, sort_keys=True)
        kept.manifest_path.write_text(text)
        with pytest.raises(ValueError, match="was altered or renamed|not a manifest"):
            ShardedRepresentation.open(kept.manifest_path)
        again = extract(encoder, MOLS, store=tmp_path, collect=False, **OPTIONS)
        assert again.manifest_path == kept.manifest_path
        assert len(again) == len(MOLS)
    with pytest.raises(FileNotFoundError, match="This folder has: ani2x-aev-"):
        ShardedRepresentation.open(tmp_path)


def test_a_manifest_in_order_but_of_other_shards_is_refused(encoder, tmp_path):
    kept = extract(encoder, MOLS, store=tmp_path, collect=False, **OPTIONS)
    about = json.loads(kept.manifest_path.read_text())

    def sealed(change):
        text = json.dumps(about | change).encode()
        path = tmp_path / f"a-{hashlib.sha256(text).hexdigest()[:16]}.json"
        path.write_bytes(text)
        return path

    for rows in (3, 400):
        with pytest.raises(ValueError, match=f"tells of {rows} structures, .+ altered"):
            ShardedRepresentation.open(sealed({"n_structures": rows})).collect()
    for change in (
        {"keys": ["../../etc/passwd"]},
        {"keys": 3},
        {"keys": [3]},
        {"n_structures": "40"},
        {"blocks": [3]},
        {"blocks": [about["blocks"][0] | {"mul": -1}]},
        {"blocks": {"a": 1}},
    ):
        with pytest.raises(ValueError, match="is not a manifest of shards"):
            ShardedRepresentation.open(sealed(change))
    for text in ("[" * 100_000, "[]", "3", "\0", '"a"', "\ud800".encode("utf-8", "surrogatepass")):
        bad = tmp_path / "bad.json"
        bad.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ValueError, match="is not a manifest of shards"):
            ShardedRepresentation.open(bad)


def crystal(length, *, pbc=True):
    return Atoms("SiSi", [[0, 0, 0], [1.4, 1.4, 1.4]], cell=[length] * 3, pbc=pbc)


def test_cells_and_periodicity_are_part_of_the_key(tmp_path):
    """The same atoms in another cell are another structure."""
    soap = load_encoder("soap", elements=("Si",))
    for atoms in (crystal(5.4), crystal(6.0), crystal(5.4, pbc=[True, True, False])):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            kept = extract(soap, [atoms], store=tmp_path, **OPTIONS)
        assert np.array_equal(kept.values, extract(soap, [atoms], progress=False).values)
    assert len(shards(tmp_path)) == 3


@pytest.mark.parametrize("library", ["cpdkit", "numpy", "torch", "torchani"])
def test_versions_of_libraries_are_part_of_the_key(encoder, tmp_path, monkeypatch, library):
    module = importlib.import_module("cpdkit.extraction.extract")
    extract(encoder, MOLS[:3], store=tmp_path, **OPTIONS)
    ours, theirs = module._versions(), encoder.versions
    assert library in ours or library in theirs
    if library in ours:
        monkeypatch.setattr(module, "_versions", lambda: ours | {library: "0.0.1"})
    else:
        changed = property(lambda self: theirs | {library: "0.0.1"})
        monkeypatch.setattr(type(encoder), "versions", changed)
    kept = extract(encoder, MOLS[:3], store=tmp_path, collect=False, **OPTIONS)
    assert len(shards(tmp_path)) == 2
    assert kept.metadata["versions"][library] == "0.0.1"


def test_manifest_names_structures_and_libraries(encoder, tmp_path):
    kept = extract(encoder, MOLS, store=tmp_path, collect=False, **OPTIONS)
    other = extract(encoder, MOLS[:8], store=tmp_path, collect=False, **OPTIONS)
    assert {"torchani", "vesin", "torch"} <= set(kept.metadata["versions"])
    assert kept.metadata["structures_sha256"] != other.metadata["structures_sha256"]


def test_a_failed_write_leaves_nothing(encoder, tmp_path, monkeypatch):
    store = Store(tmp_path)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        store.write("a" * 64, np.zeros((2, 3)), np.array([1, 2]))
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_two_processes_on_one_store(encoder, tmp_path):
    code = """
import sys
sys.path.insert(0, sys.argv[2])
from molecules import molecules
from cpdkit.encoders import load_encoder
from cpdkit.extraction.extract import extract
extract(load_encoder("ani2x-aev"), molecules(40), store=sys.argv[1], shard_size=2,
        progress=False)
"""
    arguments = [sys.executable, "-W", "ignore", "-c", code, tmp_path, ROOT / "tests"]
    processes = [subprocess.Popen(arguments) for _ in range(2)]
    assert [p.wait() for p in processes] == [0, 0]
    assert len(shards(tmp_path)) == 20
    assert len(list(tmp_path.glob("*.json"))) == 1
    assert not list(tmp_path.rglob(".*"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = extract(encoder, MOLS, store=tmp_path, shard_size=2, progress=False)
    assert np.array_equal(both.values, extract(encoder, MOLS, shard_size=2, progress=False).values)


@pytest.mark.parametrize("name", ["sevennet-0", "mace-untrained"])
def test_encoders_reach_a_worker_that_has_imported_nothing(name, tmp_path):
    cloudpickle = pytest.importorskip("cloudpickle")
    from cpdkit.datasets import AtomsSequence
    from cpdkit.extraction.job import ShardJob

    atoms = AtomsSequence.from_atoms(molecules(4))
    job = ShardJob(load_encoder(name), ("mean",), (), 64, 1024)
    (tmp_path / "job").write_bytes(cloudpickle.dumps((job, atoms)))
    np.save(tmp_path / "here.npy", job.run(atoms, [""] * 4))
    code = """
import os, pickle, sys
import numpy as np
job, atoms = pickle.loads(open(sys.argv[1] + "/job", "rb").read())
assert np.array_equal(job.run(atoms, [""] * 4), np.load(sys.argv[1] + "/here.npy"))
assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ
"""
    flag = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"  # whatever another test left behind
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, tmp_path],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != flag},
    )
    assert done.returncode == 0, done.stderr


def test_dask_workers_give_the_same(encoder, tmp_path):
    distributed = pytest.importorskip("distributed")
    plain = extract(encoder, MOLS, **OPTIONS)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        spread = extract(encoder, MOLS, client=client, store=tmp_path, **OPTIONS)
        assert np.array_equal(spread.values, plain.values)
        assert len(shards(tmp_path)) == 5
        broken = [m.copy() for m in MOLS]
        broken[20].positions[1] = broken[20].positions[0]
        with pytest.raises(ValueError, match="structure 20, .* lie at the same place"):
            extract(encoder, broken, client=client, **OPTIONS)


@pytest.mark.parametrize("name", ["schnet-untrained", "visnet-untrained"])
def test_a_worker_may_have_several_threads(name):
    """Hooks on one model would see the passes of the other thread."""
    distributed = pytest.importorskip("distributed")
    model = load_encoder(name)
    plain = extract(model, MOLS, **OPTIONS)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=4, processes=False, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        spread = extract(model, MOLS, client=client, progress=False, shard_size=2)
    assert np.allclose(spread.values, plain.values, rtol=1e-4, atol=1e-6)
