"""Work in chunks: in order, in several processes, and never twice."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
from rdkit import rdBase
from tqdm import tqdm

from tools.xtb9.relax import Dropped

__all__ = ["Job", "collect", "ordered"]

Job = Callable[[], list[dict[str, Any]]]
_FLAT = ("numbers", "positions", "forces")  # one entry per atom, not per row


def ordered(jobs: Sequence[Callable[[], Any]], processes: int, title: str) -> Iterator[Any]:
    """Results of `jobs` in their order, each computed in one of `processes` processes."""
    bar = partial(tqdm, total=len(jobs), desc=title, unit="job", mininterval=2.0)
    if processes == 1:
        _quiet()
        yield from bar(job() for job in jobs)
        return
    os.environ["OMP_NUM_THREADS"] = "1"  # children import numpy and tblite afresh
    with ProcessPoolExecutor(processes, get_context("spawn"), initializer=_prepare) as pool:
        ahead = [pool.submit(job) for job in jobs]
        try:
            yield from bar(future.result() for future in ahead)
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare() -> None:
    """In a worker: end with the parent, which may be killed and cannot say so."""
    _quiet()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _quiet() -> None:
    rdBase.DisableLog("rdApp.*")


def collect(
    folder: Path, jobs: list[Job], n: int, *, size: int, processes: int
) -> tuple[dict[str, np.ndarray], Counter[str]]:
    """Run jobs until `n` have succeeded, and join their rows.

    Parameters
    ----------
    folder : Path
        Of the chunk files; its name is that of the split.
    jobs : list of callable
        Each gives the rows of one molecule, or raises :class:`~.relax.Dropped`.
    n : int
        Molecules wanted: the first `n` that succeed, in the order of `jobs`.
    size : int
        Jobs per chunk.
    processes : int

    Returns
    -------
    columns : dict of str to ndarray
        One entry per row (per atom for numbers and positions); ``molecule`` counts the jobs.
    dropped : Counter
        How many were dropped for which reason.

    Raises
    ------
    RuntimeError
        If there are fewer than `n`.
    """
    advice = "ask for fewer, or add formulas to data/formulas.csv."
    if len(jobs) < n:
        raise RuntimeError(f"{folder.name}: {n} molecules wanted, {len(jobs)} candidates; {advice}")
    folder.mkdir(parents=True, exist_ok=True)
    chunks = [
        partial(_make_chunk, folder / f"{i // size:05d}.npz", jobs[i : i + size])
        for i in range(0, len(jobs), size)
    ]
    parts: list[dict[str, np.ndarray]] = []
    dropped: Counter[str] = Counter()
    count = 0
    for path in ordered(chunks, processes, folder.name):
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
        parts.append({k: v[atoms if k in _FLAT else keep] for k, v in part.items()})
        count += min(len(done), n - count)
        if count == n:
            break
    if count < n:
        raise RuntimeError(
            f"{folder.name}: only {count} of {n} molecules could be made from {len(jobs)} "
            f"candidates (dropped: {dict(dropped)}); {advice}"
        )
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}, dropped


def _make_chunk(path: Path, jobs: list[Job]) -> Path:
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
        columns |= {"job": np.array(owner, int), "dropped": np.array(json.dumps(dropped))}
        np.savez(file, **columns)  # type: ignore[arg-type]
    os.replace(temporary, path)
    return path


def _columns(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    out = {n: np.concatenate(v) if n in _FLAT else np.array(v) for n, v in columns.items()}
    return out | {"n_atoms": np.array([len(row["numbers"]) for row in rows])}
