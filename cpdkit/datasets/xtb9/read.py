"""The shipped splits, read in a fraction of a second without RDKit or tblite.

Numbers are kept as integers at a stated step, each array as byte planes (all lowest bytes, then
all second bytes, ...), which lets deflate remove what the high bytes have in common.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets._npz import read_npz
from cpdkit.datasets.xtb9.derived import rotational_constants, total_mass
from cpdkit.datasets.xtb9.formulas import formula_table

__all__ = ["SPLITS", "STEPS", "UNITS", "load", "manifest", "read_arrays"]

SPLITS = ("probe", "train", "conformers")

# Resolution of what is stored; everything else is counted or text.
STEPS: Mapping[str, float] = {
    "positions": 1e-4,  # Angstrom
    "energy": 1e-7,  # eV
    "homo": 1e-7,
    "lumo": 1e-7,
    "homo_gfn1": 1e-7,
    "lumo_gfn1": 1e-7,
    "dipole": 1e-7,  # Debye
    "quadrupole": 1e-6,  # Debye Angstrom: xx, xy, yy, xz, yz
    "alpha": 1e-4,  # Bohr^3
}

# Columns of `Dataset.targets`.
UNITS: Mapping[str, str] = {
    "energy": "eV",
    "atomization_energy": "eV",
    "relative_energy": "eV",
    "homo": "eV",
    "lumo": "eV",
    "gap": "eV",
    "homo_gfn1": "eV",
    "lumo_gfn1": "eV",
    "gap_gfn1": "eV",
    "mu": "Debye",
    "alpha": "Bohr^3",
    "r2": "Bohr^2",
    "A": "GHz",
    "B": "GHz",
    "C": "GHz",
}


def manifest() -> dict:
    """Settings, versions, energies of the free atoms, counts and checksums of the shipped data."""
    return json.loads(data_file("manifest.json").read_text("utf-8"))


def load(split: str = "probe") -> Dataset:
    """One of the shipped splits.

    Parameters
    ----------
    split : {"probe", "train", "conformers"}
        ``conformers`` holds ten geometries for each of some molecules of ``probe``; no molecule
        of ``train`` is in either.

    Returns
    -------
    Dataset
        `targets` are the columns of `UNITS` (``alpha`` not on ``train``, ``relative_energy`` only
        on ``conformers``). `info` has ``inchikey``, ``molecule`` (number of the molecule within
        the split), ``formula_in_train``, ``mass`` (u), ``dipole_x`` ... (Debye), ``quadrupole_xx``
        ... (traceless, Debye Angstrom, about the centre of mass), both in the frame of the
        coordinates, the number of bonds of each type (``C-C``, ``C=C``, ..., ``:`` is aromatic),
        and on ``conformers`` ``relaxed`` (False for a displaced geometry).

    Raises
    ------
    ValueError
        For an unknown split.
    """
    if split not in SPLITS:
        raise ValueError(unknown("split of xtb9", split, SPLITS))
    return dataset_from_arrays(read_arrays(data_file(f"{split}.npz")), split, manifest())


def dataset_from_arrays(columns: Mapping[str, np.ndarray], split: str, about: Mapping) -> Dataset:
    """Build the `Dataset` of a split from what is stored and the manifest."""
    numbers, positions, n_atoms = columns["numbers"], columns["positions"], columns["n_atoms"]
    atoms = AtomsSequence(numbers, positions, n_atoms)
    starts = atoms.offsets[:-1]
    free = np.zeros(10)
    for number, energy in about["atom_energies_eV"].items():
        free[int(number)] = energy
    constants, extent = rotational_constants(numbers, positions, starts)
    targets = {name: columns[name] for name in UNITS if name in columns}
    targets |= {
        "atomization_energy": np.add.reduceat(free[numbers], starts) - columns["energy"],
        "gap": columns["lumo"] - columns["homo"],
        "gap_gfn1": columns["lumo_gfn1"] - columns["homo_gfn1"],
        "mu": np.linalg.norm(columns["dipole"], axis=1),
        "r2": extent,
    } | dict(zip("ABC", constants.T, strict=True))
    molecule = columns.get("molecule", np.arange(len(n_atoms)))
    ids = columns["inchikey"]
    info: dict[str, np.ndarray] = {"inchikey": ids, "molecule": molecule}
    if split == "conformers":
        lowest = pd.Series(columns["energy"]).groupby(molecule).transform("min").to_numpy()
        targets["relative_energy"] = columns["energy"] - lowest
        info["relaxed"] = columns["relaxed"].astype(bool)
        rank = pd.Series(molecule).groupby(molecule).cumcount()
        ids = np.array([f"{key}/{r}" for key, r in zip(ids, rank, strict=True)])
    known = [row.formula for row in formula_table() if row.in_train]
    info["formula_in_train"] = np.isin(atoms.formulas(), known)
    info["mass"] = total_mass(numbers, starts)
    info |= {f"dipole_{c}": v for c, v in zip("xyz", columns["dipole"].T, strict=True)}
    info |= {f"quadrupole_{c}": v for c, v in _quadrupole(columns["quadrupole"]).items()}
    info |= dict(zip(about["bond_types"], columns["bonds"].T, strict=True))
    names = [name for name in UNITS if name in targets]
    return Dataset(
        name="xtb9",
        split=split,
        atoms=atoms,
        targets=pd.DataFrame({name: targets[name] for name in names}),
        units={name: UNITS[name] for name in names},
        ids=ids,
        smiles=columns["smiles"],
        info=pd.DataFrame(info),
    )


def _quadrupole(stored: np.ndarray) -> dict[str, np.ndarray]:
    parts = dict(zip(("xx", "xy", "yy", "xz", "yz"), stored.T, strict=True))
    return parts | {"zz": -parts["xx"] - parts["yy"]}


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Columns of one split, as its maker (``tools/xtb9/arrays.py``) wrote them."""
    columns: dict[str, np.ndarray] = {}
    for key, planes in read_npz(path, remedy="install cpdkit again").items():
        name, kind = key.split("|")
        if kind == "text":
            columns[name] = np.array(planes.tobytes().decode("ascii").split("\n"))
            continue
        flat = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
        whole = flat.view(f"<u{len(planes)}")[..., 0].astype(np.int64)
        if kind == "int":
            columns[name] = whole
        else:
            columns[name] = np.where(whole & 1, -(whole + 1) // 2, whole // 2) * STEPS[name]
    return columns


def data_file(name: str) -> Path:
    """Path of a file shipped in ``data/``."""
    with as_file(files("cpdkit.datasets.xtb9").joinpath("data", name)) as path:
        return path
