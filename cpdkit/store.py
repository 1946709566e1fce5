"""Shards of extracted features on disk: found by content, checked when read, made again if bad."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from cpdkit._files import replacing
from cpdkit.representation import Block, Representation

__all__ = ["ShardedRepresentation", "Store"]

_FORMAT = "cpdkit-shard-1"


def _checksum(values: np.ndarray, n_atoms: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in (values, n_atoms):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


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
        except (SafetensorError, OSError) as error:
            warnings.warn(f"{path} is damaged ({error}); it is made again.", stacklevel=2)
            return None
        if about.get("key") != key or about.get("sha256") != _checksum(values, n_atoms):
            warnings.warn(f"{path} was altered; it is made again.", stacklevel=2)
            return None
        return values, n_atoms

    def write(self, key: str, values: np.ndarray, n_atoms: np.ndarray) -> None:
        """Keep a shard."""
        about = {"format": _FORMAT, "key": key, "sha256": _checksum(values, n_atoms)}
        tensors = {"values": np.ascontiguousarray(values), "n_atoms": np.asarray(n_atoms)}
        with replacing(self.path(key)) as file:
            file.write(save(tensors, metadata=about))

    def finish(self, manifest: Mapping[str, Any]) -> ShardedRepresentation:
        """Write the manifest of one extraction, named by its content."""
        text = json.dumps(dict(manifest), indent=1, sort_keys=True)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = self.root / f"{manifest['metadata']['encoder'].replace(':', '_')}-{name}.json"
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
            If the file is not a manifest.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"no manifest at {path}.")
        try:
            about = json.loads(path.read_text())
            return cls(
                manifest_path=path,
                blocks=tuple(Block(**block) for block in about["blocks"]),
                keys=tuple(about["keys"]),
                n_structures=about["n_structures"],
                metadata=about["metadata"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a manifest of shards ({error}).") from error

    def __len__(self) -> int:
        return self.n_structures

    def __iter__(self) -> Iterator[Representation]:
        """Yield the shards in the order of the data set.

        Raises
        ------
        ValueError
            If a shard is missing or damaged; extracting again makes it.
        """
        store = Store(self.manifest_path.parent)
        for key in self.keys:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = store.read(key)
            if found is None:
                raise ValueError(
                    f"shard {store.path(key)} is missing or damaged; extract again with the same "
                    "store to make it."
                )
            yield Representation(found[0], self.blocks, found[1], self.metadata)

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
