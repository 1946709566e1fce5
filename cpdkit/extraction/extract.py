"""From an encoder and structures to a pooled representation."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from functools import cache as once
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, overload

import ase
import numpy as np
import torch
from tqdm.auto import tqdm

from cpdkit._version import __version__
from cpdkit.datasets._dataset import AtomsSequence, Dataset, as_sequence
from cpdkit.encoders._base import Encoder
from cpdkit.extraction.cache import CachedJob, features_key, kept_features
from cpdkit.extraction.job import ShardJob, check, labels_of
from cpdkit.extraction.pooling import blocks_of, parse_poolings
from cpdkit.extraction.shards import ShardedRepresentation, Store
from cpdkit.representation import Representation

if TYPE_CHECKING:
    from distributed import Client

__all__ = ["extract"]

ACCELERATOR_ATOMS = 4096


@overload
def extract(
    encoder: Encoder,
    structures: Dataset | Iterable[ase.Atoms] | ase.Atoms,
    *,
    collect: Literal[True] = True,
    **options: Any,
) -> Representation: ...
@overload
def extract(
    encoder: Encoder,
    structures: Dataset | Iterable[ase.Atoms] | ase.Atoms,
    *,
    collect: Literal[False],
    **options: Any,
) -> ShardedRepresentation: ...
def extract(  # type: ignore[misc]  # the overloads leave the other options to this signature
    encoder: Encoder,
    structures: Dataset | Iterable[ase.Atoms] | ase.Atoms,
    *,
    pooling: str | Sequence[str] = "mean",
    batch_size: int = 64,
    max_atoms: int | None = None,
    device: str | torch.device | None = None,
    progress: bool = True,
    store: str | os.PathLike[str] | None = None,
    shard_size: int = 2048,
    collect: bool = True,
    client: Client | None = None,
    cache: bool | str | os.PathLike[str] | None = None,
) -> Representation | ShardedRepresentation:
    """Encode structures and pool their atoms.

    Parameters
    ----------
    encoder : Encoder
        From :func:`cpdkit.load_encoder`.
    structures : Dataset, iterable of ase.Atoms, or ase.Atoms
        What to encode; rows of the result are in this order.
    pooling : str or sequence of str, default "mean"
        ``"mean"`` or ``"sum"`` over atoms, ``"element_mean"`` over the atoms of each element
        (zero where there is none), ``"mean_norm"``: the mean over atoms of the norms of vectors
        and tensors, and of scalars as they are. Several give their blocks one after the other;
        beside ``"mean"``, ``"mean_norm"`` leaves out the scalars, which would be the same.
    batch_size, max_atoms : int, optional
        A batch holds at most `batch_size` structures, and more than `max_atoms` atoms only if
        one structure does. They set memory and speed; results change by rounding only. By default
        ``encoder.cpu_atoms`` on a CPU (512, ANI-2x 1024, MACE 256; half of it in double precision),
        where larger intermediates leave the cache and cost up to twice the time, and 4096 on an
        accelerator, which wants to be filled.
    device : str or torch.device, optional
        Where to run, such as ``"cuda"``; the encoder is moved there. By default where it is.
    progress : bool, default True
        Show a bar with the time left.
    store : path, optional
        Folder that keeps finished shards. Run again after an interruption, or with structures
        added at the end, only what is missing is computed. Of a shard that is there the largest
        structure is encoded again; if its features are others, both shards are kept and a
        warning says so.
    shard_size : int, default 2048
        Structures per shard. Structures are sorted by size within a shard, so that memory does
        not grow with the data set.
    collect : bool, default True
        With a `store`, False leaves the features on disk, to be read shard by shard.
    client : distributed.Client, optional
        Spread shards over the workers of a Dask cluster. The encoder is sent to each worker.
    cache : bool or path, optional
        Take the features of structures that this encoder has seen before from a cache on disk, and
        keep those of the others there: True for the user's own, or a folder. By default only where
        the environment variable ``CPDKIT_CACHE`` is set, as in notebooks under ``cpdkit run``, and
        not with a `store` or a `client`. ``CPDKIT_CACHE=off`` means never.

    Returns
    -------
    Representation or ShardedRepresentation
        One row per structure, all layers; on disk if ``collect=False``.

    Raises
    ------
    TypeError
        If `encoder` is no encoder, something among `structures` is no ``ase.Atoms``, or `client`
        is no Dask client.
    ValueError
        If there are no structures; if one has no atoms, two atoms at the same place or an
        element the encoder does not know or was not trained on; if a feature is not finite; if a
        model of the user's does not do what its labels say; if an option is wrong or there is no
        such device.
    """
    if not isinstance(encoder, Encoder):
        hint = f" Did you mean load_encoder({encoder!r})?" if isinstance(encoder, str) else ""
        raise TypeError(f"extract needs an Encoder, from load_encoder; got {encoder!r}.{hint}")
    if client is not None and not hasattr(client, "scatter"):
        raise TypeError(f"client must be a distributed.Client; got {client!r}.")
    poolings = parse_poolings(pooling)
    if device is not None:
        encoder.to(device)
    if max_atoms is None:
        # Twice the bytes per number leave room for half the atoms.
        of_cpu = encoder.cpu_atoms // (2 if encoder.dtype == torch.float64 else 1)
        max_atoms = of_cpu if encoder.device.type == "cpu" else ACCELERATOR_ATOMS
    sizes = {"batch_size": batch_size, "max_atoms": max_atoms, "shard_size": shard_size}
    for key, value in sizes.items():
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"{key} must be a whole number, at least 1; got {value!r}.")
    if store is None and not collect:
        raise ValueError("collect=False leaves features on disk; give store= a folder for them.")
    if store is not None and not os.fspath(store):
        raise ValueError("store is an empty path; give a folder, '.' for this one.")
    if client is not None and cache not in (None, False):
        raise ValueError("workers of a client use no cache; leave out cache= or client=.")
    dataset = structures if isinstance(structures, Dataset) else None
    atoms = _sequence(structures)
    elements = tuple(np.unique(atoms.numbers).tolist())
    job = ShardJob(encoder, poolings, elements, batch_size, max_atoms)
    check(encoder, atoms, dataset)
    job.examine(atoms)

    blocks = blocks_of(encoder.layers, poolings, elements)
    metadata = _metadata(encoder, atoms, dataset, poolings)
    known = [metadata["encoder_fingerprint"], metadata["versions"]]
    by_default = store is None and client is None
    earlier = kept_features(cache) if cache is not None or by_default else None
    worker = CachedJob(job, earlier, features_key(encoder, *known)) if earlier else job
    shards = [
        slice(start, min(start + shard_size, len(atoms)))
        for start in range(0, len(atoms), shard_size)
    ]
    kept = None if store is None else Store(store)
    about = [known[0], poolings, known[1]]
    if "element_mean" in poolings:  # to nothing else it matters what the whole data set has
        about.append(elements)
    keys = [_key(about, atoms[rows]) if kept else "" for rows in shards]
    rows_kept = len(atoms) if collect else 0
    values = np.empty((rows_kept, blocks[-1].columns.stop), dtype=job.precision)

    with tqdm(total=len(atoms), desc=encoder.name, unit="structure", disable=not progress) as bar:
        missing = []
        for number, rows in enumerate(shards):
            found = None
            if kept:
                part = atoms[rows]
                labels = labels_of(dataset, rows.start, len(part))
                keys[number], found = _look_up(kept, keys[number], job, part, labels)
            if found is None:
                missing.append(number)
                continue
            if collect:
                values[rows] = found[0]
            bar.update(len(found[0]))
        bar.initial = bar.n  # what was there already tells nothing about the time left
        # One at a time: a shard is a copy of its structures.
        parts = ((number, atoms[shards[number]], shards[number].start) for number in missing)
        work = _local(worker, parts, dataset, bar)
        if client is not None:
            work = _spread(client, job, parts, dataset, bar)
        for number, result in work:
            rows = shards[number]
            if kept:
                kept.write(keys[number], result, atoms.n_atoms[rows])
            if collect:
                values[rows] = result
    if kept:
        done = kept.finish(
            {
                "metadata": metadata,
                "blocks": [asdict(block) for block in blocks],
                "keys": keys,
                "n_structures": len(atoms),
            }
        )
        if not collect:
            return done
    return Representation(values, blocks, atoms.n_atoms.copy(), metadata)


def _look_up(
    kept: Store, key: str, job: ShardJob, atoms: AtomsSequence, labels: list[str]
) -> tuple[str, tuple[np.ndarray, np.ndarray] | None]:
    """The shard of these features, or a key under which to make it.

    What a fingerprint does not see may make one key stand for the features of several models;
    the others then lie under keys that follow from it, so that nobody's shards are replaced.
    """
    while True:
        found = kept.read(key)
        if found is None or job.reproduces(atoms, found[0], labels):
            return key, found
        warnings.warn(
            f"{kept.path(key)} holds other features than {job.encoder.name!r} gives now, which "
            "are kept apart; give encoders that differ different names.",
            stacklevel=3,
        )
        key = hashlib.sha256(f"{key}, others".encode()).hexdigest()


def _local(
    job: ShardJob | CachedJob, parts: Iterator, dataset: Dataset | None, bar: Any
) -> Iterator:
    for number, atoms, start in parts:
        yield number, job.run(atoms, labels_of(dataset, start, len(atoms)), bar)


def _spread(
    client: Client, job: ShardJob, parts: Iterator, dataset: Dataset | None, bar: Any
) -> Iterator:
    """Shards through a Dask cluster, a few per worker at a time so that memory stays bounded."""
    from distributed import as_completed

    sent = client.scatter(job, broadcast=True, hash=False)
    numbers: dict[Any, int] = {}

    def submit() -> Any:
        for number, atoms, start in parts:
            labels = labels_of(dataset, start, len(atoms))
            future = client.submit(ShardJob.run, sent, atoms, labels, pure=False)
            numbers[future.key] = number
            return future
        return None

    ahead = 2 * max(1, len(client.scheduler_info()["workers"]))
    pending = as_completed([future for future in (submit() for _ in range(ahead)) if future])
    for future in pending:
        result = future.result()
        bar.update(len(result))
        yield numbers[future.key], result
        following = submit()
        if following is not None:
            pending.add(following)


def _sequence(structures: Dataset | Iterable[ase.Atoms] | ase.Atoms) -> AtomsSequence:
    atoms = as_sequence(structures)
    if not len(atoms):
        raise ValueError("there are no structures to encode; the data set is empty.")
    return atoms


@once  # reading them takes as long as encoding several molecules
def _versions() -> dict[str, str]:
    return {"cpdkit": __version__, "numpy": version("numpy"), "torch": version("torch")}


def _metadata(
    encoder: Encoder, atoms: AtomsSequence, dataset: Dataset | None, poolings: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "encoder": encoder.name,
        "encoder_fingerprint": encoder.fingerprint,
        "dataset": None if dataset is None else f"{dataset.name} ({dataset.split})",
        "dataset_fingerprint": None if dataset is None else dataset.fingerprint,
        "structures_sha256": _hash_of(atoms) if dataset is None else None,
        "pooling": poolings[0] if len(poolings) == 1 else list(poolings),
        "dtype": str(encoder.dtype).removeprefix("torch."),
        "versions": _versions() | encoder.versions,
    }


def _hash_of(atoms: AtomsSequence, start: bytes = b"") -> str:
    digest = hashlib.sha256(start)
    for part in (atoms.n_atoms, atoms.numbers, atoms.positions, atoms.cells, atoms.pbc):
        if part is not None:
            digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def _key(about: list[Any], atoms: AtomsSequence) -> str:
    """Hash of all that determines a shard: encoder, pooling, versions and its structures."""
    return _hash_of(atoms, json.dumps(about, sort_keys=True).encode())
