"""The shipped splits."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import as_file, files

import numpy as np
import pandas as pd
from ase.data import atomic_masses

from cpdkit._messages import unknown
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets._npz import read_npz
from cpdkit.datasets.prototypes.ions import radii_of

__all__ = ["SPLITS", "STEP", "UNITS", "load"]

SPLITS = ("probe", "conformers")

STEP = 1e-6
"""Coordinates and lattice vectors are stored as whole multiples of this many Angstrom."""

UNITS: Mapping[str, str] = {
    "ewald_energy": "eV",
    "volume_per_atom": "Angstrom^3",
    "density": "g/cm^3",
    "nearest_distance": "Angstrom",
    "packing_fraction": "1",
}

_DALTON = 1.66053906892  # g/cm^3 for one u in a cubic Angstrom


def load(split: str = "probe") -> Dataset:
    """Ionic crystals of common structure types.

    Parameters
    ----------
    split : {"probe", "conformers"}
        One geometry of each, or nine of some of them.

    Returns
    -------
    Dataset
        `targets` are the columns of `UNITS`, the electrostatic energy per atom. `info` has
        ``prototype``, and ``strained`` (whether the cell is deformed against its symmetry) or on
        ``conformers`` ``parent`` (its name in ``probe``) and ``geometry`` (``start``,
        ``strained``, ``displaced``, ``displaced supercell`` or ``supercell``).

    Raises
    ------
    ValueError
        For an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(unknown("split of 'prototypes'", split, SPLITS))
    with as_file(files(__package__).joinpath("data", f"{split}.npz")) as path:
        stored = read_npz(path, remedy="install cpdkit again")
    cells, n_atoms = stored["cells"] * STEP, stored["n_atoms"].astype(np.int64)
    atoms = AtomsSequence(stored["numbers"], stored["positions"] * STEP, n_atoms, cells=cells)
    volume, starts = np.abs(np.linalg.det(cells)), atoms.offsets[:-1]
    spheres = 4 / 3 * np.pi * radii_of(atoms.numbers) ** 3
    targets = {
        "ewald_energy": stored["ewald_energy"],
        "volume_per_atom": volume / n_atoms,
        "density": _DALTON * np.add.reduceat(atomic_masses[atoms.numbers], starts) / volume,
        "nearest_distance": stored["nearest_distance"],
        "packing_fraction": np.add.reduceat(spheres, starts) / volume,
    }
    known = [name for name in ("prototype", "strained", "parent", "geometry") if name in stored]
    return Dataset(
        name="prototypes",
        split=split,
        atoms=atoms,
        targets=pd.DataFrame(targets),
        units=UNITS,
        ids=stored["ids"],
        info=pd.DataFrame({name: stored[name] for name in known}),
    )
