"""Relaxed and displaced geometries with energies and forces, for the one task that needs them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from cpdkit.datasets import AtomsSequence, Dataset, load_dataset
from cpdkit.datasets._npz import read_npz

__all__ = ["FILE", "WithForces", "load_displaced"]

FILE = "xtb9-displaced.npz"
"""Name of the file in the folder of the zoo."""


@dataclass(frozen=True, eq=False, kw_only=True)
class WithForces(Dataset):
    """Structures with targets and forces.

    Attributes
    ----------
    forces : ndarray of shape (total_atoms, 3)
        On the atoms of all structures, one structure after the other, in eV/Angstrom.

    Raises
    ------
    ValueError
        If there is not one force for each atom.
    """

    forces: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.forces.shape != self.atoms.positions.shape:
            raise ValueError(
                f"forces have shape {self.forces.shape}, but there are {len(self.atoms.positions)} "
                "atoms; give three components for each."
            )

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of structures, targets and forces."""
        digest = hashlib.sha256(super().fingerprint.encode())
        digest.update(np.ascontiguousarray(self.forces, dtype=np.float32).tobytes())
        return digest.hexdigest()


def load_displaced(folder: Path) -> WithForces:
    """The train split of ``xtb9``, each molecule relaxed and displaced, with its forces.

    Parameters
    ----------
    folder : path
        Of the zoo, where ``python -m tools.xtb9.displaced --out FOLDER`` has put the file.

    Returns
    -------
    WithForces
        Target ``atomization_energy``; ``info`` says which molecule a geometry is of, and whether
        it is relaxed.

    Raises
    ------
    FileNotFoundError, ValueError
        If the file is not there, is damaged, or belongs to other molecules.
    """
    remedy = (
        f"in a clone of the repository `python -m tools.xtb9.displaced --out {folder}` makes it "
        "(some 17 minutes of one core; needs tblite)"
    )
    names = ("row", "displacement", "energy", "forces")
    row, moved, energy, forces = read_npz(folder / FILE, names, remedy=remedy).values()
    train = load_dataset("xtb9", split="train")
    if row.size == 0 or row.min() < 0 or row.max() >= len(train):
        raise ValueError(f"{folder / FILE} names molecules that xtb9 does not have; {remedy}.")
    atoms = train.atoms.select(row)
    if moved.shape != atoms.positions.shape or len(energy) != len(row):
        raise ValueError(f"{folder / FILE} belongs to other molecules; {remedy}.")
    # What the atoms of a molecule have free does not depend on its geometry.
    free = (train.targets["energy"] + train.targets["atomization_energy"]).to_numpy()
    rank = pd.Series(row).groupby(row).cumcount()
    relaxed = np.logical_and.reduceat((moved == 0).all(axis=1), atoms.offsets[:-1])
    return WithForces(
        name="xtb9-displaced",
        split="train",
        atoms=AtomsSequence(atoms.numbers, atoms.positions + moved, atoms.n_atoms),
        targets=pd.DataFrame({"atomization_energy": free[row] - energy}),
        units={"atomization_energy": "eV"},
        ids=np.array([f"{train.ids[r]}/{i}" for r, i in zip(row, rank, strict=True)]),
        smiles=None if train.smiles is None else train.smiles[row],
        info=pd.DataFrame({"molecule": row, "relaxed": relaxed}),
        forces=forces,
    )
