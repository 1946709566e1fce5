"""Crystals of the Materials Project [1]_ from files outside the package.

References
----------
.. [1] A. Jain et al., The Materials Project: a materials genome approach to accelerating materials
   innovation, APL Materials 1, 011002 (2013).
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pandas as pd

from cpdkit._messages import unknown
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets._external import data_folder
from cpdkit.datasets._npz import read_npz

__all__ = ["SPLITS", "UNITS", "lattice_vectors", "load"]

SPLITS = ("probe",)

UNITS = {
    "formation_energy_per_atom": "eV",
    "band_gap": "eV",
    "volume_per_atom": "Angstrom^3",
    "density": "g/cm^3",
}
"""Units of the targets."""

_COLUMNS = {
    "formation_energy_per_atom": "formation_energy_per_atom_eV",
    "band_gap": "band_gap_eV",
    "volume_per_atom": "volume_per_atom_A3",
    "density": "density_g_cm3",
}
_INFO = {"fermi_energy": "e_fermi_eV", "magnetization_of_cell": "total_magnetization_muB"}
_REMEDY = "look at what CPDKIT_DATA names"


def load(split: str = "probe") -> Dataset:
    """36,738 crystals of 87 elements, of a snapshot of 2018, from ``CPDKIT_DATA``.

    Structures stay flat arrays (50 MB); an :class:`ase.Atoms` is built when one is asked for.

    Parameters
    ----------
    split : {"probe"}
        There is one.

    Returns
    -------
    Dataset
        Targets in the units of `UNITS`, by density-functional theory (PBE, PBE+U); a band gap of 0
        (42 % of the crystals) is a metal's. `ids` are the names of the Materials Project, such as
        ``mp-149``; `formulas` are reduced, ``atoms.formulas(cell=True)`` are not. `info` has
        ``fermi_energy`` (eV, NaN for two) and ``magnetization_of_cell`` (Bohr magnetons), which
        grows with the cell.

    Raises
    ------
    FileNotFoundError
        If ``CPDKIT_DATA`` or a file in it is missing.
    ValueError
        If the split is not known, or a file is damaged or does not belong to the other.
    """
    if split not in SPLITS:
        raise ValueError(unknown("split of 'materials-project'", split, SPLITS))
    folder = data_folder("materials_project/structures.npz", "prototypes") / "materials_project"
    path = folder / "structures.npz"
    stored = read_npz(
        path, ("material_id", "n_atoms", "Z", "frac_coords_1e8", "cellpar"), remedy=_REMEDY
    )
    labels = _labels(folder / "properties.csv.gz")
    ids = stored["material_id"].astype(str)
    if labels["material_id"].tolist() != ids.tolist():
        raise ValueError(
            f"{str(folder / 'properties.csv.gz')!r} does not list the crystals of {str(path)!r} in "
            f"their order; {_REMEDY}."
        )
    try:
        cells = lattice_vectors(stored["cellpar"])
        fractions = stored["frac_coords_1e8"] * 1e-8
        n_atoms = stored["n_atoms"].astype(np.int64)
        positions = np.einsum("ni,nij->nj", fractions, np.repeat(cells, n_atoms, axis=0))
        atoms = AtomsSequence(stored["Z"], positions, n_atoms, cells=cells)
    except (ValueError, TypeError, IndexError) as error:
        raise ValueError(f"{str(path)!r} is damaged: {error} {_REMEDY}.") from None
    return Dataset(
        name="materials-project",
        split=split,
        atoms=atoms,
        targets=pd.DataFrame({name: labels[column] for name, column in _COLUMNS.items()}),
        units=UNITS,
        ids=ids,
        info=pd.DataFrame({name: labels[column] for name, column in _INFO.items()}),
    )


def _labels(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise FileNotFoundError(f"no file {str(path)!r}; {_REMEDY}.")
    wanted = [*_COLUMNS.values(), *_INFO.values()]
    try:
        return pd.read_csv(
            path, usecols=["material_id", *wanted], dtype=dict.fromkeys(wanted, np.float64)
        )
    except (ValueError, EOFError, OSError, zlib.error) as error:
        if getattr(error, "errno", None):  # the system's, such as a permission that lacks
            raise
        raise ValueError(f"{str(path)!r} is damaged or another file: {error}; {_REMEDY}.") from None


def lattice_vectors(cellpar: np.ndarray) -> np.ndarray:
    """Lattice vectors of many cells: the first along x, the second in the plane of x and y.

    Parameters
    ----------
    cellpar : ndarray of float, shape (n, 6)
        Lengths in Angstrom and angles in degrees, as :func:`ase.geometry.cellpar_to_cell` has them.

    Returns
    -------
    ndarray of float, shape (n, 3, 3)
        Vectors as rows.

    Raises
    ------
    ValueError
        If no cell has these lengths and angles.
    """
    lengths, angles = np.split(np.asarray(cellpar, dtype=np.float64), 2, axis=1)
    cosine = np.cos(np.deg2rad(angles))
    cosine[angles == 90] = 0.0
    alpha, beta, gamma = cosine.T
    sine = np.sqrt(1 - gamma**2)
    unit = np.zeros((len(lengths), 3, 3))
    unit[:, 0, 0] = 1
    unit[:, 1, 0], unit[:, 1, 1] = gamma, sine
    unit[:, 2, 0], unit[:, 2, 1] = beta, (alpha - beta * gamma) / sine
    height = 1 - unit[:, 2, 0] ** 2 - unit[:, 2, 1] ** 2
    wrong = np.flatnonzero(~((height > 0) & (lengths > 0).all(axis=1)))
    if len(wrong):
        given = np.asarray(cellpar)[wrong[0]].tolist()
        raise ValueError(f"no cell has the lengths and angles {given} (structure {wrong[0]}).")
    unit[:, 2, 2] = np.sqrt(height)
    return unit * lengths[:, :, None]
