"""Ten geometries of one molecule: conformers and displacements along normal modes."""

from __future__ import annotations

from dataclasses import dataclass

import ase
import numpy as np
from ase.units import Bohr, Hartree
from rdkit import Chem
from rdkit.Chem import rdMolAlign

from tools.xtb9.labels import (
    Labels,
    bond_orders,
    calculator,
    compute_labels,
    singlepoint,
)
from tools.xtb9.relax import (
    Dropped,
    embed,
    gfn2_relax,
    keeps_bonds,
    quantise,
    random_rotation,
    with_positions,
)

__all__ = ["GEOMETRIES", "Geometry", "displacement", "geometries", "normal_modes"]

GEOMETRIES = 10
MAX_RELAXED = 4  # of the ten; the others are displaced
EMBEDDINGS = 6
MAX_ENERGY = 0.1  # eV per atom above the lowest of the ten
FLOOR = 0.15  # eV/(Angstrom^2 u), about 200 cm^-1: softer modes move as if this stiff
DIFFERENT_RMSD = 0.25  # Angstrom
DIFFERENT_ENERGY = 0.002  # eV


@dataclass(frozen=True)
class Geometry:
    """One geometry: relaxed or displaced, coordinates as stored, labels."""

    relaxed: bool
    positions: np.ndarray
    labels: Labels


def normal_modes(numbers: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """GFN2-xTB force constants and mass-weighted normal modes, without overall motion.

    Parameters
    ----------
    numbers, positions : ndarray
        Atomic numbers, and coordinates in Angstrom.

    Returns
    -------
    constants : ndarray, shape (3 n_atoms - 6,)
        Eigenvalues of the mass-weighted Hessian, eV/(Angstrom^2 u), ascending (``omega ** 2``).
    modes : ndarray, shape (3 n_atoms - 6, n_atoms, 3)
        Displacement in Angstrom per unit of mass-weighted coordinate (Angstrom sqrt(u)).
    """
    step, n = 0.005, len(numbers)
    calc = calculator(numbers, positions)
    result = calc.singlepoint()
    hessian = np.empty((3 * n, 3 * n))
    for row in range(3 * n):
        gradient = []
        for sign in (1, -1):
            moved = positions.copy()
            moved.flat[row] += sign * step
            calc.update(moved / Bohr)
            gradient.append(calc.singlepoint(result, copy=True).get("gradient").ravel())
        hessian[row] = (gradient[0] - gradient[1]) / (2 * step) * Hartree / Bohr
    root = np.sqrt(np.repeat(ase.data.atomic_masses[numbers], 3))
    weighted = (hessian + hessian.T) / 2 / np.outer(root, root)
    values, vectors = np.linalg.eigh(_without_overall_motion(weighted, positions, root))
    keep = np.sort(np.argsort(np.abs(values))[6:])
    return values[keep], (vectors[:, keep].T / root).reshape(-1, n, 3)


def _without_overall_motion(
    weighted: np.ndarray, positions: np.ndarray, root: np.ndarray
) -> np.ndarray:
    """Project translations and rotations out of a mass-weighted Hessian."""
    shifts = [np.broadcast_to(axis, positions.shape) for axis in np.eye(3)]
    turns = [np.cross(axis, positions) for axis in np.eye(3)]
    basis, _ = np.linalg.qr(np.array([m.ravel() * root for m in (*shifts, *turns)]).T)
    projector = np.eye(len(weighted)) - basis @ basis.T
    return projector @ weighted @ projector


def _relaxed_conformers(
    mol: Chem.Mol, start: np.ndarray, energy: float, seed: int
) -> list[np.ndarray]:
    """The stored geometry and up to three conformers that differ from each other."""
    numbers = np.array([a.GetAtomicNum() for a in mol.GetAtoms()])
    found = [(start, energy)]
    for attempt in range(EMBEDDINGS):
        if len(found) == MAX_RELAXED:
            break
        try:
            positions = gfn2_relax(mol, embed(mol, seed + 1 + attempt))
        except Dropped:
            continue
        new = singlepoint(numbers, positions).get("energy") * Hartree
        if all(
            abs(new - old) > DIFFERENT_ENERGY or _rmsd(mol, positions, kept) > DIFFERENT_RMSD
            for kept, old in found
        ):
            found.append((positions, new))
    return [positions for positions, _ in found]


def _rmsd(mol: Chem.Mol, first: np.ndarray, second: np.ndarray) -> float:
    return rdMolAlign.GetBestRMS(
        Chem.RemoveHs(with_positions(mol, first)), Chem.RemoveHs(with_positions(mol, second))
    )


def geometries(smiles: str, positions: np.ndarray, seed: int) -> list[Geometry]:
    """Ten labelled geometries of one molecule of ``probe``; the first is the one stored there.

    Parameters
    ----------
    smiles : str
        With stereochemistry, which all geometries share.
    positions : ndarray, shape (n_atoms, 3)
        Relaxed geometry in Angstrom, in the atom order of `smiles`.
    seed : int

    Raises
    ------
    Dropped
        If ten geometries within 0.1 eV per atom cannot be had.
    """
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    numbers = np.array([a.GetAtomicNum() for a in mol.GetAtoms()])
    rng = np.random.default_rng(seed)

    def stored(coordinates: np.ndarray, relaxed: bool) -> Geometry:
        turned = quantise(numbers, coordinates @ random_rotation(rng).T)
        return Geometry(relaxed, turned, compute_labels(numbers, turned, alpha=True))

    first = Geometry(True, positions, compute_labels(numbers, positions, alpha=True))
    conformers = _relaxed_conformers(mol, positions, first.labels.energy, seed)
    out = [first] + [stored(p, True) for p in conformers[1:]]
    lowest = min(g.labels.energy for g in out)
    constants, modes = normal_modes(numbers, positions)
    count = GEOMETRIES - len(out)
    for place in range(count):
        goal = 0.9 * MAX_ENERGY * len(numbers) * (place + 0.5) / count
        for _ in range(12):
            moved = positions + displacement(constants, modes, goal, rng)
            result = singlepoint(numbers, moved)
            excess = result.get("energy") * Hartree - lowest
            if excess < MAX_ENERGY * len(numbers) and keeps_bonds(mol, moved, bond_orders(result)):
                out.append(stored(moved, False))
                lowest = min(lowest, out[-1].labels.energy)
                break
            goal *= 0.85
        else:
            raise Dropped("displacement")
    if max(g.labels.energy for g in out) - lowest > MAX_ENERGY * len(numbers):
        raise Dropped("energy range")
    return out


def displacement(
    constants: np.ndarray,
    modes: np.ndarray,
    energy: float,
    rng: np.random.Generator,
    *,
    floor: float = FLOOR,
) -> np.ndarray:
    """A random displacement of the given harmonic energy (eV), shared by all modes alike.

    Modes softer than `floor`, in the unit of `constants`, move as if they were that stiff.
    """
    share = rng.normal(size=len(constants))
    share *= np.sqrt(2 * energy / (share @ share))
    return np.einsum("m,mai->ai", share / np.sqrt(np.maximum(constants, floor)), modes)
