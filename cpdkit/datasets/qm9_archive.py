"""QM9 from its official raw archive, fetched once and checked.

The archive is read as a stream and never unpacked; what was read is kept beside it as flat arrays.
"""

from __future__ import annotations

import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import pooch
from tqdm.auto import tqdm

from cpdkit._files import replacing
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets._npz import read_npz
from cpdkit.datasets._xyz import number
from cpdkit.datasets.formulas import atomic_number

__all__ = ["OFFICIAL", "Source", "load_archive"]

COLUMNS = (
    "A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "u0", "u298", "h298",
    "g298", "cv",
)  # fmt: skip
"""Labels in the order of the archive's second lines, behind the tag and the index."""

_ARRAYS = ("ids", "numbers", "positions", "n_atoms", "labels", "smiles")


@dataclass(frozen=True)
class Source:
    """Where the raw files are and what they must hash to.

    Attributes
    ----------
    archive, excluded : str
        Addresses of the archive of XYZ files and of the list of uncharacterised molecules.
    archive_hash, excluded_hash : str
        Their checksums as pooch writes them, such as ``"md5:..."``.
    """

    archive: str
    archive_hash: str
    excluded: str
    excluded_hash: str


OFFICIAL = Source(
    archive="https://ndownloader.figshare.com/files/3195389",
    archive_hash="md5:ad1ebd51ee7f5b3a6e32e974e5d54012",
    excluded="https://ndownloader.figshare.com/files/3195404",
    excluded_hash="md5:a361887bacb427b8a0ce7903d92a53b4",
)
"""The files of Ramakrishnan et al., figshare collection 978904; 86 MB."""


def load_archive(
    *, source: Source = OFFICIAL, cache: str | Path | None = None, progress: bool = True
) -> Dataset:
    """Every characterised molecule of QM9.

    Parameters
    ----------
    source : Source
        Where to fetch the files.
    cache : str or Path, optional
        Folder to keep them in; by default the user's cache folder.
    progress : bool, default True
        Show progress.

    Returns
    -------
    Dataset
        In QM9's own units; molecules whose geometry failed the authors' consistency check are
        left out.

    Raises
    ------
    ValueError
        If a file does not have its checksum, or cannot be read as QM9. What was read before and is
        damaged since is read again, with a warning.
    OSError
        If a file cannot be fetched.
    """
    from cpdkit.datasets.qm9 import UNITS

    folder = Path(cache) if cache is not None else Path(pooch.os_cache("cpdkit")) / "qm9"
    key = source.archive_hash.partition(":")[2][:12] + source.excluded_hash.partition(":")[2][:12]
    parsed = folder / f"qm9-{key}.npz"
    stored = _kept(parsed)
    if stored is None:
        archive = _fetch(source.archive, source.archive_hash, folder, progress)
        excluded = _excluded(_fetch(source.excluded, source.excluded_hash, folder, progress))
        stored = _read(archive, excluded, progress)
        with replacing(parsed) as file:
            np.savez(file, **stored)  # type: ignore[arg-type]
    return Dataset(
        name="qm9",
        split="all",
        atoms=AtomsSequence(stored["numbers"], stored["positions"], stored["n_atoms"]),
        targets=pd.DataFrame(stored["labels"], columns=list(COLUMNS)),
        units=UNITS,
        ids=stored["ids"].astype(str),
        smiles=stored["smiles"],
    )


def _kept(parsed: Path) -> dict[str, np.ndarray] | None:
    """What was read before, if it is there and sound."""
    if not parsed.exists():
        return None
    try:
        return read_npz(parsed, _ARRAYS, remedy="it is made again")
    except ValueError as error:
        warnings.warn(str(error), stacklevel=3)
        return None


def _fetch(url: str, known_hash: str, folder: Path, progress: bool) -> Path:
    name = known_hash.partition(":")[2]
    try:
        return Path(pooch.retrieve(url, known_hash, name, folder, progressbar=progress))
    except ValueError as error:
        raise ValueError(
            f"{url} does not have the checksum {known_hash}: the file was cut or changed on the "
            f"way, or the source was. Nothing was kept; try again. ({error})"
        ) from error


def _excluded(path: Path) -> set[int]:
    """Indices in the first column; header and footer lines do not begin with a number."""
    words = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    found = {int(w[0]) for w in words if len(w) > 1 and w[0].isdigit()}
    if not found:
        raise ValueError(f"{path} lists no molecules; it is not QM9's list of exclusions.")
    return found


def _members(path: Path) -> Iterator[IO[bytes]]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".xyz"):
                yield archive.extractfile(member)  # type: ignore[misc]


def _read(path: Path, excluded: set[int], progress: bool) -> dict[str, np.ndarray]:
    rows = []
    for file in tqdm(_members(path), desc="QM9", unit="molecule", disable=not progress):
        text = file.read().decode("ascii", "replace")
        lines = text.replace("*^", "e").splitlines()  # Mathematica's way of writing 1e-6
        try:
            row = _molecule(lines)
        except (ValueError, IndexError) as error:
            raise ValueError(f"{path}: not an XYZ file of QM9: {lines[:2]} ({error})") from error
        if row[0] not in excluded:
            rows.append(row)
    if not rows:
        raise ValueError(f"{path} holds no molecules.")
    rows.sort(key=lambda row: row[0])
    ids, numbers, positions, labels, smiles = zip(*rows, strict=True)
    return {
        "ids": np.array(ids),
        "numbers": np.concatenate(numbers).astype(np.uint8),
        "positions": np.concatenate(positions),
        "n_atoms": np.array([len(n) for n in numbers]),
        "labels": np.array(labels),
        "smiles": np.array(smiles),
    }


def _molecule(lines: list[str]) -> tuple[int, np.ndarray, np.ndarray, list[float], str]:
    n = int(lines[0])
    tag, index, *labels = lines[1].split()
    if tag != "gdb" or len(labels) != len(COLUMNS):
        raise ValueError(f"the second line has {len(labels)} labels, expected {len(COLUMNS)}")
    atoms = [line.split() for line in lines[2 : 2 + n]]
    numbers = np.array([atomic_number(a[0]) for a in atoms])
    positions = np.array([[number(x) for x in a[1:4]] for a in atoms])
    return int(index), numbers, positions, [number(x) for x in labels], lines[3 + n].split()[0]
