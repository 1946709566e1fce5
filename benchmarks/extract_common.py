"""What the extraction benchmarks share: one thread, interleaved repeats, a table and JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

RESULTS = Path(__file__).parent / "results"


def keep_memory() -> None:
    """Start anew with a C library that keeps freed memory; call it before anything else.

    By default glibc returns large blocks to the system and asks for them again, at up to a quarter
    of the time of a forward pass, and by chance more on one side of a comparison than on the other.
    """
    wanted = {"MALLOC_TRIM_THRESHOLD_": "2000000000", "MALLOC_MMAP_THRESHOLD_": "2000000000"}
    if not wanted.keys() <= os.environ.keys():
        os.environ.update(wanted)
        os.execv(sys.executable, [sys.executable, *sys.argv])


def interleaved(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of every call, `repeats` times in turn, after one round of warm-up.

    CPU time, because a machine that is shared disturbs it less than wall-clock time; in turn, so
    that drift of the machine hits all alike.
    """
    for call in calls.values():
        call()
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            call()
            seconds[name].append(time.process_time() - start)
    return seconds


def report(name: str, rows: list[dict[str, Any]], **about: Any) -> None:
    """Print rows as a table and keep them under ``benchmarks/results``."""
    keys = list(rows[0])
    cells = [
        [f"{row[k]:.4g}" if isinstance(row[k], float) else str(row[k]) for k in keys]
        for row in rows
    ]
    widths = [max(len(k), *(len(line[i]) for line in cells)) for i, k in enumerate(keys)]
    for line in [keys, *cells]:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)))
    RESULTS.mkdir(exist_ok=True)
    record = {
        "rows": rows,
        "about": about,
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "versions": {name: version(name) for name in ("torch", "numpy", "vesin")},
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")
