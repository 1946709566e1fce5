"""The shipped splits: written once, read in a fraction of a second without RDKit or tblite.

Numbers are kept as integers at a stated step, each array as byte planes (all lowest bytes, then
all second bytes, ...), which lets deflate remove what the high bytes have in common.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets.xtb9.derived import moments, total_mass
from cpdkit.datasets.xtb9.formulas import formula_table

__all__ = ["SPLITS", "STEPS", "UNITS", "load", "manifest", "read_arrays", "write_arrays"]

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
    constants, extent = moments(numbers, positions, starts)
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


def write_arrays(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write one split; numbers in `STEPS` are rounded to their step.

    Parameters
    ----------
    path : Path
        Ends in ``.npz``; appears only when complete.
    columns : mapping of str to ndarray
        Floating arrays named in `STEPS`, small non-negative integers, or text.
    """
    packed: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        values = np.asarray(values)
        if values.dtype.kind in "UO":
            text = "\n".join(values.tolist())
            packed[f"{name}|text"] = np.frombuffer(text.encode("ascii"), np.uint8)
        elif values.dtype.kind in "iu":
            if values.size and (values.min() < 0 or values.max() > 65535):
                raise ValueError(f"{name}: integers must lie in 0..65535")
            packed[f"{name}|int"] = _planes(values.astype("<u2"))
        else:
            whole = np.rint(values / STEPS[name]).astype(np.int64)
            zigzag = np.where(whole < 0, -2 * whole - 1, 2 * whole).astype("<u8")
            width = next(w for w in (2, 4, 8) if int(zigzag.max()) < 256**w)
            packed[f"{name}|step"] = _planes(zigzag.astype(f"<u{width}"))
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        np.savez_compressed(file, **packed)  # type: ignore[arg-type]
    os.replace(temporary, path)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """What :func:`write_arrays` wrote."""
    columns: dict[str, np.ndarray] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            name, kind = key.split("|")
            if kind == "text":
                columns[name] = np.array(archive[key].tobytes().decode("ascii").split("\n"))
                continue
            planes = archive[key]
            flat = np.ascontiguousarray(np.moveaxis(planes, 0, -1))
            whole = flat.view(f"<u{len(planes)}")[..., 0].astype(np.int64)
            if kind == "int":
                columns[name] = whole
            else:
                columns[name] = np.where(whole & 1, -(whole + 1) // 2, whole // 2) * STEPS[name]
    return columns


def _planes(values: np.ndarray) -> np.ndarray:
    """Byte planes of an unsigned array, shape (n_bytes, *values.shape)."""
    parts = np.ascontiguousarray(values)[..., None].view(np.uint8)
    return np.ascontiguousarray(np.moveaxis(parts, -1, 0))


def data_file(name: str) -> Path:
    """Path of a file shipped in ``data/``."""
    with as_file(files("cpdkit.datasets.xtb9").joinpath("data", name)) as path:
        return path
