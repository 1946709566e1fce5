"""Constructor arguments of a MACE model, read off the inert records of its file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cpdkit._messages import unknown
from cpdkit.encoders._inert import Inert

__all__ = ["hyperparameters"]

# Name of the class in the file: mace-torch's name, and how many functions it has.
_RADIAL: dict[str, tuple[str, Callable[[Any], int]]] = {
    "BesselBasis": ("bessel", lambda basis: len(basis.bessel_weights)),
    "GaussianBasis": ("gaussian", lambda basis: basis.gaussian_weights.numel()),
    "ChebychevBasis": ("chebyshev", lambda basis: int(basis.num_basis)),
}


def _irreps(record: Any) -> str:
    """Text of an inert ``e3nn.o3.Irreps``."""
    terms = []
    for term in record._args[0]:
        mul, irrep = term._args[0]
        degree, parity = irrep._args[0]
        terms.append(f"{mul}x{degree}{'e' if parity == 1 else 'o'}")
    return "+".join(terms)


def hyperparameters(record: Inert, modules: Any) -> dict[str, Any]:
    """Arguments for MACE's constructor, as ``extract_config_mace_model`` of mace-torch reads them
    from a live model."""
    from e3nn import o3

    def classes(entry: Any, table: dict[str, Any]) -> Any:
        label = type(entry).__name__
        if label not in table:
            raise ValueError(unknown("MACE block in the model file:", label, table))
        return table[label]

    radial = record.radial_embedding
    basis = type(radial.bessel_fn).__name__
    if basis not in _RADIAL:
        raise ValueError(unknown("radial basis in the model file:", basis, _RADIAL))
    products = list(record.products._modules.values())
    contractions = [product.symmetric_contractions.contractions[0] for product in products]
    outputs = [_irreps(product.linear.irreps_out) for product in products]
    edges = getattr(record, "edge_irreps", None)
    readout = record.readouts[-1]
    transform = type(getattr(radial, "distance_transform", None)).__name__
    heads = getattr(record, "heads", None) or ["Default"]
    scalars = 16
    if hasattr(readout, "hidden_irreps"):
        scalars = o3.Irreps(_irreps(readout.hidden_irreps)).count("0e") // len(heads)
    blocks = {
        name: value
        for name, value in vars(modules).items()
        if isinstance(value, type) and name.endswith("InteractionBlock")
    }
    gate = None
    if hasattr(readout, "non_linearity"):
        gate = _activation(readout.non_linearity.acts[0])
    arguments: dict[str, Any] = {
        "r_max": float(record.r_max),
        "num_bessel": _RADIAL[basis][1](radial.bessel_fn),
        "num_polynomial_cutoff": int(radial.cutoff_fn.p),
        "max_ell": record.spherical_harmonics._lmax,
        "interaction_cls": classes(record.interactions[-1], blocks),
        "interaction_cls_first": classes(record.interactions[0], blocks),
        "num_interactions": int(record.num_interactions),
        "num_elements": len(record.atomic_numbers),
        "hidden_irreps": o3.Irreps(outputs[0]),
        "keep_last_layer_irreps": len(outputs) > 1 and outputs[0] == outputs[-1],
        "edge_irreps": None if edges is None else o3.Irreps(_irreps(edges)),
        "use_edge_irreps_first": getattr(record, "use_edge_irreps_first", False),
        "MLP_irreps": o3.Irreps(f"{scalars}x0e"),
        "atomic_energies": record.atomic_energies_fn.atomic_energies.numpy(),
        "avg_num_neighbors": float(record.interactions[0].avg_num_neighbors),
        "atomic_numbers": record.atomic_numbers.tolist(),
        "correlation": [1 + len(c.weights._parameters) for c in contractions],
        "gate": gate,
        "pair_repulsion": "pair_repulsion_fn" in record._modules,
        "apply_cutoff": getattr(record, "apply_cutoff", True),
        "use_reduced_cg": getattr(record, "use_reduced_cg", False),
        "use_so3": getattr(record, "use_so3", False),
        "use_agnostic_product": getattr(record, "use_agnostic_product", False),
        "use_last_readout_only": getattr(record, "use_last_readout_only", False),
        "radial_type": _RADIAL[basis][0],
        "distance_transform": {"AgnesiTransform": "Agnesi", "SoftTransform": "Soft"}.get(
            transform, "None"
        ),
        "heads": heads,
    }
    if hasattr(record.interactions[0].conv_tp_weights, "hs"):
        arguments["radial_MLP"] = list(record.interactions[0].conv_tp_weights.hs[1:-1])
    if "scale_shift" in record._modules:
        arguments["atomic_inter_scale"] = record.scale_shift.scale.numpy()
        arguments["atomic_inter_shift"] = record.scale_shift.shift.numpy()
    return arguments


def _activation(record: Any) -> Any:
    """Function that an inert ``normalize2mom`` scales; None where there is no activation."""
    if record is None:
        return None
    function = record.f
    name = function.__name__ if isinstance(function, type) else type(function).__name__
    if name == "getattr":  # how builtin functions such as torch.tanh are pickled
        name = function._args[1]
    known = {"SiLU": torch.nn.SiLU(), "abs": torch.abs, "tanh": torch.tanh}
    known |= {key: getattr(torch.nn.functional, key) for key in ("silu", "relu", "gelu")}
    if name not in known:
        raise ValueError(unknown("activation in the model file:", name, known))
    return known[name]
