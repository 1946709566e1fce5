"""QM9 [1]_ from files outside the package.

References
----------
.. [1] R. Ramakrishnan, P. O. Dral, M. Rupp and O. A. von Lilienfeld, Quantum chemistry structures
   and properties of 134 kilo molecules, Scientific Data 1, 140022 (2014).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets._external import data_folder
from cpdkit.datasets._npz import read_npz
from cpdkit.datasets.extxyz import read_extxyz
from cpdkit.datasets.qm9_archive import load_archive

__all__ = ["SPLITS", "UNITS", "load"]

SPLITS = ("probe", "train", "all")

UNITS = {
    "A": "GHz",
    "B": "GHz",
    "C": "GHz",
    "mu": "D",
    "alpha": "Bohr^3",
    "homo": "Ha",
    "lumo": "Ha",
    "gap": "Ha",
    "r2": "Bohr^2",
    "zpve": "Ha",
    "u0": "Ha",
    "u298": "Ha",
    "h298": "Ha",
    "g298": "Ha",
    "cv": "cal/mol/K",
}
"""Units of the labels as QM9 publishes them."""

TRAIN_UNITS = {
    "homo": "Ha",
    "e_el": "Ha",
    "mu": "D",
    "gap": "Ha",
    "lumo": "Ha",
    "gap_hf": "Ha",
    "homo_hf": "Ha",
    "lumo_hf": "Ha",
    "e_mp2": "Ha",
}
"""Units of the labels of the train split; those from ``gap`` on are known for a part only."""


def load(split: str = "probe") -> Dataset:
    """QM9 from ``CPDKIT_DATA``, or all of it from the official archive.

    Parameters
    ----------
    split : {"probe", "train", "all"}
        Every 40th molecule up to number 119,961, with all 15 labels; the fluorine-free others,
        whose labels are NaN where nobody computed them; or all that the authors characterised,
        which is fetched once (`cpdkit.datasets.qm9_archive`).

    Returns
    -------
    Dataset
        In QM9's own units (`UNITS`).

    Raises
    ------
    FileNotFoundError
        If ``CPDKIT_DATA`` or a file in it is missing.
    ValueError
        If the split is not known.
    """
    if split not in SPLITS:
        raise ValueError(unknown("split of 'qm9'", split, SPLITS))
    if split == "all":
        return load_archive()
    folder = data_folder("qm9/probe.extxyz", "xtb9") / "qm9"
    return _probe(folder / "probe.extxyz") if split == "probe" else _train(folder / "train.npz")


def _probe(path: Path) -> Dataset:
    read = read_extxyz(path, targets=list(UNITS), units=UNITS, ids="gdb_id")
    return Dataset("qm9", "probe", read.atoms, read.targets, UNITS, read.ids, read.smiles)


def _train(path: Path) -> Dataset:
    names = ("Z", "R", "n_atoms", "gdb_id", "smiles", "dipole_mp2", *TRAIN_UNITS)
    stored = read_npz(path, names, remedy="look at what CPDKIT_DATA names")
    return Dataset(
        name="qm9",
        split="train",
        atoms=AtomsSequence(stored["Z"], stored["R"], stored["n_atoms"]),
        targets=pd.DataFrame({key: stored[key].astype(np.float64) for key in TRAIN_UNITS}),
        units=TRAIN_UNITS,
        ids=stored["gdb_id"].astype(str),
        smiles=stored["smiles"],
        info=pd.DataFrame(stored["dipole_mp2"], columns=["dipole_x", "dipole_y", "dipole_z"]),
    )
