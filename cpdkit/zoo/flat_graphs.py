"""All graphs of a data set in flat arrays, so that a batch is a few gathers."""

from __future__ import annotations

import numpy as np
import torch

from cpdkit.datasets._dataset import AtomsSequence
from cpdkit.encoders._base import Encoder
from cpdkit.encoders._graph import Batch

__all__ = ["FlatGraphs"]


class FlatGraphs:
    """Neighbour graphs of molecules, kept for the length of a training.

    Parameters
    ----------
    atoms : AtomsSequence
        Molecules; crystals are refused.
    encoder : Encoder
        Builds the graphs, and says precision and device of the batches.

    Raises
    ------
    ValueError
        If a structure is periodic or cannot be made a graph; says which.
    """

    def __init__(self, atoms: AtomsSequence, encoder: Encoder) -> None:
        if atoms.pbc is not None and atoms.pbc.any():
            row = int(np.flatnonzero(atoms.pbc.any(axis=1))[0])
            raise ValueError(f"structure {row} is periodic; the zoo is trained on molecules.")
        self._dtype, self._device = encoder.dtype, encoder.device
        self.n_atoms = atoms.n_atoms
        self._first_atom = atoms.offsets
        self._numbers = atoms.numbers.astype(np.int64)
        positions, edges, vectors = [], [], []
        for row in range(len(atoms)):
            try:
                graph = encoder.graph(atoms[row])
            except ValueError as error:
                raise ValueError(f"structure {row}: {error}") from error
            positions.append(graph.positions)
            edges.append(graph.edges.astype(np.int32))
            vectors.append(graph.vectors.astype(np.float32 if self._single else np.float64))
        self.n_edges = np.array([e.shape[1] for e in edges], dtype=np.int64)
        self._first_edge = np.concatenate([[0], np.cumsum(self.n_edges)])
        self._edges = np.concatenate(edges, axis=1)
        self._positions = np.concatenate(positions)
        self._vectors = np.concatenate(vectors)

    @property
    def _single(self) -> bool:
        return self._dtype == torch.float32

    def __len__(self) -> int:
        return len(self.n_atoms)

    def atoms(self, rows: np.ndarray) -> np.ndarray:
        """Places, among the atoms of all molecules, of those of the molecules at `rows`."""
        return _ranges(self._first_atom[rows], self.n_atoms[rows])

    def batch(self, rows: np.ndarray) -> Batch:
        """The molecules at `rows` as one disconnected graph."""
        n_atoms, n_edges = self.n_atoms[rows], self.n_edges[rows]
        atoms = self.atoms(rows)
        edges = _ranges(self._first_edge[rows], n_edges)
        starts = np.cumsum(n_atoms) - n_atoms
        joined = self._edges[:, edges].astype(np.int64) + np.repeat(starts, n_edges)

        def real(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(device=self._device, dtype=self._dtype)

        def whole(array: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(array).to(self._device)

        return Batch(
            numbers=whole(self._numbers[atoms]),
            positions=real(self._positions[atoms]),
            edges=whole(joined),
            vectors=real(self._vectors[edges]),
            shifts=torch.zeros(len(edges), 3, dtype=self._dtype, device=self._device),
            cells=torch.zeros(len(rows), 3, 3, dtype=self._dtype, device=self._device),
            n_atoms=whole(n_atoms),
            n_edges=whole(n_edges),
            structure=whole(np.repeat(np.arange(len(rows)), n_atoms)),
        )


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """``start, start + 1, ...`` for every start, joined."""
    before = np.cumsum(lengths) - lengths
    return np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
