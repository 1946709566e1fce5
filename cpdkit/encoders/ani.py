"""ANI-2x: the atomic environment vector (AEV).

Devereux et al., J. Chem. Theory Comput. 2020, 16, 4192, doi:10.1021/acs.jctc.0c00121.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import atomic_numbers

from cpdkit.encoders._base import Encoder, Layer
from cpdkit.encoders._graph import Batch, Graph, collate
from cpdkit.encoders._optional import require

__all__ = ["ANI2xAEV"]


class ANI2xAEV(Encoder):
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
        require("torchani", encoder="ani2x-aev", extra="ani")
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
        self._index = torch.full((max(numbers) + 1,), -1)
        self._index[numbers] = torch.arange(len(numbers))

    def aev(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Element index (1, total_atoms) and AEV (total_atoms, 1008) of a batch.

        The batch goes through torchani as one disconnected molecule, so nothing is padded.
        """
        from torchani.neighbors import Neighbors

        i, j = batch.edges
        # torchani wants each pair once. An atom next to its own image occurs as +S and -S.
        sign = torch.zeros_like(batch.shifts[:, 0])
        for axis in batch.shifts.T:
            sign = torch.where(sign == 0, axis, sign)
        once = (i < j) | ((i == j) & (sign > 0))
        vectors = -batch.vectors[once]  # torchani: first minus second
        pairs = Neighbors(batch.edges[:, once], vectors.norm(2, -1), vectors)
        species = self._index.to(self.device)[batch.numbers][None]
        values = self.model.compute_from_neighbors(species, batch.positions[None], pairs)
        return species, values[0]

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return [self.aev(collate(graphs, dtype=self.dtype, device=self.device))[1]]
