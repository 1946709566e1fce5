"""Statistics of a set of molecules, for the data card: ``python -m tools.xtb9.describe``.

Prints the table of the card: the splits of xtb9 beside QM9, where ``CPDKIT_DATA`` holds it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from rdkit import Chem, rdBase

from cpdkit.datasets._dataset import Dataset

__all__ = ["describe", "markdown_table"]

HARTREE = 27.211386
_RING_SIZES = (3, 4, 5, 6, 7)


def describe(dataset: Dataset) -> dict[str, str]:
    """Name and value (as printed) of each statistic.

    Parameters
    ----------
    dataset : Dataset
        With SMILES; molecules whose SMILES RDKit cannot read are left out of the graph statistics.

    Raises
    ------
    ValueError
        If the data set has no SMILES.
    """
    if dataset.smiles is None:
        raise ValueError(f"data set {dataset.name!r} has no SMILES to describe")
    with rdBase.BlockLogs():
        mols = [Chem.MolFromSmiles(str(s)) for s in dataset.smiles]
    mols = [m for m in mols if m is not None]
    symbols = [[a.GetSymbol() for a in m.GetAtoms() if a.GetAtomicNum() > 1] for m in mols]
    heavy = np.array([len(s) for s in symbols])
    hetero = np.array([len(s) - s.count("C") for s in symbols])
    rings = np.array([m.GetNumBonds() - m.GetNumAtoms() + 1 for m in mols])
    sizes = [size for m in mols for size in map(len, m.GetRingInfo().AtomRings())]
    aromatic = [any(a.GetIsAromatic() for a in m.GetAtoms()) for m in mols]
    names, counts = np.unique(dataset.formulas, return_counts=True)
    out = {
        "molecules": str(len(dataset)),
        "heavy atoms: mean": f"{heavy.mean():.2f}",
        "heavy atoms: 6 or fewer / 7 / 8 / 9": _shares(
            [heavy <= 6, heavy == 7, heavy == 8, heavy == 9]
        ),
        "rings: 0 / 1 / 2 / 3 / 4 or more": _shares([rings == k for k in range(4)] + [rings > 3]),
        "rings of 3 / 4 / 5 / 6 / 7 atoms, per molecule": " / ".join(
            f"{sizes.count(k) / len(mols):.2f}" for k in _RING_SIZES
        ),
        "with an aromatic ring": _shares([np.array(aromatic)]),
        "heteroatoms: 0 / 1 / 2 / 3 / 4 or more": _shares(
            [hetero == k for k in range(4)] + [hetero > 3]
        ),
        "with N / O / F": _shares([np.array([e in s for s in symbols]) for e in "NOF"]),
        "formulas": str(len(names)),
        "molecules with nine or more isomers": _shares([np.repeat(counts >= 10, counts)]),
    }  # fmt: skip
    for title, column in (
        ("gap (eV): 5 / 50 / 95 %", "gap"),
        ("gap, GFN1 (eV): 5 / 50 / 95 %", "gap_gfn1"),
        ("dipole (Debye): 5 / 50 / 95 %", "mu"),
        ("polarizability (Bohr^3): 5 / 50 / 95 %", "alpha"),
    ):
        if column in dataset.targets:
            factor = HARTREE if dataset.units[column] == "Ha" else 1.0
            values = np.percentile(dataset.targets[column] * factor, [5, 50, 95])
            out[title] = " / ".join(f"{v:.1f}" for v in values)
    return out


def _shares(masks: list[np.ndarray]) -> str:
    return " / ".join(f"{100 * mask.mean():.0f}" for mask in masks) + " %"


def markdown_table(columns: Mapping[str, Dataset]) -> str:
    """The statistics of several data sets side by side."""
    described = {title: describe(dataset) for title, dataset in columns.items()}
    rows = dict.fromkeys(row for column in described.values() for row in column)
    lines = ["| | " + " | ".join(described) + " |", "|---|" + "---|" * len(described)]
    for row in rows:
        cells = (column.get(row, "") for column in described.values())
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    from cpdkit.datasets import load_dataset

    columns = {f"xtb9 {split}": load_dataset("xtb9", split=split) for split in ("probe", "train")}
    try:
        columns["QM9 probe"] = load_dataset("qm9", split="probe")
    except FileNotFoundError as error:
        print(f"Without QM9: {error}\n")
    print(markdown_table(columns))


if __name__ == "__main__":
    main()
