"""Rows of features on disk, found by key and shared by all processes of a user; without torch.

One SQLite file: a process that is killed loses what it was writing, and nothing else. Its journal
is the old one, not WAL, which would not do in home folders that several machines share.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pooch

__all__ = ["KeptFeatures", "cache_folder", "cache_size"]

_Result = TypeVar("_Result")

_FILE = "features-1.sqlite"
_TABLE = "CREATE TABLE IF NOT EXISTS rows (key BLOB UNIQUE, used REAL, size INTEGER, data BLOB)"
_BY_USE = "CREATE INDEX IF NOT EXISTS by_use ON rows (used, size)"
_SEAL = 16  # bytes of checksum before each row
_TOGETHER = 500  # keys in one question
_PATIENCE = 60  # seconds to wait for another process that writes
_SLOW = 1_000_000_000  # bytes too many, which SQLite takes minutes to give back
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def cache_folder() -> Path | None:
    """The folder that ``CPDKIT_CACHE`` names, by default one of the user's cache; None if off."""
    named = os.environ.get("CPDKIT_CACHE", "")
    if named.lower() == "off":
        return None
    if named.lower() in ("", "on"):
        return Path(pooch.os_cache("cpdkit")) / "features"
    return Path(named)


def cache_size() -> int:
    """Bytes that ``CPDKIT_CACHE_SIZE`` allows, such as ``500 MB``; 2 GB by default.

    Raises
    ------
    ValueError
        If it says something else.
    """
    given = os.environ.get("CPDKIT_CACHE_SIZE") or "2 GB"
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]B|)", given.strip().upper())
    if found is None:
        raise ValueError(f"CPDKIT_CACHE_SIZE={given!r} is no size; write 500 MB or 2 GB.")
    return int(float(found[1]) * _UNITS[found[2]])


class KeptFeatures:
    """Bytes by key, at most so many; those that were not asked for the longest go first.

    Trouble with the file is told by a warning, and costs the time to compute again: a cache never
    stops the work.

    Parameters
    ----------
    folder : path
        Where the file lies; made when first used.
    size : int, optional
        Bytes it may have, :func:`cache_size` by default.
    """

    def __init__(self, folder: str | os.PathLike[str], *, size: int | None = None) -> None:
        self.path = Path(folder).expanduser().absolute() / _FILE
        self.size = cache_size() if size is None else size

    def read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """What is kept under `keys`; damaged rows are taken out and told by a warning."""

        def work(database: sqlite3.Connection) -> dict[bytes, bytes]:
            found: dict[bytes, bytes] = {}
            for start in range(0, len(keys), _TOGETHER):
                part = keys[start : start + _TOGETHER]
                marks = ",".join("?" * len(part))
                ask = f"SELECT key, data FROM rows WHERE key IN ({marks})"
                found |= dict(database.execute(ask, part))
            sound = {key: data[_SEAL:] for key, data in found.items() if _is_sound(key, data)}
            damaged = [(key,) for key in found.keys() - sound.keys()]
            if damaged:
                warnings.warn(
                    f"{self.path}: {len(damaged)} damaged entries are made again.", stacklevel=4
                )
            try:
                database.execute("BEGIN IMMEDIATE")
                database.executemany("DELETE FROM rows WHERE key = ?", damaged)
                now = time.time()
                database.executemany(
                    "UPDATE rows SET used = ? WHERE key = ?", [(now, key) for key in sound]
                )
                database.execute("COMMIT")
            except sqlite3.OperationalError:  # it may be read-only
                pass
            return sound

        return self._guarded(work, {}) if keys else {}

    def write(self, rows: Mapping[bytes, bytes]) -> None:
        """Keep rows, all or none; what is there already stays."""

        def work(database: sqlite3.Connection) -> None:
            database.execute("BEGIN IMMEDIATE")
            now = time.time()
            new = [(k, now, len(row) + _SEAL, _sealed(k, row)) for k, row in rows.items()]
            database.executemany("INSERT OR IGNORE INTO rows VALUES (?, ?, ?, ?)", new)
            self._evict(database)
            database.execute("COMMIT")
            database.executescript("PRAGMA incremental_vacuum")  # execute() would free one page

        if rows:
            self._guarded(work, None)

    def about(self) -> tuple[int, int]:
        """Bytes of the file and number of entries."""
        if not self.path.is_file():
            return 0, 0
        count = self._guarded(lambda d: d.execute("SELECT count(*) FROM rows").fetchone()[0], 0)
        return (self.path.stat().st_size if self.path.is_file() else 0), count

    def clear(self) -> None:
        """Remove the file."""
        for path in (self.path, self.path.with_name(f"{_FILE}-journal")):
            path.unlink(missing_ok=True)

    def _evict(self, database: sqlite3.Connection) -> None:
        """Take out what was used the longest ago, a tenth more than must be."""
        if (excess := _bytes(database) - self.size) > _SLOW:  # the bound was lowered
            warnings.warn(
                f"{self.path} is {excess / 1e9:.1f} GB above its bound ({self.size / 1e9:.1f} GB); "
                "to make room takes minutes. `cpdkit cache clear` is quicker, and "
                "CPDKIT_CACHE_SIZE sets the bound.",
                stacklevel=5,
            )
        while (excess := _bytes(database) - self.size) > 0:
            excess += self.size // 10
            oldest = []
            for row, size in database.execute("SELECT rowid, size FROM rows ORDER BY used, rowid"):
                oldest.append((row,))
                excess -= size
                if excess <= 0:
                    break
            if not oldest:
                return
            database.executemany("DELETE FROM rows WHERE rowid = ?", oldest)

    def _guarded(
        self, work: Callable[[sqlite3.Connection], _Result], otherwise: _Result
    ) -> _Result:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # No transactions but those that are begun here.
            connection = sqlite3.connect(self.path, timeout=_PATIENCE, isolation_level=None)
            with closing(connection) as database:
                database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded by an empty file
                database.execute(_TABLE)
                database.execute(_BY_USE)
                return work(database)
        except (sqlite3.OperationalError, OSError) as error:
            warnings.warn(f"the cache {self.path} cannot be used: {error}.", stacklevel=4)
        except sqlite3.DatabaseError as error:
            warnings.warn(f"{self.path} is damaged ({error}); it is begun anew.", stacklevel=4)
            self.clear()
        return otherwise


def _sealed(key: bytes, row: bytes) -> bytes:
    return hashlib.blake2b(key + row, digest_size=_SEAL).digest() + row


def _is_sound(key: bytes, data: object) -> bool:
    return isinstance(data, bytes) and data == _sealed(key, data[_SEAL:])


def _bytes(database: sqlite3.Connection) -> int:
    def ask(name: str) -> int:
        return database.execute(f"PRAGMA {name}").fetchone()[0]

    return (ask("page_count") - ask("freelist_count")) * ask("page_size")
