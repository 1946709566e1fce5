"""What a representation keeps once the directions that its own readout reads are gone."""

from __future__ import annotations

import numpy as np
import torch

from cpdkit.datasets._dataset import AtomsSequence
from cpdkit.encoders._graph import collate
from cpdkit.representation import Representation
from cpdkit.zoo.model import ZooModel

__all__ = ["readout_directions", "without_readout"]

SHARE = 0.99
"""Of the squared gradient of the readout that the directions hold."""


def readout_directions(
    model: ZooModel, atoms: AtomsSequence, *, share: float = SHARE, batch_size: int = 32
) -> np.ndarray:
    r"""Directions along which a readout changes, orthonormal, shape (n_directions, n_scalars).

    The readout is not linear, so its gradient differs from atom to atom: these are the leading
    eigenvectors of the mean of :math:`g g^\top` over atoms (an active subspace), as few as hold
    `share` of its trace.

    Raises
    ------
    ValueError
        If the readout sees vectors as well: directions among scalars are then not all it reads.
    """
    if model.reads_vectors:
        raise ValueError(f"the readout of {model.encoder.name!r} sees vectors beside scalars.")
    encoder = model.encoder
    moment = np.zeros((len(model._columns),) * 2)
    for start in range(0, len(atoms), batch_size):
        graphs = [
            encoder.graph(atoms[i]) for i in range(start, min(start + batch_size, len(atoms)))
        ]
        batch = collate(graphs, dtype=encoder.dtype, device=encoder.device)
        with torch.no_grad():
            scalars = model.scalars(batch)
        scalars = scalars.detach().requires_grad_()
        read = model.readout(scalars / model.unit.to(encoder.dtype)).sum()
        (gradient,) = torch.autograd.grad(read, scalars)
        g = gradient.cpu().numpy().astype(float)
        moment += g.T @ g
    values, vectors = np.linalg.eigh(moment)
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    held = np.cumsum(values) / values.sum()
    return vectors[:, : int(np.searchsorted(held, share)) + 1].T


def without_readout(
    layer: Representation, model: ZooModel, atoms: AtomsSequence, *, share: float = SHARE
) -> tuple[np.ndarray, int]:
    """Pooled features of the last layer without `readout_directions`, and how many these are.

    Scalars are projected; vectors and tensors, which the readout does not see, stay.
    """
    directions = readout_directions(model, atoms, share=share)
    scalars = layer.select(l=0).features.astype(float)
    parts = [scalars - scalars @ directions.T @ directions]
    degrees = sorted({block.l for block in layer.blocks} - {0})
    parts += [layer.select(l=degree).features.astype(float) for degree in degrees]
    return np.hstack(parts), len(directions)
