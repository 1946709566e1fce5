r"""Dipoles and quadrupoles as targets of equivariant probes, and what geometry alone says of them.

Components are ordered as e3nn orders them: x, y, z for l=1, and for l=2 those of
:math:`\sqrt 3 xz,\ \sqrt 3 xy,\ y^2 - (x^2 + z^2)/2,\ \sqrt 3 yz,\ \sqrt 3 (z^2 - x^2)/2`.
"""

from __future__ import annotations

import numpy as np
from ase.data import atomic_masses

from cpdkit.datasets import load_dataset
from cpdkit.datasets._dataset import AtomsSequence, Dataset

__all__ = ["element_multipoles", "l2_components", "multipole_targets", "with_vectors"]

_DIPOLE = ["dipole_x", "dipole_y", "dipole_z"]
_QUADRUPOLE = [f"quadrupole_{pair}" for pair in ("xx", "xy", "yy", "xz", "yz", "zz")]


def multipole_targets(dataset: Dataset) -> dict[int, dict[str, np.ndarray]]:
    """Vector and tensor labels of a data set, ``{1: {"dipole": ...}, 2: {"quadrupole": ...}}``.

    Labels are left out where one of them is NaN.
    """
    info, found = dataset.info, {}
    for degree, name, columns in ((1, "dipole", _DIPOLE), (2, "quadrupole", _QUADRUPOLE)):
        if info is None or not set(columns) <= set(info) or info[columns].isna().any(axis=None):
            continue
        labels = info[columns].to_numpy(dtype=np.float64)
        found[degree] = {name: labels if degree == 1 else l2_components(labels)}
    return found


def with_vectors(ds: Dataset, *, split: str, at_most: int, seed: int) -> Dataset:
    """Structures with vector labels: QM9 has them in a split of their own."""
    if multipole_targets(ds) or ds.name != "qm9" or ds.split == "file":
        return ds
    every = load_dataset("qm9", split=split)
    if every.info is None:
        raise ValueError(f"split {split!r} of {ds.name!r} has no dipole vectors.")
    every = every.select(every.info["dipole_x"].notna().to_numpy())
    return every.sample(min(at_most, len(every)), seed=seed)


def l2_components(tensors: np.ndarray) -> np.ndarray:
    """Components of degree 2 of symmetric Cartesian tensors, shape (n, 3, 3) or (n, 6).

    Squares add up to 3/2 of those of the traceless part.
    """
    tensors = np.asarray(tensors, dtype=np.float64)
    if tensors.ndim == 3 and tensors.shape[1:] == (3, 3):
        rows, columns = [0, 0, 1, 0, 1, 2], [0, 1, 1, 2, 2, 2]
        tensors = tensors[:, rows, columns]
    if tensors.ndim != 2 or tensors.shape[1] != 6:
        raise ValueError(
            f"tensors have shape {tensors.shape}; expected (n, 3, 3), or (n, 6) with the elements "
            "xx, xy, yy, xz, yz, zz."
        )
    xx, xy, yy, xz, yz, zz = tensors.T
    root = np.sqrt(3.0)
    return np.stack([root * xz, root * xy, yy - (xx + zz) / 2, root * yz, root * (zz - xx) / 2], 1)


def element_multipoles(atoms: AtomsSequence, *, l: int) -> np.ndarray:  # noqa: E741
    """Sums of positions (l=1) or of their squares (l=2) over the atoms of each element.

    An equivariant linear probe of these gives every element one charge: what the places of the
    elements say of a dipole or quadrupole without any model.
    """
    if l not in (1, 2):
        raise ValueError(f"l={l!r}: moments of degree 1 and 2 are known.")
    if atoms.pbc is not None and atoms.pbc.any():
        row = int(np.flatnonzero(atoms.pbc.any(axis=1))[0])
        raise ValueError(f"structure {row} is periodic; only molecules have a centre of mass.")
    owner = np.repeat(np.arange(len(atoms)), atoms.n_atoms)
    masses = atomic_masses[atoms.numbers]
    total = np.bincount(owner, masses, minlength=len(atoms))
    weighted = [np.bincount(owner, masses * p, minlength=len(atoms)) for p in atoms.positions.T]
    shifted = atoms.positions - (np.stack(weighted, axis=1) / total[:, None])[owner]
    values = shifted if l == 1 else l2_components(shifted[:, :, None] * shifted[:, None, :])
    elements, column = np.unique(atoms.numbers, return_inverse=True)
    result = np.zeros((len(atoms), len(elements), 2 * l + 1))
    np.add.at(result, (owner, column), values)
    return result
