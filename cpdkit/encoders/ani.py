"""ANI-2x: the atomic environment vector (AEV), and the hidden layers of its networks.

Devereux et al., J. Chem. Theory Comput. 2020, 16, 4192, doi:10.1021/acs.jctc.0c00121.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ase
import numpy as np
import torch
from ase.data import atomic_numbers

from cpdkit.encoders._base import Encoder, Layer
from cpdkit.encoders._graph import Graph, build_graph, joined, joined_edges
from cpdkit.encoders._info import EncoderInfo
from cpdkit.encoders._optional import require

__all__ = ["ABOUT", "ANI2x", "ANI2xAEV"]

_FAMILY = "ANI-2x, {}, doi:10.1021/acs.jctc.0c00121"
_FILE = "StateDicts/ani2x_state_dict.pt"


def _absent() -> str:
    own = os.environ.get("TORCHANI_DATA_DIR") or Path.home() / ".local/share/Torchani"
    folders = [Path(own), Path(os.environ.get("CPDKIT_DATA", "")) / "torchani"]
    if any((folder / _FILE).is_file() for folder in folders):
        return ""
    return f"torchani downloads its weights, or TORCHANI_DATA_DIR names a folder with {_FILE}"


ABOUT = {
    "ani2x": EncoderInfo(
        family=_FAMILY.format("one network for each element"),
        trained_on="ANI-2x: 8.9 million molecular conformations, wB97X/6-31G(d)",
        elements=("H", "C", "N", "O", "F", "S", "Cl"),
        layers={
            "aev": "1008x0e",
            "hidden_1": "256x0e+224x0e+192x0e+192x0e+160x0e+160x0e+160x0e",
            "hidden_2": "192x0e+192x0e+160x0e+160x0e+128x0e+128x0e+128x0e",
            "hidden_3": "160x0e+160x0e+128x0e+128x0e+96x0e+96x0e+96x0e",
        },
        parameters=1_713_223,
        weights="downloaded once by torchani; one of an ensemble of 8 (member=)",
        licence="MIT",
        packages=("torch", "vesin", "torchani"),
        extra="ani",
        absent=_absent,
    ),
    "ani2x-aev": EncoderInfo(
        family=_FAMILY.format("its symmetry functions alone"),
        trained_on="nothing: a descriptor",
        layers={"aev": "1008x0e"},
        parameters=0,
        weights="none",
        licence="MIT",
        packages=("torch", "vesin", "torchani"),
        extra="ani",
    ),
}


class _AEV(Encoder):
    """Shared by both encoders: how a batch reaches torchani's AEV computer."""

    libraries = ("torchani", "vesin")
    cpu_atoms = 1024  # the AEV has many small steps, so larger batches pay; measured
    _computer: Any
    _index: np.ndarray

    def graph(self, atoms: ase.Atoms) -> Graph:
        """See :meth:`Encoder.graph`; torchani wants each pair once, so one direction is kept."""
        graph = build_graph(atoms, self.cutoff)
        i, j = graph.edges
        once = i < j
        if graph.pbc.any():
            # An atom next to its own image occurs as +S and -S.
            first = graph.shifts[np.arange(len(i)), (graph.shifts != 0).argmax(axis=1)]
            once |= (i == j) & (first > 0)
        return replace(
            graph,
            edges=np.ascontiguousarray(graph.edges[:, once]),
            vectors=-graph.vectors[once],  # torchani: first minus second
            shifts=graph.shifts[once],
        )

    def inputs(self, graphs: Sequence[Graph]) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """What torchani's AEV computer takes.

        The batch goes through torchani as one disconnected molecule, so nothing is padded. The
        AEV is so quick that parts of a :class:`Batch` it does not need would be felt.
        """
        from torchani.neighbors import Neighbors

        n_atoms = np.array([len(g.numbers) for g in graphs], dtype=np.int64)
        vectors = joined([g.vectors for g in graphs], self.dtype).to(self.device)
        positions = joined([g.positions for g in graphs], self.dtype).to(self.device)
        edges = joined_edges(graphs, n_atoms).to(self.device)
        numbers = np.concatenate([g.numbers for g in graphs])
        species = torch.from_numpy(self._index[numbers]).to(self.device)
        return species[None], positions[None], Neighbors(edges, vectors.norm(2, -1), vectors)


def _rows_of(numbers: Sequence[int]) -> np.ndarray:
    """Table from atomic number to position in `numbers`; -1 elsewhere."""
    table = np.full(max(numbers) + 1, -1)
    table[numbers] = np.arange(len(numbers))
    return table


class ANI2xAEV(_AEV):
    """Radial and angular symmetry functions of ANI-2x, which no training has touched.

    One layer ``"aev"`` of 1008 invariants: 16 radial functions for each of 7 elements, then 32
    angular ones for each of 28 pairs of elements. Elements H, C, N, O, F, S, Cl.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Precision.

    Raises
    ------
    ImportError
        If torchani is not installed.
    """

    def __init__(self, *, dtype: str = "float32") -> None:
        require("torchani.aev", encoder="ani2x-aev", extra="ani")
        from torchani.aev import AEVComputer
        from torchani.utils import SYMBOLS_2X

        computer = AEVComputer.like_2x(num_species=len(SYMBOLS_2X))
        numbers = [atomic_numbers[symbol] for symbol in SYMBOLS_2X]
        super().__init__(
            name="ani2x-aev",
            model=computer,
            layers=[Layer("aev", f"{computer.out_dim}x0e")],
            elements=numbers,
            cutoff=float(computer.radial.cutoff),
            dtype=dtype,
        )
        self._computer = computer
        self._index = _rows_of(numbers)

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return [self._computer.compute_from_neighbors(*self.inputs(graphs))[0]]


@contextmanager
def _weights_folder() -> Iterator[None]:
    """Let torchani look into ``$CPDKIT_DATA/torchani``, if it was not told otherwise."""
    folder = Path(os.environ.get("CPDKIT_DATA", "")) / "torchani"
    if "TORCHANI_DATA_DIR" in os.environ or not folder.is_dir():
        yield
        return
    os.environ["TORCHANI_DATA_DIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["TORCHANI_DATA_DIR"]


class ANI2x(_AEV):
    """Hidden layers of the atomic networks of ANI-2x.

    Every element has its own network, of its own widths, so channel 7 of a carbon means nothing
    next to channel 7 of an oxygen. Layers ``"aev"`` and ``"hidden_1"`` to ``"hidden_3"``; a hidden
    layer is a sum of blocks, one per element, and an atom fills the block of its element only.
    Mean pooling over all atoms then gives (share of the element) times (mean over its atoms),
    which holds composition in the open. Pool with ``"element_mean"`` to have the mean over the
    element's own atoms; it is zero where the element is absent.

    Weights come by torchani: from the folder that ``TORCHANI_DATA_DIR`` names, from
    ``$CPDKIT_DATA/torchani``, or by download.

    Parameters
    ----------
    member : int, default 0
        Which of the eight networks of the ensemble; their channels do not correspond either.
    dtype : {"float32", "float64"}
        Precision.

    Raises
    ------
    ImportError
        If torchani is not installed.
    ValueError
        If there is no such member.
    RuntimeError
        If the weights cannot be had.
    """

    def __init__(self, *, member: int = 0, dtype: str = "float32") -> None:
        models = require("torchani.models", encoder="ani2x", extra="ani")
        with _weights_folder():
            try:
                ensemble = models.ANI2x(periodic_table_index=False)
            except Exception as error:  # torchani lets through whatever its download raised
                raise RuntimeError(
                    "the weights of ANI-2x are neither on this machine nor can they be "
                    "downloaded; set TORCHANI_DATA_DIR to a folder that has "
                    f"{_FILE} ({error})."
                ) from error
        if member not in range(len(ensemble)):
            raise ValueError(f"member={member!r} of an ensemble of {len(ensemble)}; count from 0.")
        network = ensemble[member]
        self._symbols = list(network.symbols)
        numbers = [atomic_numbers[symbol] for symbol in self._symbols]
        atomics = [network.neural_networks.atomics[symbol] for symbol in self._symbols]
        widths = [[layer.out_features for layer in net.layers] for net in atomics]
        hidden = [
            Layer(
                f"hidden_{depth}",
                "+".join(f"{width[depth - 1]}x0e" for width in widths),
                owners=tuple(numbers),
            )
            for depth in range(1, len(widths[0]) + 1)
        ]
        super().__init__(
            name="ani2x",
            model=network,
            layers=[Layer("aev", f"{network.aev_computer.out_dim}x0e"), *hidden],
            elements=numbers,
            cutoff=float(network.aev_computer.radial.cutoff),
            options={"member": member},
            dtype=dtype,
        )
        self._computer = self.model.aev_computer
        self._index = _rows_of(numbers)

    @torch.no_grad()
    def _run(self, graphs: Sequence[Graph]) -> tuple[list[torch.Tensor], torch.Tensor]:
        arguments = self.inputs(graphs)
        aev = self._computer.compute_from_neighbors(*arguments)[0]
        species = arguments[0][0]
        features = [aev]
        features += [aev.new_zeros(len(aev), layer.irreps.dim) for layer in self.layers[1:]]
        local = aev.new_zeros(len(aev))
        for index, symbol in enumerate(self._symbols):
            rows = (species == index).nonzero().flatten()
            network = self.model.neural_networks.atomics[symbol]
            state = aev[rows]
            for depth, linear in enumerate(network.layers, start=1):
                state = network.activation(linear(state))
                columns = self.layers[depth].irreps.slices()[index][1]
                features[depth][rows, columns] = state
            local[rows] = network.final_layer(state).flatten()
        shifts = self.model.energy_shifter.self_energies.to(local)
        local = local + shifts[species]
        sizes = torch.tensor([len(g) for g in graphs], device=local.device)
        owner = torch.repeat_interleave(sizes)
        return features, local.new_zeros(len(graphs)).index_add_(0, owner, local)

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return self._run(graphs)[0]

    def energy(self, graphs: Sequence[Graph]) -> torch.Tensor:
        """The member's own energies in Hartree, shape (n_graphs,), from the same pass."""
        return self._run(graphs)[1]
