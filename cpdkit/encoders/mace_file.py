"""MACE models from files: built again by the installed mace-torch, and nothing in a file is run.

mace-torch saves whole pickled modules. An ordinary load imports and calls what the file names; here
every such name becomes an inert record with the same class name. Settings and tensors are read off
these records, the library builds the model, and what it built is compared with what was saved.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load_file

from cpdkit.encoders._optional import undo_import_effects
from cpdkit.encoders._torch_file import load_inert, unsafe_names
from cpdkit.encoders.mace_settings import (
    irreps_of,
    numbers_of,
    settings_of_module,
    settings_of_text,
    whole,
)

__all__ = ["Inert", "read_inert", "read_mace", "tensors"]

_SETTINGS = "s.convert_to_json_format(s.extract_config_mace_model(model))"
_CONVERT = f"""\
If the mace-torch that wrote it still loads it, run there

  python -c "import json, sys, torch; from mace.tools import scripts_utils as s; \
model = torch.load(sys.argv[1], map_location='cpu', weights_only=False); \
torch.save(model.state_dict(), 'model.pt'); \
json.dump({_SETTINGS}, open('model.json', 'w'))" FILE

and give 'mace:model.pt' with model.json beside it."""

# Follow from other tensors or from settings, and are stored by some versions only.
_DERIVED = re.compile(
    r"_w3j_\d+_\d+_\d+$|\.weights_\w+_zeroed$|^(r_max|atomic_numbers|num_interactions)$"
)
# Until 2024 ZBL had a radius and a cutoff of its own, and did not use them. Until 2025 gates were
# those of e3nn, with empty tensors; mace-torch's own compute the same.
_UNUSED = re.compile(
    r"^pair_repulsion_fn\.(r_max|cutoff\.(p|r_max))$|\.equivariant_nonlin\.mul\.(weight|output_mask)$"
)
_COUPLING = re.compile(r"\.contractions\.\d+\.(U_matrix_\d+|weights_max|weights\.\d+)$")
_ARRAYS = {
    "atomic_energies": "atomic_energies_fn.atomic_energies",
    "atomic_inter_scale": "scale_shift.scale",
    "atomic_inter_shift": "scale_shift.shift",
}
# Parts that are not compared: all that counts in them is their tensors; or they are unused.
_PASSED = ("contractions", "cutoff")


class Inert:
    """Stands for an object of a pickle: its arguments and its state, nothing else."""

    origin = ""
    _args: tuple[Any, ...]

    def __new__(cls, *args: Any) -> Inert:
        """Keep the arguments here: a pickle may create objects without ``__init__``."""
        self = super().__new__(cls)
        self._args = args
        return self

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)
        else:
            self._state = state

    def __getattr__(self, name: str) -> Any:
        # Only called when ordinary lookup fails: look where torch modules keep their parts.
        for part in ("_modules", "_parameters", "_buffers"):
            content = self.__dict__.get(part)
            if content and name in content:
                return content[name]
        raise AttributeError(f"{type(self).__name__} in the file has no {name!r}")

    def __getitem__(self, index: int) -> Any:
        return list(self.__dict__["_modules"].values())[index]

    def __hash__(self) -> int:
        return id(self)


def read_inert(path: str | os.PathLike[str]) -> Any:
    """Read `path`, every class and function in it replaced by an inert record.

    Raises
    ------
    ValueError
        If the file is not such a file, is cut short, was altered, or names what torch refuses
        under all circumstances.
    """
    stand_ins = [
        (type(name.rpartition(".")[2], (Inert,), {"origin": name}), name)
        for name in unsafe_names(path)
    ]
    return load_inert(path, stand_ins)


def tensors(module: Inert, prefix: str = "") -> dict[str, torch.Tensor]:
    """State dict of an inert module: its parameters and persistent buffers."""
    found: dict[str, torch.Tensor] = {}
    transient = module.__dict__.get("_non_persistent_buffers_set") or ()
    for part in ("_parameters", "_buffers"):
        for name, value in (module.__dict__.get(part) or {}).items():
            if isinstance(value, torch.Tensor) and name not in transient:
                found[prefix + name] = value.detach()
    for name, child in (module.__dict__.get("_modules") or {}).items():
        if isinstance(child, Inert):
            found.update(tensors(child, f"{prefix}{name}."))
    return found


def read_mace(path: Path, modules: Any) -> Any:
    """The model in a file, built by mace-torch in double precision.

    Parameters
    ----------
    path : Path
        A pickled MACE or ScaleShiftMACE; or its tensors, written by ``torch.save`` or safetensors,
        with the settings in a file of the same name that ends in ``.json``; or a dict with the
        tensors under ``"state_dict"`` and the settings under ``"config"``. Settings are
        those of mace-torch's ``extract_config_mace_model``.
    modules : module
        ``mace.modules``.

    Raises
    ------
    ValueError
        If the installed library cannot build what was saved; says why and what to do.
    """
    if path.suffix == ".safetensors":
        try:
            record: Any = load_file(path)
        except safetensors.SafetensorError as error:
            raise ValueError(f"{path} cannot be read as a safetensors file: {error}.") from error
    else:
        record = read_inert(path)
    kind = type(record).__name__
    if isinstance(record, Mapping):
        return _build_from_tensors(path, record, modules)
    if kind.startswith("LAMMPS"):
        raise ValueError(
            f"{path} holds a {kind}, a model wrapped for LAMMPS; give the .model that it was made "
            "of, or save that where it was made: torch.save(wrapped.model, 'my.model')."
        )
    if kind not in ("MACE", "ScaleShiftMACE"):
        raise ValueError(f"{path} holds a {kind}; expected a MACE or ScaleShiftMACE module.")
    try:
        model = _build(getattr(modules, kind), settings_of_module(record, modules), tensors(record))
        _restore(record, model)
        found = list(_differences(record, model, kind))
        if found:
            raise ValueError(f"what was built is not what was saved: {'; '.join(found[:5])}")
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} holds a {kind} that the installed mace-torch cannot build again: "
            f"{_reason(record, error)}".replace("FILE", path.name)
        ) from error
    return model


def _reason(record: Inert, error: Exception) -> str:
    """Why a model cannot be built again, and what to do."""
    if "SoftTransform.a" in {f"{type(r).__name__}.{k}" for r in _parts(record) for k in tensors(r)}:
        return (
            "its radial transform 'Soft' is that of mace-torch 0.3.5 to 0.3.9, which later "
            "versions replaced by another of the same name. Nothing converts it."
        )
    if any(part.origin.startswith("cuequivariance") for part in _parts(record)):
        return (
            "it was saved with the layers of cuequivariance. Where that is installed, run\n\n"
            "  mace_cueq_to_e3nn FILE --output_model e3nn.model --return_model\n\n"
            "and give 'mace:e3nn.model'."
        )
    if "joint_embedding" in record._modules:
        return "its features depend on charge, spin or other inputs besides the structure."
    return f"{error}. {_CONVERT}"


def _build_from_tensors(path: Path, record: Mapping[str, Any], modules: Any) -> Any:
    state = next((record[key] for key in ("state_dict", "model") if key in record), record)
    if not state or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(
            f"{path} holds a {type(record).__name__} without a model's tensors; they stand alone, "
            "or under 'state_dict' beside 'config'."
        )
    beside = path.with_suffix(".json")
    if "config" not in record and not beside.is_file():
        raise ValueError(
            f"{path} holds tensors without settings, and these do not follow from them (the "
            f"average number of neighbours, the activation); put them beside it in {beside.name}. "
            f"Where the model was trained: {_SETTINGS} with s = mace.tools.scripts_utils."
        )
    try:
        config = record["config"] if "config" in record else json.loads(beside.read_text())
        settings = settings_of_text(config, modules)
        for key, tensor in _ARRAYS.items():
            if key in settings:  # these are among the tensors, whose shape is needed
                settings[key] = state[tensor].double().numpy()
        kind = modules.ScaleShiftMACE if "atomic_inter_scale" in settings else modules.MACE
        _agree(settings, state, modules.MACE)
        return _build(kind, settings, dict(state))
    except (KeyError, RuntimeError, SyntaxError, TypeError, ValueError) as error:
        where = path if "config" in record else beside
        raise ValueError(f"no model can be built of {path} and {where}: {error}") from error


def _agree(settings: Mapping[str, Any], state: Mapping[str, torch.Tensor], kind: Any) -> None:
    """Refuse settings that lack what is needed, or say another thing than the tensors."""
    known = inspect.signature(kind).parameters.values()
    needed = {p.name for p in known if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    if absent := sorted(needed - set(settings)):
        raise ValueError(f"the settings lack {', '.join(absent)}")
    for name in ("r_max", "num_interactions", "atomic_numbers"):
        if name in state and not np.allclose(state[name].double().flatten(), settings[name]):
            stored = state[name].tolist()
            raise ValueError(
                f"{name} is {settings[name]} in the settings and {stored} in the tensors"
            )


def _build(kind: Any, settings: dict[str, Any], state: dict[str, torch.Tensor]) -> Any:
    """A `kind` of these settings and tensors; tensors that follow from settings may be missing."""
    if settings["num_interactions"] == 1:
        settings = settings | {"hidden_irreps": whole(settings["hidden_irreps"])}
    with undo_import_effects(torch.float64):
        warnings.filterwarnings("ignore", message="The TorchScript type system")
        model = kind(**settings)
    own, state = model.state_dict(), _renamed(state)
    for key, value in state.items():
        if _COUPLING.search(key) and key in own and own[key].shape != value.shape:
            # Coupling matrices of another basis, such as the reduced one of cuequivariance.
            place, _, name = key.rpartition(".")
            value = value.to(own[key].dtype)
            part = model.get_submodule(place)
            if name.startswith("U_"):
                part.register_buffer(name, value.clone())
            else:
                part.register_parameter(name, torch.nn.Parameter(value.clone()))
    left = model.load_state_dict(state, strict=False)
    missing = [key for key in left.missing_keys if not _DERIVED.search(key)]
    unexpected = [
        key for key in left.unexpected_keys if not (_DERIVED.search(key) or _UNUSED.search(key))
    ]
    if missing or unexpected:
        raise ValueError(
            f"tensors without a place {unexpected[:5]}, places without a tensor {missing[:5]}"
        )
    return model


def _renamed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """`state` with today's keys.

    In early 2022 contractions were named after their irrep, and their weights after the number of
    factors.
    """
    renamed: dict[str, torch.Tensor] = {}
    order: dict[str, list[str]] = {}
    for key, value in state.items():
        if match := re.fullmatch(r"(.+\.contractions)\.(\d*x?\d[eo])\.(.+)", key):
            before, irrep, name = match.groups()
            irreps = order.setdefault(before, [])
            if irrep not in irreps:
                irreps.append(irrep)
            if weight := re.fullmatch(r"weights\.(\d+)", name):
                factors = sum(other.startswith(f"{before}.{irrep}.U_matrix_") for other in state)
                below = factors - int(weight[1])
                name = f"weights.{below - 1}" if below else "weights_max"
            key = f"{before}.{irreps.index(irrep)}.{name}"
        renamed[key] = value
    return renamed


def _children(record: Inert) -> dict[str, Inert]:
    found = record.__dict__.get("_modules") or {}
    return {name: child for name, child in found.items() if isinstance(child, Inert)}


def _parts(record: Inert) -> Iterator[Inert]:
    yield record
    for child in _children(record).values():
        yield from _parts(child)


def _restore(record: Inert, module: Any) -> None:
    """Give `module` the numbers that count and are not tensors, as they are in the file."""
    for name in ("avg_num_neighbors", "cst"):
        if name in record.__dict__ and hasattr(module, name):
            setattr(module, name, numbers_of(record.__dict__[name])[0])
    for name, child in _children(record).items():
        if hasattr(module, name):
            _restore(child, getattr(module, name))


def _differences(record: Inert, module: Any, path: str) -> Iterator[str]:
    """Where the module that was built is not what the file describes."""
    saved_kind, built_kind = type(record).__name__, type(module).__name__
    if (saved_kind, built_kind) == ("Gate", "GatedEquivariantBlock"):
        return
    if saved_kind != built_kind:
        yield f"{path} is a {saved_kind}, built as a {built_kind}"
        return
    for name, value in record.__dict__.items():
        saved = _comparable(value)
        if name.startswith("_") or name == "training" or saved is None:
            continue
        if hasattr(module, name):
            built = _comparable(getattr(module, name))
            if built is not None and saved != built:
                yield f"{path}.{name} is {saved}, built as {built}"
        elif saved and record.origin.startswith("mace."):
            yield f"{path}.{name} is {saved}, and not known to the library"
    children, parts = _children(record), dict(module.named_children())
    for name in sorted(children.keys() | parts.keys()):
        if name in _PASSED or name.startswith("_compiled"):
            continue
        if name in children and name in parts:
            yield from _differences(children[name], parts[name], f"{path}.{name}")
        else:
            yield f"{path}.{name} is only in the {'file' if name in children else 'library'}"


def _comparable(value: Any) -> Any:
    """A setting in a form that records and live objects share; None for what is not compared."""
    kind = type(value).__name__
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return float(f"{value:.6g}")
    if kind == "Irreps":
        return str(irreps_of(value).simplify())
    if kind == "Instruction":
        return _comparable(value._args if isinstance(value, Inert) else tuple(value))
    if isinstance(value, (list, tuple)):
        items = [_comparable(item) for item in value]
        if items and type(value[0]).__name__ == "Instruction" and len(items[0]) == 4:
            # Of a linear map, where equal inputs are one block in some versions, several in others.
            return sorted({(output, weight) for _, output, _, weight in items})
        return items
    return None
