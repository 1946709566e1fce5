"""From a graph, or a molecule of probe, to the rows that are stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
from rdkit import Chem

from tools.xtb9.conformers import geometries
from tools.xtb9.labels import Labels, compute_labels
from tools.xtb9.relax import Dropped, relax_smiles
from tools.xtb9.splits import molecule_seed

__all__ = ["BOND_TYPES", "bond_counts", "conformer_rows", "molecule_rows"]

MIN_GAP = 1.0  # eV, GFN2: a closed shell is no fair description below

BOND_TYPES: tuple[str, ...] = (
    *("C-C", "C=C", "C#C", "C:C", "C-N", "C=N", "C#N", "C:N", "C-O", "C=O", "C:O"),
    *("N-N", "N:N", "N-O", "N:O", "C-F", "C-H", "N-H", "O-H"),
)  # ":" is aromatic; what is not listed is forbidden by the filters
_SYMBOL = {
    Chem.BondType.SINGLE: "-",
    Chem.BondType.DOUBLE: "=",
    Chem.BondType.TRIPLE: "#",
    Chem.BondType.AROMATIC: ":",
}


def bond_counts(mol: Chem.Mol) -> np.ndarray:
    """Number of bonds of each of `BOND_TYPES` in a molecule with explicit hydrogens."""
    counts: Counter[str] = Counter()
    for bond in mol.GetBonds():
        ends = sorted(
            (bond.GetBeginAtom().GetSymbol(), bond.GetEndAtom().GetSymbol()), key="CNOFH".index
        )
        counts[_SYMBOL[bond.GetBondType()].join(ends)] += 1
    if unknown := counts.keys() - set(BOND_TYPES):
        raise ValueError(f"bond types {sorted(unknown)} are not among {BOND_TYPES}")
    return np.array([counts[name] for name in BOND_TYPES])


def _label_row(labels: Labels) -> dict[str, Any]:
    row = asdict(labels)
    row["quadrupole"] = row["quadrupole"][:5]  # traceless: zz follows
    return row


def molecule_rows(smiles: str, key: str, *, seed: int, alpha: bool) -> list[dict[str, Any]]:
    """The row of one molecule (a list of one)."""
    relaxed = relax_smiles(smiles, molecule_seed(seed, key))
    if relaxed.inchikey[:14] != key:
        raise Dropped("InChIKey")
    labels = compute_labels(relaxed.numbers, relaxed.positions, alpha=alpha)
    if labels.lumo - labels.homo < MIN_GAP:
        raise Dropped("small gap")
    row = {
        "smiles": relaxed.smiles,
        "inchikey": relaxed.inchikey,
        "numbers": relaxed.numbers,
        "positions": relaxed.positions,
        "bonds": bond_counts(relaxed.mol),
    } | _label_row(labels)
    if not alpha:
        del row["alpha"]
    return [row]


def conformer_rows(entry: dict[str, Any], *, seed: int) -> list[dict[str, Any]]:
    """The ten rows of one molecule of ``probe``."""
    key = entry["inchikey"]
    found = geometries(entry["smiles"], entry["positions"], molecule_seed(seed, key))
    shared = {name: entry[name] for name in ("smiles", "inchikey", "numbers", "bonds")}
    return [
        shared | {"positions": g.positions, "relaxed": int(g.relaxed)} | _label_row(g.labels)
        for g in found
    ]
