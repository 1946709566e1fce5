"""An encoder with the readout that all models of the zoo share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ase
import numpy as np
import torch

from cpdkit.datasets._dataset import AtomsSequence
from cpdkit.encoders._base import Encoder
from cpdkit.encoders._graph import Batch, collate
from cpdkit.encoders._optional import seeded, undo_import_effects
from cpdkit.extraction.job import check
from cpdkit.zoo.recipe import TASKS, Task, build_encoder

__all__ = ["ZooModel", "composition_offsets"]

_HIDDEN = 32
_N_ELEMENTS = 119


class ZooModel(torch.nn.Module):
    r"""One encoder, and a readout of the scalars of its last layer.

    .. math:: \hat y = \mathrm{pool}_i\,\bigl[ b_{Z_i}
              + s\, w_2^\top \mathrm{SiLU}(W_1 h_i / r + b_1) + s\, b_2 \bigr]

    with h_i the l=0 channels of atom i in the last layer, b the least-squares fit of the target
    on composition alone (so that training is about what composition leaves), s the spread it
    leaves, r the root mean square of the untrained features, and pool a sum or a mean.

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

    def __init__(self, encoder: Encoder, task: Task, *, seed: int = 0) -> None:
        super().__init__()
        self._encoder = (encoder,)  # not a module: its weights are those of self.network
        self.network = encoder.model
        self.task = task
        columns = [
            np.arange(part.start, part.stop)
            for term, part in encoder.layers[-1].irreps.slices()
            if term.l == 0
        ]
        self._columns = torch.from_numpy(np.concatenate(columns))
        with undo_import_effects(torch.float64), seeded(seed):
            readout = torch.nn.Sequential(
                torch.nn.Linear(len(self._columns), _HIDDEN),
                torch.nn.SiLU(),
                torch.nn.Linear(_HIDDEN, 1),
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
        self.to(device)
        return self

    def scalars(self, batch: Batch) -> torch.Tensor:
        """The l=0 channels of the last layer, shape (n_atoms, n_channels)."""
        features, _ = self.encoder.evaluate(batch)  # type: ignore[attr-defined]
        return features[-1][:, self._columns]

    def pool(self, scalars: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean of the scalars over the atoms of each molecule, shape (n_molecules, n_channels)."""
        total = scalars.new_zeros(len(batch), scalars.shape[1])
        return total.index_add_(0, batch.structure, scalars) / batch.n_atoms[:, None]

    def forward(self, batch: Batch) -> torch.Tensor:
        """Predictions in the target's unit, shape (n_molecules,), in double precision."""
        return self.read(self.scalars(batch), batch)

    def read(self, scalars: torch.Tensor, batch: Batch) -> torch.Tensor:
        """What the readout makes of the last layer's scalars."""
        atomic = (
            self.readout(scalars / self.unit.to(self.encoder.dtype))[:, 0].double() * self.scale
            + self.offsets[batch.numbers]
        )
        total = atomic.new_zeros(len(batch)).index_add_(0, batch.structure, atomic)
        return total / batch.n_atoms if self.task.pooling == "mean" else total

    @torch.no_grad()
    def predict(
        self, atoms: AtomsSequence | Iterable[ase.Atoms], *, batch_size: int = 32
    ) -> np.ndarray:
        """Predictions for molecules, shape (n_molecules,), in the target's unit.

        Raises
        ------
        ValueError
            If a structure is no molecule or has an element the model was not trained on.
        """
        molecules = atoms if isinstance(atoms, AtomsSequence) else AtomsSequence.from_atoms(atoms)
        check(self.encoder, molecules, None)
        graphs = [self.encoder.graph(molecule) for molecule in molecules]
        parts: list[np.ndarray] = []
        for start in range(0, len(graphs), batch_size):
            part: Sequence[object] = graphs[start : start + batch_size]
            batch = collate(part, dtype=self.encoder.dtype, device=self.encoder.device)  # type: ignore[arg-type]
            parts.append(self(batch).cpu().numpy())
        return np.concatenate(parts) if parts else np.empty(0)


def composition_offsets(
    atoms: AtomsSequence, target: np.ndarray, pooling: str
) -> tuple[np.ndarray, float]:
    """Least squares of the target on counts (sum) or fractions (mean), and what it leaves.

    Returns
    -------
    offsets : ndarray, shape (119,)
        By atomic number; zero for elements that do not occur.
    spread : float
        Standard deviation of the residual per atom's contribution: of the residual itself for
        ``"mean"``, divided by the square root of the mean number of atoms for ``"sum"``.
    """
    counts, elements = atoms.element_counts()
    design = counts / atoms.n_atoms[:, None] if pooling == "mean" else counts.astype(float)
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    offsets = np.zeros(_N_ELEMENTS)
    offsets[elements] = solution
    spread = float((target - design @ solution).std())
    return offsets, spread if pooling == "mean" else spread / float(atoms.n_atoms.mean()) ** 0.5
