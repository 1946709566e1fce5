"""The table that lessons 1 and 2 work with: it ships with the package and needs numpy alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cpdkit.datasets._npz import read_npz

__all__ = ["COLUMNS", "ELEMENTS", "FEATURES", "PATH", "Table", "load_table"]

PATH = Path(__file__).with_name("data") / "table.npz"
ELEMENTS = ("H", "C", "N", "O", "F")
COLUMNS = 24
FEATURES = {
    "trained": "zoo/painn-gap-0",
    "untrained": "zoo/painn-untrained-0",
    "descriptor": "ani2x-aev",
}
"""Representations of the table, and the encoders that they come from."""


@dataclass(frozen=True)
class Table:
    """Molecules as rows, in one order in all tables.

    Attributes
    ----------
    molecules : DataFrame
        ``formula``, ``smiles`` (a line of text that says which atoms are bonded), ``n_atoms``,
        ``gap`` (HOMO-LUMO gap, eV) and ``mu`` (dipole moment, debye).
    counts : DataFrame
        Atoms of each element: ``H, C, N, O, F``.
    bonds : DataFrame
        Bonds of each type, such as ``C-H`` (single), ``C=O`` (double), ``C#N`` (triple) and ``C:C``
        (aromatic).
    features : dict of str to ndarray of shape (n, 24)
        What models make of each molecule.
    train : ndarray of bool, shape (n,)
        True for the 900 rows to learn from; the other 300 are for testing.
    """

    molecules: pd.DataFrame
    counts: pd.DataFrame
    bonds: pd.DataFrame
    features: dict[str, np.ndarray]
    train: np.ndarray

    def __len__(self) -> int:
        return len(self.molecules)


def load_table() -> Table:
    """1,200 small molecules with three representations of each.

    Returns
    -------
    Table
        A new one each time, so that nothing one does to it reaches another lesson.

    Notes
    -----
    The molecules are ``load_dataset("xtb9", n=1200, seed=0)``: random organic molecules of H, C, N,
    O and F with six to nine atoms other than hydrogen. Gaps and dipole moments were computed with
    GFN2-xTB, a fast approximate quantum-chemical method.

    The features are the last layers of

    - ``trained``: a PaiNN network, trained to predict the gap of some 20,000 *other* molecules,
    - ``untrained``: the same network before training, with random weights,
    - ``descriptor``: atomic environment vectors of ANI-2x, a formula that a person wrote down,

    each averaged over the atoms of a molecule and reduced to its first 24 principal components,
    which are ordered by variance and fitted without looking at gap or dipole moment. They are
    stored with three digits. ``python -m tools.course_table`` made the file.

    Examples
    --------
    >>> table = load_table()
    >>> print(*table.molecules[["formula", "n_atoms"]].iloc[0])
    C7H11NO 20
    >>> table.features["trained"].shape, int(table.train.sum())
    ((1200, 24), 900)
    """
    stored = read_npz(PATH, remedy="install cpdkit again")
    counts = pd.DataFrame(stored["counts"].astype(int), columns=list(ELEMENTS))
    molecules = pd.DataFrame(
        {
            "formula": stored["formula"].astype(str),
            "smiles": stored["smiles"].astype(str),
            "n_atoms": counts.sum(axis=1),
            **{name: stored[name].astype(np.float64) for name in ("gap", "mu")},
        }
    )
    return Table(
        molecules=molecules,
        counts=counts,
        bonds=pd.DataFrame(stored["bonds"].astype(int), columns=list(stored["bond_names"])),
        features={name: stored[f"features|{name}"].astype(np.float64) for name in FEATURES},
        train=np.random.default_rng(0).permutation(len(molecules)) < len(molecules) * 3 // 4,
    )
