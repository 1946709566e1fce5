"""`extract` against `MACECalculator.get_descriptors`, molecule by molecule; graphs included.

    python benchmarks/extract_mace.py [n_molecules]

The model is an untrained MACE of 32x0e+32x1o at correlation 2. The calculator builds its graph,
computes energies and returns descriptors of one molecule at a time, on the same single thread.
"""

from __future__ import annotations

import statistics
import sys

import extract_common as common  # sets one thread before torch is imported
import numpy as np
import torch

import cpdkit
from cpdkit.encoders import load_encoder

torch.set_num_threads(1)


def measure(n: int, dtype: str) -> dict:
    dataset = cpdkit.load_dataset("xtb9", n=n, seed=0)
    encoder = load_encoder("mace-untrained", dtype=dtype)
    from mace.calculators import MACECalculator

    calculator = MACECalculator(models=encoder.model, default_dtype=dtype)
    kept = {}

    def one_by_one():
        kept["calculator"] = np.array(
            [calculator.get_descriptors(a, invariants_only=False).mean(0) for a in dataset.atoms]
        )

    def extract():
        kept["extract"] = cpdkit.extract(encoder, dataset, progress=False).values

    seconds = common.interleaved({"get_descriptors": one_by_one, "extract": extract}, 3)
    ratios = [a / b for a, b in zip(seconds["get_descriptors"], seconds["extract"], strict=True)]
    difference = np.abs(kept["extract"] - kept["calculator"]).max()
    return {
        "model": f"32x0e+32x1o, correlation 2, {dtype}",
        "get_descriptors_ms": 1e3 * statistics.median(seconds["get_descriptors"]) / n,
        "extract_ms": 1e3 * statistics.median(seconds["extract"]) / n,
        "times_faster": statistics.median(ratios),
        "low": min(ratios),
        "high": max(ratios),
        "largest_difference": float(difference),
        "largest_value": float(np.abs(kept["calculator"]).max()),
    }


def main(n: int) -> None:
    rows = [measure(n, dtype) for dtype in ("float32", "float64")]
    common.report("extract_mace", rows, dataset="xtb9", molecules=n, repeats=3)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
