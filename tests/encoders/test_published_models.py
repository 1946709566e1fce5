"""Models that others trained, as published: the energies they had, laws, scores on QM9."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms

torch = pytest.importorskip("torch")

import reference  # noqa: E402
from molecules import molecules, rotation  # noqa: E402

import cpdkit  # noqa: E402
from cpdkit.encoders import encoder_info, load_encoder  # noqa: E402
from cpdkit.extraction import extract  # noqa: E402

# By mace-torch 0.3.3, the oldest on PyPI, once, from the pickled modules themselves.
REFERENCE = json.loads(Path(__file__).with_name("mace_reference.json").read_text())


def energies(encoder, structures):
    return encoder.energy([encoder.graph(a) for a in structures]).numpy()


def published(cpdkit_data, file):
    path = cpdkit_data / "checkpoints" / file
    if not path.is_file():
        pytest.skip(f"needs $CPDKIT_DATA/checkpoints/{file}")
    return f"mace:{path}"


@pytest.mark.cpdkit_data
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-5)])
@pytest.mark.parametrize("file", REFERENCE)
def test_energies_and_gradients_of_published_files(file, dtype, tolerance, cpdkit_data):
    encoder = load_encoder(published(cpdkit_data, file), dtype=dtype)
    for known in REFERENCE[file]["molecules"]:
        graph = encoder.graph(Atoms(known["numbers"], known["positions"]))
        data = encoder.inputs([graph])
        data["positions"].requires_grad_(True)
        energy = encoder.model(data, compute_force=False)["energy"]
        (gradient,) = torch.autograd.grad(energy.sum(), data["positions"])
        error = np.abs(gradient.numpy() - known["gradient"]).max()
        assert error < max(tolerance, 1e-8) * np.abs(known["gradient"]).max()
        assert abs(energy.item() - known["energy"]) < tolerance * abs(known["energy"])
        assert abs(encoder.energy([graph]).item() - energy.item()) < 1e-6 * abs(known["energy"])


ELEMENTS = {
    "ani500k_small_CC.model": {1, 6, 7, 8},
    "MACE_SPICE.model": {1, 3, 6, 7, 8, 9, 11, 12, 15, 16, 17, 19, 20, 35, 53},
}


@pytest.mark.cpdkit_data
@pytest.mark.parametrize("file", REFERENCE)
def test_published_files_obey_the_laws_and_know_their_elements(file, cpdkit_data):
    encoder = load_encoder(published(cpdkit_data, file), dtype="float64")
    assert encoder.elements == ELEMENTS[file]
    width = {"ani500k_small_CC.model": "64x0e", "MACE_SPICE.model": "32x0e"}[file]
    assert [str(layer.irreps) for layer in encoder.layers] == [width, width]
    mols = molecules(4, elements=frozenset({1, 6, 7, 8}))
    rng, matrix = np.random.default_rng(0), rotation(1)
    values = extract(encoder, mols, progress=False).values
    turned, shuffled = [m.copy() for m in mols], [m[rng.permutation(len(m))] for m in mols]
    for m in turned:
        m.positions = m.positions @ matrix.T + [1.0, -2.0, 3.0]
    for others in (turned, shuffled):
        assert np.allclose(extract(encoder, others, progress=False).values, values, rtol=1e-6)
    assert np.abs(values[0] / values[1] - 1).max() > 0.01  # the check would pass for constants
    with pytest.raises(ValueError, match="Si"):
        extract(encoder, [Atoms("SiH", [[0, 0, 0], [0, 0, 1.5]])], progress=False)


@pytest.mark.cpdkit_data
def test_energies_of_a_published_file_follow_those_of_qm9(cpdkit_data):
    encoder = load_encoder(published(cpdkit_data, "ani500k_small_CC.model"))
    dataset = cpdkit.load_dataset("qm9", n=120, seed=0)
    known = [i for i, atoms in enumerate(dataset.atoms) if 9 not in atoms.numbers]
    assert len(known) > 100
    structures = [dataset.atoms[i] for i in known]
    counts = cpdkit.composition.composition_matrix(structures, kind="counts")
    pair = np.stack([energies(encoder, structures), dataset.targets["u0"].to_numpy()[known]], 1)
    left = pair - counts @ np.linalg.lstsq(counts, pair, rcond=None)[0]
    # Coupled cluster against B3LYP; 0.986 on 1,496 molecules.
    assert np.corrcoef(left.T)[0, 1] > 0.97


@pytest.mark.cpdkit_data
@pytest.mark.parametrize("name", [*REFERENCE, "so3lr"])
def test_scores_on_qm9_equal_those_of_scikit_learn(name, cpdkit_data):
    if name != "so3lr":
        name = published(cpdkit_data, name)
    dataset = cpdkit.load_dataset("qm9", n=360, seed=0)
    rows = [i for i, atoms in enumerate(dataset.atoms) if 9 not in atoms.numbers]
    assert len(rows) > 300
    structures = [dataset.atoms[i] for i in rows]
    features = extract(load_encoder(name), structures, progress=False).select(layer=-1).features
    counts = cpdkit.composition.composition_matrix(structures, kind="counts")
    targets = dataset.targets[["gap", "mu"]].iloc[rows].reset_index(drop=True)
    fold = np.arange(len(rows)) % 3
    wide = features.astype(np.float64)  # scikit-learn computes in the precision it is given
    table = cpdkit.cpd(features, counts, targets, folds=fold, leak=False)
    for target in targets:
        expected = reference.cpd(wide, np.asarray(counts), targets[target].to_numpy(), fold)
        ours = table[table["target"] == target].set_index("score")["fold_values"]
        for score, values in expected.items():
            assert np.allclose(ours[score], values, rtol=0, atol=1e-6), (target, score)


NAMED = {"mace-ani-cc": "ani500k_small_CC.model", "mace-spice": "MACE_SPICE.model"}


@pytest.mark.cpdkit_data
@pytest.mark.parametrize("name", NAMED)
def test_published_files_have_names_that_mean_the_same_on_every_machine(name, cpdkit_data):
    by_file = load_encoder(published(cpdkit_data, NAMED[name]))
    by_name = load_encoder(name)
    assert by_name.name == name
    mols = molecules(4, elements=frozenset({1, 6, 7, 8}))
    features = [extract(encoder, mols, progress=False).values for encoder in (by_name, by_file)]
    assert np.array_equal(*features)


@pytest.mark.cpdkit_data
@pytest.mark.parametrize("name", NAMED)
def test_another_file_is_not_taken_for_a_published_one(name, cpdkit_data, tmp_path, monkeypatch):
    content = Path(published(cpdkit_data, NAMED[name]).removeprefix("mace:")).read_bytes()
    file = tmp_path / "checkpoints" / NAMED[name]
    file.parent.mkdir()
    monkeypatch.setenv("CPDKIT_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=f"no file {file}.*put the file below it"):
        load_encoder(name)
    assert str(file) in encoder_info(name).missing
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ValueError, match="not the published file"):
        load_encoder(name)
    file.write_bytes(content)
    assert load_encoder(name).name == name
    assert not encoder_info(name).missing
    monkeypatch.delenv("CPDKIT_DATA")
    with pytest.raises(FileNotFoundError, match="Set CPDKIT_DATA to a folder"):
        load_encoder(name)
