"""Laws every encoder obeys, and each against its own library."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk, molecule

torch = pytest.importorskip("torch")

from _molecules import molecules, rotation  # noqa: E402

from cpdkit.encoders import encoder_names, load_encoder, register_encoder  # noqa: E402
from cpdkit.extract import extract  # noqa: E402

with torch.serialization.safe_globals([slice]):
    o3 = pytest.importorskip("e3nn.o3")

# Encoder, and how closely float32 may be expected to follow float64.
ENCODERS = ["ani2x-aev", "sevennet-0"]
_CACHE: dict = {}


def encoder(name, dtype="float64"):
    if (name, dtype) not in _CACHE:
        _CACHE[name, dtype] = load_encoder(name, dtype=dtype)
    return _CACHE[name, dtype]


def run(enc, structures, **options):
    return extract(enc, structures, progress=False, **options)


def relative(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-4)])
def test_features_turn_as_their_irreps_say(name, dtype, tolerance):
    enc = encoder(name, dtype)
    mols = molecules(6)
    matrix = rotation(1)
    turned = [m.copy() for m in mols]
    for m in turned:
        m.positions = m.positions @ matrix.T + [1.0, -2.0, 3.0]
    before, after = run(enc, mols), run(enc, turned)
    assert before.blocks
    for block in before.blocks:
        irrep = o3.Irreps(f"{block.mul}x{block.irrep}")
        wigner = irrep.D_from_matrix(torch.tensor(matrix, dtype=torch.float64)).numpy()
        expected = before.values[:, block.columns] @ wigner.T
        assert relative(after.values[:, block.columns], expected) < tolerance, block
        if block.l:  # the check would pass for zeros
            assert relative(before.values[:, block.columns], expected) > 0.01, block
    assert relative(after.features, before.features) < tolerance


@pytest.mark.parametrize("name", ENCODERS)
def test_order_of_atoms_does_not_matter(name):
    enc = encoder(name)
    mols = molecules(6)
    rng = np.random.default_rng(0)
    shuffled = [m[rng.permutation(len(m))] for m in mols]
    assert relative(run(enc, shuffled).values, run(enc, mols).values) < 1e-12


@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_equals_its_members_one_by_one(name):
    enc = encoder(name)
    mols = molecules(12)
    together = run(enc, mols)
    single = np.vstack([run(enc, m).values for m in mols])
    assert relative(together.values, single) < 1e-12
    assert together.n_atoms.tolist() == [len(m) for m in mols]


@pytest.mark.parametrize("name", ENCODERS)
def test_atoms_of_the_forward_pass_are_in_input_order(name):
    enc = encoder(name)
    mols = molecules(3)
    graphs = [enc.graph(m) for m in mols]
    rows = np.cumsum([0, *map(len, mols)])
    with torch.no_grad():
        features = enc.forward(graphs)
        for i, graph in enumerate(graphs):
            for together, alone in zip(features, enc.forward([graph]), strict=True):
                assert torch.allclose(together[rows[i] : rows[i + 1]], alone, atol=1e-12)


@pytest.mark.parametrize("name", ENCODERS)
def test_different_geometries_give_different_features(name):
    enc = encoder(name)
    water = molecule("H2O")
    bent = water.copy()
    bent.positions[2] += [0.0, 0.1, 0.1]
    assert relative(run(enc, bent).features, run(enc, water).features) > 1e-3


@pytest.mark.parametrize("name", ENCODERS)
def test_a_single_atom_has_finite_features(name):
    values = run(encoder(name), molecule("H2")[:1]).values
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", ENCODERS)
def test_atoms_far_apart_do_not_see_each_other(name):
    enc = encoder(name)
    pair = molecule("H2O") + molecule("NH3")
    pair.positions[3:] += [60.0, 0.0, 0.0]
    apart = run(enc, pair, pooling="sum").values
    alone = run(enc, [molecule("H2O"), molecule("NH3")], pooling="sum").values.sum(0)
    assert relative(apart[0], alone) < 1e-10


@pytest.mark.parametrize("name", ENCODERS)
def test_coincident_atoms_are_refused(name):
    water = molecule("H2O")
    water.positions[2] = water.positions[1]
    with pytest.raises(ValueError, match="structure 1, H2O: atoms 1 and 2 lie at the same place"):
        run(encoder(name), [molecule("H2O"), water])


@pytest.mark.parametrize("name", ENCODERS)
def test_fingerprint_follows_weights_and_precision(name):
    first, again = load_encoder(name), load_encoder(name)
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != encoder(name, "float64").fingerprint
    other = load_encoder(name)
    changed = next(v for v in other.model.state_dict().values() if v.is_floating_point())
    with torch.no_grad():
        changed.flatten()[0] += 1
    assert other.fingerprint != first.fingerprint


def test_aev_equals_torchani_called_with_padding():
    from torchani.aev import AEVComputer
    from torchani.nn import SpeciesConverter
    from torchani.utils import SYMBOLS_2X

    enc = encoder("ani2x-aev")
    theirs = AEVComputer.like_2x().double()
    mols = molecules(8)
    size = max(map(len, mols))
    numbers = np.full((len(mols), size), -1)
    positions = np.zeros((len(mols), size, 3))
    for i, m in enumerate(mols):
        numbers[i, : len(m)] = m.numbers
        positions[i, : len(m)] = m.positions
    species = SpeciesConverter(SYMBOLS_2X)(torch.tensor(numbers))
    expected = theirs(species, torch.tensor(positions))[species >= 0]
    ours = enc.forward([enc.graph(m) for m in mols])[0]
    assert torch.allclose(ours, expected, rtol=1e-12, atol=1e-12)


def test_aev_of_a_small_periodic_cell_equals_torchani():
    from ase import Atoms
    from torchani.aev import AEVComputer
    from torchani.utils import SYMBOLS_2X

    enc = encoder("ani2x-aev")
    ice = Atoms("OHH", [[0, 0, 0], [0.7, 0.6, 0], [-0.7, 0.6, 0]], cell=[3, 3.2, 3.4], pbc=True)
    species = torch.tensor([[SYMBOLS_2X.index(s) for s in ice.symbols]])
    expected = AEVComputer.like_2x().double()(
        species,
        torch.tensor(ice.positions)[None],
        torch.tensor(ice.cell.array),
        torch.tensor([True, True, True]),
    )[0]
    ours = enc.forward([enc.graph(ice)])[0]
    assert torch.allclose(ours, expected, rtol=1e-10, atol=1e-10)


def test_sevennet_energy_equals_its_own_calculator():
    import sevenn.util
    from sevenn.calculator import SevenNetCalculator

    from cpdkit.encoders import sevennet

    enc = load_encoder("sevennet-0")
    file, sha256 = sevennet._CHECKPOINTS["sevennet-0"]
    path = Path(sevenn.__file__).parent / "pretrained_potentials" / file
    model, _ = sevenn.util.model_from_checkpoint(sevennet._read_checkpoint(path, sha256))
    calculator = SevenNetCalculator(model, file_type="model_instance")
    structures = [*molecules(4), bulk("Si"), bulk("NaCl", "rocksalt", a=5.64)]
    ours = enc.energy([enc.graph(a) for a in structures]).numpy()
    for atoms, energy in zip(structures, ours, strict=True):
        atoms = atoms.copy()
        atoms.calc = calculator
        assert abs(atoms.get_potential_energy() - energy) < 1e-5 * len(atoms)


def test_a_larger_cell_of_the_same_crystal_has_the_same_mean():
    enc = encoder("sevennet-0")
    silicon = bulk("Si")  # its cell is smaller than the cutoff
    values = run(enc, [silicon, silicon * (2, 1, 3)]).values
    assert relative(values[1], values[0]) < 1e-10


def test_irreps_are_those_of_the_model():
    enc = encoder("sevennet-0", "float32")
    assert [layer.name for layer in enc.layers] == [f"interaction_{i}" for i in range(1, 6)]
    gates = [m for n, m in enc.model.named_children() if n.endswith("equivariant_gate")]
    assert [str(x.irreps) for x in enc.layers] == [str(g.gate.irreps_out) for g in gates]


def test_an_altered_checkpoint_is_refused(tmp_path):
    from cpdkit.encoders.sevennet import _read_checkpoint

    path = tmp_path / "model.pth"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="SHA-256"):
        _read_checkpoint(path, "0" * 64)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    import hashlib
    import pickle

    from cpdkit.encoders.sevennet import _read_checkpoint

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    path = tmp_path / "model.pth"
    torch.save({"config": Evil()}, path)
    with pytest.raises(pickle.UnpicklingError):
        _read_checkpoint(path, hashlib.sha256(path.read_bytes()).hexdigest())
    assert not (tmp_path / "ran").exists()


def test_loading_models_changes_nothing_for_the_rest_of_the_process():
    code = """
import os, sys
import cpdkit, cpdkit.encoders
assert "torch" not in sys.modules, "the registry must not import torch"
import torch
before = torch.serialization.get_safe_globals(), torch.get_default_dtype(), dict(os.environ)
for name in sys.argv[1:]:
    cpdkit.encoders.load_encoder(name)
after = torch.serialization.get_safe_globals(), torch.get_default_dtype(), dict(os.environ)
assert before[0] == after[0], after[0]
assert before[1] == after[1], after[1]
flag = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
assert before[2].get(flag) == after[2].get(flag), after[2]
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, *ENCODERS], check=True)


def test_unknown_names_and_options_say_what_was_meant():
    with pytest.raises(ValueError, match="unknown encoder 'sevenet-0'; did you mean 'sevennet-0'"):
        load_encoder("sevenet-0")
    with pytest.raises(TypeError, match="option of encoder 'ani2x-aev'.*did you mean 'dtype'"):
        load_encoder("ani2x-aev", dtyp="float64")
    with pytest.raises(ValueError, match="unknown dtype 'float16'.*'float32', 'float64'"):
        load_encoder("ani2x-aev", dtype="float16")


def test_a_missing_library_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sevenn", None)
    with pytest.raises(ImportError, match=r"pip install 'cpdkit\[sevennet\]'"):
        load_encoder("sevennet-0")


def test_registered_encoders_are_loaded_and_names_are_not_taken_twice(monkeypatch):
    import cpdkit.encoders as package

    monkeypatch.setattr(package, "_REGISTRY", dict(package._REGISTRY))
    register_encoder("mine", lambda *, scale=1.0: ("mine", scale))
    register_encoder("file:", lambda path, *, scale=1.0: (path, scale))
    assert load_encoder("mine", scale=2.0) == ("mine", 2.0)
    assert load_encoder("file:/a/b.model") == ("/a/b.model", 1.0)
    assert "mine" in encoder_names()
    with pytest.raises(ValueError, match="registered already"):
        register_encoder("mine", lambda: None)
    register_encoder("mine", lambda: "other", overwrite=True)
    assert load_encoder("mine") == "other"
    with pytest.raises(ValueError, match="unknown encoder 'file:'"):
        load_encoder("file:")
    with pytest.raises(ValueError, match="needs a name"):
        register_encoder("", lambda: None)
