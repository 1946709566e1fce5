"""One Dask worker against two; wall-clock time, workers started and warm.

python benchmarks/extract_dask.py [n_molecules [encoder]]
"""

from __future__ import annotations

import sys
import time

import extract_common as common  # sets one thread before torch is imported
import numpy as np

import cpdkit
from cpdkit.encoders import load_encoder


def main(n: int, name: str) -> None:
    from distributed import Client, LocalCluster

    dataset = cpdkit.load_dataset("xtb9", n=n, seed=0)
    encoder = load_encoder(name)
    plain = cpdkit.extract(encoder, dataset, shard_size=64, progress=False)
    rows = []
    for workers in (1, 2):
        with (
            LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            seconds = []
            for _ in range(3):
                start = time.perf_counter()
                rep = cpdkit.extract(encoder, dataset, shard_size=64, client=client, progress=False)
                seconds.append(time.perf_counter() - start)
        rows.append(
            {
                "encoder": name,
                "workers": workers,
                "wall_s": min(seconds[1:]),
                "same_bits": bool(np.array_equal(rep.values, plain.values)),
            }
        )
    for row in rows:
        row["speedup"] = rows[0]["wall_s"] / row["wall_s"]
    common.report("extract_dask", rows, dataset="xtb9", molecules=n, shard_size=64)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(
        int(arguments[0]) if arguments else 1024,
        arguments[1] if len(arguments) > 1 else "schnet-untrained",
    )
