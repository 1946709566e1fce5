"""Shards of extracted features on disk: found by content, checked when read, made again if bad."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from cpdkit._files import replacing
from cpdkit._sealed import UNREADABLE, checksum
from cpdkit.representation import Block, Representation

__all__ = ["ShardedRepresentation", "Store"]

_FORMAT = "cpdkit-shard-1"


class Store:
    """A folder of shards, each named by a hash of all that determines its content.

    Several processes may use one folder at a time: at worst they do the same work twice.

    Parameters
    ----------
    root : path
        The folder; made when first written to.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def path(self, key: str) -> Path:
        """Where the shard of `key` lies."""
        return self.root / "shards" / f"{key}.safetensors"

    def read(self, key: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Values and n_atoms of a shard, or None if there is no sound one.

        A shard that is cut short or altered is reported by a warning.
        """
        path = self.path(key)
        try:
            with safe_open(path, framework="numpy") as file:
                about = file.metadata() or {}
                values, n_atoms = file.get_tensor("values"), file.get_tensor("n_atoms")
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            warnings.warn(f"{path} is damaged ({error}); it is made again.", stacklevel=2)
            return None
        if about.get("key") != key or about.get("sha256") != checksum(values, n_atoms):
            warnings.warn(f"{path} was altered; it is made again.", stacklevel=2)
            return None
        return values, n_atoms

    def write(self, key: str, values: np.ndarray, n_atoms: np.ndarray) -> None:
        """Keep a shard."""
        about = {"format": _FORMAT, "key": key, "sha256": checksum(values, n_atoms)}
        tensors = {"values": np.ascontiguousarray(values), "n_atoms": np.asarray(n_atoms)}
        with replacing(self.path(key)) as file:
            file.write(save(tensors, metadata=about))

    def finish(self, manifest: Mapping[str, Any]) -> ShardedRepresentation:
        """Write the manifest of one extraction, named by its content."""
        text = json.dumps(dict(manifest), indent=1, sort_keys=True)
        name = _name(text.encode())
        encoder = re.sub(r"[^\w.+-]+", "_", manifest["metadata"]["encoder"], flags=re.ASCII)
        path = self.root / f"{encoder[:80].lstrip('.')}-{name}.json"
        if not (path.is_file() and path.read_bytes() == text.encode()):  # it may be read-only
            with replacing(path) as file:
                file.write(text.encode())
        return ShardedRepresentation.open(path)


@dataclass(frozen=True)
class ShardedRepresentation:
    """Features of a data set that stay on disk; iterating reads one shard at a time.

    Attributes
    ----------
    manifest_path : Path
        The JSON file that lists the shards.
    blocks : tuple of Block
        What the columns are.
    keys : tuple of str
        Hashes that name the shards, in the order of the data set.
    n_structures : int
        Number of rows of all shards.
    metadata : mapping
        Encoder, data set, fingerprints, versions.
    """

    manifest_path: Path
    blocks: tuple[Block, ...]
    keys: tuple[str, ...]
    n_structures: int
    metadata: Mapping[str, Any]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> ShardedRepresentation:
        """Read a manifest.

        Raises
        ------
        FileNotFoundError
            If there is none.
        ValueError
            If the file is not a manifest, or was altered.
        """
        path = Path(path)
        if not path.is_file():
            there = sorted(p.name for p in path.glob("*.json")) if path.is_dir() else []
            hint = f" This folder has: {', '.join(there)}." if there else ""
            raise FileNotFoundError(f"no manifest at {path}.{hint}")
        data = path.read_bytes()
        try:
            about = json.loads(data)
            opened = cls(
                manifest_path=path,
                blocks=tuple(Block(**block) for block in about["blocks"]),
                keys=tuple(about["keys"]),
                n_structures=about["n_structures"],
                metadata=about["metadata"],
            )
            if not all(re.fullmatch("[0-9a-f]{64}", key) for key in opened.keys):
                raise ValueError("a key is no SHA-256")
            range(opened.n_structures)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"{path} is not a manifest of shards ({error!r}).") from error
        if not path.stem.endswith(f"-{_name(data)}"):
            raise ValueError(
                f"{path} was altered or renamed: its name ends in a hash of what it says. Extract "
                "again with the same store, which keeps its shards."
            )
        return opened

    def __len__(self) -> int:
        return self.n_structures

    def __iter__(self) -> Iterator[Representation]:
        """Yield the shards in the order of the data set.

        Raises
        ------
        ValueError
            If a shard is missing or damaged, in which case extracting again makes it, or if the
            shards do not have as many rows as the manifest says.
        """
        store, rows = Store(self.manifest_path.parent), 0
        for key in self.keys:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = store.read(key)
            if found is None:
                raise ValueError(
                    f"shard {store.path(key)} is missing or damaged; extract again with the same "
                    "store to make it."
                )
            rows += len(found[0])
            if rows > self.n_structures:
                break
            yield Representation(found[0], self.blocks, found[1], self.metadata)
        if rows != self.n_structures:
            raise ValueError(
                f"{self.manifest_path} tells of {self.n_structures} structures, its shards hold "
                f"{rows}; it was altered. Extract again with the same store."
            )

    def collect(self) -> Representation:
        """All shards in memory.

        Raises
        ------
        ValueError
            If a shard is missing or damaged.
        """
        parts = [(part.values, part.n_atoms) for part in self]
        values, n_atoms = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return Representation(values, self.blocks, n_atoms, self.metadata)


def _name(manifest: bytes) -> str:
    return hashlib.sha256(manifest).hexdigest()[:16]
