"""An encoder with the readout that all models of the zoo share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import ase
import numpy as np
import torch

from cpdkit.datasets._dataset import AtomsSequence
from cpdkit.encoders._base import Encoder
from cpdkit.encoders._graph import Batch, collate
from cpdkit.encoders._optional import seeded, undo_import_effects
from cpdkit.extraction.job import check
from cpdkit.zoo.recipe import TASKS, Task, build_encoder

__all__ = ["ZooModel", "composition_offsets", "length"]

_HIDDEN = 32
_N_ELEMENTS = 119


class ZooModel(torch.nn.Module):
    r"""One encoder, and a readout of its last layer.

    .. math:: \hat y = \mathrm{pool}_i\,\bigl[ b_{Z_i}
              + s\, w_2^\top \mathrm{SiLU}(W_1 h_i / r + b_1) + s\, b_2 \bigr]

    with h_i the l=0 channels of atom i in the last layer, b the least-squares fit of the target
    on composition alone (so that training is about what composition leaves), s the spread it
    leaves, r the root mean square of the untrained features, and pool a sum or a mean.

    A dipole moment is a vector. Where a layer holds vectors :math:`v_{ic}` (l=1, odd; the last such
    layer is taken, and :math:`r'` is their root mean square), the readout has one output for each
    of them, and otherwise one charge; in both cases b are charges of the elements, and positions
    count from their mean, so that the origin does not matter:

    .. math:: \hat\mu = \sum_i b_{Z_i} (x_i - \bar x)
              + s \sum_{ic} w_c(h_i / r)\, v_{ic} / r'
              \quad\text{or}\quad \sum_i \bigl[b_{Z_i} + s\, w(h_i / r)\bigr] (x_i - \bar x)

    Parameters
    ----------
    encoder : Encoder
        Of any architecture with l=0 channels in its last layer.
    task : Task
        What is predicted.
    seed : int
        Seed of the readout's weights.
    """

    scale: torch.Tensor
    offsets: torch.Tensor
    unit: torch.Tensor
    vector_unit: torch.Tensor

    def __init__(self, encoder: Encoder, task: Task, *, seed: int = 0) -> None:
        super().__init__()
        self._encoder = (encoder,)  # not a module: its weights are those of self.network
        self.network = encoder.model
        self.task = task
        self._columns = torch.from_numpy(_columns(encoder, -1, l=0))
        self._vectors: tuple[int, torch.Tensor] | None = None  # layer and columns, if they are read
        n_outputs = 1
        if task.pooling == "vector":
            layers = range(len(encoder.layers))
            with_vectors = [i for i in layers if len(_columns(encoder, i, l=1))]
            if with_vectors:
                columns = _columns(encoder, with_vectors[-1], l=1)
                self._vectors = with_vectors[-1], torch.from_numpy(columns)
                n_outputs = len(columns) // 3
                self.register_buffer("vector_unit", torch.ones((), dtype=torch.float64))
        with undo_import_effects(torch.float64), seeded(seed):
            readout = torch.nn.Sequential(
                torch.nn.Linear(len(self._columns), _HIDDEN),
                torch.nn.SiLU(),
                torch.nn.Linear(_HIDDEN, n_outputs),
            )
        self.readout = readout.to(encoder.dtype)
        self.register_buffer("offsets", torch.zeros(_N_ELEMENTS, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("unit", torch.ones((), dtype=torch.float64))

    @classmethod
    def untrained(
        cls, architecture: str, task: str, *, seed: int = 0, dtype: str = "float32"
    ) -> ZooModel:
        """The model as it is before the first step."""
        return cls(build_encoder(architecture, seed=seed, dtype=dtype), TASKS[task], seed=seed)

    @property
    def encoder(self) -> Encoder:
        """The encoder whose weights are trained."""
        return self._encoder[0]

    def to_device(self, device: str | torch.device) -> ZooModel:
        """Move to `device`, encoder included, and return the model."""
        self.encoder.to(device)
        self._columns = self._columns.to(device)
        if self._vectors is not None:
            self._vectors = self._vectors[0], self._vectors[1].to(device)
        self.to(device)
        return self

    @property
    def reads_vectors(self) -> bool:
        """Whether the readout sees vectors beside the scalars of the last layer."""
        return self._vectors is not None

    def parts(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the readout sees: l=0 channels, shape (n_atoms, n_channels), and vectors if any.

        The vectors have shape (n_atoms, n_vectors, 3).
        """
        features, _ = self.encoder.evaluate(batch)  # type: ignore[attr-defined]
        vectors = None
        if self._vectors is not None:
            layer, columns = self._vectors
            vectors = features[layer][:, columns].unflatten(1, (-1, 3))
        return features[-1][:, self._columns], vectors

    def scalars(self, batch: Batch) -> torch.Tensor:
        """The l=0 channels of the last layer, shape (n_atoms, n_channels)."""
        return self.parts(batch)[0]

    def pool(self, scalars: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean of the scalars over the atoms of each molecule, shape (n_molecules, n_channels)."""
        total = scalars.new_zeros(len(batch), scalars.shape[1])
        return total.index_add_(0, batch.structure, scalars) / batch.n_atoms[:, None]

    def forward(self, batch: Batch) -> torch.Tensor:
        """Predictions in the target's unit, in double precision.

        Shape (n_molecules,), and (n_molecules, 3) of a vector.
        """
        return self.read(*self.parts(batch), batch)

    def with_gradient(
        self, batch: Batch, *, learn: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Predictions, and their derivative by the position of each atom.

        Of atomization energies that is the force.

        Parameters
        ----------
        batch : Batch
            Molecules.
        learn : bool, default False
            Keep what it takes to differentiate once more, by the weights.

        Returns
        -------
        Tensor of shape (n_molecules,), Tensor of shape (n_atoms, 3)
            In the target's unit, and in that per Angstrom.
        """
        with torch.enable_grad():
            moved = torch.zeros_like(batch.positions, requires_grad=True)
            i, j = batch.edges
            vectors = batch.vectors + (moved[j] - moved[i])
            predicted = self(replace(batch, positions=batch.positions + moved, vectors=vectors))
            (gradient,) = torch.autograd.grad(predicted.sum(), moved, create_graph=learn)
        return (predicted if learn else predicted.detach()), gradient.double()

    def read(
        self, scalars: torch.Tensor, vectors: torch.Tensor | None, batch: Batch
    ) -> torch.Tensor:
        """What the readout makes of :meth:`parts`."""
        read = self.readout(scalars / self.unit.to(self.encoder.dtype)).double() * self.scale
        atomic = self.offsets[batch.numbers]
        if vectors is None:
            atomic = atomic + read[:, 0]
        if self.task.pooling == "vector":
            atomic = atomic[:, None] * _centred(batch)
        if vectors is not None:
            atomic = atomic + (read[:, :, None] * vectors.double() / self.vector_unit).sum(1)
        total = atomic.new_zeros(len(batch), *atomic.shape[1:])
        total = total.index_add(0, batch.structure, atomic)
        return total / batch.n_atoms if self.task.pooling == "mean" else total

    def predict(
        self, atoms: AtomsSequence | Iterable[ase.Atoms], *, batch_size: int = 32
    ) -> np.ndarray:
        """Predictions of the target for molecules, shape (n_molecules,), in its unit.

        Of a vector its length: see :meth:`predict_vectors`.

        Raises
        ------
        ValueError
            If a structure is no molecule or has an element the model was not trained on.
        """
        return length(self._predict(atoms, batch_size))

    def predict_vectors(
        self, atoms: AtomsSequence | Iterable[ase.Atoms], *, batch_size: int = 32
    ) -> np.ndarray:
        """Predicted vectors of molecules, shape (n_molecules, 3), in the frame of the coordinates.

        Raises
        ------
        ValueError
            If the model predicts no vector, a structure is no molecule, or has an element the model
            was not trained on.
        """
        if self.task.pooling != "vector":
            raise ValueError(f"{self.task.target!r} is no vector; use predict.")
        return self._predict(atoms, batch_size)

    @torch.no_grad()
    def _predict(self, atoms: AtomsSequence | Iterable[ase.Atoms], batch_size: int) -> np.ndarray:
        molecules = atoms if isinstance(atoms, AtomsSequence) else AtomsSequence.from_atoms(atoms)
        check(self.encoder, molecules, None)
        graphs = [self.encoder.graph(molecule) for molecule in molecules]
        parts: list[np.ndarray] = []
        for start in range(0, len(graphs), batch_size):
            part: Sequence[object] = graphs[start : start + batch_size]
            batch = collate(part, dtype=self.encoder.dtype, device=self.encoder.device)  # type: ignore[arg-type]
            parts.append(self(batch).cpu().numpy())
        shape = (0, 3) if self.task.pooling == "vector" else 0
        return np.concatenate(parts) if parts else np.empty(shape)


def length(values: np.ndarray) -> np.ndarray:
    """Lengths of vectors, shape (n,); numbers stay as they are."""
    return np.linalg.norm(values, axis=1) if values.ndim == 2 else values


def _columns(encoder: Encoder, layer: int, *, l: int) -> np.ndarray:  # noqa: E741
    """Columns of a layer's scalars (0e) or vectors (1o), component by component."""
    parity = {0: "e", 1: "o"}[l]
    found = [
        np.arange(part.start, part.stop)
        for term, part in encoder.layers[layer].irreps.slices()
        if term.l == l and term.p == parity
    ]
    return np.concatenate(found) if found else np.empty(0, dtype=int)


def _centred(batch: Batch) -> torch.Tensor:
    """Positions from the mean of their molecule, in double precision, shape (n_atoms, 3)."""
    positions = batch.positions.double()
    mean = positions.new_zeros(len(batch), 3).index_add(0, batch.structure, positions)
    return positions - (mean / batch.n_atoms[:, None])[batch.structure]


def _design(atoms: AtomsSequence, pooling: str) -> tuple[np.ndarray, np.ndarray]:
    """What the offsets multiply, elements last, and the atomic numbers of its columns."""
    counts, elements = atoms.element_counts()
    if pooling == "vector":
        of = np.repeat(np.arange(len(atoms)), atoms.n_atoms)
        mean = np.add.reduceat(atoms.positions, atoms.offsets[:-1]) / atoms.n_atoms[:, None]
        summed = np.zeros((len(atoms), len(elements), 3))
        places = of, np.searchsorted(elements, atoms.numbers)
        np.add.at(summed, places, atoms.positions - mean[of])
        return summed.swapaxes(1, 2), elements
    return (counts / atoms.n_atoms[:, None] if pooling == "mean" else counts), elements


def composition_offsets(
    atoms: AtomsSequence, target: np.ndarray, pooling: str
) -> tuple[np.ndarray, float]:
    """Least squares of the target on composition, and what it leaves.

    Composition are the counts of the elements for ``"sum"``, their fractions for ``"mean"``, and
    for ``"vector"`` the positions from the molecule's mean, summed by element: b are charges then.

    Returns
    -------
    offsets : ndarray, shape (119,)
        By atomic number; zero for elements that do not occur.
    spread : float
        Standard deviation of the residual, of vectors the root mean square of its length.
    """
    design, elements = _design(atoms, pooling)
    rows = design.reshape(-1, len(elements))
    solution = np.linalg.lstsq(rows, target.ravel(), rcond=None)[0]
    offsets = np.zeros(_N_ELEMENTS)
    offsets[elements] = solution
    residual = target - design @ solution
    spread = residual.std() if residual.ndim == 1 else (residual**2).sum(1).mean() ** 0.5
    return offsets, float(spread)
