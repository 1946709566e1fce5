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
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rdkit import Chem, RDLogger
from tqdm import tqdm

from cpdkit.datasets.xtb9.conformers import geometries
from cpdkit.datasets.xtb9.formulas import formula_table, interleave, quotas
from cpdkit.datasets.xtb9.graphs import iter_graphs
from cpdkit.datasets.xtb9.labels import Labels, atom_energy, compute_labels
from cpdkit.datasets.xtb9.relax import Dropped, relax_smiles
from cpdkit.datasets.xtb9.store import read_arrays, write_arrays

__all__ = ["BOND_TYPES", "Settings", "bond_counts", "candidates", "generate"]

SPARE = 1.12  # candidates per molecule wanted: some do not survive embedding and relaxation
CHUNK = {"probe": 25, "train": 25, "conformers": 4}
MIN_GAP = 1.0  # eV, GFN2: a closed shell is no fair description below
PROBE_SHARE = 6  # one isomer in six goes to probe, if its formula is in train too

BOND_TYPES: tuple[str, ...] = (
    *("C-C", "C=C", "C#C", "C:C", "C-N", "C=N", "C#N", "C:N", "C-O", "C=O", "C:O"),
    *("N-N", "N:N", "N-O", "N:O", "C-F", "C-H", "N-H", "O-H"),
)  # ":" is aromatic; what is not listed is forbidden by the filters
_SYMBOL = {
    Chem.BondType.SINGLE: "-",
    Chem.BondType.DOUBLE: "=",
    Chem.BondType.TRIPLE: "#",
    Chem.BondType.AROMATIC: ":",
}


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


def molecule_seed(seed: int, key: str) -> int:
    """A 31-bit seed from the run's seed and a connectivity key."""
    return int.from_bytes(hashlib.sha256(f"{seed} {key}".encode()).digest()[:4], "big") >> 1


def bond_counts(mol: Chem.Mol) -> np.ndarray:
    """Number of bonds of each of `BOND_TYPES` in a molecule with explicit hydrogens."""
    counts = Counter()
    for bond in mol.GetBonds():
        ends = sorted(
            (bond.GetBeginAtom().GetSymbol(), bond.GetEndAtom().GetSymbol()), key="CNOFH".index
        )
        counts[_SYMBOL[bond.GetBondType()].join(ends)] += 1
    if unknown := counts.keys() - set(BOND_TYPES):
        raise ValueError(f"bond types {sorted(unknown)} are not among {BOND_TYPES}")
    return np.array([counts[name] for name in BOND_TYPES])


# --- graphs ------------------------------------------------------------------------------------


def _formula_graphs(
    formula: str, *, seed: int, wanted: dict[str, int]
) -> dict[str, list[tuple[str, str]]]:
    """Isomers of one formula for each split, until both have enough or no more turn up."""
    found: dict[str, list[tuple[str, str]]] = {split: [] for split in wanted}
    for smiles, key in iter_graphs(formula, seed=seed):
        to_probe = "train" not in wanted or molecule_seed(seed, "split " + key) % PROBE_SHARE == 0
        split = "probe" if to_probe else "train"
        if len(found[split]) < wanted[split]:
            found[split].append((smiles, key))
        if all(len(found[s]) == wanted[s] for s in wanted):
            break
    return found


def candidates(settings: Settings, *, processes: int = 1) -> dict[str, list[tuple[str, str]]]:
    """(SMILES, connectivity key) of the graphs to relax, for ``probe`` and ``train``, in order."""
    wanted = {
        "probe": quotas("probe", round(settings.n_probe * SPARE)),
        "train": quotas("train", round(settings.n_train * SPARE)),
    }
    names = [row.formula for row in formula_table()]
    jobs = [
        partial(
            _formula_graphs,
            name,
            seed=settings.seed,
            wanted={s: wanted[s][name] for s in wanted if name in wanted[s]},
        )
        for name in names
    ]
    found = dict(zip(names, _ordered(jobs, processes, "graphs"), strict=True))
    lists: dict[str, list[tuple[str, str]]] = {}
    for split in wanted:
        counts = {name: len(found[name].get(split, ())) for name in names}
        order = interleave({name: count for name, count in counts.items() if count})
        lists[split] = [found[name][split][rank] for name, rank in order]
    return lists


# --- chunks ------------------------------------------------------------------------------------


def _label_row(labels: Labels) -> dict[str, Any]:
    row = asdict(labels)
    row["quadrupole"] = row["quadrupole"][:5]  # traceless: zz follows
    return row


def molecule_rows(smiles: str, key: str, *, seed: int, alpha: bool) -> list[dict[str, Any]]:
    """The row of one molecule (a list of one)."""
    relaxed = relax_smiles(smiles, molecule_seed(seed, key))
    if relaxed.inchikey[:14] != key:
        raise Dropped("InChIKey")
    labels = compute_labels(relaxed.numbers, relaxed.positions, alpha=alpha)
    if labels.lumo - labels.homo < MIN_GAP:
        raise Dropped("small gap")
    row = {
        "smiles": relaxed.smiles,
        "inchikey": relaxed.inchikey,
        "numbers": relaxed.numbers,
        "positions": relaxed.positions,
        "bonds": bond_counts(relaxed.mol),
    } | _label_row(labels)
    if not alpha:
        del row["alpha"]
    return [row]


def conformer_rows(entry: dict[str, Any], *, seed: int) -> list[dict[str, Any]]:
    """The ten rows of one molecule of ``probe``."""
    key = entry["inchikey"]
    found = geometries(entry["smiles"], entry["positions"], molecule_seed(seed, key))
    shared = {name: entry[name] for name in ("smiles", "inchikey", "numbers", "bonds")}
    return [
        shared | {"positions": g.positions, "relaxed": int(g.relaxed)} | _label_row(g.labels)
        for g in found
    ]


def _make_chunk(path: Path, jobs: list[Callable[[], list[dict[str, Any]]]]) -> Path:
    """Run the jobs of one chunk and write what they give; skip a chunk that is there."""
    if path.exists():
        return path
    rows: list[dict[str, Any]] = []
    owner: list[int] = []
    dropped: Counter[str] = Counter()
    for place, job in enumerate(jobs):
        try:
            new = job()
        except Dropped as reason:
            dropped[str(reason)] += 1
            continue
        rows += new
        owner += [place] * len(new)
    columns = {} if not rows else _columns(rows)
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        np.savez(file, job=np.array(owner, int), dropped=np.array(json.dumps(dropped)), **columns)
    os.replace(temporary, path)
    return path


def _columns(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    flat = ("numbers", "positions")
    out = {n: np.concatenate(v) if n in flat else np.array(v) for n, v in columns.items()}
    return out | {"n_atoms": np.array([len(row["numbers"]) for row in rows])}


def _ordered(jobs: list[Callable], processes: int, title: str) -> Iterator[Any]:
    """Results of `jobs` in their order, each computed in one of `processes` processes."""
    bar = partial(tqdm, total=len(jobs), desc=title, unit="job", mininterval=2.0)
    if processes == 1:
        _quiet()
        yield from bar(job() for job in jobs)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # children import numpy and tblite afresh
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_quiet) as pool:
        ahead = [pool.submit(job) for job in jobs]
        try:
            yield from bar(future.result() for future in ahead)
        finally:
            pool.shutdown(cancel_futures=True)


def _quiet() -> None:
    RDLogger.DisableLog("rdApp.*")


def _collect(
    directory: Path,
    split: str,
    jobs: list[Callable[[], list[dict[str, Any]]]],
    n: int,
    processes: int,
) -> tuple[dict[str, np.ndarray], Counter[str]]:
    """Run the jobs in chunks until `n` have succeeded, and join their rows.

    Raises
    ------
    RuntimeError
        If the candidates run out first.
    """
    size = CHUNK[split]
    folder = directory / "chunks" / split
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [
        partial(_make_chunk, folder / f"{i // size:05d}.npz", jobs[i : i + size])
        for i in range(0, len(jobs), size)
    ]
    parts: list[dict[str, np.ndarray]] = []
    dropped: Counter[str] = Counter()
    count = 0
    for path in _ordered(chunks, processes, split):
        with np.load(path, allow_pickle=False) as archive:
            part = dict(archive)
        dropped.update(json.loads(str(part.pop("dropped"))))
        owner = part.pop("job")
        if not len(owner):
            continue
        done, place = np.unique(owner, return_inverse=True)
        keep = place < n - count
        part["molecule"] = place + count
        atoms = np.repeat(keep, part["n_atoms"])
        flat = ("numbers", "positions")
        parts.append({k: v[atoms if k in flat else keep] for k, v in part.items()})
        count += min(len(done), n - count)
        if count == n:
            break
    if count < n:
        raise RuntimeError(
            f"{split}: only {count} of {n} molecules could be made from {len(jobs)} candidates "
            f"(dropped: {dict(dropped)}); ask for fewer, or add formulas to data/formulas.csv."
        )
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}, dropped


# --- the run -----------------------------------------------------------------------------------


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
        columns, dropped = _collect(directory, split, jobs, n, processes)
        if split != "conformers":
            del columns["molecule"]
        write_arrays(directory / f"{split}.npz", columns)
        _note(directory / "manifest.json", given, split, columns, dropped)


def _conformer_jobs(probe: dict[str, np.ndarray], settings: Settings) -> list[Callable]:
    """Molecules of ``probe`` with at least seven heavy atoms, in an order drawn from the seed."""
    ends = np.cumsum(probe["n_atoms"])
    entries = []
    for i, (start, end) in enumerate(zip(ends - probe["n_atoms"], ends, strict=True)):
        numbers = probe["numbers"][start:end]
        if (numbers > 1).sum() >= 7:
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
        _write_json(path, candidates(settings, processes=processes))
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
