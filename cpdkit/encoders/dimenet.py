"""DimeNet++, as implemented in PyTorch Geometric.

Gasteiger et al., arXiv:2011.14115. The library's own graph and triplets need compiled
extensions; here they follow from the edges of :mod:`cpdkit.encoders._graph`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from cpdkit.encoders._base import Encoder, Layer
from cpdkit.encoders._graph import Batch, Graph, collate
from cpdkit.encoders._hooks import capture
from cpdkit.encoders._info import RANDOM, UNTRAINED, EncoderInfo
from cpdkit.encoders._optional import require, seeded, undo_import_effects

__all__ = ["ABOUT", "DimeNetPlusPlus", "dimenet_untrained", "recurrence_basis", "triplets"]

ABOUT = {
    "dimenet++-untrained": EncoderInfo(
        family="DimeNet++, messages with angles, arXiv:2011.14115",
        trained_on=UNTRAINED,
        layers=dict.fromkeys(("embedding", *(f"block_{i}" for i in range(1, 5))), "128x0e"),
        parameters=1_885_830,
        weights=RANDOM,
        licence="MIT",
        packages=("torch", "vesin", "torch_geometric"),
        extra="pyg",
    )
}


def triplets(batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of edges k->j, j->i that make an angle.

    Parameters
    ----------
    batch : Batch
        Edges (i, j) with shifts.

    Returns
    -------
    kj, ji : Tensor of int64, shape (n_triplets,)
        Indices of edges. Going back the way one came (k is i, the same periodic image) is left
        out.
    """
    centre, neighbour = batch.edges  # edge e carries the message neighbour[e] -> centre[e]
    order = torch.argsort(centre, stable=True)
    degree = torch.bincount(centre, minlength=len(batch.numbers))
    first = degree.cumsum(0) - degree
    # For every edge j->i, all edges k->j: those whose centre is j.
    counts = degree[neighbour]
    ji = torch.repeat_interleave(torch.arange(len(centre), device=centre.device), counts)
    within = torch.arange(len(ji), device=ji.device) - torch.repeat_interleave(
        counts.cumsum(0) - counts, counts
    )
    kj = order[first[neighbour[ji]] + within]
    back = (neighbour[kj] == centre[ji]) & (batch.shifts[kj] + batch.shifts[ji] == 0).all(dim=1)
    return kj[~back], ji[~back]


class _SphericalBasis(torch.nn.Module):
    """The library's ``SphericalBasisLayer`` by recurrence.

    The library derives the same functions by symbolic algebra each time, which takes 20 seconds.
    Recurrences run in double precision: upward ones for spherical Bessel functions lose digits
    at short distances.
    """

    def __init__(
        self, num_spherical: int, num_radial: int, cutoff: float = 5.0, envelope_exponent: int = 5
    ) -> None:
        super().__init__()
        from torch_geometric.nn.models.dimenet import Envelope
        from torch_geometric.nn.models.dimenet_utils import Jn, Jn_zeros

        self.cutoff = cutoff
        self.envelope = Envelope(envelope_exponent)
        zeros = Jn_zeros(num_spherical, num_radial)  # float32, as the library's constants are
        scale = [(0.5 * Jn(row, order + 1) ** 2) ** -0.5 for order, row in enumerate(zeros)]
        self.zeros = torch.tensor(zeros, dtype=torch.float64)
        self.scale = torch.tensor(np.array(scale), dtype=torch.float64)

    def forward(
        self, dist: torch.Tensor, angle: torch.Tensor, idx_kj: torch.Tensor
    ) -> torch.Tensor:
        dist = dist / self.cutoff
        zeros, scale = self.zeros.to(dist.device), self.scale.to(dist.device)
        x = dist.double()[:, None, None] * zeros
        bessel = [x.sin() / x, x.sin() / x**2 - x.cos() / x]
        z = angle.cos()
        legendre = [torch.ones_like(z), z]
        for order in range(1, len(zeros) - 1):
            bessel.append((2 * order + 1) / x * bessel[-1] - bessel[-2])
            legendre.append(
                ((2 * order + 1) * z * legendre[-1] - order * legendre[-2]) / (order + 1)
            )
        radial = torch.stack([bessel[order][:, order] for order in range(len(zeros))], dim=1)
        radial = (radial * scale).to(dist) * self.envelope(dist)[:, None, None]
        norm = [((2 * order + 1) / (4 * math.pi)) ** 0.5 for order in range(len(zeros))]
        angular = torch.stack([a * b for a, b in zip(norm, legendre, strict=True)], dim=1)
        return (radial[idx_kj] * angular[:, :, None]).flatten(1)


@contextmanager
def recurrence_basis() -> Iterator[None]:
    """Build DimeNet models inside with the spherical basis by recurrence; same functions."""
    from torch_geometric.nn.models import dimenet

    theirs = dimenet.SphericalBasisLayer
    dimenet.SphericalBasisLayer = _SphericalBasis
    try:
        yield
    finally:
        dimenet.SphericalBasisLayer = theirs


class DimeNetPlusPlus(Encoder):
    """Messages of DimeNet++ gathered on atoms, before and after each interaction.

    The model's features live on edges; its output blocks weigh them by a radial basis and add
    them up on the receiving atom. Layers ``"embedding"``, ``"block_1"`` and so on are these sums,
    ``{hidden}x0e``, before the output block's dense layers.

    Parameters
    ----------
    model : torch.nn.Module
        A ``torch_geometric.nn.models.DimeNetPlusPlus``. Its ``max_num_neighbors`` is not
        applied: all neighbours within the cutoff count.
    name : str
        Name under which results are kept.
    dtype : {"float32", "float64"}
        Precision.
    """

    libraries = ("torch_geometric", "vesin")

    def __init__(self, model: Any, *, name: str = "dimenet++", dtype: str = "float32") -> None:
        hidden = model.emb.lin.out_features
        names = ["embedding", *(f"block_{i}" for i in range(1, model.num_blocks + 1))]
        super().__init__(
            name=name,
            model=model,
            layers=[Layer(layer, f"{hidden}x0e") for layer in names],
            elements=range(1, model.emb.emb.num_embeddings),
            cutoff=float(model.cutoff),
            dtype=dtype,
        )

    @torch.no_grad()
    def _run(self, graphs: Sequence[Graph]) -> tuple[list[torch.Tensor], torch.Tensor]:
        return self.evaluate(collate(graphs, dtype=self.dtype, device=self.device))

    def evaluate(self, batch: Batch) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Features and the model's own output of a batch, differentiable."""
        model = self.model
        i, j = batch.edges
        kj, ji = triplets(batch)
        distance = batch.vectors.norm(dim=-1)
        # As in the library's forward pass: the angle between i - j and j - k.
        a = (batch.vectors[ji] * batch.vectors[kj]).sum(-1)
        b = torch.linalg.cross(batch.vectors[ji], batch.vectors[kj]).norm(dim=-1)
        radial = model.rbf(distance)
        spherical = model.sbf(distance, torch.atan2(b, a), kj)
        n = len(batch.numbers)
        gathered = [f"output_blocks.{k}.lin_up" for k in range(len(self.layers))]
        with capture(model, gathered, read=lambda inputs, _: inputs[0]) as features:
            x = model.emb(batch.numbers, radial, i, j)
            out = model.output_blocks[0](x, radial, i, num_nodes=n)
            for block, read in zip(model.interaction_blocks, model.output_blocks[1:], strict=True):
                x = block(x, radial, spherical, kj, ji)
                out = out + read(x, radial, i, num_nodes=n)
        return features, out.new_zeros(len(batch), out.shape[1]).index_add_(0, batch.structure, out)

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return self._run(graphs)[0]

    def energy(self, graphs: Sequence[Graph]) -> torch.Tensor:
        """The model's own output, shape (n_graphs, n_outputs), from the same pass."""
        return self._run(graphs)[1]


def dimenet_untrained(
    *,
    seed: int = 0,
    hidden_channels: int = 128,
    num_blocks: int = 4,
    cutoff: float = 5.0,
    dtype: str = "float32",
) -> DimeNetPlusPlus:
    """A DimeNet++ of random weights, the same in both precisions; other sizes as published.

    Parameters
    ----------
    seed : int
        Seed of the weights.
    hidden_channels, num_blocks, cutoff
        As in PyTorch Geometric.
    dtype : {"float32", "float64"}
        Precision.
    """
    name = "dimenet++-untrained"
    module = require("torch_geometric.nn.models.dimenet", encoder=name, extra="pyg")
    with undo_import_effects(torch.float64), seeded(seed), recurrence_basis():
        model = module.DimeNetPlusPlus(
            hidden_channels=hidden_channels,
            out_channels=1,
            num_blocks=num_blocks,
            int_emb_size=64,
            basis_emb_size=8,
            out_emb_channels=256,
            num_spherical=7,
            num_radial=6,
            cutoff=cutoff,
            # The library starts output layers at zero, which would hide any error in them.
            output_initializer="glorot_orthogonal",
        )
    return DimeNetPlusPlus(model, name=name, dtype=dtype)
