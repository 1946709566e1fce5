"""Neighbour graphs of structures, and batches of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np
import torch
from vesin import NeighborList

__all__ = ["Batch", "Graph", "build_graph", "collate", "joined", "joined_edges", "placed"]

_COINCIDENT = 1e-6  # Angstrom
_LOCAL = threading.local()


def _neighbors(cutoff: float) -> NeighborList:
    """A neighbour list of this thread; making one costs more than using it on a molecule."""
    lists = _LOCAL.__dict__.setdefault("lists", {})
    if cutoff not in lists:
        lists[cutoff] = NeighborList(cutoff=cutoff, full_list=True, sorted=True)
    return lists[cutoff]


@dataclass(frozen=True)
class Graph:
    """One structure and its directed edges, in numpy.

    Attributes
    ----------
    numbers : ndarray of int64, shape (n_atoms,)
        Atomic numbers.
    positions : ndarray of float64, shape (n_atoms, 3)
        Angstrom; inside the cell along periodic directions, along others around zero.
    edges : ndarray of int64, shape (2, n_edges)
        Centre i and neighbour j; every pair occurs in both directions.
    vectors : ndarray of float64, shape (n_edges, 3)
        From i to j, ``r_j + shift @ cell - r_i``, Angstrom.
    shifts : ndarray of int32, shape (n_edges, 3)
        Lattice translations; zeros for molecules.
    cell : ndarray of float64, shape (3, 3)
        Lattice vectors as rows; zeros for molecules.
    pbc : ndarray of bool, shape (3,)
        Periodic directions.
    """

    numbers: np.ndarray
    positions: np.ndarray
    edges: np.ndarray
    vectors: np.ndarray
    shifts: np.ndarray
    cell: np.ndarray
    pbc: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


def placed(positions: np.ndarray, cell: np.ndarray, pbc: np.ndarray) -> np.ndarray:
    """Positions in a place of their own: where a structure lies must not cost digits.

    Parameters
    ----------
    positions : ndarray of float64, shape (n_atoms, 3)
        Angstrom.
    cell : ndarray of float64, shape (3, 3)
        Lattice vectors as rows, of full rank where `pbc` is true anywhere.
    pbc : ndarray of bool, shape (3,)
        Periodic directions.

    Returns
    -------
    ndarray of float64, shape (n_atoms, 3)
        Inside the cell along periodic directions; along others, around zero.
    """
    if not pbc.any():
        return np.ascontiguousarray(positions - positions.mean(axis=0))
    fractional = np.linalg.solve(cell.T, positions.T).T
    moves = np.where(pbc, np.floor(fractional), fractional.mean(axis=0))
    return np.ascontiguousarray(positions - moves @ cell)


def build_graph(atoms: ase.Atoms, cutoff: float | None) -> Graph:
    """All pairs of `atoms` closer than `cutoff`, periodic images included.

    Positions are those of :func:`placed`, and lattice translations belong to these.

    Raises
    ------
    ValueError
        If there is no atom, two atoms lie at the same place, or a periodic direction has no
        lattice vector.
    """
    n = len(atoms)
    if n == 0:
        raise ValueError("it has no atoms.")
    pbc = np.asarray(atoms.pbc, dtype=bool)
    if pbc.any() and np.linalg.matrix_rank(atoms.cell.array[pbc]) < pbc.sum():
        raise ValueError(
            f"it is periodic along {pbc.tolist()}, but its cell {atoms.cell.array.tolist()} does "
            "not span these directions; give it a cell or set pbc=False."
        )
    # A direction that is not periodic needs some vector for the neighbour list.
    cell = np.array(atoms.cell.complete()) if pbc.any() else np.zeros((3, 3))
    positions = placed(atoms.positions, cell, pbc)
    if cutoff is None:
        edges, shifts, vectors = np.empty((2, 0), int), np.empty((0, 3), int), np.empty((0, 3))
    else:
        i, j, shifts, vectors = _neighbors(cutoff).compute(
            points=positions, box=cell, periodic=pbc if pbc.any() else False, quantities="ijSD"
        )
        edges = np.array([i, j], dtype=np.int64)
        close = np.flatnonzero((vectors * vectors).sum(1) < _COINCIDENT**2)
        if len(close):
            a, b = edges[:, close[0]]
            raise ValueError(f"atoms {a} and {b} lie at the same place; remove one of them.")
    return Graph(
        atoms.numbers.astype(np.int64), positions, edges, vectors, shifts.astype(np.int32),
        cell, pbc,
    )  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """Several graphs as one disconnected graph, in torch.

    Attributes
    ----------
    numbers, positions, edges, vectors, shifts
        As in :class:`Graph`, joined; `edges` point into the joined atoms.
    cells : Tensor, shape (n_graphs, 3, 3)
        Lattice vectors as rows; zeros for molecules.
    n_atoms, n_edges : Tensor of int64, shape (n_graphs,)
        Sizes of the graphs.
    structure : Tensor of int64, shape (total_atoms,)
        Graph that each atom belongs to.
    """

    numbers: torch.Tensor
    positions: torch.Tensor
    edges: torch.Tensor
    vectors: torch.Tensor
    shifts: torch.Tensor
    cells: torch.Tensor
    n_atoms: torch.Tensor
    n_edges: torch.Tensor
    structure: torch.Tensor

    def __len__(self) -> int:
        return len(self.n_atoms)


def joined(parts: Sequence[np.ndarray], dtype: torch.dtype) -> torch.Tensor:
    """`parts` one below the other, converted to `dtype` in the same pass over the data."""
    precision = torch.empty(0, dtype=dtype).numpy().dtype
    return torch.from_numpy(np.concatenate(parts, dtype=precision, casting="same_kind"))


def joined_edges(graphs: Sequence[Graph], n_atoms: np.ndarray) -> torch.Tensor:
    """Edges of all `graphs`, pointing into the joined atoms; shape (2, n_edges)."""
    edges = np.concatenate([g.edges for g in graphs], axis=1)
    starts = np.cumsum(n_atoms) - n_atoms
    edges += np.repeat(starts, [g.edges.shape[1] for g in graphs])
    return torch.from_numpy(edges)


def collate(
    graphs: Sequence[Graph], *, dtype: torch.dtype, device: torch.device | str = "cpu"
) -> Batch:
    """Join `graphs`; floating-point parts in `dtype`.

    Raises
    ------
    TypeError
        If something else than graphs is given.
    """
    if strange := [type(g).__name__ for g in graphs if not isinstance(g, Graph)]:
        raise TypeError(
            f"a list of graphs was expected, got {strange[0]}; encoder.graph(atoms) makes one of "
            "ase.Atoms, for this encoder's cutoff."
        )
    n_atoms = np.array([len(g.numbers) for g in graphs], dtype=np.int64)
    n_edges = np.array([g.edges.shape[1] for g in graphs], dtype=np.int64)
    if np.concatenate([g.pbc for g in graphs]).any():
        shifts = joined([g.shifts for g in graphs], dtype)
        cells = joined([g.cell[None] for g in graphs], dtype)
    else:
        shifts = torch.zeros(int(n_edges.sum()), 3, dtype=dtype)
        cells = torch.zeros(len(graphs), 3, 3, dtype=dtype)
    return Batch(
        numbers=torch.from_numpy(np.concatenate([g.numbers for g in graphs])).to(device),
        positions=joined([g.positions for g in graphs], dtype).to(device),
        edges=joined_edges(graphs, n_atoms).to(device),
        vectors=joined([g.vectors for g in graphs], dtype).to(device),
        shifts=shifts.to(device),
        cells=cells.to(device),
        n_atoms=torch.from_numpy(n_atoms).to(device),
        n_edges=torch.from_numpy(n_edges).to(device),
        structure=torch.from_numpy(np.repeat(np.arange(len(graphs)), n_atoms)).to(device),
    )
