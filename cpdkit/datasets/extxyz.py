"""Any extended-XYZ file with named targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import ase
import ase.io
import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit.datasets._dataset import AtomsSequence, Dataset

__all__ = ["read_extxyz"]


def read_extxyz(
    path: str | Path,
    *,
    targets: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    ids: str | None = None,
    smiles: str = "smiles",
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
        Column with the stable name of each row; by default the frame number.
    smiles : str, default "smiles"
        Column with SMILES strings, if there is one.

    Returns
    -------
    Dataset
        Structures in the order of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file cannot be parsed or is empty, no target is named, or a target is missing from
        a frame or not a number.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}; give the path of an extended-XYZ file.")
    try:
        frames = ase.io.read(path, index=":", format="extxyz")
    except Exception as error:  # ASE raises whatever its parser stumbles over
        raise ValueError(f"{str(path)!r} is not a readable extended-XYZ file: {error}") from error
    if not frames:
        raise ValueError(f"{str(path)!r} holds no structures.")
    columns = [_scalars(frame) for frame in frames]
    shared = sorted(set.intersection(*(set(c) for c in columns)))
    numeric = [name for name in shared if all(_is_number(c[name]) for c in columns)]
    if not targets:
        raise ValueError(
            f"name the targets to read from {str(path)!r}, such as targets={numeric[:1]!r}; "
            f"numbers that every frame has: {numeric}."
        )
    table = {}
    for name in targets:
        lacking = [i for i, c in enumerate(columns) if name not in c]
        if len(lacking) == len(frames):
            raise ValueError(f"{str(path)!r}: " + unknown("target", name, numeric))
        if lacking:
            raise ValueError(
                f"{str(path)!r}: target {name!r} is missing from {len(lacking)} of {len(frames)} "
                f"frames (first: frame {lacking[0]}); complete or remove them."
            )
        if name not in numeric:
            wrong = next(i for i, c in enumerate(columns) if not _is_number(c[name]))
            raise ValueError(
                f"{str(path)!r}: target {name!r} is {columns[wrong][name]!r} in frame {wrong}, "
                "not a number."
            )
        table[name] = [float(str(c[name])) for c in columns]
    if ids is not None and ids not in shared:
        raise ValueError(f"{str(path)!r}: " + unknown("column for ids", ids, shared))
    names = [c[ids] for c in columns] if ids else range(len(frames))
    return Dataset(
        name=path.stem,
        split="file",
        atoms=AtomsSequence.from_atoms(frames),
        targets=pd.DataFrame(table),
        units={name: (units or {}).get(name, "") for name in table},
        ids=np.array([str(name) for name in names]),
        smiles=np.array([str(c[smiles]) for c in columns]) if smiles in shared else None,
    )


def _scalars(frame: ase.Atoms) -> dict[str, object]:
    """Info entries, and results that ASE moved to a calculator (energy, dipole, ...)."""
    results = {} if frame.calc is None else frame.calc.results
    return {k: v for k, v in {**results, **frame.info}.items() if np.ndim(v) == 0}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
