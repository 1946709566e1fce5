"""Constructor arguments of a MACE model, read off the inert records of its file."""

from __future__ import annotations

from typing import Any

import torch

from cpdkit._messages import unknown
from cpdkit.encoders._inert import Inert

__all__ = ["hyperparameters"]


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
    contraction = record.products[0].symmetric_contractions.contractions[0]
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
        gate = _activation(readout.non_linearity)
    arguments: dict[str, Any] = {
        "r_max": float(record.r_max),
        "num_bessel": len(radial.bessel_fn.bessel_weights),
        "num_polynomial_cutoff": int(radial.cutoff_fn.p),
        "max_ell": record.spherical_harmonics._lmax,
        "interaction_cls": classes(record.interactions[-1], blocks),
        "interaction_cls_first": classes(record.interactions[0], blocks),
        "num_interactions": int(record.num_interactions),
        "num_elements": len(record.atomic_numbers),
        "hidden_irreps": o3.Irreps(_irreps(record.products[0].linear.irreps_out)),
        "MLP_irreps": o3.Irreps(f"{scalars}x0e"),
        "atomic_energies": record.atomic_energies_fn.atomic_energies.numpy(),
        "avg_num_neighbors": float(record.interactions[0].avg_num_neighbors),
        "atomic_numbers": record.atomic_numbers.tolist(),
        "correlation": 1 + len(contraction.weights._parameters),
        "gate": gate,
        "pair_repulsion": "pair_repulsion_fn" in record._modules,
        "apply_cutoff": getattr(record, "apply_cutoff", True),
        "use_reduced_cg": getattr(record, "use_reduced_cg", False),
        "use_so3": getattr(record, "use_so3", False),
        "use_agnostic_product": getattr(record, "use_agnostic_product", False),
        "use_last_readout_only": getattr(record, "use_last_readout_only", False),
        "radial_type": {"BesselBasis": "bessel"}[type(radial.bessel_fn).__name__],
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


def _activation(record: Inert) -> Any:
    function = record.acts[0].f
    name = function.__name__ if isinstance(function, type) else type(function).__name__
    known = {"silu": torch.nn.functional.silu, "SiLU": torch.nn.SiLU(), "tanh": torch.tanh}
    if name not in known:
        raise ValueError(unknown("activation in the model file:", name, known))
    return known[name]
