"""Representations that know little or nothing: floors for every comparison."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import combinations_with_replacement

import ase
import numpy as np
import torch
from ase.data import covalent_radii

from cpdkit.encoders._base import Encoder, Layer, parse_elements
from cpdkit.encoders._graph import Graph, build_graph, collate
from cpdkit.encoders._info import EncoderInfo

__all__ = ["ABOUT", "BondCounts", "RandomFeatures"]


def _about(family: str, layers: dict[str, str]) -> EncoderInfo:
    return EncoderInfo(
        family=family,
        trained_on="nothing: a floor for comparisons",
        layers=layers,
        parameters=0,
        weights="none",
        licence="BSD-3-Clause",
        packages=("torch", "vesin"),
        extra="torch",
    )


ABOUT = {
    "bond-counts": _about("bonds between each pair of elements", {"bonds": "28x0e"}),
    "random": _about("random numbers from a hash of the structure", {"random": "128x0e"}),
}


class RandomFeatures(Encoder):
    """Normal random numbers drawn from a hash of the structure: they know nothing of it.

    All atoms of a structure share one vector, so that the mean does not reveal how many there
    are. (The sum does, as it would for any features.) A structure that is moved, turned or
    written with its atoms in another order is another structure to them.

    Parameters
    ----------
    width : int
        Number of features.
    seed : int
        Another seed gives other features.
    dtype : {"float32", "float64"}
        Precision.
    """

    def __init__(self, *, width: int = 128, seed: int = 0, dtype: str = "float32") -> None:
        super().__init__(
            name="random",
            model=torch.nn.Module(),
            layers=[Layer("random", f"{width}x0e")],
            options={"seed": seed, "width": width},
            dtype=dtype,
        )

    def graph(self, atoms: ase.Atoms) -> np.ndarray:
        """The random features of the structure's atoms."""
        graph = build_graph(atoms, 0.5)  # also to refuse coincident atoms
        digest = hashlib.sha256(str(self.options["seed"]).encode())
        for part in (graph.numbers, np.ascontiguousarray(atoms.positions), graph.cell):
            digest.update(part.tobytes())
        rng = np.random.default_rng(int.from_bytes(digest.digest()[:8], "little"))
        return np.tile(rng.standard_normal(self.options["width"]), (len(atoms), 1))

    def forward(self, graphs: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        values = torch.from_numpy(np.concatenate(graphs))
        return [values.to(device=self.device, dtype=self.dtype)]


class BondCounts(Encoder):
    """Number of bonds between each pair of elements, half of each bond on either atom.

    A bond is a distance below `tolerance` times the sum of covalent radii. With sum pooling the
    features are the counts C-C, C-H and so on: constitution without geometry or bond order.

    Parameters
    ----------
    elements : sequence of int or str
        Atomic numbers or symbols to know.
    tolerance : float
        Factor on the sum of covalent radii (Cordero et al. 2008, as in ASE).
    dtype : {"float32", "float64"}
        Precision.
    """

    def __init__(
        self,
        *,
        elements: Sequence[int | str] = (1, 6, 7, 8, 9, 16, 17),
        tolerance: float = 1.25,
        dtype: str = "float32",
    ) -> None:
        elements = parse_elements(elements)
        pairs = list(combinations_with_replacement(range(len(elements)), 2))
        super().__init__(
            name="bond-counts",
            model=torch.nn.Module(),
            layers=[Layer("bonds", f"{len(pairs)}x0e")],
            elements=elements,
            cutoff=float(2 * tolerance * covalent_radii[elements].max()),
            options={"tolerance": tolerance, "elements": elements},
            dtype=dtype,
        )
        self.pairs = [(elements[a], elements[b]) for a, b in pairs]
        self._column = torch.full((max(elements) + 1, max(elements) + 1), -1)
        for column, (a, b) in enumerate(self.pairs):
            self._column[a, b] = self._column[b, a] = column
        self._reach = torch.from_numpy(covalent_radii) * tolerance

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        batch = collate(graphs, dtype=self.dtype, device=self.device)
        i, j = batch.edges
        a, b = batch.numbers[i], batch.numbers[j]
        reach = self._reach.to(self.device)
        bonded = batch.vectors.norm(dim=-1) < reach[a] + reach[b]
        width = len(self.pairs)
        flat = i[bonded] * width + self._column.to(self.device)[a[bonded], b[bonded]]
        counts = torch.bincount(flat, minlength=len(batch.numbers) * width)
        return [counts.reshape(-1, width).to(self.dtype) / 2]
