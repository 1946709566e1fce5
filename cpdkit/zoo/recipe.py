"""What is the same for every model of the zoo, and what differs between its architectures."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from cpdkit._messages import unknown

if TYPE_CHECKING:
    from cpdkit.datasets import Dataset
    from cpdkit.encoders._base import Encoder

__all__ = ["ARCHITECTURES", "CUTOFF", "TASKS", "Recipe", "Task", "build_encoder"]

CUTOFF = 4.0  # Angstrom

ARCHITECTURES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "mace": {"hidden_irreps": "40x0e+40x1o", "correlation": 2, "max_ell": 2},
        "painn": {"channels": 64, "layers": 3},
        "schnet": {"channels": 96, "layers": 3},
        "dimenet++": {"hidden_channels": 64, "num_blocks": 2},
        "visnet": {"hidden_channels": 48, "num_layers": 3, "lmax": 2},
    }
)
"""Architectures with sizes at which the weights that are trained agree within a factor of two."""


@dataclass(frozen=True)
class Task:
    """A target and how atoms make it up.

    Attributes
    ----------
    target : str
        Column of the data set.
    pooling : {"sum", "mean", "vector"}
        Whether the target grows with the molecule, or is the length of a sum of vectors.
    unit : str
        Of the target.
    components : tuple of str
        Columns of ``Dataset.info`` with the vector, where `target` is its length.
    data : str
        The data set that it is learned from: ``"xtb9"``, or ``"qm9"`` (25,000 molecules of it).
    forces : float
        Weight of the forces in the loss, 0 where the target alone is learned. Where they are, the
        target is an atomization energy, whose gradient is the force, and the molecules of the
        data set are relaxed and displaced.
    """

    target: str
    pooling: str
    unit: str
    components: tuple[str, ...] = ()
    data: str = "xtb9"
    forces: float = 0.0

    def labels(self, dataset: Dataset) -> np.ndarray:
        """What is learned: the target, shape (n,), or the vectors, shape (n, 3).

        Raises
        ------
        ValueError
            If the data set lacks the target or its vector, or has not all of their values.
        """
        if self.target not in dataset.targets:
            raise ValueError(unknown("target", self.target, dataset.targets.columns))
        info = dataset.targets.iloc[:, :0] if dataset.info is None else dataset.info
        if missing := [name for name in self.components if name not in info]:
            raise ValueError(
                f"the vector of target {self.target!r} is learned, which the data set lacks: its "
                f"info needs the columns {missing} (in {self.unit}, in the frame of the positions)."
            )
        of = info[[*self.components]] if self.components else dataset.targets[self.target]
        values = of.to_numpy(dtype=float)
        if not np.isfinite(values).all():
            raise ValueError(f"target {self.target!r} has missing values; drop these molecules.")
        return values


TASKS: Mapping[str, Task] = MappingProxyType(
    {
        "gap": Task(target="gap", pooling="mean", unit="eV"),
        "energy": Task(target="atomization_energy", pooling="sum", unit="eV"),
        "dipole": Task("mu", "vector", "Debye", components=("dipole_x", "dipole_y", "dipole_z")),
        "forces": Task("atomization_energy", "sum", "eV", forces=1.0),
        "qm9_homo": Task(target="homo", pooling="mean", unit="Ha", data="qm9"),
        "qm9_energy": Task(target="e_el", pooling="sum", unit="Ha", data="qm9"),
    }
)
"""What a model of the zoo may be trained for."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The training every architecture and task gets.

    Attributes
    ----------
    epochs : int
        Passes over the training molecules.
    batch_size : int
        Molecules per step.
    learning_rate : float
        Peak of the schedule: linear warm-up, then a half cosine to zero.
    warmup : float
        Epochs of warm-up.
    weight_decay : float
        Of AdamW (Loshchilov & Hutter, arXiv:1711.05101).
    ema_decay : float
        Of the exponential moving average of the weights, which is what is kept; smaller during
        the first steps, ``min(ema_decay, (1 + step) / (10 + step))``.
    clip : float
        Largest norm of the gradient.
    n_validation : int
        Molecules of the train split that are held out for the validation curve.
    checkpoints : tuple of float
        Epochs after which intermediate weights are kept.
    """

    epochs: int = 10
    batch_size: int = 16
    learning_rate: float = 3e-3
    warmup: float = 0.25
    weight_decay: float = 1e-4
    ema_decay: float = 0.999
    clip: float = 10.0
    n_validation: int = 500
    checkpoints: tuple[float, ...] = (0.25, 0.5, 1, 2, 4, 7)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "n_validation"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if not 0 < self.learning_rate < 1:
            raise ValueError(f"learning_rate must lie in (0, 1); got {self.learning_rate}.")
        outside = [epoch for epoch in self.checkpoints if not 0 < epoch < self.epochs]
        if outside:
            raise ValueError(
                f"checkpoints must lie between 0 and {self.epochs} epochs; got {outside}."
            )


def build_encoder(architecture: str, *, seed: int = 0, dtype: str = "float32") -> Encoder:
    """An architecture of the zoo with its initial weights.

    Raises
    ------
    ValueError
        If there is no such architecture.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(unknown("architecture", architecture, ARCHITECTURES))
    return copy.deepcopy(_built(architecture, seed, dtype))


@lru_cache(maxsize=16)
def _built(architecture: str, seed: int, dtype: str) -> Encoder:
    """To be copied: a chapter loads dozens of weights, and to build MACE takes a second."""
    from cpdkit.encoders import load_encoder

    options = ARCHITECTURES[architecture]
    name = f"{architecture}-untrained"
    return load_encoder(name, seed=seed, cutoff=CUTOFF, dtype=dtype, **options)
