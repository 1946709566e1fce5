"""Crystals of one's own: a folder of CIF files, or a database of ASE.

Extended XYZ with ``Lattice=`` is read as molecules are (`cpdkit.datasets.extxyz`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ase
import ase.db
import ase.io
import numpy as np
import pandas as pd
from ase.neighborlist import neighbor_list

from cpdkit._messages import unknown
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets._tables import read_csv

__all__ = ["DATABASES", "TABLE", "check_crystals", "read_cif_folder", "read_database"]

TABLE = "properties.csv"
"""File in a folder of CIF files that holds their targets."""

DATABASES = (".db", ".json")
"""Endings of databases of ASE."""

_CLOSEST = 0.5  # Angstrom; no two atoms are nearer, not even in hydrogen under pressure
_VOLUME = _CLOSEST**3 / np.sqrt(2)  # of the densest lattice with images so near
_VACUUM = 8.0  # Angstrom between neighbouring planes of atoms; layered crystals have less


def read_cif_folder(
    folder: str | Path,
    *,
    targets: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Dataset:
    """Read the CIF files of a folder, and their targets from its `TABLE`.

    Parameters
    ----------
    folder : str or Path
        Holds `TABLE`, whose column ``id`` names files without their ending; each of its rows
        needs one, and files that it does not name are not read.
    targets : sequence of str
        Columns of the table to keep; must be given.
    units : mapping of str to str, optional
        Unit of each target.

    Returns
    -------
    Dataset
        In the order of the table.

    Raises
    ------
    FileNotFoundError
        If there is no table, or a file that it names is missing.
    ValueError
        If no target is named, a column is missing or holds no numbers, or a file cannot be read,
        holds several structures, partly occupied sites, or what `check_crystals` refuses.
    """
    folder = Path(folder)
    path = folder / TABLE
    if not path.is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} is a folder without {TABLE}; write one with a column 'id' that names "
            "the CIF files, and a column for each target."
        )
    try:
        table = read_csv(path, text=["id"])
    except ValueError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error}.") from None
    if "id" not in table:
        raise ValueError(f"{str(path)!r} has no column 'id'; it has {list(table)}.")
    frames = [_cif(folder / f"{name}.cif") for name in table["id"]]
    columns = {str(name): table[name] for name in table.columns.drop("id")}
    return _dataset(folder, frames, columns, table["id"].tolist(), targets, units)


def _cif(path: Path) -> ase.Atoms:
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}, which {TABLE} names.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ASE on tags it does not need
            frames: Any = ase.io.read(path, index=":", format="cif")
    except Exception as error:  # the reader raises whatever a strange file makes it
        raise ValueError(f"{str(path)!r} cannot be read as CIF: {error!r}.") from None
    if len(frames) != 1:
        raise ValueError(f"{str(path)!r} holds {len(frames)} structures; give each its own file.")
    shared = frames[0].info.get("occupancy") or {}
    partial = [who for who in shared.values() if sum(who.values()) < 1 or len(who) > 1]
    if partial:
        raise ValueError(
            f"{str(path)!r} has partly occupied sites, such as {partial[0]}: such a crystal is an "
            "average, and models take atoms. Give an ordered structure."
        )
    return frames[0]


def read_database(
    path: str | Path,
    *,
    targets: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
) -> Dataset:
    """Read a database of ASE, ``.db`` or ``.json``.

    Parameters
    ----------
    path : str or Path
        The file. Targets are key-value pairs of its rows, or ``energy``.
    targets, units
        As for `read_cif_folder`.

    Returns
    -------
    Dataset
        Rows by their number in the database.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        As from `read_cif_folder`.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}; give the path of a database of ASE.")
    try:
        # Of an empty file ASE would make a database.
        rows = list(ase.db.connect(path).select(sort="id")) if path.stat().st_size else []
        frames = [_whole(row) for row in rows]
        pairs = [dict(row.key_value_pairs) | _energy(row) for row in rows]
    except Exception as error:  # as above
        raise ValueError(f"{str(path)!r} cannot be read as a database of ASE: {error!r}.") from None
    if not rows:
        raise ValueError(f"{str(path)!r} holds no structures.")
    shared = set.intersection(*(set(pair) for pair in pairs))
    columns = {name: pd.Series([pair[name] for pair in pairs]) for name in sorted(shared)}
    ids = [str(row.id) for row in rows]
    return _dataset(path, frames, columns, ids, targets, units)


def _whole(row: Any) -> ase.Atoms:
    atoms = row.toatoms()
    if not np.array_equal(atoms.numbers, row.numbers):  # ASE cuts fractions off
        raise ValueError(f"row {row.id} has atomic numbers {list(row.numbers)}")
    return atoms


def _energy(row: Any) -> dict[str, float]:
    return {"energy": float(row.energy)} if row.get("energy") is not None else {}


def _dataset(
    path: Path,
    frames: Sequence[ase.Atoms],
    columns: Mapping[str, pd.Series],
    ids: Sequence[str],
    targets: Sequence[str] | None,
    units: Mapping[str, str] | None,
) -> Dataset:
    numeric = [k for k, v in columns.items() if pd.api.types.is_numeric_dtype(v)]
    if targets is None:
        raise ValueError(
            f"name the targets to read from {str(path)!r}, such as targets={numeric[:1]!r}; "
            f"numbers that every structure has: {numeric}."
        )
    for name in targets:
        if name not in numeric:
            raise ValueError(f"{str(path)!r}: {unknown('target', name, numeric)}")
    for name in units or {}:
        if name not in targets:
            raise ValueError(unknown("target in units", name, list(targets)))
    try:
        atoms = AtomsSequence.from_atoms(frames)
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from None
    check_crystals(atoms, lambda row: f"{str(path)!r}, {ids[row]!r}")
    return Dataset(
        name=path.stem,
        split="file",
        atoms=atoms,
        targets=pd.DataFrame({name: columns[name].to_numpy(dtype=float) for name in targets}),
        units={name: (units or {}).get(name, "") for name in targets},
        ids=np.array(ids),
    )


def check_crystals(atoms: AtomsSequence, name: Callable[[int], str]) -> None:
    """Refuse what is no crystal, and warn of what is probably none.

    Parameters
    ----------
    atoms : AtomsSequence
        Structures.
    name : callable
        ``name(row)`` says which structure a sentence is about.

    Raises
    ------
    ValueError
        If a structure has no atoms or no cell, does not repeat in three directions, or has two
        atoms, or an atom and its image, within half an Angstrom.

    Warns
    -----
    UserWarning
        Where planes of atoms lie more than 8 Angstrom apart, as in slabs and molecules in boxes.
    """
    empty = []
    for row, structure in enumerate(atoms):
        if not structure.pbc.all():
            kind = "is periodic in some directions only" if structure.pbc.any() else "has no cell"
            raise ValueError(f"{name(row)} {kind}; a crystal repeats in three directions.")
        if not len(structure):
            raise ValueError(f"{name(row)} has no atoms; remove it.")
        # Also because neighbours in such cells are found after hours.
        volume, shortest = abs(structure.cell.volume), structure.cell.lengths().min()
        if volume < _VOLUME or shortest < _CLOSEST:
            raise ValueError(
                f"{name(row)} has a cell without volume for an atom: {volume:.2g} Angstrom^3, the "
                f"shortest vector {shortest:.2g} Angstrom."
            )
        near = neighbor_list("ijd", structure, _CLOSEST)
        if len(near[2]):
            i, j, d = (values[0] for values in near)
            raise ValueError(
                f"{name(row)}: atoms {i} and {j} are {d:.2f} Angstrom apart; remove one, or "
                "choose between the sites of a disordered structure."
            )
        if _widest_gap(structure) > _VACUUM:
            empty.append(row)
    if empty:
        warnings.warn(
            f"{len(empty)} of {len(atoms)} structures, such as {name(empty[0])}, have more than "
            f"{_VACUUM:g} Angstrom of vacuum: slabs or molecules in boxes. Volumes and densities "
            "of these mean nothing.",
            stacklevel=3,
        )


def _widest_gap(atoms: ase.Atoms) -> float:
    """Largest distance between neighbouring planes of atoms, along the three lattice directions."""
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    places = np.sort(atoms.get_scaled_positions() % 1.0, axis=0)
    gaps = np.diff(np.vstack([places, places[:1] + 1]), axis=0).max(axis=0)
    return float((gaps * heights).max())
