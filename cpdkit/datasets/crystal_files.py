"""Crystals of one's own: a folder of CIF files, or a database of ASE.

Extended XYZ with ``Lattice=`` is read as molecules are (`cpdkit.datasets.extxyz`), and checked as
these are.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
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

__all__ = ["DATABASES", "TABLE", "check_crystals", "check_occupied", "read_cif_folder"]
__all__ += ["read_database"]

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
    """Read the CIF files of a folder, and their targets from its ``properties.csv``.

    Parameters
    ----------
    folder : str or Path
        Holds ``properties.csv``, whose column ``id`` names files without their ending; each of its
        rows needs one.
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
        If no target is named, a column is missing or holds no numbers, there are no rows, or a file
        cannot be read, holds several structures, partly occupied sites, or what `check_crystals`
        refuses.

    Warns
    -----
    UserWarning
        Of CIF files that the table does not name; they are not read.
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
    if table.empty:
        raise ValueError(
            f"{str(folder)!r} holds no structures: {TABLE} has no rows; write one for each file."
        )
    frames = [_cif(folder / f"{name}.cif") for name in table["id"]]
    columns = {str(name): table[name] for name in table.columns.drop("id")}
    dataset = _dataset(folder, frames, columns, table["id"].tolist(), targets, units)
    there = {file.stem for file in folder.glob("*.cif")}
    left = sorted(there - set(table["id"]))
    if left:
        warnings.warn(
            f"{str(folder)!r}: {len(left)} of {len(there)} CIF files are not read, as {TABLE} does "
            f"not name them (first: {left[0]}.cif); add a row for each, or move them away.",
            stacklevel=2,
        )
    return dataset


def _cif(path: Path) -> ase.Atoms:
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}, which {TABLE} names.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ASE on tags it does not need
            frames: Any = ase.io.read(path, index=":", format="cif")
    except Exception as error:  # the reader raises whatever a strange file makes it
        why = _said(error) or "it does not begin with data_NAME, as CIF does"
        raise ValueError(f"{str(path)!r} cannot be read as CIF: {why}.") from None
    if len(frames) != 1:
        many = "no structure with a cell and sites" if not frames else f"{len(frames)} structures"
        raise ValueError(f"{str(path)!r} holds {many}; give each structure its own file.")
    check_occupied(frames[0].info.get("occupancy"), repr(str(path)))
    return frames[0]


def _said(error: Exception) -> str:
    """What a reader of ASE said; some say nothing."""
    return str(error).rstrip(".")


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
        why = _said(error) or f"its reader stops with {type(error).__name__}"
        raise ValueError(f"{str(path)!r} cannot be read as a database of ASE: {why}.") from None
    if not rows:
        raise ValueError(f"{str(path)!r} holds no structures.")
    for row in rows:
        check_occupied(row.data.get("occupancy"), f"{str(path)!r}, {str(row.id)!r}")
    shared = set.intersection(*(set(pair) for pair in pairs))
    for name in targets or ():
        lacking = [row.id for row, pair in zip(rows, pairs, strict=True) if name not in pair]
        if 0 < len(lacking) < len(rows):
            raise ValueError(
                f"{str(path)!r}: target {name!r} is missing from {len(lacking)} of {len(rows)} "
                f"rows (first: row {lacking[0]}); complete or remove them."
            )
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
            _refuse_text(path, name, columns.get(name), ids)
            raise ValueError(f"{str(path)!r}: {unknown('target', name, numeric)}")
    for name in units or {}:
        if name not in targets:
            raise ValueError(unknown("target in units", name, list(targets)))
    try:
        atoms = AtomsSequence.from_atoms(frames)
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from None
    check_crystals(frames, lambda row: f"{str(path)!r}, {ids[row]!r}")
    return Dataset(
        name=path.stem,
        split="file",
        atoms=atoms,
        targets=pd.DataFrame({name: columns[name].to_numpy(dtype=float) for name in targets}),
        units={name: (units or {}).get(name, "") for name in targets},
        ids=np.array(ids),
    )


def _refuse_text(path: Path, name: str, column: pd.Series | None, ids: Sequence[str]) -> None:
    """Say which value of a target is no number, if one is."""
    if column is None:
        return
    text = pd.to_numeric(column, errors="coerce").isna() & column.notna()
    if text.any():
        row = int(text.argmax())
        raise ValueError(
            f"{str(path)!r}: target {name!r} is {column[row]!r} in {ids[row]!r}, not a number; "
            "correct it, or remove the row."
        )


def check_occupied(noted: Any, name: str) -> None:
    """Refuse partly occupied sites.

    Parameters
    ----------
    noted : mapping, sequence, float or None
        What a file says of occupancy: of each kind of site the shares of its elements, as ASE keeps
        them, or one share for each site. None where it says nothing.
    name : str
        Which structure the sentence is about.

    Raises
    ------
    ValueError
        If a site is shared, or its share is less than one or no number.
    """
    noted = () if noted is None else noted
    sites = noted.values() if isinstance(noted, Mapping) else np.ravel(noted)
    for site in sites:
        shares = list(site.values()) if isinstance(site, Mapping) else [site]
        if len(shares) != 1 or not isinstance(shares[0], Real) or not float(shares[0]) >= 1:
            raise ValueError(
                f"{name} has partly occupied sites, such as {site}: such a crystal is an average, "
                "and models take atoms. Give an ordered structure."
            )


def check_crystals(atoms: Sequence[ase.Atoms], name: Callable[[int], str]) -> None:
    """Refuse what is no crystal, and warn of what is probably none.

    Parameters
    ----------
    atoms : AtomsSequence or sequence of ase.Atoms
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
            raise ValueError(f"{name(row)} {_no_crystal(structure)}, or remove it.")
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


def _no_crystal(atoms: ase.Atoms) -> str:
    """Why a structure does not repeat in three directions, and what to do."""
    repeats = "a crystal repeats in three directions"
    if not atoms.cell.rank:
        return f"has no cell; {repeats}: give its cell (Lattice= in extended XYZ)"
    pbc = " ".join("FT"[int(one)] for one in atoms.pbc)
    kind = "is periodic in some directions only," if atoms.pbc.any() else "has a cell, but"
    return f'{kind} pbc is {pbc}; {repeats}: write pbc="T T T"'


def _widest_gap(atoms: ase.Atoms) -> float:
    """Largest distance between neighbouring planes of atoms, along the three lattice directions."""
    heights = 1 / np.linalg.norm(np.linalg.inv(atoms.cell.array), axis=0)
    places = np.sort(atoms.get_scaled_positions() % 1.0, axis=0)
    gaps = np.diff(np.vstack([places, places[:1] + 1]), axis=0).max(axis=0)
    return float((gaps * heights).max())
