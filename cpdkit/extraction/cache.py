"""Features computed once: a shard of which only what no cache holds is encoded."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from cpdkit.datasets._dataset import AtomsSequence
from cpdkit.encoders._base import Encoder
from cpdkit.encoders.module import ModuleEncoder
from cpdkit.extraction.job import ShardJob, batches_of
from cpdkit.extraction.kept import KeptFeatures, cache_folder
from cpdkit.extraction.pooling import blocks_of

__all__ = ["CachedJob", "features_key", "kept_features", "used"]

used: dict[str, dict[str, Any]] = {}
"""By encoder: how many structures came from a cache and how many were computed; for manifests."""

_PART = 1.0  # seconds of work that an interruption may cost
_TOGETHER = 4  # batches to compute before looking again what others have kept
_CODE = ("encoders", "extraction", "zoo")


def kept_features(cache: bool | str | os.PathLike[str] | None) -> KeptFeatures | None:
    """The cache that an option asks for, or None for none.

    Parameters
    ----------
    cache : bool, path or None
        True for the folder of ``CPDKIT_CACHE`` or the user's cache, a folder, False for none. None
        is True where ``CPDKIT_CACHE`` is set. Where it is ``off``, there is no cache at all.
    """
    folder = cache_folder()
    if cache is None:
        cache = bool(os.environ.get("CPDKIT_CACHE"))
    if folder is None or cache is False:
        return None
    return KeptFeatures(folder if cache is True else cache)


def features_key(encoder: Encoder, fingerprint: str, versions: Mapping[str, str]) -> str:
    """Hash of all that determines features beside the structure: also device and our own code."""
    about = [fingerprint, dict(versions), encoder.device.type, _code()]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class CachedJob:
    """A job that looks into a cache first.

    Kept are the sums over atoms, from which means follow bit by bit, means of norms where there
    are vectors, and means of elements where they were asked for; each in a row for all layers.

    Attributes
    ----------
    job : ShardJob
        What is asked for.
    kept : KeptFeatures
        The cache.
    key : str
        From :func:`features_key`.
    """

    job: ShardJob
    kept: KeptFeatures
    key: str

    def run(self, atoms: AtomsSequence, labels: list[str], bar: Any = None) -> np.ndarray:
        """Pooled features of one shard, as :meth:`ShardJob.run` gives them."""
        digests = _digests(atoms)
        keys, found = self._look_up(atoms, digests, labels)
        first = {digest: row for row, digest in reversed(list(enumerate(digests)))}
        missing = self._missing(sorted(first.values()), keys, found)
        if bar is not None:
            bar.update(len(atoms) - len(missing))
        computed = 0
        # Another process may be at the same structures: each in its own order, the one soon finds
        # what the other has kept.
        parts = self._parts(atoms.n_atoms, np.array(missing, dtype=int))
        for number in np.random.default_rng(os.getpid()).permutation(len(parts)):
            part = parts[number]
            if computed:
                found |= self.kept.read([key for row in part for key in self._asked(keys[row])])
            rows = self._missing(part, keys, found)
            if bar is not None:
                bar.update(len(part) - len(rows))
            if rows:
                here = atoms.select(np.array(rows))
                texts = [labels[row] for row in rows]
                found |= self._compute(here, texts, [keys[row] for row in rows], bar)
            computed += len(rows)
        encoder = self.job.encoder
        tally = used.setdefault(encoder.name, {"from_cache": 0, "computed": 0})
        tally["from_cache"] += len(atoms) - computed
        tally["computed"] += computed
        tally["libraries"] = sorted(encoder.versions)
        return self._put_together(atoms, keys, found)

    @property
    def _poolings(self) -> tuple[str, ...]:
        """What is kept of each structure: what is asked for, then what costs next to nothing."""
        asked = tuple(dict.fromkeys("sum" if p == "mean" else p for p in self.job.poolings))
        vectors = any(t.l for layer in self.job.encoder.layers for t in layer.irreps.terms)
        return tuple(dict.fromkeys((*asked, "mean_norm"))) if vectors else asked

    def _asked(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        """Of the keys of a structure those that this job needs."""
        needed = {"sum" if p == "mean" else p for p in self.job.poolings}
        return keys[: len(needed)]

    def _parts(self, sizes: np.ndarray, missing: np.ndarray) -> list[list[int]]:
        """Whole batches of one pass over all that is missing, so that the bits are its bits."""
        given = sizes[missing], self.job.batch_size, self.job.max_atoms
        batches = list(batches_of(*given))
        return [
            missing[np.concatenate(batches[start : start + _TOGETHER])].tolist()
            for start in range(0, len(batches), _TOGETHER)
        ]

    def _missing(
        self, rows: Sequence[int], keys: Sequence[Sequence[bytes]], found: Mapping[bytes, bytes]
    ) -> list[int]:
        return [row for row in rows if not found.keys() >= set(self._asked(keys[row]))]

    def _look_up(
        self, atoms: AtomsSequence, digests: Sequence[bytes], labels: list[str]
    ) -> tuple[list[list[bytes]], dict[bytes, bytes]]:
        """Keys of each structure, one for each of :attr:`_poolings`, and what is there.

        Of encoders whose fingerprint cannot know all, the largest structure is encoded again; if
        its features are others, keys that follow from these are taken, as in a store.
        """
        start = self.key
        while True:
            keys = [
                [hashlib.sha256(f"{start} {p} ".encode() + d).digest() for p in self._poolings]
                for d in digests
            ]
            found = self.kept.read(list({k: None for row in keys for k in self._asked(row)}))
            lacking = self._missing(range(len(keys)), keys, found)
            there = np.setdiff1d(np.arange(len(keys)), lacking)
            if not len(there) or _known(self.job.encoder):
                return keys, found
            row = int(there[np.argmax(atoms.n_atoms[there])])
            one = atoms.select(np.array([row]))
            if self.job.reproduces(one, self._put_together(one, [keys[row]], found), [labels[row]]):
                return keys, found
            warnings.warn(
                f"{self.kept.path} holds other features than {self.job.encoder.name!r} gives now, "
                "which are kept apart; give encoders that differ different names.",
                stacklevel=5,
            )
            start = hashlib.sha256(f"{start}, others".encode()).hexdigest()

    def _compute(
        self, atoms: AtomsSequence, labels: list[str], keys: list[list[bytes]], bar: Any
    ) -> dict[bytes, bytes]:
        """Encode structures and keep them, a second's worth at a time."""
        job = replace(self.job, poolings=self._poolings)
        columns = [self._columns(pooling) for pooling in self._poolings]
        edges = np.cumsum([0] + [len(elements) for elements in columns])
        done: dict[bytes, bytes] = {}
        part: dict[bytes, bytes] = {}
        begun = time.monotonic()
        for rows, pooled in job.batches(atoms, labels):
            for row, values in zip(rows, pooled, strict=True):
                for k, elements in enumerate(columns):
                    own = values[edges[k] : edges[k + 1]][_of(atoms, int(row), elements)]
                    rounded = own.astype(job.precision)
                    # Means are divided from sums, which may have more digits than the result.
                    exact = self._poolings[k] != "sum" or (rounded == own).all()
                    part[keys[row][k]] = (rounded if exact else own).tobytes()
            if bar is not None:
                bar.update(len(rows))
            if time.monotonic() - begun > _PART:
                self.kept.write(part)
                done, part, begun = done | part, {}, time.monotonic()
        self.kept.write(part)
        done |= part
        # Another process may have kept them first: what the next call will find is given now.
        return done | self.kept.read(list(done))

    def _columns(self, pooling: str) -> np.ndarray:
        """The element of each column of a pooling, 0 where it is not by element."""
        blocks = blocks_of(self.job.encoder.layers, (pooling,), self.job.elements)
        by_element = pooling == "element_mean"
        return np.concatenate(
            [
                np.full(b.mul * b.components, b.element if by_element else 0, dtype=int)
                for b in blocks
            ]
        )

    def _put_together(
        self, atoms: AtomsSequence, keys: list[list[bytes]], found: Mapping[bytes, bytes]
    ) -> np.ndarray:
        parts: list[np.ndarray] = []
        for pooling in self.job.poolings:
            k = self._poolings.index("sum" if pooling == "mean" else pooling)
            elements = self._columns(self._poolings[k])
            values = np.zeros((len(atoms), len(elements)))
            for row in range(len(atoms)):
                own, data = _of(atoms, row, elements), found[keys[row][k]]
                width = len(elements) if isinstance(own, slice) else int(own.sum())
                values[row, own] = np.frombuffer(data, "f8" if len(data) == 8 * width else "f4")
            if pooling == "mean":
                values /= atoms.n_atoms[:, None]
            elif pooling == "mean_norm" and "mean" in self.job.poolings:
                blocks = blocks_of(self.job.encoder.layers, (pooling,), ())
                values = values[:, np.repeat([b.l > 0 for b in blocks], [b.mul for b in blocks])]
            parts.append(values.astype(self.job.precision))
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _of(atoms: AtomsSequence, row: int, elements: np.ndarray) -> slice | np.ndarray:
    """Columns that a structure fills: all, or those of its elements."""
    if not elements.any():
        return slice(None)
    return np.isin(elements, atoms.numbers[atoms.offsets[row] : atoms.offsets[row + 1]])


def _known(encoder: Encoder) -> bool:
    """Whether the fingerprint says all: of our own encoders, but not of what others wrote."""
    ours = type(encoder).__module__.startswith("cpdkit.") and not isinstance(encoder, ModuleEncoder)
    return ours and not encoder.name.startswith("mace:")


def _digests(atoms: AtomsSequence) -> list[bytes]:
    """Hash of each structure; a molecule has no cell, whatever it lies beside."""
    result = []
    for row, n in enumerate(atoms.n_atoms):
        at = slice(atoms.offsets[row], atoms.offsets[row] + n)
        cell, pbc = np.zeros((3, 3)), np.zeros(3, dtype=bool)
        if atoms.cells is not None and atoms.pbc is not None:
            cell, pbc = atoms.cells[row], atoms.pbc[row]
        digest = hashlib.sha256()
        for array in (atoms.numbers[at], atoms.positions[at].astype("f8"), cell.astype("f8"), pbc):
            digest.update(np.ascontiguousarray(array).data)
        result.append(digest.digest())
    return result


@cache
def _code() -> str:
    """Hash of our own modules that features pass, for those who change them between releases."""
    package = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for room in _CODE:
        for path in sorted((package / room).glob("*.py")):
            digest.update(f"{room}/{path.name}\0{_essence(path.read_text('utf-8'))}".encode())
    return digest.hexdigest()


def _essence(source: str) -> str:
    """Code without comments, docstrings and layout, which no feature depends on."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            said = [isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant) for n in body]
            node.body = [n for n, prose in zip(body, said, strict=True) if not prose]  # type: ignore[attr-defined]
    return ast.dump(tree)
