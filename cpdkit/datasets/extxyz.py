"""Any extended-XYZ file with named targets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets._xyz import Frame, is_number, number, read_frames
from cpdkit.datasets.crystal_files import check_crystals, check_occupied

__all__ = ["read_extxyz", "target_names"]


def read_extxyz(
    path: str | Path,
    *,
    targets: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    ids: str | None = None,
    smiles: str | None = "smiles",
) -> Dataset:
    """Read structures and targets from an extended-XYZ file.

    Parameters
    ----------
    path : str or Path
        The file. The target columns stand in the comment line of every frame, such as
        ``gap=0.31 mu=1.2``.
    targets : sequence of str
        Columns to read. There is no default: naming them avoids probing an index by accident.
    units : mapping of str to str, optional
        Unit of each target; shown on axes.
    ids : str, optional
        Column with the stable name of each row, as it is written; by default the frame number.
    smiles : str, optional
        Column with SMILES strings, if there is one; None leaves it unread.

    Returns
    -------
    Dataset
        Structures in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file does not follow the specification (https://github.com/libAtoms/extxyz) or is
        empty, no target is named, a chosen column is missing from a frame, a target is not a
        number, or names of rows repeat. Where a frame is periodic, all are taken for crystals: also
        for partly occupied sites, and for what `cpdkit.datasets.check_crystals` refuses.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}; give the path of an extended-XYZ file.")
    wanted = target_names(targets)
    frames = list(read_frames(path))
    if not frames:
        raise ValueError(f"{str(path)!r} holds no structures.")
    shared = set.intersection(*({k for k, v in f.info.items() if v is not None} for f in frames))
    numeric = sorted(name for name in shared if all(is_number(f.info[name]) for f in frames))
    if not wanted:
        raise ValueError(
            f"name the targets to read from {str(path)!r}, such as targets={numeric[:1]!r}; "
            f"numbers that every frame has: {numeric}."
        )
    columns = {name: _column(path, frames, name, "target", numeric) for name in wanted}
    for name, column in columns.items():
        if name not in numeric:
            wrong = next(i for i, text in enumerate(column) if not is_number(text))
            raise ValueError(
                f"{str(path)!r}: target {name!r} is {column[wrong]!r} in frame {wrong}, not a "
                f"number (line {frames[wrong].line + 1})."
            )
    for name in units or {}:
        if name not in columns:
            raise ValueError(unknown("target in units", name, columns))
    if ids is None:
        names = [str(i) for i in range(len(frames))]
    else:
        names = _column(path, frames, ids, "column for ids", sorted(shared))
    written = None
    if smiles is not None and any(smiles in frame.info for frame in frames):
        written = np.array(_column(path, frames, smiles, "SMILES", []), dtype=str)
    atoms = _sequence(frames)
    if atoms.periodic.any():
        for i, frame in enumerate(frames):
            noted = None if "occupancy" in columns else frame.info.get("occupancy")
            check_occupied(_shares(noted), f"{str(path)!r}, frame {i}")
        check_crystals(atoms, lambda row: f"{str(path)!r}, frame {row}")
    return Dataset(
        name=path.stem,
        split="file",
        atoms=atoms,
        targets=pd.DataFrame({k: [number(text) for text in v] for k, v in columns.items()}),
        units={name: (units or {}).get(name, "") for name in columns},
        ids=np.array(names),
        smiles=written,
    )


def target_names(targets: Sequence[str] | None) -> list[str] | None:
    """Names in the order given, none of them twice.

    Raises
    ------
    ValueError
        If it is one string, has no order, or repeats a name.
    """
    if targets is None:
        return None
    if isinstance(targets, str):
        raise ValueError(f"targets={targets!r} must be a list of names, such as [{targets!r}].")
    if isinstance(targets, set | frozenset) or not isinstance(targets, Iterable):
        raise ValueError(f"targets={targets!r} must be a list of names, in an order of its own.")
    names = list(targets)
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"targets={names} must be a list of names; {name!r} is none.")
    if len(set(names)) < len(names) or not names:
        what = "names a column twice" if names else "names none; leave it out for all"
        raise ValueError(f"targets={names} {what}.")
    return names


def _column(
    path: Path, frames: Sequence[Frame], name: str, what: str, known: Sequence[str]
) -> list[str]:
    """Text of `name` in every frame."""
    column = [frame.info.get(name) for frame in frames]
    lacking = [i for i, frame in enumerate(frames) if name not in frame.info]
    bare = [i for i, text in enumerate(column) if text is None]
    if len(lacking) == len(frames):
        raise ValueError(f"{str(path)!r}: " + unknown(what, name, known))
    if bare:
        how = "missing from" if lacking else "given without a value, such as '=0.5', in"
        rows = lacking or bare
        raise ValueError(
            f"{str(path)!r}: {what} {name!r} is {how} {len(rows)} of {len(frames)} frames (first: "
            f"frame {rows[0]}, line {frames[rows[0]].line + 1}); complete or remove them."
        )
    return [str(text) for text in column]


def _shares(text: str | None) -> Any:
    """Occupancy as ASE writes it, or as a number for each site; None for other words."""
    try:
        return json.loads((text or "null").removeprefix("_JSON"))
    except ValueError:
        words = (text or "").split()
        return [number(word) for word in words] if all(map(is_number, words)) else None


def _sequence(frames: Sequence[Frame]) -> AtomsSequence:
    boxed = any(frame.cell is not None for frame in frames)
    zeros = np.zeros((3, 3))
    return AtomsSequence(
        np.concatenate([frame.numbers for frame in frames]),
        np.concatenate([frame.positions for frame in frames]),
        np.array([len(frame.numbers) for frame in frames]),
        cells=np.array([zeros if f.cell is None else f.cell for f in frames]) if boxed else None,
        pbc=np.array([frame.pbc for frame in frames]) if boxed else None,
    )
