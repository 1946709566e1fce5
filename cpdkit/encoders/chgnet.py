"""CHGNet: a graph network with bond and angle features, pretrained on crystals.

Deng et al., Nat. Mach. Intell. 2023, 5, 1031, doi:10.1038/s42256-023-00716-3.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch

from cpdkit.encoders._base import Encoder, Layer
from cpdkit.encoders._graph import build_graph
from cpdkit.encoders._hooks import capture
from cpdkit.encoders._info import MPTRJ, EncoderInfo
from cpdkit.encoders._optional import require, undo_import_effects
from cpdkit.encoders._torch_file import load_inert

__all__ = ["ABOUT", "CHGNet"]

ABOUT = {
    "chgnet": EncoderInfo(
        family="CHGNet 0.3.0, graph network with angles, doi:10.1038/s42256-023-00716-3",
        trained_on="MPtrj: relaxations of the Materials Project, PBE and PBE+U",
        elements=MPTRJ,
        layers={"conv_1": "64x0e", "conv_2": "64x0e", "conv_3": "64x0e", "conv_4": "64x0e",
                "output": "64x0e"},
        parameters=412_525,
        weights="in the package chgnet 0.4.2",
        licence="BSD-3-Clause (modified)",
        packages=("torch", "vesin", "chgnet"),
        extra="chgnet",
    )
}  # fmt: skip

# SHA-256 of the checkpoint in the wheel of chgnet 0.4.2.
_FILE = "pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar"
_SHA256 = "d14ab7c0f093efe64b60a7bcd540bca10e74fb7f46c86108a079af60524659d1"


class CHGNet(Encoder):
    """Atom features of CHGNet 0.3.0 after each atom convolution.

    Layers ``"conv_1"`` to ``"conv_4"`` of ``64x0e``, and ``"output"``, the last one normalised as
    the readout sees it. Molecules are put into a box in which no atom sees another image. The
    library works in single precision throughout.

    Parameters
    ----------
    dtype : {"float32"}
        Precision; the library's graphs and bases are float32.

    Raises
    ------
    ImportError
        If chgnet is not installed.
    ValueError
        If `dtype` is not ``"float32"``, or the checkpoint is not the one this was written for.
    """

    libraries = ("chgnet",)

    def __init__(self, *, dtype: str = "float32") -> None:
        if str(dtype).removeprefix("torch.") != "float32":
            raise ValueError(f"chgnet works in float32 only; got dtype={dtype!r}.")
        package = require("chgnet", encoder="chgnet", extra="chgnet")
        module = require("chgnet.model.model", encoder="chgnet", extra="chgnet")
        path = Path(package.__path__[0], _FILE)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != _SHA256:
            raise ValueError(
                f"{path} has SHA-256 {found}, expected {_SHA256}; reinstall chgnet==0.4.2."
            )
        state = load_inert(path)
        with undo_import_effects(), redirect_stdout(io.StringIO()):
            network = module.CHGNet.from_dict(state["model"], mlp_out_bias=False, version="0.3.0")
        self._convert = network.graph_converter
        self._convert.set_isolated_atom_response("ignore")
        self._convolutions = [f"atom_conv_layers.{i}" for i in range(len(network.atom_conv_layers))]
        width = network.atom_embedding.embedding.embedding_dim
        names = [f"conv_{i}" for i in range(1, len(self._convolutions) + 1)]
        super().__init__(
            name="chgnet",
            model=network,
            layers=[Layer(name, f"{width}x0e") for name in [*names, "output"]],
            elements=range(1, network.atom_embedding.embedding.num_embeddings + 1),
            trained_elements=MPTRJ,
            cutoff=float(self._convert.atom_graph_cutoff),
            dtype=dtype,
        )

    def graph(self, atoms: ase.Atoms) -> Any:
        """CHGNet's own crystal graph; a molecule is boxed first."""
        from pymatgen.core import Lattice, Structure

        graph = build_graph(atoms, self.cutoff)  # refuses what has no graph, in the same words
        if atoms.pbc.any() and not atoms.pbc.all():
            raise ValueError(
                f"it is periodic along {atoms.pbc.tolist()} only; chgnet takes crystals and "
                "molecules. Give it three periodic directions, with vacuum where needed."
            )
        cell, positions = graph.cell, graph.positions
        if not atoms.pbc.any():
            # More than one cutoff between a molecule and its images.
            cell = np.diag(np.ptp(positions, axis=0) + 2 * self._convert.atom_graph_cutoff)
            positions = positions - positions.min(axis=0)
        structure = Structure(
            Lattice(cell), atoms.numbers.tolist(), positions, coords_are_cartesian=True
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._convert(structure)

    @torch.no_grad()
    def _run(self, graphs: Sequence[Any]) -> tuple[list[torch.Tensor], torch.Tensor]:
        graphs = [graph.to(str(self.device)) for graph in graphs]
        with capture(self.model, [*self._convolutions, "readout_norm"]) as features:
            output = self.model(graphs, task="e")
        return features, output["e"]

    def forward(self, graphs: Sequence[Any]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return self._run(graphs)[0]

    def energy(self, graphs: Sequence[Any]) -> torch.Tensor:
        """The model's own energies in eV per atom, shape (n_graphs,), from the same pass."""
        return self._run(graphs)[1]
