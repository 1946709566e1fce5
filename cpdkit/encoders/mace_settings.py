"""Arguments of MACE's constructor, from a model that was saved or from settings in text.

Both follow ``extract_config_mace_model`` of mace-torch, which reads them from a live model. Where a
file is older than a setting, the shapes and the number of its parts tell the value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from cpdkit._messages import unknown

__all__ = ["irreps_of", "numbers_of", "settings_of_module", "settings_of_text", "whole"]

# Name of the class in the file: mace-torch's name, and how many functions it has.
_RADIAL: dict[str, tuple[str, Callable[[Any], int]]] = {
    "BesselBasis": ("bessel", lambda basis: len(basis.bessel_weights)),
    "GaussianBasis": ("gaussian", lambda basis: basis.gaussian_weights.numel()),
    "ChebychevBasis": ("chebyshev", lambda basis: basis.n.numel()),
}
_TRANSFORMS = {"AgnesiTransform": "Agnesi", "SoftTransform": "Soft", "NoneType": "None"}
_ACTIVATIONS = {"SiLU": torch.nn.SiLU(), "abs": torch.abs, "tanh": torch.tanh} | {
    name: getattr(torch.nn.functional, name) for name in ("silu", "relu", "gelu")
}
_WORDS = ("radial_type", "distance_transform")


def settings_of_module(record: Any, modules: Any) -> dict[str, Any]:
    """Arguments that build the MACE or ScaleShiftMACE of a pickle, from its inert record.

    Parameters
    ----------
    record : Inert
        See :func:`cpdkit.encoders.mace_file.read_inert`.
    modules : module
        ``mace.modules``.

    Raises
    ------
    AttributeError
        If the record lacks what every version had.
    ValueError
        If it names parts that the installed library does not know.
    """
    radial, interactions = record.radial_embedding, list(record.interactions._modules.values())
    products, readout = list(record.products._modules.values()), record.readouts[-1]
    contractions = [product.symmetric_contractions.contractions[0] for product in products]
    outputs = [irreps_of(product.linear.irreps_out) for product in products]
    harmonics = irreps_of(record.spherical_harmonics.irreps_out)
    energies = record.atomic_energies_fn.atomic_energies.double().numpy()
    elements = [int(number) for number in numbers_of(record.atomic_numbers)]
    heads = list(getattr(record, "heads", None) or ["Default"])
    if len(heads) != len(np.atleast_2d(energies)):
        raise ValueError(f"it has {len(np.atleast_2d(energies))} heads, named {heads}")
    exponent = int(radial.cutoff_fn.p)
    if exponent != float(radial.cutoff_fn.p):
        raise ValueError(f"its cutoff has the exponent {float(radial.cutoff_fn.p)}, not an integer")
    edges = getattr(record, "edge_irreps", None)
    radial_type, count = _look_up(radial.bessel_fn, _RADIAL, "radial basis")
    blocks = vars(modules.blocks)
    transform = getattr(radial, "distance_transform", None)
    widths = getattr(interactions[0], "radial_MLP", None)
    arguments: dict[str, Any] = {
        "r_max": numbers_of(getattr(record, "r_max", radial.cutoff_fn.r_max))[0],
        "num_bessel": count(radial.bessel_fn),
        "num_polynomial_cutoff": exponent,
        "max_ell": harmonics.lmax,
        "interaction_cls": _look_up(interactions[-1], blocks, "interaction"),
        "interaction_cls_first": _look_up(interactions[0], blocks, "interaction"),
        "num_interactions": len(interactions),
        "num_elements": len(elements),
        "hidden_irreps": outputs[0],
        "keep_last_layer_irreps": len(outputs) > 1 and outputs[0] == outputs[-1],
        "edge_irreps": None if edges is None else irreps_of(edges),
        "use_edge_irreps_first": getattr(record, "use_edge_irreps_first", False),
        "MLP_irreps": irreps_of("16x0e"),
        "atomic_energies": energies,
        "avg_num_neighbors": numbers_of(interactions[0].avg_num_neighbors)[0],
        "atomic_numbers": elements,
        "correlation": [sum(key.startswith("U_") for key in c._buffers) for c in contractions],
        "gate": None,
        "pair_repulsion": "pair_repulsion_fn" in record._modules,
        "apply_cutoff": getattr(record, "apply_cutoff", True),
        "use_reduced_cg": getattr(record, "use_reduced_cg", False),
        "use_so3": harmonics.lmax > 0 and all(irrep.ir.p == 1 for irrep in harmonics),
        "use_agnostic_product": getattr(record, "use_agnostic_product", False),
        "use_last_readout_only": len(record.readouts._modules) == 1 < len(outputs),
        "radial_MLP": list(widths or interactions[0].conv_tp_weights.hs[1:-1]),
        "radial_type": radial_type,
        "distance_transform": _look_up(transform, _TRANSFORMS, "distance transform"),
        "heads": heads,
    }
    if hasattr(readout, "hidden_irreps"):
        scalars = irreps_of(readout.hidden_irreps).count("0e") // len(heads)
        arguments["MLP_irreps"] = irreps_of(f"{scalars}x0e")
        arguments["readout_cls"] = _look_up(readout, blocks, "readout")
        arguments["gate"] = _activation(readout.non_linearity.acts[0])
    if "scale_shift" in record._modules:
        arguments["atomic_inter_scale"] = record.scale_shift.scale.double().numpy()
        arguments["atomic_inter_shift"] = record.scale_shift.shift.double().numpy()
    return arguments


def settings_of_text(config: Mapping[str, Any], modules: Any) -> dict[str, Any]:
    """Arguments that build a model, from ``extract_config_mace_model`` of mace-torch.

    Parameters
    ----------
    config : mapping
        As that function gives them, or made text by ``convert_to_json_format``.
    modules : module
        ``mace.modules``.

    Raises
    ------
    ValueError
        If they are other settings, or name what the installed library does not know.
    """
    if "interaction_cls" not in config or "atomic_numbers" not in config:
        raise ValueError(f"not the settings of a MACE model: {str(dict(config))[:80]}")
    settings: dict[str, Any] = {}
    for key, value in config.items():
        words = re.findall(r"[A-Za-z]\w+", getattr(value, "origin", str(value)))
        if isinstance(value, str) and value == "None" and key not in _WORDS:
            settings[key] = None
        elif key == "readout_cls" or key.startswith("interaction_cls"):
            if words[-1] not in vars(modules.blocks):
                raise ValueError(unknown(f"{key}", words[-1], vars(modules.blocks)))
            settings[key] = getattr(modules.blocks, words[-1])
        elif key == "gate" and value is not None:  # such as "<function silu at 0x7f...>"
            known = [word for word in words if word in _ACTIVATIONS]
            if not known:
                raise ValueError(unknown("activation", str(value), _ACTIVATIONS))
            settings[key] = _ACTIVATIONS[known[0]]
        elif key.endswith("_irreps") and value is not None:
            settings[key] = irreps_of(value if hasattr(value, "_args") else str(value))
        elif isinstance(value, str) and key not in _WORDS:
            settings[key] = ast.literal_eval(value)
        else:
            settings[key] = value
    settings["atomic_numbers"] = [int(number) for number in numbers_of(settings["atomic_numbers"])]
    return settings


def irreps_of(value: Any) -> Any:
    """``e3nn.o3.Irreps`` of an inert record of one, or of text, which early files hold instead."""
    from e3nn import o3

    if isinstance(value, (str, o3.Irreps)):
        return o3.Irreps(value)
    terms = [(term._args[0][0], term._args[0][1]._args[0]) for term in value._args[0]]
    return o3.Irreps([(multiplicity, tuple(irrep)) for multiplicity, irrep in terms])


def whole(irreps: Any) -> Any:
    """`irreps` whose first term is all of them.

    Of the features of a single interaction today's constructor keeps the first term; those of
    earlier versions kept all.
    """
    from e3nn import o3

    class Whole(o3.Irreps):
        def __getitem__(self, index: Any) -> Any:
            return o3.Irreps(self) if index == 0 else super().__getitem__(index)

    return Whole(irreps)


def numbers_of(value: Any) -> list[float]:
    """Numbers of a tensor, a list, a numpy array or scalar (inert, as pickled), or one number."""
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return value.flatten().tolist()
    if isinstance(value, (list, tuple)):
        return [number for item in value for number in numbers_of(item)]
    if isinstance(value, (int, float)):
        return [value]
    if type(value).__name__ == "scalar":
        kind, content = value._args
    elif type(value).__name__ == "_reconstruct":
        _, _, kind, _, content = value._state
    else:
        raise ValueError(f"a {type(value).__name__} stands where numbers are expected")
    order = kind._state[1].replace("|", "<")  # of one byte, or the machine's own
    return np.frombuffer(content, np.dtype(kind._args[0]).newbyteorder(order)).tolist()


def _look_up(record: Any, table: Mapping[str, Any], what: str) -> Any:
    name = type(record).__name__
    if name not in table:
        known = [key for key in table if what.lower() in key.lower()] or table
        raise ValueError(unknown(f"{what} in the file:", name, known).rstrip("."))
    return table[name]


def _activation(record: Any) -> Any:
    """Function that an inert ``normalize2mom`` scales; None where there is no activation."""
    if record is None:
        return None
    function = record.f
    name = function.__name__ if isinstance(function, type) else type(function).__name__
    if name == "getattr":  # how builtin functions such as torch.tanh are pickled
        name = function._args[1]
    if name not in _ACTIVATIONS:
        raise ValueError(unknown("activation in the file:", name, _ACTIVATIONS).rstrip("."))
    return _ACTIVATIONS[name]
