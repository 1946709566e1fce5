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

from molecules import molecules, rotation  # noqa: E402

from cpdkit.encoders import (  # noqa: E402
    ModuleEncoder,
    encoder_names,
    load_encoder,
    register_encoder,
)
from cpdkit.extraction.extract import extract  # noqa: E402

with torch.serialization.safe_globals([slice]):
    o3 = pytest.importorskip("e3nn.o3")

EQUIVARIANT = ["mace-untrained", "painn-untrained", "sevennet-0", "visnet-untrained"]
SCALAR = ["ani2x-aev", "dimenet++-untrained", "schnet-untrained", "soap", "bond-counts"]
LEARNED = [*EQUIVARIANT, *SCALAR]
SINGLE = ["chgnet"]  # works in float32 only
WITH_DATA = ["ani2x"]  # needs weights that are not in any package
NULL = ["random"]
ENCODERS = [*LEARNED, *SINGLE, *NULL, *WITH_DATA]
BLIND = ["bond-counts"]  # see no distance; random sees nothing
SMOOTH = [name for name in [*LEARNED, *SINGLE, *WITH_DATA] if name not in BLIND]
CRYSTAL = ["mace-untrained", "painn-untrained", "schnet-untrained", "dimenet++-untrained"]
CRYSTAL += ["sevennet-0", "chgnet", "soap"]
_CACHE: dict = {}


def exact(name):
    """Tolerance of laws for an encoder in its best precision."""
    return 1e-4 if name in SINGLE else 1e-10


def encoder(name, dtype="float64"):
    if name in SINGLE:
        dtype = "float32"
    if name in WITH_DATA:
        data = os.environ.get("CPDKIT_DATA")
        if not data or not Path(data, "torchani").is_dir():
            pytest.skip("needs $CPDKIT_DATA/torchani")
    if (name, dtype) not in _CACHE:
        _CACHE[name, dtype] = load_encoder(name, dtype=dtype)
    return _CACHE[name, dtype]


def run(enc, structures, **options):
    return extract(enc, structures, progress=False, **options)


def relative(a, b):
    """Largest difference relative to the largest value; 0 where both vanish altogether."""
    difference, scale = np.abs(a - b).max(), np.abs(b).max()
    return difference / scale if scale else difference


TURNED = [(name, dtype) for name in LEARNED for dtype in ("float64", "float32")]
TURNED += [("chgnet", "float32"), ("ani2x", "float64"), ("sevennet-l3i5", "float64")]


@pytest.mark.parametrize(("name", "dtype"), TURNED)
def test_features_turn_as_their_irreps_say(name, dtype):
    enc = encoder(name, dtype)
    tolerance = 1e-10 if enc.dtype == torch.float64 else 1e-4
    mols = molecules(6)
    matrix = rotation(1)
    turned = [m.copy() for m in mols]
    for m in turned:
        m.positions = m.positions @ matrix.T + [1.0, -2.0, 3.0]
    before, after = run(enc, mols), run(enc, turned)
    assert before.blocks
    for block in before.blocks:
        irrep = o3.Irreps(f"{block.mul}x{block.irrep}")
        wigner = irrep.D_from_matrix(torch.tensor(matrix)).numpy()
        expected = before.values[:, block.columns] @ wigner.T
        assert relative(after.values[:, block.columns], expected) < tolerance, block
        if block.l:  # the check would pass for zeros
            assert relative(before.values[:, block.columns], expected) > 0.01, block
    assert relative(after.features, before.features) < tolerance


@pytest.mark.parametrize("name", ["mace-untrained", "painn-untrained", "visnet-untrained"])
def test_parity_is_kept_where_the_model_keeps_it(name):
    enc = encoder(name)
    mols = molecules(6)
    mirrored = [m.copy() for m in mols]
    for m in mirrored:
        m.positions *= -1
    before, after = run(enc, mols), run(enc, mirrored)
    for block in before.blocks:
        sign = {"e": 1, "o": -1}[block.p]
        expected = sign * before.values[:, block.columns]
        assert relative(after.values[:, block.columns], expected) < 1e-10, block


def test_sevennet_labels_have_no_parity():
    # Its documentation here says so: built with is_parity=False, it calls everything even.
    enc = encoder("sevennet-0")
    mols = molecules(6)
    mirrored = [m.copy() for m in mols]
    for m in mirrored:
        m.positions *= -1
    assert {block.p for block in run(enc, mols).blocks} == {"e"}
    before, after = (run(enc, x).vectors(layer=1, l=1) for x in (mols, mirrored))
    assert relative(after, before) > 1e-3
    assert relative(after, -before) > 1e-3


@pytest.mark.parametrize("name", [*LEARNED, *SINGLE, *WITH_DATA])
def test_order_of_atoms_does_not_matter(name):
    enc = encoder(name)
    mols = molecules(6)
    rng = np.random.default_rng(0)
    shuffled = [m[rng.permutation(len(m))] for m in mols]
    assert relative(run(enc, shuffled).values, run(enc, mols).values) < exact(name)


MOVED = [(name, dtype) for name in ENCODERS for dtype in ("float64", "float32")]
MOVED = [(name, dtype) for name, dtype in MOVED if name not in NULL]
MOVED = [(name, dtype) for name, dtype in MOVED if name not in SINGLE or dtype == "float32"]


@pytest.mark.parametrize(("name", "dtype"), MOVED)
def test_where_a_molecule_lies_does_not_matter(name, dtype):
    enc = encoder(name, dtype)
    mols = molecules(6)
    far = [m.copy() for m in mols]
    for k, m in enumerate(far):
        m.positions += [1e4, -2e4 * k, 3.3]
    # 1e4 Angstrom leave 12 digits behind the point, and a model may subtract.
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    assert relative(run(enc, far).values, run(enc, mols).values) < tolerance


def ways_to_write(crystal):
    """The same structure, its atoms in other cells, elsewhere, or in another order."""
    rng = np.random.default_rng(0)
    along = np.array(crystal.pbc, dtype=int)
    copies = [crystal.copy() for _ in range(4)]
    for atoms, far in zip(copies, (2, 3000), strict=False):
        atoms.positions += rng.integers(-far, far, (len(atoms), 3)) * along @ atoms.cell.array
    copies[2].positions += [1e4, -2e4, 3.3]
    copies[3].positions += [0.3, -1.1, 7.0]
    copies[3].wrap()
    return [*copies, crystal[rng.permutation(len(crystal))]]


PERIODIC = [(name, dtype) for name, dtype in MOVED if not name.startswith("visnet")]


@pytest.mark.parametrize(("name", "dtype"), PERIODIC)
def test_how_a_crystal_is_written_does_not_matter(name, dtype):
    enc = encoder(name, dtype)
    crystal = bulk("C", "diamond", a=3.6, cubic=True)
    crystal.symbols[::3] = "N"
    crystal.rattle(0.1, seed=2)
    slab = crystal * (1, 1, 2)
    slab.pbc = [True, True, False]
    tolerance = 1e-9 if dtype == "float64" else 1e-5
    for atoms in (crystal, slab) if name not in SINGLE else (crystal,):  # chgnet takes no slabs
        values = run(enc, [atoms, *ways_to_write(atoms)]).values
        assert relative(values[1:], values[:1]) < tolerance


@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_equals_its_members_one_by_one(name):
    enc = encoder(name)
    mols = molecules(12)
    together = run(enc, mols)
    single = np.vstack([run(enc, m).values for m in mols])
    assert relative(together.values, single) < exact(name)
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
                assert torch.allclose(together[rows[i] : rows[i + 1]], alone, atol=exact(name))


@pytest.mark.parametrize("name", SMOOTH)
def test_different_geometries_give_different_features(name):
    enc = encoder(name)
    water = molecule("H2O")
    bent = water.copy()
    bent.positions[2] += [0.0, 0.1, 0.1]
    assert relative(run(enc, bent).features, run(enc, water).features) > 1e-3


@pytest.mark.parametrize("name", ENCODERS)
def test_a_single_atom_has_finite_features(name):
    values = run(encoder(name), molecule("CH4")[:1]).values
    assert np.isfinite(values).all()
    both = run(encoder(name), [molecule("CH4")[:1], molecule("CH4")]).values
    assert np.allclose(both[:1], values, rtol=exact(name), atol=exact(name))


@pytest.mark.parametrize("name", [*LEARNED, *SINGLE, *WITH_DATA])
def test_atoms_far_apart_do_not_see_each_other(name):
    enc = encoder(name)
    pair = molecule("H2O") + molecule("NH3")
    pair.positions[3:] += [60.0, 0.0, 0.0]
    apart = run(enc, pair, pooling="sum").values
    alone = run(enc, [molecule("H2O"), molecule("NH3")], pooling="sum").values.sum(0)
    assert relative(apart[0], alone) < exact(name)


@pytest.mark.parametrize("name", ENCODERS)
def test_coincident_atoms_are_refused(name):
    water = molecule("H2O")
    water.positions[2] = water.positions[1]
    with pytest.raises(ValueError, match="structure 1, H2O: atoms 1 and 2 lie at the same place"):
        run(encoder(name), [molecule("H2O"), water])


@pytest.mark.parametrize("name", ["ani2x-aev", "painn-untrained", "mace-untrained", "chgnet"])
def test_fingerprint_follows_weights(name):
    other, same = load_encoder(name), encoder(name, "float32")
    assert other.fingerprint == same.fingerprint
    changed = load_encoder(name)
    weight = next(v for v in changed.model.state_dict().values() if v.is_floating_point())
    with torch.no_grad():
        weight.flatten()[0] += 1
    assert changed.fingerprint != same.fingerprint


def test_fingerprint_follows_precision_seed_and_options():
    prints = [
        load_encoder("painn-untrained").fingerprint,
        load_encoder("painn-untrained", dtype="float64").fingerprint,
        load_encoder("painn-untrained", seed=1).fingerprint,
        load_encoder("painn-untrained", cutoff=4.0).fingerprint,
        load_encoder("soap").fingerprint,
        load_encoder("soap", sigma=0.3).fingerprint,
        load_encoder("random").fingerprint,
        load_encoder("random", seed=1).fingerprint,
    ]
    assert len(set(prints)) == len(prints)


UNTRAINED = [name for name in encoder_names() if name.endswith("-untrained")]


@pytest.mark.parametrize("name", UNTRAINED)
def test_a_seed_gives_one_model_in_both_precisions_and_leaves_the_generator_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    mols = molecules(3)
    single = run(encoder(name, "float32"), mols).values
    double = run(encoder(name, "float64"), mols).values
    assert torch.equal(torch.get_rng_state(), before)
    assert relative(single, double) < 1e-4
    assert relative(run(load_encoder(name, seed=1), mols).values, single) > 1e-2


@pytest.mark.parametrize("name", CRYSTAL)
def test_a_larger_cell_of_the_same_crystal_has_the_same_mean(name):
    options = {"elements": [11, 17]} if name in ("mace-untrained", "soap") else {}
    dtype = {} if name in SINGLE else {"dtype": "float64"}
    enc = load_encoder(name, **options, **dtype) if options else encoder(name)
    salt = bulk("NaCl", "rocksalt", a=5.64)  # a cell smaller than any cutoff here
    salt.rattle(0.05, seed=1)
    values = run(enc, [salt, salt * (2, 1, 3)]).values
    assert relative(values[1], values[0]) < exact(name)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_molecule_of_200_atoms(name):
    chain = molecule("C2H6")
    for k in range(1, 25):
        piece = molecule("C2H6")
        piece.positions += [0.0, 4.5 * k, 0.0]
        chain += piece
    assert len(chain) == 200
    assert np.isfinite(run(encoder(name), chain).values).all()


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

    from cpdkit.encoders.sevennet import _read_checkpoint

    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    path = tmp_path / "model.pth"
    torch.save({"config": Evil()}, path)
    with pytest.raises(ValueError, match="posix.mkdir"):
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
assert slice not in after[0]
for added in set(after[0]) - set(before[0]):
    own = added.__module__.partition(".")[0]
    assert own in ("torch", "torch_geometric") or added.__module__ in ("builtins", "collections")
    assert isinstance(added, type) or own == "torch", added
assert before[1] == after[1], after[1]
flag = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
assert before[2].get(flag) == after[2].get(flag), after[2]
assert "TORCHANI_DATA_DIR" not in after[2] or "TORCHANI_DATA_DIR" in before[2]
"""
    names = [name for name in ENCODERS if name not in WITH_DATA]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *names], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


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
    register_encoder("mine", lambda *, width=3: load_encoder("random", width=width))
    register_encoder("file:", lambda path, *, width=2: load_encoder("random", width=len(path)))
    assert load_encoder("mine", width=5).layers[0].irreps.dim == 5
    assert load_encoder("file:/a/b.model").layers[0].irreps.dim == len("/a/b.model")
    assert "mine" in encoder_names()
    with pytest.raises(ValueError, match="registered already"):
        register_encoder("mine", lambda: None)
    register_encoder("mine", lambda: torch.nn.Linear(1, 1), overwrite=True)
    with pytest.raises(TypeError, match="'mine' returned a Linear; it must return an Encoder"):
        load_encoder("mine")
    for wrong in (3, "no colon", load_encoder("random")):
        with pytest.raises(TypeError, match="builder must be a function"):
            register_encoder("wrong", wrong)
    with pytest.raises(ValueError, match="'file:' needs what it stands for"):
        load_encoder("file:")
    with pytest.raises(ValueError, match="needs a name"):
        register_encoder("", lambda: None)


def test_elements_are_numbers_or_symbols():
    assert load_encoder("soap", elements=["H", 6, "O"]).elements == {1, 6, 8}
    with pytest.raises(ValueError, match="unknown element 'Hx'; did you mean"):
        load_encoder("soap", elements=["Hx"])
    with pytest.raises(ValueError, match="unknown element 200"):
        load_encoder("bond-counts", elements=[1, 200])
    with pytest.raises(ValueError, match="elements is empty"):
        load_encoder("mace-untrained", elements=[])


def test_what_divides_messages_is_in_the_fingerprint():
    kinds = [load_encoder("mace-untrained", avg_num_neighbors=n).fingerprint for n in (15.0, 60.0)]
    assert kinds[0] != kinds[1]


def test_an_encoder_needs_a_name():
    for name in ("", None, " "):
        with pytest.raises(ValueError, match="needs a name"):
            ModuleEncoder(torch.nn.Linear(1, 1), {}, print, name=name)


@pytest.mark.parametrize("cutoff", [-1.0, 1e9, float("nan")])
def test_a_cutoff_is_a_radius(cutoff):
    with pytest.raises(ValueError, match="cutoff is a radius in Angstrom"):
        load_encoder("schnet-untrained", cutoff=cutoff)


def test_a_layer_has_channels():
    with pytest.raises(ValueError, match="has no channels"):
        load_encoder("random", width=0)


def test_a_slab_without_a_third_vector_is_the_slab_in_vacuum():
    slab = bulk("C", "diamond", a=3.57).repeat((2, 2, 1))
    slab.pbc = [True, True, False]
    flat, tall = slab.copy(), slab.copy()
    flat.cell[2] = 0
    tall.cell[2] = np.cross(*slab.cell[:2])
    tall.cell[2] *= 40 / np.linalg.norm(tall.cell[2])
    for name in ("soap", "schnet-untrained", "mace-untrained"):
        a, b = run(encoder(name), [flat, tall]).values
        assert np.allclose(a, b, rtol=1e-9, atol=1e-12)
