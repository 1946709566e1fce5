"""What a training of the zoo lowers, and what it is judged by meanwhile."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from cpdkit.datasets import Dataset
from cpdkit.zoo.displaced import WithForces
from cpdkit.zoo.flat_graphs import FlatGraphs
from cpdkit.zoo.model import ZooModel, length
from cpdkit.zoo.recipe import Task

__all__ = ["Loss", "forces_of", "held_out", "molecule_of"]

_BATCH = 16  # molecules at a time where errors are measured


def molecule_of(dataset: Dataset) -> np.ndarray:
    """Which molecule a row is of, counted from 0: ``info["molecule"]``, or each its own."""
    if dataset.info is None or "molecule" not in dataset.info:
        return np.arange(len(dataset))
    return np.unique(dataset.info["molecule"], return_inverse=True)[1]


def held_out(dataset: Dataset, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `n` molecules to validate on, and of all others, both ascending.

    Geometries of one molecule stay together.

    Raises
    ------
    ValueError
        If that leaves fewer to train on than to validate on.
    """
    molecule = molecule_of(dataset)
    n_molecules = int(molecule.max()) + 1
    if n_molecules < 2 * n:
        raise ValueError(
            f"{n_molecules} molecules are too few to hold {n} out; give more or lower n_validation."
        )
    order = np.random.default_rng([seed, 1]).permutation(n_molecules)
    out = np.isin(molecule, order[:n])
    return np.flatnonzero(out), np.flatnonzero(~out)


def forces_of(dataset: Dataset, task: Task) -> np.ndarray | None:
    """The forces that `task` learns, if it learns any.

    Raises
    ------
    ValueError
        If it does and the data set lacks them.
    """
    if not task.forces:
        return None
    if not isinstance(dataset, WithForces):
        raise ValueError(
            f"the task learns forces, which {dataset.name!r} lacks; give a data set WithForces."
        )
    return dataset.forces


class Loss:
    r"""Mean error in units of the spread, and of the forces, if any, in units of theirs.

    .. math:: \frac{\langle |\hat y - y| \rangle}{s}
              + w \frac{\langle \|\hat F_i - F_i\| \rangle}{\sqrt{\langle \|F_i\|^2 \rangle}}

    with s what composition leaves of the target, w the task's weight of forces, and the second
    mean over atoms.

    Parameters
    ----------
    model : ZooModel
        What is trained.
    graphs : FlatGraphs
        Of all molecules.
    y : ndarray, shape (n,) or (n, 3)
        Their targets.
    spread : float
        s.
    forces : ndarray of shape (total_atoms, 3), optional
        On their atoms.
    rows : ndarray of int
        Molecules whose forces give the unit.
    """

    def __init__(
        self,
        model: ZooModel,
        graphs: FlatGraphs,
        y: np.ndarray,
        spread: float,
        forces: np.ndarray | None = None,
        *,
        rows: np.ndarray,
    ) -> None:
        self._model, self._graphs, self._y, self._spread = model, graphs, y, spread
        self._forces = forces
        if forces is not None:
            squares = forces[graphs.atoms(rows)].astype(float) ** 2
            self._force = float(squares.sum(axis=1).mean() ** 0.5)

    def of(self, rows: np.ndarray) -> torch.Tensor:
        """The loss of molecules, differentiable by the weights."""
        batch = self._graphs.batch(rows)
        truth = torch.from_numpy(self._y[rows]).to(batch.positions.device)
        if self._forces is None:
            return _size(self._model(batch) - truth).mean() / self._spread
        predicted, forces = self._model.with_gradient(batch, learn=True)
        of_target = _size(predicted - truth).mean() / self._spread
        of_forces = _size(forces - self._true_forces(rows).to(forces.device)).mean() / self._force
        return of_target + self._model.task.forces * of_forces

    def _true_forces(self, rows: np.ndarray) -> torch.Tensor:
        forces: Any = self._forces
        return torch.from_numpy(forces[self._graphs.atoms(rows)].astype(float))

    @torch.no_grad()
    def errors(self, rows: np.ndarray) -> dict[str, float]:
        """``validation_mae``, and ``validation_forces_mae`` where forces are learned.

        Of vectors the error is that of their lengths, which is the data set's target; of forces
        the mean length of the error.
        """
        found, of_forces = [], []
        for some in (rows[i : i + _BATCH] for i in range(0, len(rows), _BATCH)):
            batch = self._graphs.batch(some)
            if self._forces is None:
                predicted = self._model(batch)
            else:
                predicted, forces = self._model.with_gradient(batch)
                of_forces.append(_size(forces.cpu() - self._true_forces(some)))
            found.append(predicted.cpu().numpy())
        error = length(np.concatenate(found)) - length(self._y[rows])
        errors = {"validation_mae": float(np.abs(error).mean())}
        if of_forces:
            errors["validation_forces_mae"] = float(torch.cat(of_forces).mean())
        return errors


def _size(error: torch.Tensor) -> torch.Tensor:
    return error.abs() if error.ndim == 1 else torch.linalg.vector_norm(error, dim=1)
