"""`extract` against the bare batched forward pass of the same model; graphs are built before.

    python benchmarks/extract_overhead.py [n_molecules [encoder ...]]

Bare: the library's model on the same batches, already in its own input format. Extract: the
whole of `cpdkit.extract` (collating, hooks, pooling, checks), with making `ase.Atoms` and graphs
replaced by look-ups; these two are timed apart. Freed memory is kept by the process on both sides,
since page faults otherwise fall on one or the other by chance.
"""

from __future__ import annotations

import statistics
import sys
from unittest import mock

import extract_common as common  # sets one thread before torch is imported
import torch

import cpdkit
from cpdkit.datasets import AtomsSequence
from cpdkit.encoders import load_encoder
from cpdkit.extraction.job import batches_of

torch.set_num_threads(1)
CALLS = {
    "ani2x-aev": lambda e, x: e._computer.compute_from_neighbors(*x[:3]),
    "schnet-untrained": lambda e, x: e.model(x),
    "painn-untrained": lambda e, x: e.model(x),
    "mace-untrained": lambda e, x: e.model(x, compute_force=False),
    "sevennet-0": lambda e, x: e.model(dict(x)),
}


MAKE = AtomsSequence.__getitem__


def row_number(self, index):
    return index if isinstance(index, int) else MAKE(self, index)


def main(most: int, names: list[str]) -> None:
    rows = []
    for name in names or CALLS:
        n = most // 5 if name == "sevennet-0" else most  # it takes a hundred times as long
        dataset = cpdkit.load_dataset("xtb9", n=n, seed=0)
        call, encoder = CALLS[name], load_encoder(name)
        build = type(encoder).graph
        graphs = [build(encoder, atoms) for atoms in dataset.atoms]

        def build_all(encoder=encoder, build=build, dataset=dataset):
            for atoms in dataset.atoms:
                build(encoder, atoms)

        order = list(batches_of(dataset.atoms.n_atoms, 64, encoder.cpu_atoms))
        batches = [encoder.inputs([graphs[i] for i in rows]) for rows in order]
        # During extract, structures are their own row numbers and graphs are looked up by them.
        encoder.graph = graphs.__getitem__

        def bare(encoder=encoder, batches=batches, call=call):
            with torch.inference_mode():
                for inputs in batches:
                    call(encoder, inputs)

        def extract(encoder=encoder, dataset=dataset, n=n):
            with mock.patch.object(AtomsSequence, "__getitem__", row_number):
                cpdkit.extract(encoder, dataset, progress=False, shard_size=n)

        seconds = common.interleaved({"bare": bare, "extract": extract, "graph": build_all}, 7)
        ratios = [e / b for e, b in zip(seconds["extract"], seconds["bare"], strict=True)]
        rows.append(
            {
                "encoder": name,
                "molecules": n,
                "bare_ms": 1e3 * statistics.median(seconds["bare"]) / n,
                "extract_ms": 1e3 * statistics.median(seconds["extract"]) / n,
                "graph_ms": 1e3 * statistics.median(seconds["graph"]) / n,
                # Best of each: on a shared machine the least disturbed repeat says most.
                "ratio_of_best": min(seconds["extract"]) / min(seconds["bare"]),
                "ratio_median": statistics.median(ratios),
                "ratio_low": min(ratios),
                "ratio_high": max(ratios),
            }
        )
        print(rows[-1], flush=True)
    common.report("extract_overhead", rows, dataset="xtb9", molecules=most, repeats=7)


if __name__ == "__main__":
    common.keep_memory()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000, sys.argv[2:])
