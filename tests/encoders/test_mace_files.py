"""MACE models in the files people have: of every age, of several kinds, and what is refused."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections import OrderedDict
from contextlib import suppress
from types import ModuleType

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from molecules import molecules  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from cpdkit.encoders import load_encoder  # noqa: E402
from cpdkit.encoders._optional import require, undo_import_effects  # noqa: E402
from cpdkit.extraction import extract  # noqa: E402


def energies(encoder, structures):
    return encoder.energy([encoder.graph(a) for a in structures]).numpy()


def build(kind="ScaleShiftMACE", **changes):
    """A model of the installed mace-torch with random weights, in double precision."""
    modules = require("mace.modules", encoder="mace", extra="mace")
    from e3nn import o3

    numbers = [1, 6, 7, 8, 9, 16, 17]
    options = {
        "r_max": 4.5, "num_bessel": 8, "num_polynomial_cutoff": 5, "max_ell": 2,
        "interaction_cls": "RealAgnosticResidualInteractionBlock",
        "interaction_cls_first": "RealAgnosticInteractionBlock",
        "num_interactions": 2, "num_elements": len(numbers), "hidden_irreps": "4x0e+4x1o",
        "MLP_irreps": o3.Irreps("16x0e"), "atomic_energies": -np.arange(1.0, 8.0),
        "avg_num_neighbors": 9.5, "atomic_numbers": numbers, "correlation": 3,
        "gate": torch.nn.functional.silu, "use_reduced_cg": False, **changes,
    }  # fmt: skip
    for key in ("interaction_cls", "interaction_cls_first", "readout_cls"):
        if key in options:
            options[key] = getattr(modules.blocks, options[key])
    for key in ("hidden_irreps", "edge_irreps"):
        if key in options:
            options[key] = o3.Irreps(options[key])
    if kind == "ScaleShiftMACE":
        options = {"atomic_inter_scale": 0.8, "atomic_inter_shift": 0.1} | options
    with undo_import_effects(torch.float64), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return getattr(modules, kind)(**options)


def same_model(file, model, **options):
    """Energies and features of the file are those of `model`, to the last bit."""
    from cpdkit.encoders.mace import MACE

    mols = molecules(4)
    back, original = load_encoder(f"mace:{file}", dtype="float64"), MACE(model, dtype="float64")
    a, b = (extract(e, mols, progress=False) for e in (original, back))
    assert np.allclose(energies(back, mols), energies(original, mols), rtol=1e-13, atol=0)
    assert np.allclose(a.values, b.values, rtol=1e-12, atol=1e-14)
    assert a.blocks == b.blocks


def test_mace_file_is_read_without_unpickling_and_equals_the_model(tmp_path):
    enc = load_encoder("mace-untrained", seed=3, dtype="float64")
    path = tmp_path / "my.model"
    torch.save(enc.model, path)
    back = load_encoder(f"mace:{path}", dtype="float64")
    assert back.name == "mace:my.model"
    mols = molecules(4)
    assert np.array_equal(energies(back, mols), energies(enc, mols))
    a, b = (extract(e, mols, progress=False) for e in (enc, back))
    assert np.array_equal(a.values, b.values)
    assert a.blocks == b.blocks
    single = load_encoder(f"mace:{path}")
    assert np.allclose(extract(single, mols, progress=False).values, a.values, atol=1e-5)


# How published models differ from ours: scalars only, degree 2, and the extras of MPA-0.
PUBLISHED = {
    "mp-0-small": {"hidden_irreps": "8x0e", "correlation": 3, "num_bessel": 10},
    "off23-large": {"hidden_irreps": "4x0e+4x1o+4x2e", "correlation": 3},
    "mpa-0": {
        "interaction_cls_first": "RealAgnosticDensityInteractionBlock",
        "interaction_cls": "RealAgnosticDensityResidualInteractionBlock",
        "distance_transform": "Agnesi",
        "pair_repulsion": True,
        "radial_MLP": [16, 16, 16],
    },
    "not scaled": {"kind": "MACE"},
    "gaussian": {"radial_type": "gaussian"},
    "chebyshev": {"radial_type": "chebyshev", "gate": torch.tanh},
    "abs": {"gate": torch.abs, "correlation": [3, 2]},
    "no gate": {"gate": None, "keep_last_layer_irreps": True},
    "edges": {
        "interaction_cls": "RealAgnosticResidualNonLinearInteractionBlock",
        "interaction_cls_first": "RealAgnosticResidualNonLinearInteractionBlock",
        "edge_irreps": "3x0e+3x1o",
    },
    "last readout": {"use_last_readout_only": True, "readout_cls": "NonLinearBiasReadoutBlock"},
    "rotations only": {"use_so3": True, "hidden_irreps": "4x0e+4x1e"},
}


@pytest.mark.parametrize("like", PUBLISHED)
def test_mace_files_of_other_kinds_equal_the_model(like, tmp_path):
    model = build(**{"correlation": 2, **PUBLISHED[like]})
    torch.save(model, tmp_path / "published.model")
    same_model(tmp_path / "published.model", model)


@pytest.mark.parametrize(
    ("kind", "form"),
    [("MACE", "module"), ("ScaleShiftMACE", "module"), ("ScaleShiftMACE", "tensors")],
)
def test_one_interaction_keeps_its_vectors(kind, form, tmp_path):
    # Earlier versions built this; of today's two interactions the first is the same.
    model = build(kind, hidden_irreps="8x0e+8x1o", correlation=2)
    for part in ("interactions", "products", "readouts"):
        setattr(model, part, getattr(model, part)[:1])
    model.num_interactions.fill_(1)
    if form == "module":
        torch.save(model, tmp_path / "one.model")
    else:
        utils = require("mace.tools.scripts_utils", encoder="mace", extra="mace")
        config = utils.extract_config_mace_model(build(kind, hidden_irreps="8x0e+8x1o"))
        config |= {"num_interactions": 1, "correlation": 2}
        torch.save({"state_dict": model.state_dict(), "config": config}, tmp_path / "one.model")
    same_model(tmp_path / "one.model", model)
    encoder = load_encoder(f"mace:{tmp_path / 'one.model'}")
    assert [str(layer.irreps) for layer in encoder.layers] == ["8x0e+8x1o"]


def test_one_interaction_of_today_has_scalars(tmp_path):
    model = build(num_interactions=1, hidden_irreps="8x0e+8x1o")
    torch.save(model, tmp_path / "one.model")
    same_model(tmp_path / "one.model", model)


def test_a_mace_file_that_would_run_code_does_not(tmp_path):
    class Evil(torch.nn.Module):
        def __reduce__(self):
            return (os.makedirs, (str(tmp_path / "ran"),))

    enc = load_encoder("mace-untrained")
    enc.model.radial_embedding.evil = Evil()
    torch.save(enc.model, tmp_path / "evil.model")
    with suppress(Exception):  # refusing and ignoring are both fine
        load_encoder(f"mace:{tmp_path / 'evil.model'}")
    assert not (tmp_path / "ran").exists()


def test_other_files_are_refused_as_mace_models(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "linear.model")
    with pytest.raises(ValueError, match="holds a Linear; expected a MACE"):
        load_encoder(f"mace:{tmp_path / 'linear.model'}")
    with pytest.raises(FileNotFoundError, match="no MACE model file"):
        load_encoder(f"mace:{tmp_path / 'none.model'}")


def test_damaged_mace_files_are_refused_by_name(tmp_path):
    whole, cut = tmp_path / "whole.model", tmp_path / "cut.model"
    torch.save(load_encoder("mace-untrained").model, whole)
    content = whole.read_bytes()
    for part in (content[:-200], content[: len(content) // 2], b"text", b""):
        cut.write_bytes(part)
        with pytest.raises(ValueError, match="cut.model cannot be read as a model"):
            load_encoder(f"mace:{cut}")


def drop(model, *names):
    """Take attributes and buffers of these names from every part of `model`."""
    plain = [m for m in model.modules() if not isinstance(m, torch.jit.ScriptModule)]
    for part in plain:
        for name in names:
            part.__dict__.pop(name, None)
            part._buffers.pop(name, None)


def before_zeroed_buffers(model):  # spring 2025
    drop(model, *(f"weights_{which}_zeroed" for which in ("max", 0, 1, 2)))


def before_embeddings(model):  # summer 2025
    drop(model, "use_reduced_cg", "use_so3", "use_agnostic_product", "use_last_readout_only")
    drop(model, "use_edge_irreps_first", "apply_cutoff", "edge_irreps", "lammps_mliap")
    drop(model, "oeq_config")


def before_integer_exponents(model):  # February 2025
    drop(model, "cueq_config")
    cutoff = model.radial_embedding.cutoff_fn
    cutoff.p = cutoff.p.double()
    if hasattr(model, "pair_repulsion_fn"):  # which had a radius, and a cutoff it did not use
        model.pair_repulsion_fn.p = model.pair_repulsion_fn.p.double()
        model.pair_repulsion_fn.register_buffer("r_max", torch.tensor(4.5))
        model.pair_repulsion_fn.cutoff = type(cutoff)(r_max=4.5, p=5)


def before_heads(model):  # November 2024
    drop(model, "heads", "num_heads")
    model.atomic_energies_fn.atomic_energies = model.atomic_energies_fn.atomic_energies.flatten()


def before_widths(model):  # 2023
    drop(model, "radial_MLP")


def before_buffers(model):  # 2022, as MACE_SPICE.model
    numbers, radius = model.atomic_numbers.numpy(), float(model.r_max)
    drop(model, "num_interactions", "atomic_numbers", "r_max")
    basis, cutoff = model.radial_embedding.bessel_fn, model.radial_embedding.cutoff_fn
    for part in (basis, cutoff):
        part.register_buffer("r_max", torch.tensor(radius, dtype=torch.float64))
    model.r_max = radius
    model.atomic_numbers = list(numbers)
    for block in model.interactions:
        block.avg_num_neighbors = torch.tensor(block.avg_num_neighbors, dtype=torch.float64)


def before_numbers(model):  # early 2022, the first
    for product in model.products:
        contractions = product.symmetric_contractions.contractions
        irreps = [str(term.ir) for term in product.symmetric_contractions.irreps_out]
        for contraction in contractions:
            top = contraction.correlation
            weights = {str(top): contraction.weights_max}
            weights |= {str(top - 1 - i): w for i, w in enumerate(contraction.weights)}
            del contraction.weights_max, contraction.weights
            contraction.weights = torch.nn.ParameterDict(weights)
        named = OrderedDict(zip(irreps, contractions, strict=True))
        product.symmetric_contractions.contractions = torch.nn.ModuleDict(named)


AGES = [
    before_zeroed_buffers, before_embeddings, before_integer_exponents, before_heads,
    before_widths, before_buffers, before_numbers,
]  # fmt: skip


@pytest.mark.parametrize("age", range(len(AGES)), ids=[age.__name__ for age in AGES])
def test_files_without_what_newer_versions_added_equal_the_model(age, tmp_path):
    kind = ["ScaleShiftMACE", "MACE"][age % 2]
    options = {"pair_repulsion": AGES[age] in AGES[:4], "correlation": 3 - age % 2}
    old = build(kind, **options)
    for take_away in AGES[: age + 1]:
        take_away(old)
    torch.save(old, tmp_path / "old.model")
    same_model(tmp_path / "old.model", build(kind, **options))


def test_numbers_that_are_not_tensors_are_those_of_the_file(tmp_path):
    model = build()
    model.interactions[1].avg_num_neighbors = 4.0
    model.readouts[-1].non_linearity.acts[0].cst *= 1.5
    torch.save(model, tmp_path / "own.model")
    same_model(tmp_path / "own.model", model)


def test_coupling_matrices_of_another_basis_are_those_of_the_file(tmp_path):
    model, other = build(), build()
    for product in other.products:
        for contraction in product.symmetric_contractions.contractions:
            matrix = contraction.U_matrix_3  # every path twice, with half the weight
            contraction.U_matrix_3 = torch.cat([matrix, matrix], dim=-1)
            weights = contraction.weights_max.detach()
            contraction.weights_max = torch.nn.Parameter(torch.cat([weights, weights], dim=1) / 2)
    torch.save(other, tmp_path / "other.model")
    same_model(tmp_path / "other.model", model)


def test_one_of_several_heads_is_chosen_by_name(tmp_path):
    model = build(
        heads=["pt_head", "Default"], atomic_energies=-np.arange(14.0).reshape(2, 7),
        atomic_inter_scale=[0.8, 0.5], atomic_inter_shift=[0.1, -0.2],
    )  # fmt: skip
    torch.save(model, tmp_path / "two.model")
    name, mols = f"mace:{tmp_path / 'two.model'}", molecules(4)
    calculators = require("mace.calculators", encoder="mace", extra="mace")
    features, found = [], {}
    for head in ("pt_head", "Default"):
        encoder = load_encoder(name, head=head, dtype="float64")
        found[head] = energies(encoder, mols)
        features.append(extract(encoder, mols, progress=False).values)
        calculator = calculators.MACECalculator(models=model, default_dtype="float64", head=head)
        for atoms, energy in zip(mols, found[head], strict=True):
            assert abs(calculator.get_potential_energy(atoms) - energy) < 1e-9
    assert np.abs(found["pt_head"] - found["Default"]).min() > 0.1
    undecided = load_encoder(name, dtype="float64")
    features.append(extract(undecided, mols, progress=False).values)
    assert np.array_equal(features[0], features[1])
    assert np.array_equal(features[0], features[2])
    with pytest.raises(ValueError, match="choose one with head=, of 'pt_head', 'Default'"):
        energies(undecided, mols)
    with pytest.raises(ValueError, match="head of .* 'default'; did you mean 'Default'"):
        load_encoder(name, head="default")


@pytest.fixture(scope="module")
def settings():
    """What mace-torch says of a model of :func:`build`, and the same as text."""
    utils = require("mace.tools.scripts_utils", encoder="mace", extra="mace")
    config = utils.extract_config_mace_model(build())
    return config, utils.convert_to_json_format(dict(config))


@pytest.mark.parametrize("form", ["state", "checkpoint", "safetensors", "together"])
def test_tensors_beside_their_settings_equal_the_model(form, settings, tmp_path):
    model, file = build(), tmp_path / "own.pt"
    state = model.state_dict()
    if form == "together":
        torch.save({"state_dict": state, "config": settings[0]}, file)
    else:
        file.with_suffix(".json").write_text(json.dumps(settings[1]))
        if form == "safetensors":
            file = file.with_suffix(".safetensors")
            save_file({key: value.contiguous() for key, value in state.items()}, file)
        else:
            torch.save(state if form == "state" else {"model": state, "epoch": 3}, file)
    same_model(file, model)


def test_tensors_without_settings_are_refused(settings, tmp_path):
    file = tmp_path / "own.pt"
    torch.save(build().state_dict(), file)
    with pytest.raises(ValueError, match="tensors without settings.* beside it in own.json"):
        load_encoder(f"mace:{file}")
    for wrong, reason in [
        ({"hidden_irreps": "8x0e"}, "places without a tensor|size mismatch"),
        ({"gate": "sine"}, "unknown activation 'sine'"),
        ({"r_max": 6.0}, "r_max is 6.0 in the settings and .* in the tensors"),
        ({"avg_num_neighbors": ...}, "the settings lack avg_num_neighbors"),
        ({"interaction_cls": "<class 'mace.modules.blocks.Other'>"}, "'Other'"),
    ]:
        given = {k: v for k, v in (settings[1] | wrong).items() if v is not ...}
        file.with_suffix(".json").write_text(json.dumps(given))
        with pytest.raises(ValueError, match=reason):
            load_encoder(f"mace:{file}")
    torch.save({"config": settings[0], **build().state_dict()}, tmp_path / "flat.pt")
    with pytest.raises(ValueError, match="or under 'state_dict' beside 'config'"):
        load_encoder(f"mace:{tmp_path / 'flat.pt'}")
    file.with_suffix(".json").write_text("[1]")
    with pytest.raises(ValueError, match="own.json"):
        load_encoder(f"mace:{file}")


class SoftTransform(torch.nn.Module):
    """The transform of this name in mace-torch 0.3.5 to 0.3.9: other parameters."""

    def __init__(self):
        super().__init__()
        self.register_buffer("a", torch.tensor(0.2))
        self.register_buffer("b", torch.tensor(3.0))


def test_models_that_cannot_be_built_again_are_refused_with_the_reason(tmp_path, monkeypatch):
    file = tmp_path / "own.model"

    def refused(model, reason):
        torch.save(model, file)
        with pytest.raises(ValueError, match=f"(?s){reason}"):
            load_encoder(f"mace:{file}")

    model = build()
    model.products[0].use_sc = True  # the first block of this kind has nothing to add
    refused(model, r"products.0.use_sc is True, built as False.*python -c .*own.model")
    model = build()
    model.temperature = 300.0  # as a later version might have it
    refused(model, "temperature is 300.0, and not known to the library")
    model = build()
    model.readouts[0].extra = torch.nn.Linear(2, 2)
    refused(model, "tensors without a place .*readouts.0.extra.weight")
    model = build()
    model.radial_embedding.cutoff_fn.p = torch.tensor(5.5)
    refused(model, "exponent 5.5")
    model = build()
    model.radial_embedding.distance_transform = SoftTransform()
    refused(model, "replaced by another of the same name. Nothing converts it")
    library = ModuleType("cuequivariance_torch")
    library.Linear = type("Linear", (torch.nn.Module,), {"__module__": library.__name__})
    monkeypatch.setitem(sys.modules, library.__name__, library)
    model = build()
    model.interactions[0].linear = library.Linear()
    refused(model, "mace_cueq_to_e3nn own.model --output_model e3nn.model --return_model")


def test_files_of_other_forms_are_refused_with_what_to_give_instead(tmp_path):
    from mace.calculators.lammps_mace import LAMMPS_MACE

    compiled, old, wrapped = (tmp_path / f"{n}.model" for n in ("my_compiled", "old", "lammps"))
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), compiled)
    with pytest.raises(ValueError, match=r"it is compiled \(TorchScript\).*the .model"):
        load_encoder(f"mace:{compiled}")
    model = build()
    torch.save(LAMMPS_MACE(model), wrapped)
    with pytest.raises(ValueError, match="holds a LAMMPS_MACE.* give the .model that it was made"):
        load_encoder(f"mace:{wrapped}")
    torch.save(model, old, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="before version 1.6.* torch.save.model, 'new.model'"):
        load_encoder(f"mace:{old}")


def test_the_command_of_a_refusal_converts_the_model(tmp_path):
    model, file = build(), tmp_path / "own.model"
    model.temperature = 0.5
    torch.save(model, file)
    with pytest.raises(ValueError, match="run there") as refusal:
        load_encoder(f"mace:{file}")
    (command,) = re.findall(r"^  (python -c .*)$", str(refusal.value), flags=re.MULTILINE)
    arguments = [sys.executable, "-W", "ignore", *shlex.split(command)[1:]]
    subprocess.run(arguments, check=True, cwd=tmp_path, capture_output=True)
    same_model(tmp_path / "model.pt", build())
