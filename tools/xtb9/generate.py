"""The run that makes xtb9: graphs, then molecules chunk by chunk, then conformers.

Every molecule depends on the seed and its own InChIKey alone, and the list of candidates on the
seed and the numbers asked for; so neither the number of processes nor an interruption changes the
result. A chunk is a file that appears when complete; a run that is started again skips it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cpdkit.datasets.xtb9.read import read_arrays
from tools.xtb9.arrays import write_arrays
from tools.xtb9.chunks import Job, collect
from tools.xtb9.labels import atom_energy
from tools.xtb9.rows import BOND_TYPES, conformer_rows, molecule_rows
from tools.xtb9.splits import SPARE, candidates, molecule_seed

__all__ = ["Settings", "generate"]

CHUNK = {"probe": 25, "train": 25, "conformers": 4}  # molecules
MIN_HEAVY = 7  # heavy atoms of a molecule that gets ten geometries


@dataclass(frozen=True)
class Settings:
    """What decides the content of a run.

    Attributes
    ----------
    seed : int
    n_probe, n_train : int
        Molecules wanted.
    n_conformers : int
        Molecules of ``probe`` that get ten geometries.
    """

    seed: int = 0
    n_probe: int = 4200
    n_train: int = 20500
    n_conformers: int = 320


def generate(
    directory: Path,
    settings: Settings,
    *,
    splits: tuple[str, ...] = ("probe", "conformers", "train"),
    processes: int = 1,
) -> None:
    """Make `splits` in `directory`: one ``.npz`` each, and ``manifest.json``.

    Raises
    ------
    ValueError
        If `directory` holds a run with other settings.
    RuntimeError
        If there are not enough molecules.
    """
    directory.mkdir(parents=True, exist_ok=True)
    given = asdict(settings) | {name: version(name) for name in ("rdkit", "tblite", "ase", "numpy")}
    _claim(directory / "settings.json", given)
    lists = _cached_candidates(directory / "graphs.json", settings, processes)
    if "conformers" in splits and "probe" not in splits and not (directory / "probe.npz").exists():
        raise ValueError("conformers are made from probe: make that split first, or both.")
    for split in splits:
        n = getattr(settings, f"n_{split}")
        if split == "conformers":
            jobs = _conformer_jobs(read_arrays(directory / "probe.npz"), settings)
        else:
            jobs = [
                partial(molecule_rows, s, k, seed=settings.seed, alpha=split == "probe")
                for s, k in lists[split]
            ]
        columns, dropped = collect(
            directory / "chunks" / split, jobs, n, size=CHUNK[split], processes=processes
        )
        if split != "conformers":
            del columns["molecule"]
        write_arrays(directory / f"{split}.npz", columns)
        _note(directory / "manifest.json", given, split, columns, dropped)


def _conformer_jobs(probe: dict[str, np.ndarray], settings: Settings) -> list[Job]:
    """Molecules of ``probe`` with at least seven heavy atoms, in an order drawn from the seed."""
    ends = np.cumsum(probe["n_atoms"])
    entries = []
    for i, (start, end) in enumerate(zip(ends - probe["n_atoms"], ends, strict=True)):
        numbers = probe["numbers"][start:end]
        if (numbers > 1).sum() >= MIN_HEAVY:
            entries.append(
                {name: probe[name][i] for name in ("inchikey", "bonds")}
                | {"smiles": str(probe["smiles"][i]), "numbers": numbers}
                | {"positions": probe["positions"][start:end]}
            )
    entries.sort(key=lambda e: molecule_seed(settings.seed, f"conformers {e['inchikey']}"))
    spare = round(settings.n_conformers * SPARE)
    return [partial(conformer_rows, e, seed=settings.seed) for e in entries[:spare]]


def _cached_candidates(
    path: Path, settings: Settings, processes: int
) -> dict[str, list[tuple[str, str]]]:
    if not path.exists():
        found = candidates(
            seed=settings.seed,
            n_probe=settings.n_probe,
            n_train=settings.n_train,
            processes=processes,
        )
        _write_json(path, found)
    return json.loads(path.read_text())


def _claim(path: Path, given: dict[str, Any]) -> None:
    if not path.exists():
        _write_json(path, given)
    elif (there := json.loads(path.read_text())) != given:
        changed = {k: (there.get(k), v) for k, v in given.items() if there.get(k) != v}
        raise ValueError(
            f"{path.parent} holds a run with other settings (there, given): {changed}; "
            "give the same settings to continue it, or another directory."
        )


def _note(
    path: Path,
    given: dict[str, Any],
    split: str,
    columns: dict[str, np.ndarray],
    dropped: Counter[str],
) -> None:
    """Record in the manifest how a split was made."""
    manifest = json.loads(path.read_text()) if path.exists() else {}
    manifest |= {
        "settings": given,
        "bond_types": list(BOND_TYPES),
        "atom_energies_eV": {str(z): atom_energy(z) for z in (1, 6, 7, 8, 9)},
    }
    file = path.with_name(f"{split}.npz")
    manifest.setdefault("splits", {})[split] = {
        "rows": len(columns["n_atoms"]),
        "dropped": dict(sorted(dropped.items())),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
    _write_json(path, manifest)


def _write_json(path: Path, content: Any) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(temporary, path)
