"""Make the table that lessons 1 and 2 work with: ``python -m tools.course_table``.

1,200 molecules of `xtb9`, what they are made of, two properties, and three representations
reduced to their first principal components. The same numbers come out each time, but for the last
digit of a feature, which may differ between processors.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import cpdkit
from cpdkit._files import replacing
from cpdkit.composition import bond_counts, composition_matrix
from cpdkit.course.table import COLUMNS, ELEMENTS, FEATURES, PATH

N_MOLECULES = 1200


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.course_table", description=__doc__)
    parser.add_argument("--out", type=Path, default=PATH, help="the file (default: %(default)s)")
    write(parser.parse_args().out)


def write(path: Path) -> None:
    """The whole table as compressed arrays."""
    molecules = cpdkit.load_dataset("xtb9", n=N_MOLECULES, seed=0)
    arrays = described(molecules)
    for name, encoder in FEATURES.items():
        arrays[f"features|{name}"] = reduced(molecules, encoder)
    with replacing(path) as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def described(molecules: cpdkit.Dataset) -> dict[str, np.ndarray]:
    """All but the features."""
    bonds = bond_counts(molecules)
    return {
        "formula": np.array(molecules.formulas),
        "smiles": np.array(molecules.smiles),
        "counts": composition_matrix(molecules.atoms, elements=ELEMENTS).astype(np.uint8),
        "bonds": bonds.to_numpy().astype(np.uint8),
        "bond_names": np.array(bonds.columns, dtype=str),
        **{name: molecules.targets[name].to_numpy(np.float32) for name in ("gap", "mu")},
    }


def reduced(molecules: cpdkit.Dataset, encoder: str) -> np.ndarray:
    """First principal components of the last layer, signs fixed, the first one of spread 1."""
    rep = cpdkit.extract(cpdkit.load_encoder(encoder), molecules, progress=False)
    X = rep.select(layer=-1).features.astype(np.float64)
    X = X[:, X.std(axis=0) > 1e-8 * X.std()]
    X = X - X.mean(axis=0)
    if encoder == "ani2x-aev":  # its columns differ in size by orders of magnitude
        X = X / X.std(axis=0)
    axes = np.linalg.svd(X, full_matrices=False)[2][:COLUMNS]
    axes *= np.sign(axes[np.arange(COLUMNS), np.abs(axes).argmax(axis=1)])[:, None]
    Z = X @ axes.T
    return (Z / Z[:, 0].std()).astype(np.float16)


if __name__ == "__main__":
    main()
