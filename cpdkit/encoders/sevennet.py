"""SevenNet: equivariant message passing (NequIP architecture), pretrained on crystals.

Park et al., J. Chem. Theory Comput. 2024, 20, 4857, doi:10.1021/acs.jctc.4c00190. The weights
come with the `sevenn` package (GPL-3), which is not a dependency of this one.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cpdkit.encoders._base import Encoder, Layer
from cpdkit.encoders._e3nn import restore_couplings
from cpdkit.encoders._graph import Graph, collate
from cpdkit.encoders._hooks import capture
from cpdkit.encoders._info import MPTRJ, EncoderInfo
from cpdkit.encoders._optional import require, undo_import_effects
from cpdkit.encoders._torch_file import load_inert

__all__ = ["ABOUT", "SevenNet", "sevennet_0", "sevennet_l3i5"]


def _about(vectors: str, parameters: int) -> EncoderInfo:
    layers = {f"interaction_{i}": vectors for i in range(1, 5)}
    return EncoderInfo(
        family="SevenNet (NequIP without parity), doi:10.1021/acs.jctc.4c00190",
        trained_on="MPtrj: relaxations of the Materials Project, PBE and PBE+U",
        elements=MPTRJ,
        layers={**layers, "interaction_5": "128x0e"},
        parameters=parameters,
        weights="in the package sevenn 0.10.4",
        licence="GPL-3.0",
        packages=("torch", "vesin", "sevenn"),
        extra="sevennet",
    )


ABOUT = {
    "sevennet-0": _about("128x0e+64x1e+32x2e", 842_623),
    "sevennet-l3i5": _about("128x0e+64x1e+32x2e+32x3e", 1_171_327),
}

# SHA-256 of the checkpoints in the wheel of sevenn 0.10.4.
_CHECKPOINTS = {
    "sevennet-0": (
        "SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        "7052cb42b7b3be42b40b97fa0d21077a48c54b5548948fc4dcf346629f813c36",
    ),
    "sevennet-l3i5": (
        "SevenNet_l3i5/checkpoint_l3i5.pth",
        "a7ff190d41efe5b8317a03d20a468e4036a1a3e64e0b14fdbab64ac3f4bfc09d",
    ),
}


def _read_checkpoint(path: Path, sha256: str) -> dict[str, Any]:
    """Read a checkpoint without unpickling more than tensors and the few types named here."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(f"{path} has SHA-256 {found}, expected {sha256}; reinstall sevenn 0.10.")
    # The configuration holds numpy arrays, pickled under numpy 1's module name.
    allowed: list[Any] = [
        (np.empty(0).__reduce__()[0], "numpy.core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        type(np.dtype("float32")),
        type(np.dtype("float64")),
    ]
    return load_inert(path, allowed)


class SevenNet(Encoder):
    """Node features of a SevenNet model after each interaction block.

    Layers are called ``"interaction_1"`` and so on; their irreps are those of the block's gate.
    The pretrained models were built without parity, so every irrep carries the label ``e``:
    features turn under rotations as their degree says, and have no definite sign under
    inversion. Components of l=1 are in e3nn's order (x, y, z).

    Parameters
    ----------
    name : {"sevennet-0", "sevennet-l3i5"}
        The checkpoint.
    dtype : {"float32", "float64"}
        Precision.

    Raises
    ------
    ImportError
        If sevenn is not installed.
    ValueError
        If the checkpoint in the installed package is not the one this was written for.
    """

    libraries = ("sevenn", "e3nn", "vesin")

    def __init__(self, name: str = "sevennet-0", *, dtype: str = "float32") -> None:
        package = require("sevenn", encoder=name, extra="sevennet")
        util = require("sevenn.util", encoder=name, extra="sevennet")
        require("sevenn.model_build", encoder=name, extra="sevennet")
        file, sha256 = _CHECKPOINTS[name]
        path = Path(package.__path__[0], "pretrained_potentials", file)
        with undo_import_effects(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the library's notes on options of old checkpoints
            network, _ = util.model_from_checkpoint(_read_checkpoint(path, sha256))
        # Forces need gradients and are not wanted; the energy stays, as a check.
        network.delete_module_by_key("force_output")
        network.key_grad = None
        network.set_is_batch_data(True)
        gates = [key for key in network._modules if key.endswith("_equivariant_gate")]
        super().__init__(
            name=name,
            model=network,
            layers=[
                Layer(f"interaction_{i}", str(network._modules[key].gate.irreps_out))
                for i, key in enumerate(gates, start=1)
            ],
            elements=network.type_map,
            cutoff=float(network.cutoff),
            dtype=dtype,
        )
        restore_couplings(self.model)
        self._gates = gates
        # sevenn casts the one-hot elements to float32 whatever the model's precision.
        network.onehot_idx_to_onehot.register_forward_hook(self._cast)

    def _cast(self, _module: Any, _args: Any, data: dict[str, torch.Tensor]) -> None:
        for key in ("x", "node_attr"):
            data[key] = data[key].to(self.dtype)

    def inputs(self, graphs: Sequence[Graph]) -> dict[str, torch.Tensor]:
        """What the model's own forward pass takes."""
        batch = collate(graphs, dtype=self.dtype, device=self.device)
        return {
            "x": batch.numbers,
            "atomic_numbers": batch.numbers,
            "pos": batch.positions,
            "edge_index": batch.edges,
            "edge_vec": batch.vectors,
            "num_atoms": batch.n_atoms,
            "batch": batch.structure,
        }

    @torch.no_grad()
    def _run(self, graphs: Sequence[Graph]) -> tuple[list[torch.Tensor], torch.Tensor]:
        data = self.inputs(graphs)
        with capture(self.model, self._gates, read=lambda _, output: output["x"]) as features:
            energy = self.model(data)["inferred_total_energy"]
        return features, energy

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return self._run(graphs)[0]

    def energy(self, graphs: Sequence[Graph]) -> torch.Tensor:
        """The model's own energies in eV, shape (n_graphs,), from the pass that gives features."""
        return self._run(graphs)[1]


def sevennet_l3i5(*, dtype: str = "float32") -> SevenNet:
    """SevenNet-l3i5: as SevenNet-0 with degree 3, ``128x0e+64x1e+32x2e+32x3e``."""
    return SevenNet("sevennet-l3i5", dtype=dtype)


def sevennet_0(*, dtype: str = "float32") -> SevenNet:
    """SevenNet-0 of 11 July 2024: five blocks of ``128x0e+64x1e+32x2e``, the last ``128x0e``."""
    return SevenNet("sevennet-0", dtype=dtype)
