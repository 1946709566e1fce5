"""Peak memory and time per molecule for all of QM9 against a part of it.

    python benchmarks/extract_memory.py [encoder ...]

Needs CPDKIT_DATA. Every case runs in a process of its own; features go to a store on disk
(``collect=False``), which is how data sets larger than memory are done. The peak is that of the
whole process: libraries, structures, model, batches. Figures are medians of the repeats.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import extract_common as common
import numpy as np

CASES = (10_000, 125_818)
REPEATS = 3


def case(name: str, n: int) -> None:
    """Run one case and print its figures as JSON."""
    import os
    from pathlib import Path

    import torch

    import cpdkit
    from cpdkit.datasets import AtomsSequence
    from cpdkit.encoders import load_encoder

    torch.set_num_threads(1)
    with np.load(Path(os.environ["CPDKIT_DATA"], "qm9", "train.npz")) as data:
        atoms = AtomsSequence(data["Z"], data["R"], data["n_atoms"])
    if n < len(atoms):
        rows = np.random.default_rng(0).choice(len(atoms), size=n, replace=False)
        atoms = atoms.select(np.sort(rows))
    encoder = load_encoder(name)
    cpdkit.extract(encoder, atoms[:64], progress=False)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        kept = cpdkit.extract(encoder, atoms, store=folder, collect=False, progress=False)
    print(
        json.dumps(
            {
                "encoder": name,
                "molecules": len(kept),
                "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "before_MB": before / 1024,
                "cpu_ms": 1e3 * (time.process_time() - cpu) / n,
                "wall_ms": 1e3 * (time.perf_counter() - wall) / n,
            }
        )
    )


def main(names: list[str]) -> None:
    rows = []
    for name in names or ["ani2x-aev", "schnet-untrained"]:
        runs: dict[int, list[dict]] = {n: [] for n in CASES}
        for _ in range(REPEATS):
            for n in CASES:
                command = [sys.executable, "-W", "ignore", __file__, "--case", name, str(n)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                runs[n].append(json.loads(done.stdout.splitlines()[-1]))
                print(runs[n][-1], flush=True)
        pair = [
            {k: v if isinstance(v, str) else statistics.median(r[k] for r in runs[n])
             for k, v in runs[n][0].items()}
            for n in CASES
        ]  # fmt: skip
        rows += [dict(row, peak_ratio=1.0, time_ratio=1.0) for row in pair]
        rows[-1]["peak_ratio"] = pair[1]["peak_MB"] / pair[0]["peak_MB"]
        # Small and large in turn; the ratio of each turn, so that drift of the machine cancels.
        turns = zip(*runs.values(), strict=True)
        rows[-1]["time_ratio"] = statistics.median(b["cpu_ms"] / a["cpu_ms"] for a, b in turns)
    common.report("extract_memory", rows, dataset="qm9 train.npz", repeats=REPEATS)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--case"]:
        case(sys.argv[2], int(sys.argv[3]))
    else:
        main(sys.argv[1:])
