"""`extract` against matscope 0.2.0 on a model both support, CHGNet, or why it fails.

    pip install --no-deps matscope==0.2.0
    python benchmarks/extract_matscope.py [n_molecules]

matscope does not build graphs, so it is given CHGNet's own; both are timed without building them.
"""

from __future__ import annotations

import logging
import sys

import extract_common as common  # sets one thread before torch is imported
import numpy as np
import torch

import cpdkit
from cpdkit.encoders import load_encoder

torch.set_num_threads(1)
logging.disable(logging.WARNING)


def main(n: int) -> None:
    from matscope import MatScope
    from matscope.models.registry import CHGNetBackend

    dataset = cpdkit.load_dataset("xtb9", n=n, seed=0)
    encoder = load_encoder("chgnet")
    graphs = [encoder.graph(atoms) for atoms in dataset.atoms]
    names = CHGNetBackend().get_layer_names(encoder.model)
    ours = cpdkit.extract(encoder, dataset, progress=False)
    rows = []

    def outcome(label, layers):
        scope = MatScope.from_torch(encoder.model, layer_names=layers)
        try:
            result = scope.extract(graphs, layers=layers, batch_size=64)
        except Exception as error:
            return {"matscope": label, "outcome": f"{type(error).__name__}: {error}"}
        shapes = {name: np.asarray(x).shape for name, x in result.items()}
        rows_found = next((s[0] for s in shapes.values() if s), 0)
        same = rows_found == n and all(
            np.allclose(result[f"atom_conv_layers.{i}"], ours.select(layer=i).values, atol=1e-4)
            for i in range(4)
        )
        text = f"{len(result)} of {len(layers)} layers; rows: {rows_found} for {n} structures"
        return {"matscope": label, "outcome": f"{text}; equal to ours: {same}"}

    rows.append(outcome("its own layer names", names))
    modules = [f"atom_conv_layers.{i}" for i in range(4)]
    rows.append(outcome("names of the modules", modules))

    scope = MatScope.from_torch(encoder.model, layer_names=modules)
    lookup = {atoms.positions.tobytes(): g for atoms, g in zip(dataset.atoms, graphs, strict=True)}
    encoder.graph = lambda atoms: lookup[atoms.positions.tobytes()]
    seconds = common.interleaved(
        {
            "matscope": lambda: scope.extract(graphs, layers=modules, batch_size=64),
            "extract": lambda: cpdkit.extract(encoder, dataset, progress=False),
        },
        3,
    )
    ratio = min(seconds["extract"]) / min(seconds["matscope"])
    rows.append({"matscope": "time", "outcome": f"extract takes {ratio:.2f} of matscope's"})
    common.report("extract_matscope", rows, dataset="xtb9", molecules=n, matscope="0.2.0")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
