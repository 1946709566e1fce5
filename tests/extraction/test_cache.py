"""Kept features are those of a run without a cache, and only what is missing is computed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
import warnings

import nbformat
import numpy as np
import pytest
from ase.build import bulk
from nbformat.v4 import new_code_cell, new_notebook
from paths import ROOT

torch = pytest.importorskip("torch")

from molecules import molecules  # noqa: E402

from cpdkit.cli import main  # noqa: E402
from cpdkit.encoders import Encoder, Layer, ModuleEncoder, load_encoder  # noqa: E402
from cpdkit.extraction import extract as extract_  # noqa: E402
from cpdkit.extraction.cache import CachedJob, _essence  # noqa: E402
from cpdkit.extraction.kept import KeptFeatures, cache_size  # noqa: E402
from cpdkit.runs.run import run_notebook  # noqa: E402

MOLS = molecules(40)
# On a CPU, passes of this one do not depend on what else is in the batch.
BATCH_FREE = "painn-untrained"
EVERY = ["mean_norm", "element_mean", "sum", "mean"]


def extract(*arguments, **options):
    return extract_(*arguments, progress=False, **options)


@pytest.fixture(autouse=True)
def _no_cache_of_the_user(monkeypatch):
    monkeypatch.delenv("CPDKIT_CACHE", raising=False)
    monkeypatch.delenv("CPDKIT_CACHE_SIZE", raising=False)


@pytest.fixture(scope="module")
def painn():
    return load_encoder(BATCH_FREE)


@pytest.fixture
def seen(monkeypatch):
    """Numbers of structures in the batches of every encoder that it is called with."""

    def count(encoder):
        sizes, inner = [], encoder.forward

        def forward(graphs):
            sizes.append(len(graphs))
            return inner(graphs)

        monkeypatch.setattr(encoder, "forward", forward)
        return sizes

    return count


def same(one, other):
    assert one.values.dtype == other.values.dtype
    assert np.array_equal(one.values, other.values)
    assert one.blocks == other.blocks
    assert one.metadata == other.metadata
    assert np.array_equal(one.n_atoms, other.n_atoms)


@pytest.mark.parametrize(
    "name", ["painn-untrained", "mace-untrained", "ani2x-aev", "ani2x", "soap", "random"]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_cache_changes_no_bit(name, dtype, tmp_path, seen):
    """First an empty one, then a full one; ANI's layers are by element, SOAP adds up doubles."""
    encoder = load_encoder(name, dtype=dtype)
    plain = extract(encoder, MOLS, pooling=EVERY, shard_size=15)
    same(extract(encoder, MOLS, pooling=EVERY, shard_size=15, cache=tmp_path), plain)
    sizes = seen(encoder)
    same(extract(encoder, MOLS, pooling=EVERY, shard_size=15, cache=tmp_path), plain)
    assert sizes == []


@pytest.mark.parametrize("pooling", [["mean"], ["sum"], ["sum", "mean"]])
def test_means_and_sums_follow_from_each_other(painn, tmp_path, seen, pooling):
    extract(painn, MOLS, pooling="mean", cache=tmp_path)
    plain = extract(painn, MOLS, pooling=pooling)
    sizes = seen(painn)
    same(extract(painn, MOLS, pooling=pooling, cache=tmp_path), plain)
    assert sizes == []


@pytest.mark.parametrize(
    "pooling",
    [["mean", "mean_norm"], ["mean_norm"], ["element_mean"], ["mean_norm", "element_mean", "mean"]],
)
def test_other_poolings_of_what_was_asked_for_cost_nothing(painn, tmp_path, seen, pooling):
    extract(painn, MOLS, pooling=EVERY, cache=tmp_path)
    plain = extract(painn, MOLS, pooling=pooling)
    sizes = seen(painn)
    same(extract(painn, MOLS, pooling=pooling, cache=tmp_path), plain)
    assert sizes == []


def test_what_no_one_asked_for_is_computed(painn, tmp_path, seen):
    extract(painn, MOLS, cache=tmp_path)
    sizes = seen(painn)
    extract(painn, MOLS, pooling="element_mean", cache=tmp_path)
    assert sum(sizes) == len(MOLS)


def test_norms_are_kept_with_means(painn, tmp_path, seen):
    extract(painn, MOLS, cache=tmp_path)
    plain = extract(painn, MOLS, pooling=["mean", "mean_norm", "sum"])
    sizes = seen(painn)
    same(extract(painn, MOLS, pooling=["mean", "mean_norm", "sum"], cache=tmp_path), plain)
    assert sizes == []


def test_what_another_process_keeps_meanwhile_is_not_computed_again(painn, tmp_path, monkeypatch):
    plain, compute, parts = extract(painn, MOLS), CachedJob._compute, []

    def meanwhile(job, atoms, *rest):
        parts.append(len(atoms))
        if len(parts) == 1:
            extract(painn, MOLS, batch_size=8, cache=tmp_path)
        return compute(job, atoms, *rest)

    monkeypatch.setattr("cpdkit.extraction.cache._TOGETHER", 1)
    monkeypatch.setattr(CachedJob, "_compute", meanwhile)
    same(extract(painn, MOLS, batch_size=8, cache=tmp_path), plain)
    assert parts == [8] * 6  # one part twice


def test_parts_are_whole_batches_of_one_pass(tmp_path, monkeypatch):
    encoder, sizes = load_encoder("ani2x-aev"), []  # whose passes round by what is in the batch
    compute = CachedJob._compute

    def counted(job, atoms, *rest):
        sizes.append(len(atoms))
        return compute(job, atoms, *rest)

    monkeypatch.setattr("cpdkit.extraction.cache._TOGETHER", 2)
    monkeypatch.setattr(CachedJob, "_compute", counted)
    same(extract(encoder, MOLS, batch_size=3, cache=tmp_path), extract(encoder, MOLS, batch_size=3))
    assert sorted(sizes) == [4, *[6] * 6]


def test_elements_of_other_structures_do_not_matter(painn, tmp_path, seen):
    extract(painn, MOLS, pooling="element_mean", cache=tmp_path)
    few = [m for m in MOLS if set(m.numbers) <= {1, 6}]
    assert 1 < len(few) < len(MOLS)
    plain = extract(painn, few, pooling="element_mean")
    sizes = seen(painn)
    same(extract(painn, few, pooling="element_mean", cache=tmp_path), plain)
    assert sizes == []


def test_only_new_structures_are_computed(painn, tmp_path, seen):
    plain = extract(painn, MOLS)
    sizes = seen(painn)
    extract(painn, MOLS[:32], cache=tmp_path)
    assert sum(sizes) == 32
    same(extract(painn, MOLS, cache=tmp_path), plain)
    assert sum(sizes) == 40
    mixed = [MOLS[k] for k in np.random.default_rng(0).permutation(40)]
    again = extract(painn, mixed, cache=tmp_path, shard_size=7)
    assert sum(sizes) == 40
    assert np.array_equal(np.sort(again.values, axis=0), np.sort(plain.values, axis=0))


@pytest.mark.parametrize("name", ["mace-untrained", "ani2x-aev"])
def test_where_batches_round_what_was_given_first_stays(name, tmp_path):
    encoder = load_encoder(name)
    first = extract(encoder, MOLS[:25], cache=tmp_path)
    more = extract(encoder, MOLS, cache=tmp_path)
    assert np.array_equal(more.values[:25], first.values)
    same(extract(encoder, MOLS, batch_size=3, cache=tmp_path), more)
    scale = np.abs(more.values).max()
    assert np.allclose(more.values, extract(encoder, MOLS).values, rtol=0, atol=1e-6 * scale)


def test_a_structure_that_stands_twice_is_computed_once(tmp_path, seen):
    encoder = load_encoder("mace-untrained")
    sizes = seen(encoder)
    first = extract(encoder, [*MOLS, *MOLS[:5]], cache=tmp_path)
    assert sum(sizes) == 40
    same(extract(encoder, [*MOLS, *MOLS[:5]], cache=tmp_path), first)


def test_positions_cells_and_periodicity_are_told_apart(tmp_path, seen):
    encoder = load_encoder(BATCH_FREE)
    crystal = bulk("C", "diamond", a=3.5)
    larger, slab, moved, atoms = (crystal.copy() for _ in range(4))
    larger.set_cell(crystal.cell * 1.1)
    slab.pbc = (True, True, False)
    moved.positions[0, 0] += 1e-9
    atoms.pbc = False
    atoms.cell = None
    sizes = seen(encoder)
    for structure in (crystal, larger, slab, moved, atoms):
        extract(encoder, [structure], cache=tmp_path)
    assert sum(sizes) == 5
    extract(encoder, [atoms, crystal], cache=tmp_path)  # the molecule gets a cell of zeros here
    assert sum(sizes) == 5


def test_other_weights_options_and_precision_have_other_keys(tmp_path, seen):
    models = [
        load_encoder(BATCH_FREE, seed=s, dtype=d) for s in (0, 1) for d in ("float32", "float64")
    ]
    sizes = [seen(model) for model in models]
    for model in models:
        extract(model, MOLS, cache=tmp_path)
    with torch.no_grad():
        next(models[0].model.parameters()).add_(1.0)
    same(extract(models[0], MOLS, cache=tmp_path), extract(models[0], MOLS))
    assert [sum(s) for s in sizes] == [120, 40, 40, 40]


@pytest.mark.parametrize(
    ("source", "same"),
    [
        (
            '"""Else."""\ndef f(x):\n    """More."""\n    # why\n    return (x +\n            1)\n',
            True,
        ),
        ("def f(x): return x + 1", True),
        ("def f(x): return x + 2", False),
        ("def f(y): return y + 1", False),
    ],
)
def test_prose_is_no_other_code(source: str, same: bool) -> None:
    plain = '"""Says."""\n\ndef f(x):\n    """Adds."""\n    return x + 1\n'
    assert (_essence(source) == _essence(plain)) == same


@pytest.mark.parametrize("module", ["extract", "cache"])
def test_other_versions_and_other_code_have_other_keys(painn, tmp_path, seen, monkeypatch, module):
    extract(painn, MOLS, cache=tmp_path)
    what = {"extract": "_versions", "cache": "_code"}[module]
    value = {"extract": {"cpdkit": "0.0.1"}, "cache": "edited"}[module]
    monkeypatch.setattr(sys.modules[f"cpdkit.extraction.{module}"], what, lambda: value)
    sizes = seen(painn)
    extract(painn, MOLS, cache=tmp_path)
    assert sum(sizes) == 40


class Scaled(Encoder):
    """Features that depend on what no fingerprint sees: a plain attribute."""

    def __init__(self, scale=1.0):
        super().__init__(
            name="scaled", model=torch.nn.Identity(), layers=[Layer("numbers", "1x0e")]
        )
        self.scale = scale

    def forward(self, graphs):
        numbers = np.concatenate([g.numbers for g in graphs])
        return [self.scale * torch.from_numpy(numbers[:, None]).float()]


def test_a_model_of_the_users_is_tried_before_it_is_believed(tmp_path, seen):
    one, other = Scaled(), Scaled(2.0)
    assert one.fingerprint == other.fingerprint
    extract(one, MOLS, cache=tmp_path)
    for _ in range(2):
        with pytest.warns(UserWarning, match="holds other features than 'scaled' gives now"):
            got = extract(other, MOLS, cache=tmp_path)
        same(got, extract(other, MOLS))
    sizes = seen(one)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract(one, MOLS, cache=tmp_path)
    assert sizes == [1]


def test_closures_are_tried_as_well(tmp_path):
    factor = [1.0]

    def call(model, batch):
        return model(factor[0] * batch.numbers[:, None].float())

    model = torch.nn.Sequential(torch.nn.Linear(1, 3))
    mine = ModuleEncoder(model, {"0": "3x0e"}, call, name="mine", check=False)
    extract(mine, MOLS, cache=tmp_path)
    factor[0] = 3.0
    with pytest.warns(UserWarning, match="holds other features"):
        same(extract(mine, MOLS, cache=tmp_path), extract(mine, MOLS))


def rows(folder, change, *values):
    with sqlite3.connect(folder / "features-1.sqlite") as database:
        database.execute(change, values)


def test_a_damaged_entry_is_noticed_and_made_again(painn, tmp_path, seen):
    options = {"pooling": "mean_norm", "cache": tmp_path}  # of which one row is kept
    plain = extract(painn, MOLS, **options)
    data = "UPDATE rows SET data = {} WHERE rowid IN (SELECT rowid FROM rows LIMIT 2)"
    for wrong in ("zeroblob(length(data))", "substr(data, 1, 40)", "x''", "'text'", "NULL"):
        rows(tmp_path, data.format(wrong))
        sizes = seen(painn)
        with pytest.warns(UserWarning, match="2 damaged entries are made again"):
            same(extract(painn, MOLS, **options), plain)
        assert sum(sizes) == 2
    last = "(SELECT {}(rowid) FROM rows)"
    other = f"(SELECT data FROM rows WHERE rowid = {last.format('min')})"
    rows(tmp_path, f"UPDATE rows SET data = {other} WHERE rowid = {last.format('max')}")
    with pytest.warns(UserWarning, match="1 damaged"):
        same(extract(painn, MOLS, **options), plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(extract(painn, MOLS, **options), plain)


@pytest.mark.parametrize("harm", ["garbage", "cut", "empty", "another", "overwritten"])
def test_a_damaged_file_stops_nothing(painn, tmp_path, harm):
    plain = extract(painn, MOLS, cache=tmp_path)
    path = tmp_path / "features-1.sqlite"
    whole = path.read_bytes()
    damaged = {
        "garbage": b"garbage" * 1000,
        "cut": whole[: len(whole) // 2 - 100],
        "empty": b"",
        "another": None,
        "overwritten": whole[:4096] + b"\xff" * (len(whole) - 4096),
    }[harm]
    if damaged is None:
        rows(tmp_path, "DROP TABLE rows")
        rows(tmp_path, "CREATE TABLE rows (other TEXT)")
    else:
        path.write_bytes(damaged)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            same(extract(painn, MOLS, cache=tmp_path), plain)


def test_a_folder_that_cannot_be_used_stops_nothing(painn, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.warns(UserWarning, match="cannot be used"):
        same(extract(painn, MOLS, cache=tmp_path / "file"), extract(painn, MOLS))


def test_what_was_used_the_longest_ago_goes_first(tmp_path, monkeypatch):
    kept = KeptFeatures(tmp_path, size=400_000)
    for k in range(10):
        kept.write({bytes([k, n]) * 16: bytes([k]) * 2000 for n in range(10)})
        assert kept.read([bytes([0, 0]) * 16])  # the one that is in use
    for k in range(10, 30):
        kept.write({bytes([k, n]) * 16: bytes([k]) * 2000 for n in range(10)})
        assert kept.read([bytes([0, 0]) * 16])
        assert kept.about()[0] <= 400_000
    assert not kept.read([bytes([1, 0]) * 16])
    assert len(kept.read([bytes([29, n]) * 16 for n in range(10)])) == 10
    monkeypatch.setattr("cpdkit.extraction.kept._SLOW", 100_000)
    with pytest.warns(UserWarning, match="above its bound .* takes minutes. `cpdkit cache clear`"):
        KeptFeatures(tmp_path, size=50_000).write({b"x" * 32: b"y"})
    assert kept.about()[0] <= 50_000


def test_more_than_fits_is_right_all_the_same(painn, tmp_path, monkeypatch):
    monkeypatch.setenv("CPDKIT_CACHE_SIZE", "60 KB")
    plain = extract(painn, MOLS)
    for _ in range(2):
        same(extract(painn, MOLS, cache=tmp_path), plain)
    assert (tmp_path / "features-1.sqlite").stat().st_size <= 60_000


def test_sizes_are_read(monkeypatch):
    assert cache_size() == 2 * 10**9
    for text, size in (("500MB", 5 * 10**8), ("1.5 gb", 15 * 10**8), ("12345", 12345)):
        monkeypatch.setenv("CPDKIT_CACHE_SIZE", text)
        assert cache_size() == size
    monkeypatch.setenv("CPDKIT_CACHE_SIZE", "much")
    with pytest.raises(ValueError, match="write 500 MB or 2 GB"):
        cache_size()


def test_it_is_on_where_asked_for_and_off_is_off(painn, tmp_path, seen, monkeypatch):
    monkeypatch.setattr("pooch.os_cache", lambda name: tmp_path / "home" / name)
    extract(painn, MOLS)
    assert not list(tmp_path.iterdir())
    extract(painn, MOLS, cache=True)
    assert (tmp_path / "home/cpdkit/features/features-1.sqlite").is_file()
    monkeypatch.setenv("CPDKIT_CACHE", str(tmp_path / "named"))
    extract(painn, MOLS)
    sizes = seen(painn)
    extract(painn, MOLS)
    extract(painn, MOLS, cache=True)
    assert sum(sizes) == 0
    extract(painn, MOLS, cache=False)
    extract(painn, MOLS, store=tmp_path / "store")  # which keeps them itself
    assert sum(sizes) == 80
    monkeypatch.setenv("CPDKIT_CACHE", "off")
    for cache in (None, True, tmp_path / "named"):
        extract(painn, MOLS, cache=cache)
    assert sum(sizes) == 200
    with pytest.raises(ValueError, match="no cache"):
        extract(painn, MOLS, client=_Client(), cache=True)


class _Client:
    def scatter(self):
        """What tells a Dask client."""


def test_a_store_may_fill_itself_from_the_cache(painn, tmp_path, seen):
    plain = extract(painn, MOLS, cache=tmp_path / "cache")
    sizes = seen(painn)
    same(extract(painn, MOLS, cache=tmp_path / "cache", store=tmp_path / "store"), plain)
    assert sizes == []


def test_the_command_says_where_and_how_large(painn, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CPDKIT_CACHE", str(tmp_path))
    assert main(["cache"]) == 0
    assert "0 entries" in capsys.readouterr().out
    extract(painn, MOLS)
    assert main(["cache"]) == 0
    said = capsys.readouterr().out
    assert str(tmp_path) in said
    assert "80 entries" in said  # sums, and means of norms
    assert "of at most 2,000.0 MB" in said
    assert main(["cache", "clear"]) == 0
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("CPDKIT_CACHE", "off")
    assert main(["cache"]) == 0
    assert "off" in capsys.readouterr().out


CODE = """
import hashlib, sys, time
sys.path.insert(0, sys.argv[2])
from molecules import molecules
from cpdkit.encoders import load_encoder
from cpdkit.extraction import cache, extract
cache._PART = 0.0  # every batch is kept at once
encoder = load_encoder("ani2x-aev")
forward = encoder.forward
encoder.forward = lambda graphs: [time.sleep(0.02), forward(graphs)][1]
for _ in range(2):
    rep = extract(encoder, molecules(40), batch_size=2, progress=False, cache=sys.argv[1],
                  pooling=["mean", "element_mean"])
    print(hashlib.sha256(rep.values.tobytes()).hexdigest())
"""


def start(folder):
    command = [
        sys.executable,
        "-W",
        "error::UserWarning:cpdkit",
        "-c",
        CODE,
        folder,
        ROOT / "tests",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_at_once(tmp_path):
    """Batches round: whoever keeps a structure first decides, and both give that."""
    processes = [start(tmp_path) for _ in range(2)]
    said = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len({*said[0], *said[1]}) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["features-1.sqlite"]


@pytest.mark.parametrize("after", [1, 12])
def test_a_process_that_is_killed_costs_the_part_in_hand(tmp_path, seen, after):
    process = start(tmp_path)
    kept = KeptFeatures(tmp_path)
    while process.poll() is None and kept.about()[1] < 2 * after:
        time.sleep(0.002)
    process.kill()
    process.communicate()
    there = kept.about()[1] // 2  # two poolings
    assert after <= there < 40
    encoder = load_encoder("ani2x-aev")
    sizes = seen(encoder)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        options = {"pooling": ["mean", "element_mean"], "batch_size": 2}
        again = extract(encoder, MOLS, cache=tmp_path, **options)
    assert sum(sizes) == 40 - there
    plain = extract(encoder, MOLS, **options)  # the largest first, in pairs: the same batches
    same(again, plain)


def test_a_notebook_uses_it_and_its_manifest_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CPDKIT_CACHE", "kept")
    code = """
import ase.build, cpdkit
atoms = [ase.build.molecule(name) for name in ("H2O", "CH4", "NH3", "C2H6")]
print(cpdkit.extract(cpdkit.load_encoder("ani2x-aev"), atoms[:n]).values.sum())
"""
    cells = [new_code_cell("n: int = 3", metadata={"tags": ["parameters"]}), new_code_cell(code)]
    nbformat.write(new_notebook(cells=cells), "few.ipynb")
    runs = [
        run_notebook("few.ipynb", {"n": n}, progress=False, cache=cache)
        for n, cache in ((3, True), (4, True), (2, True), (1, False))
    ]
    features = [run.manifest["features"] for run in runs]
    assert features == [
        {"ani2x-aev": {"from_cache": 0, "computed": 3}},
        {"ani2x-aev": {"from_cache": 3, "computed": 1}},
        {"ani2x-aev": {"from_cache": 2, "computed": 0}},
        {},
    ]
    assert runs[2].manifest["packages"] == runs[0].manifest["packages"]
    assert "CPDKIT_CACHE" not in runs[0].manifest["settings"]
    assert (tmp_path / "kept/features-1.sqlite").is_file()
    monkeypatch.setenv("CPDKIT_CACHE", "off")
    assert run_notebook("few.ipynb", {"n": 3}, progress=False).reason == ""
