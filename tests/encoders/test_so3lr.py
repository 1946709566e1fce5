"""SO3LR against its library, and the laws of its features."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

torch = pytest.importorskip("torch")

from molecules import molecules, rotation  # noqa: E402

from cpdkit.encoders import load_encoder  # noqa: E402
from cpdkit.extraction import extract  # noqa: E402

with torch.serialization.safe_globals([slice]):
    o3 = pytest.importorskip("e3nn.o3")

# Once, by the calculator of so3krates-torch 0.2.1 on the module of its wheel, in double precision
# and without a long-range cutoff.
REFERENCE = json.loads(Path(__file__).with_name("so3lr_reference.json").read_text())
KNOWN = frozenset({1, 6, 7, 8, 9, 15, 16, 17})


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("so3lr", dtype="float64")


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-5)])
def test_energies_and_gradients_are_those_of_the_library(dtype, tolerance):
    encoder = load_encoder("so3lr", dtype=dtype)
    graphs = []
    for known in REFERENCE["molecules"]:
        graphs.append(encoder.graph(Atoms(known["numbers"], known["positions"])))
        data = encoder.inputs(graphs[-1:], far=True)
        data["positions"].requires_grad_(True)
        energy = encoder.model(data, compute_force=False)["energy"]
        (gradient,) = torch.autograd.grad(energy.sum(), data["positions"])
        assert abs(energy.item() - known["energy"]) < tolerance * abs(known["energy"])
        error = np.abs(gradient.numpy() - known["gradient"]).max()
        # The library keeps some constants in single precision.
        assert error < max(tolerance, 1e-6) * np.abs(known["gradient"]).max()
    together = encoder.energy(graphs).numpy()
    expected = [known["energy"] for known in REFERENCE["molecules"]]
    assert np.allclose(together, expected, rtol=tolerance, atol=0)


def test_features_are_those_of_the_library_with_vectors_as_x_y_z(encoder):
    graphs = [encoder.graph(m) for m in molecules(3, KNOWN)]
    with torch.no_grad():
        ours = encoder.forward(graphs)[-1]
        scalars, others = encoder.model.get_representation(
            encoder.inputs(graphs), compute_force=False
        )
    assert torch.equal(ours[:, :128], scalars)
    assert torch.allclose(ours[:, 128:131], others[:, [2, 0, 1]], rtol=1e-12, atol=1e-14)
    start = 0
    for degree in (1, 2, 3, 4):  # another basis of each degree: the same norms
        part = slice(start, start + 2 * degree + 1)
        a, b = ours[:, 128:][:, part].norm(dim=1), others[:, part].norm(dim=1)
        assert torch.allclose(a, b, rtol=1e-10)
        start = part.stop


def test_layers_and_elements(encoder):
    assert encoder.elements == KNOWN
    assert [layer.name for layer in encoder.layers] == [f"interaction_{i}" for i in (1, 2, 3)]
    assert {str(layer.irreps) for layer in encoder.layers} == {"128x0e+1x1o+1x2e+1x3o+1x4e"}
    with pytest.raises(ValueError, match="Si"):
        extract(encoder, [Atoms("SiH", [[0, 0, 0], [0, 0, 1.5]])], progress=False)


@pytest.mark.parametrize("mirror", [1, -1])
def test_every_degree_turns_as_its_irrep_says(mirror, encoder):
    mols, matrix = molecules(5, KNOWN), rotation(1) * mirror
    turned = [m.copy() for m in mols]
    for m in turned:
        m.positions = m.positions @ matrix.T + [1.0, -2.0, 3.0]
    before, after = (extract(encoder, x, progress=False) for x in (mols, turned))
    assert {block.l for block in before.blocks} == {0, 1, 2, 3, 4}
    for block in before.blocks:
        wigner = o3.Irreps(f"{block.mul}x{block.irrep}").D_from_matrix(torch.tensor(matrix))
        expected = before.values[:, block.columns] @ wigner.numpy().T
        scale = np.abs(expected).max()
        assert np.abs(after.values[:, block.columns] - expected).max() < 1e-9 * scale, block
        if block.l:  # the check would pass for zeros
            assert np.abs(before.values[:, block.columns] - expected).max() > 0.01 * scale, block
    assert np.allclose(after.features, before.features, rtol=1e-9, atol=1e-12)


def test_order_of_atoms_and_company_in_a_batch_do_not_matter(encoder):
    mols = molecules(5, KNOWN)
    rng = np.random.default_rng(0)
    values = extract(encoder, mols, progress=False).values
    shuffled = [m[rng.permutation(len(m))] for m in mols]
    assert np.allclose(extract(encoder, shuffled, progress=False).values, values, atol=1e-10)
    single = np.vstack([extract(encoder, m, progress=False).values for m in mols])
    assert np.allclose(single, values, atol=1e-10)
    assert np.isfinite(extract(encoder, molecule("CH4")[:1], progress=False).values).all()


def test_a_crystal_has_features_and_its_energy_is_refused(encoder):
    diamond = bulk("C")
    diamond.rattle(0.05, seed=1)
    values = extract(encoder, [diamond, diamond * (2, 1, 1)], progress=False).values
    assert np.allclose(values[0], values[1], atol=1e-10)
    with pytest.raises(ValueError, match="for molecules; a structure is periodic"):
        encoder.energy([encoder.graph(diamond)])


def test_another_model_in_the_package_is_refused(tmp_path):
    from cpdkit.encoders.so3lr import _build

    (tmp_path / "so3lr.model").write_bytes(b"something else")
    with pytest.raises(ValueError, match="SHA-256 .* reinstall so3krates-torch==0.2.1"):
        _build(tmp_path / "so3lr.model", None)


def test_without_the_package_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "so3krates_torch", None)
    with pytest.raises(ImportError, match=r"cpdkit\[so3lr\].* --no-deps so3krates-torch==0.2.1"):
        load_encoder("so3lr")
