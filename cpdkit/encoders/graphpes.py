"""PaiNN and SchNet, as implemented in graph-pes.

Schütt et al., ICML 2021, arXiv:2102.03150 (PaiNN); J. Chem. Phys. 2018, 148, 241722 (SchNet).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from cpdkit.encoders._base import Encoder, Layer
from cpdkit.encoders._graph import Batch, Graph, collate
from cpdkit.encoders._hooks import capture
from cpdkit.encoders._info import RANDOM, UNTRAINED, EncoderInfo
from cpdkit.encoders._optional import require, seeded, undo_import_effects

__all__ = ["ABOUT", "PaiNN", "SchNet", "painn_untrained", "schnet_untrained"]

_ELEMENTS = range(1, 101)


def _about(family: str, irreps: str, parameters: int) -> EncoderInfo:
    return EncoderInfo(
        family=family,
        trained_on=UNTRAINED,
        layers={f"block_{i}": irreps for i in range(1, 4)},
        parameters=parameters,
        weights=RANDOM,
        licence="MIT",
        packages=("torch", "vesin", "graph_pes"),
        extra="graphpes",
    )


ABOUT = {
    "painn-untrained": _about(
        "PaiNN, equivariant message passing, arXiv:2102.03150", "64x0e+64x1o", 160_820
    ),
    "schnet-untrained": _about(
        "SchNet, continuous-filter convolutions, doi:10.1063/1.5019779", "64x0e", 69_521
    ),
}


class _GraphPES(Encoder):
    libraries = ("graph-pes", "vesin")

    def inputs(self, graphs: Sequence[Graph]) -> Any:
        """What the model's own forward pass takes."""
        return self._atomic_graph(collate(graphs, dtype=self.dtype, device=self.device))

    def _atomic_graph(self, batch: Batch) -> Any:
        from graph_pes import AtomicGraph

        # The library forms edges from positions and cells, in the precision of the model. What
        # is missing to the edges we have is given as the lattice translation of a unit cell.
        i, j = batch.edges
        missing = batch.vectors - (batch.positions[j] - batch.positions[i])
        return AtomicGraph(
            Z=batch.numbers,
            R=batch.positions,
            cell=torch.eye(3).to(batch.cells).expand_as(batch.cells),
            neighbour_list=batch.edges,
            neighbour_cell_offsets=missing,
            properties={},
            cutoff=float(self.cutoff or 0),
            other={},
            batch=batch.structure,
            ptr=torch.cat([batch.n_atoms.new_zeros(1), batch.n_atoms.cumsum(0)]),
        )

    def _energy(self, output: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        local = output["local_energies"].reshape(-1)
        return local.new_zeros(len(batch)).index_add_(0, batch.structure, local)

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return self._run(graphs)[0]

    def energy(self, graphs: Sequence[Graph]) -> torch.Tensor:
        """The model's own energies, shape (n_graphs,), in the unit it was trained on."""
        return self._run(graphs)[1]

    @torch.no_grad()
    def _run(self, graphs: Sequence[Graph]) -> tuple[list[torch.Tensor], torch.Tensor]:
        return self.evaluate(collate(graphs, dtype=self.dtype, device=self.device))

    def evaluate(self, batch: Batch) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Features and the model's own energies of a batch, differentiable."""
        raise NotImplementedError


class PaiNN(_GraphPES):
    """Scalars and vectors of PaiNN after each interaction and update.

    Layers ``"block_1"`` and so on, of ``{channels}x0e+{channels}x1o``; components of vectors are
    x, y, z. PaiNN's blocks return updates; the layers are the accumulated states.

    Parameters
    ----------
    model : torch.nn.Module
        A ``graph_pes.models.PaiNN``.
    name : str
        Name under which results are kept.
    dtype : {"float32", "float64"}
        Precision.
    """

    def __init__(self, model: Any, *, name: str = "painn", dtype: str = "float32") -> None:
        super().__init__(
            name=name,
            model=model,
            layers=[
                Layer(f"block_{i}", f"{model.channels}x0e+{model.channels}x1o")
                for i in range(1, len(model.updates) + 1)
            ],
            elements=_ELEMENTS,
            cutoff=float(model.cutoff),
            dtype=dtype,
        )

    def evaluate(self, batch: Batch) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Features and the model's own energies of a batch, differentiable."""

        def state(inputs: tuple[torch.Tensor, ...], output: tuple[torch.Tensor, ...]) -> Any:
            vectors, scalars = inputs[0] + output[0], inputs[1] + output[1]
            return torch.cat([scalars, vectors.flatten(1)], dim=1)

        updates = [f"updates.{i}" for i in range(len(self.layers))]
        with capture(self.model, updates, read=state) as features:
            output = self.model(self._atomic_graph(batch))
        return features, self._energy(output, batch)


class SchNet(_GraphPES):
    """Scalars of SchNet after each interaction.

    Layers ``"block_1"`` and so on, of ``{channels}x0e``. SchNet's blocks return updates; the
    layers are the accumulated states.

    Parameters
    ----------
    model : torch.nn.Module
        A ``graph_pes.models.SchNet``.
    name : str
        Name under which results are kept.
    dtype : {"float32", "float64"}
        Precision.
    """

    def __init__(self, model: Any, *, name: str = "schnet", dtype: str = "float32") -> None:
        channels = model.interactions[0].linear.in_features
        super().__init__(
            name=name,
            model=model,
            layers=[
                Layer(f"block_{i}", f"{channels}x0e") for i in range(1, len(model.interactions) + 1)
            ],
            elements=_ELEMENTS,
            cutoff=float(model.cutoff),
            dtype=dtype,
        )

    def evaluate(self, batch: Batch) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Features and the model's own energies of a batch, differentiable."""
        blocks = [f"interactions.{i}" for i in range(len(self.layers))]
        with capture(self.model, blocks, read=lambda i, o: i[0] + o) as features:
            output = self.model(self._atomic_graph(batch))
        return features, self._energy(output, batch)


def painn_untrained(
    *,
    seed: int = 0,
    channels: int = 64,
    layers: int = 3,
    radial_features: int = 20,
    cutoff: float = 5.0,
    dtype: str = "float32",
) -> PaiNN:
    """A PaiNN of random weights, the same in both precisions.

    Parameters
    ----------
    seed : int
        Seed of the weights.
    channels, layers, radial_features, cutoff
        As in graph-pes.
    dtype : {"float32", "float64"}
        Precision.
    """
    models = require("graph_pes.models", encoder="painn-untrained", extra="graphpes")
    with undo_import_effects(torch.float64), seeded(seed):
        model = models.PaiNN(
            channels=channels, layers=layers, radial_features=radial_features, cutoff=cutoff
        )
    return PaiNN(model, name="painn-untrained", dtype=dtype)


def schnet_untrained(
    *,
    seed: int = 0,
    channels: int = 64,
    layers: int = 3,
    expansion_features: int = 50,
    cutoff: float = 5.0,
    dtype: str = "float32",
) -> SchNet:
    """A SchNet of random weights, the same in both precisions.

    Parameters
    ----------
    seed : int
        Seed of the weights.
    channels, layers, expansion_features, cutoff
        As in graph-pes.
    dtype : {"float32", "float64"}
        Precision.
    """
    models = require("graph_pes.models", encoder="schnet-untrained", extra="graphpes")
    with undo_import_effects(torch.float64), seeded(seed):
        model = models.SchNet(
            channels=channels, layers=layers, expansion_features=expansion_features, cutoff=cutoff
        )
    return SchNet(model, name="schnet-untrained", dtype=dtype)
