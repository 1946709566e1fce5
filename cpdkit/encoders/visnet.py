"""ViSNet, as implemented in PyTorch Geometric.

Wang et al., Nat. Commun. 2024, 15, 313, arXiv:2210.16518.
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

__all__ = ["ABOUT", "ViSNet", "visnet_untrained"]

ABOUT = {
    "visnet-untrained": EncoderInfo(
        family="ViSNet, equivariant message passing, arXiv:2210.16518",
        trained_on=UNTRAINED,
        layers=dict.fromkeys(
            (*(f"block_{i}" for i in range(1, 7)), "output"), "128x0e+128x1o+128x2e"
        ),
        parameters=1_687_398,
        weights=RANDOM,
        licence="MIT",
        packages=("torch", "vesin", "torch_geometric"),
        extra="pyg",
    )
}


class _Edges(torch.nn.Module):
    """In place of the library's ``Distance``, which needs compiled extensions: edges given."""

    def __init__(self) -> None:
        super().__init__()
        self.batch: Batch | None = None

    def forward(self, *_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        batch = self.batch
        if batch is None:
            raise RuntimeError("edges were not set before the forward pass.")
        # The library adds an edge from each atom to itself, of length zero.
        atoms = torch.arange(len(batch.numbers), device=batch.edges.device)
        edges = torch.cat([batch.edges.flip(0), atoms.expand(2, -1)], dim=1)
        vectors = torch.cat([batch.vectors, batch.vectors.new_zeros(len(atoms), 3)])
        # A copy: the library scales it in place, which lengths could not be differentiated after.
        return edges, vectors.norm(dim=-1), vectors.clone()


class ViSNet(Encoder):
    """Scalars and spherical features of ViSNet after each block.

    Layers ``"block_1"`` and so on are the accumulated states (the library's blocks return
    updates); the last layer, ``"output"``, is the normalised state its readout sees. Features of
    degree l have parity ``(-1)**l``; components are ordered as in e3nn.

    Parameters
    ----------
    model : torch.nn.Module
        A ``torch_geometric.nn.models.ViSNet``. Its ``max_num_neighbors`` is not applied: all
        neighbours within the cutoff count. Takes molecules only, since the model tells the edge
        from an atom to itself by its index.
    name : str
        Name under which results are kept.
    dtype : {"float32", "float64"}
        Precision.
    """

    libraries = ("torch_geometric", "vesin")

    def __init__(self, model: Any, *, name: str = "visnet", dtype: str = "float32") -> None:
        inner = model.representation_model
        degrees = range(inner.lmax + 1)
        irreps = "+".join(f"{inner.hidden_channels}x{d}{'eo'[d % 2]}" for d in degrees)
        blocks = [f"block_{i}" for i in range(1, len(inner.vis_mp_layers) + 1)]
        inner.distance = _Edges()
        super().__init__(
            name=name,
            model=model,
            layers=[Layer(layer, irreps) for layer in [*blocks, "output"]],
            elements=range(1, inner.max_z),
            cutoff=float(inner.cutoff),
            periodic=False,
            dtype=dtype,
        )
        self._lmax = inner.lmax

    def _join(self, scalars: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        parts, start = [scalars], 0
        for degree in range(1, self._lmax + 1):
            # The library stores (atoms, components, channels); irreps want channel by channel.
            part = vectors[:, start : start + 2 * degree + 1]
            parts.append(part.transpose(1, 2).flatten(1))
            start += 2 * degree + 1
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def _run(self, graphs: Sequence[Graph]) -> tuple[list[torch.Tensor], torch.Tensor]:
        return self.evaluate(collate(graphs, dtype=self.dtype, device=self.device))

    def evaluate(self, batch: Batch) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Features and the model's own energies of a batch, differentiable."""
        inner = self.model.representation_model
        inner.distance.batch = batch
        prefix = "representation_model"
        blocks = [f"{prefix}.vis_mp_layers.{k}" for k in range(len(inner.vis_mp_layers))]
        try:
            with (
                capture(
                    self.model,
                    blocks,
                    read=lambda i, o: self._join(i[0] + o[0], i[1] + o[1]),
                ) as features,
                capture(self.model, [prefix], read=lambda _, o: self._join(*o)) as output,
            ):
                energy, _ = self.model(batch.numbers, batch.positions, batch.structure)
        finally:
            inner.distance.batch = None
        return [*features, *output], energy[:, 0]

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return self._run(graphs)[0]

    def energy(self, graphs: Sequence[Graph]) -> torch.Tensor:
        """The model's own energies, shape (n_graphs,), in the unit it was trained on."""
        return self._run(graphs)[1]


def visnet_untrained(
    *,
    seed: int = 0,
    hidden_channels: int = 128,
    num_layers: int = 6,
    lmax: int = 2,
    cutoff: float = 5.0,
    dtype: str = "float32",
) -> ViSNet:
    """A ViSNet of random weights, the same in both precisions.

    Parameters
    ----------
    seed : int
        Seed of the weights.
    hidden_channels, num_layers, lmax, cutoff
        As in PyTorch Geometric; `lmax` is 1 or 2.
    dtype : {"float32", "float64"}
        Precision.
    """
    module = require("torch_geometric.nn.models.visnet", encoder="visnet-untrained", extra="pyg")
    with undo_import_effects(torch.float64), seeded(seed):
        model = module.ViSNet(
            hidden_channels=hidden_channels, num_layers=num_layers, lmax=lmax, cutoff=cutoff
        )
    return ViSNet(model, name="visnet-untrained", dtype=dtype)
