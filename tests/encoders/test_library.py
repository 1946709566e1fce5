"""Each encoder against the library its model comes from: same energy, same features."""

from __future__ import annotations

import hashlib
import os
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pooch
import pytest
from ase.build import bulk

torch = pytest.importorskip("torch")

from molecules import molecules  # noqa: E402

from cpdkit.encoders import load_encoder  # noqa: E402
from cpdkit.encoders._graph import collate  # noqa: E402
from cpdkit.encoders._optional import seeded, undo_import_effects  # noqa: E402
from cpdkit.extraction.extract import extract  # noqa: E402


def energies(encoder, structures):
    return encoder.energy([encoder.graph(a) for a in structures]).numpy()


def salt():
    atoms = bulk("NaCl", "rocksalt", a=5.64)
    atoms.rattle(0.05, seed=1)
    return atoms


def brute_force_graph(positions, r, batch, loop=False, max_num_neighbors=32):
    """What torch_cluster's radius_graph gives, without its limit on neighbours."""
    near = torch.cdist(positions, positions) < r
    near &= batch[:, None] == batch[None, :]
    if not loop:
        near &= ~torch.eye(len(positions), dtype=bool)
    return near.nonzero().T.flip(0)


def brute_force_triplets(edge_index, num_nodes):
    """What torch_geometric's triplets gives, by definition."""
    row, col = edge_index.tolist()
    found = [
        (i, j, k, kj, ji)
        for ji, (j, i) in enumerate(zip(row, col, strict=True))
        for kj, (k, target) in enumerate(zip(row, col, strict=True))
        if target == j and k != i
    ]
    i, j, k, kj, ji = torch.tensor(found).T
    return edge_index[1], edge_index[0], i, j, k, kj, ji


def test_mace_energy_and_descriptors_equal_its_calculator():
    enc = load_encoder("mace-untrained", elements=[1, 6, 7, 8, 9, 11, 16, 17], dtype="float64")
    from cpdkit.encoders._optional import undo_import_effects

    with undo_import_effects():  # or the rest of the test session would unpickle
        from mace.calculators import MACECalculator

    structures = [*molecules(4), salt()]
    ours = energies(enc, structures)
    rep = extract(enc, structures, progress=False)
    calculator = MACECalculator(models=enc.model, default_dtype="float64")
    scale = 0.0
    for row, atoms in enumerate(structures):
        theirs = calculator.get_descriptors(atoms, invariants_only=False).mean(axis=0)
        assert np.allclose(rep.values[row], theirs, rtol=1e-6, atol=1e-12)
        atoms = atoms.copy()
        atoms.calc = calculator
        assert abs(atoms.get_potential_energy() - ours[row]) < 1e-9
        scale = max(scale, abs(ours[row]))
    assert scale > 0.1


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A model on a server of this machine, in place of ``mace-mp-0-small``; and its requests."""
    from cpdkit.encoders import mace
    from cpdkit.encoders._optional import require

    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    (tmp_path / "server").mkdir()
    file = tmp_path / "server" / "small.model"
    torch.save(load_encoder("mace-untrained", seed=3).model, file)
    requests = []

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(tmp_path / "server"))

        def do_GET(self):
            requests.append(self.path)
            super().do_GET()

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        tables = require("mace.calculators.foundations_models", encoder="mace", extra="mace")
        address = f"http://127.0.0.1:{server.server_port}/small.model"
        monkeypatch.setitem(tables.mace_mp_urls, "small", address)
        checksum = hashlib.sha256(file.read_bytes()).hexdigest()
        monkeypatch.setitem(mace._FOUNDATION, "mace-mp-0-small", ("small", checksum))
        yield file, requests
        server.shutdown()


def kept_files(tmp_path):
    return [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_published_model_is_fetched_once(published, tmp_path):
    file, requests = published
    first, second = load_encoder("mace-mp-0-small"), load_encoder("mace-mp-0-small")
    assert requests == ["/small.model"]
    assert kept_files(tmp_path) == ["mace-mp-0-small.model"]
    assert first.name == second.name == "mace-mp-0-small"
    expected = load_encoder("mace-untrained", seed=3)
    mols = molecules(2)
    a, b = (extract(e, mols, progress=False) for e in (first, expected))
    assert np.array_equal(a.values, b.values)


@pytest.mark.parametrize("harm", ["cut", "altered"])
def test_a_harmed_download_is_refused_and_not_kept(harm, published, tmp_path):
    file, _ = published
    content = bytearray(file.read_bytes())
    if harm == "cut":
        content = content[: len(content) // 2]
    else:
        content[1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match="does not match the known hash"):
        load_encoder("mace-mp-0-small")
    assert kept_files(tmp_path) == []


def test_a_download_that_fails_says_what_to_do(published, tmp_path):
    file, _ = published
    file.unlink()
    with pytest.raises(OSError, match=r"could not be fetched from .+ use load_encoder\('mace:"):
        load_encoder("mace-mp-0-small")
    assert kept_files(tmp_path) == []


def test_foundation_models_are_known_to_the_library():
    from cpdkit.encoders import mace
    from cpdkit.encoders._optional import require

    tables = require("mace.calculators.foundations_models", encoder="mace", extra="mace")
    for name, (key, sha256) in mace._FOUNDATION.items():
        table = tables.mace_off_urls if "off23" in name else tables.mace_mp_urls
        assert table[key].endswith(".model")
        assert len(sha256) == 64


@pytest.mark.parametrize("name", ["painn-untrained", "schnet-untrained"])
def test_graph_pes_energies(name):
    enc = load_encoder(name, dtype="float64")
    from graph_pes import AtomicGraph

    structures = [*molecules(4), salt()]
    ours = energies(enc, structures)
    for atoms, energy in zip(structures, ours, strict=True):
        # The library keeps positions in float32.
        graph = AtomicGraph.from_ase(atoms, cutoff=enc.cutoff)
        theirs = float(enc.model.predict_energy(graph))
        assert abs(theirs - energy) < 1e-5 * max(1, abs(energy))
    assert np.abs(ours).max() > 0.05


def test_dimenet_energy_equals_the_library(monkeypatch):
    from torch_geometric.nn.models import dimenet

    from cpdkit.encoders.dimenet import DimeNetPlusPlus, recurrence_basis

    sizes = {"hidden_channels": 16, "out_channels": 2, "num_blocks": 2, "int_emb_size": 8}
    sizes |= {"basis_emb_size": 4, "out_emb_channels": 12, "num_spherical": 4, "num_radial": 2}
    sizes |= {"output_initializer": "glorot_orthogonal"}
    with undo_import_effects(torch.float64), seeded(0):
        theirs = dimenet.DimeNetPlusPlus(**sizes)
        with recurrence_basis():
            ours = dimenet.DimeNetPlusPlus(**sizes)
        ours.load_state_dict(theirs.state_dict())
    assert type(ours.sbf) is not type(theirs.sbf)
    enc = DimeNetPlusPlus(ours, dtype="float64")
    monkeypatch.setattr(dimenet, "radius_graph", brute_force_graph)
    monkeypatch.setattr(dimenet, "triplets", brute_force_triplets)
    mols = molecules(5)
    batch = collate([enc.graph(m) for m in mols], dtype=torch.float64)
    with torch.no_grad():
        expected = theirs(batch.numbers, batch.positions, batch.structure).numpy()
    # Constants of the library's basis are rounded to float32, in another order than ours.
    largest = np.abs(expected).max()
    assert largest > 1e-3
    assert np.abs(energies(enc, mols) - expected).max() < 1e-6 * largest


def test_triplets_equal_the_definition():
    from cpdkit.encoders.dimenet import triplets

    enc = load_encoder("schnet-untrained", cutoff=3.0)
    batch = collate([enc.graph(m) for m in molecules(4)], dtype=torch.float64)
    *_, kj, ji = brute_force_triplets(batch.edges.flip(0), len(batch.numbers))
    ours = {(int(a), int(b)) for a, b in zip(*triplets(batch), strict=True)}
    assert ours == {(int(a), int(b)) for a, b in zip(kj, ji, strict=True)}


def test_triplets_of_a_crystal_keep_images_apart():
    from ase import Atoms

    from cpdkit.encoders.dimenet import triplets

    # One atom, six images of itself: from each of 6 edges one may go on in 5 directions.
    enc = load_encoder("schnet-untrained", cutoff=3.0)
    chain = Atoms("He", cell=[2.5, 2.5, 2.5], pbc=True)
    kj, ji = triplets(collate([enc.graph(chain)], dtype=torch.float64))
    assert len(kj) == len(ji) == 30


def test_visnet_energy_equals_the_library(monkeypatch):
    from torch_geometric.nn.models import visnet

    from cpdkit.encoders.visnet import ViSNet

    sizes = {"hidden_channels": 16, "num_layers": 3, "lmax": 2, "num_heads": 4, "num_rbf": 8}
    with undo_import_effects(torch.float64), seeded(0):
        theirs, ours = visnet.ViSNet(**sizes), visnet.ViSNet(**sizes)
        ours.load_state_dict(theirs.state_dict())
    enc = ViSNet(ours, dtype="float64")
    monkeypatch.setattr(visnet, "radius_graph", brute_force_graph)
    mols = molecules(5)
    batch = collate([enc.graph(m) for m in mols], dtype=torch.float64)
    with undo_import_effects(torch.float64), torch.no_grad():
        expected, _ = theirs.eval()(batch.numbers, batch.positions, batch.structure)
    assert np.allclose(energies(enc, mols), expected[:, 0].numpy(), rtol=1e-10)


def test_ani2x_energy_equals_torchani():
    data = os.environ.get("CPDKIT_DATA")
    if not data or not Path(data, "torchani").is_dir():
        pytest.skip("needs $CPDKIT_DATA/torchani")
    from torchani.models import ANI2x

    from cpdkit.encoders.ani import _weights_folder

    with _weights_folder():
        library = ANI2x().double()
    mols = molecules(5)
    for member in (0, 5):
        ours = energies(load_encoder("ani2x", member=member, dtype="float64"), mols)
        for atoms, energy in zip(mols, ours, strict=True):
            species = torch.tensor(atoms.numbers)[None]
            positions = torch.tensor(atoms.positions)[None]
            theirs = library[member]((species, positions)).energies.item()
            assert abs(theirs - energy) < 1e-9
    with pytest.raises(ValueError, match="member=8 of an ensemble of 8"):
        load_encoder("ani2x", member=8)


def test_chgnet_energy_equals_the_library():
    from pymatgen.io.ase import AseAtomsAdaptor

    enc = load_encoder("chgnet")
    crystals = [salt(), bulk("Si")]
    for atoms, energy in zip(crystals, energies(enc, crystals), strict=True):
        structure = AseAtomsAdaptor.get_structure(atoms)
        theirs = enc.model.predict_structure(structure, task="e")["e"]
        assert abs(float(theirs) - energy) < 1e-5
    # A molecule in a larger box than ours is the same molecule.
    (mol,) = molecules(1)
    boxed = mol.copy()
    boxed.center(vacuum=12.0)
    boxed.pbc = True
    theirs = enc.model.predict_structure(AseAtomsAdaptor.get_structure(boxed), task="e")["e"]
    assert abs(float(theirs) - energies(enc, [mol])[0]) < 1e-5


def test_soap_mean_equals_dscribe_average():
    from dscribe.descriptors import SOAP

    enc = load_encoder("soap", dtype="float64", n_max=3, l_max=2)
    species = ["H", "C", "N", "O", "F", "S", "Cl"]
    theirs = SOAP(species=species, r_cut=5.0, n_max=3, l_max=2, sigma=0.5, average="outer")
    mols = molecules(5)
    expected = theirs.create(mols)
    assert np.allclose(extract(enc, mols, progress=False).values, expected, rtol=1e-10)


def test_bond_counts_of_known_molecules():
    from ase.build import molecule

    enc = load_encoder("bond-counts")
    names = ["CH3CH2OH", "C6H6", "H2O", "CH3Cl"]
    counts = extract(enc, [molecule(n) for n in names], pooling="sum", progress=False).values
    found = [
        {pair: float(x) for pair, x in zip(enc.pairs, row, strict=True) if x} for row in counts
    ]
    assert found == [
        {(6, 6): 1, (1, 6): 5, (6, 8): 1, (1, 8): 1},
        {(6, 6): 6, (1, 6): 6},
        {(1, 8): 2},
        {(1, 6): 3, (6, 17): 1},
    ]


def test_random_features_say_nothing_of_composition_or_size():
    enc = load_encoder("random", width=2000)
    mols = molecules(30)
    values = extract(enc, mols, progress=False).values
    assert np.array_equal(values, extract(enc, mols, progress=False).values)
    # Rows are independent standard normal vectors, whatever the size.
    assert np.abs(values.std(axis=1) - 1).max() < 0.1
    overlap = np.corrcoef(values) - np.eye(len(mols))
    assert np.abs(overlap).max() < 0.12
