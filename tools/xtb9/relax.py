"""From a molecular graph to a relaxed geometry that still has this graph.

ETKDG embedding, MMFF94, then GFN2-xTB with BFGS to 0.05 eV/Angstrom.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ase
import numpy as np
from ase.optimize import BFGS
from ase.units import Bohr, Hartree, kB
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from rdkit.Geometry import Point3D
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator, Result

from tools.xtb9.labels import bond_orders

__all__ = ["Dropped", "Relaxed", "embed", "gfn2_relax", "keeps_bonds", "quantise", "relax_smiles"]

FMAX = 0.05  # eV/Angstrom
MAX_STEPS = 200
STEP = 1e-4  # Angstrom, resolution of the stored coordinates


class Dropped(Exception):
    """A molecule that does not make it; the message is the reason, one of a few."""


@dataclass(frozen=True)
class Relaxed:
    """A relaxed molecule in the atom order of its SMILES (then hydrogens, as RDKit adds them).

    Attributes
    ----------
    smiles : str
        With the stereochemistry of the geometry.
    inchikey : str
        Standard InChIKey of that SMILES.
    mol : rdkit.Chem.Mol
        With explicit hydrogens and one conformer.
    numbers : ndarray of int, shape (n_atoms,)
    positions : ndarray, shape (n_atoms, 3)
        Angstrom, multiples of 1e-4, centre of mass at the origin to within 1e-4, random
        orientation.
    """

    smiles: str
    inchikey: str
    mol: Chem.Mol
    numbers: np.ndarray
    positions: np.ndarray


def embed(mol: Chem.Mol, seed: int) -> np.ndarray:
    """ETKDG coordinates refined with MMFF94, for a molecule with explicit hydrogens.

    Raises
    ------
    Dropped
        If the embedding fails or the force field has no parameters.
    """
    options: Any = rdDistGeom.ETKDGv3()
    options.randomSeed = seed % (2**31 - 1)
    options.useSmallRingTorsions = True
    options.maxIterations = 30
    options.numThreads = 1
    mol = Chem.Mol(mol)
    try:
        failed = rdDistGeom.EmbedMolecule(mol, options) != 0
    except RuntimeError as error:  # RDKit's minimiser gives up on a few cages
        raise Dropped("embedding") from error
    if failed:
        raise Dropped("embedding")
    if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(mol):
        raise Dropped("force field")
    rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=1000)
    return mol.GetConformer().GetPositions()


def gfn2_relax(mol: Chem.Mol, positions: np.ndarray) -> np.ndarray:
    """Relax with GFN2-xTB and check that nothing has reacted.

    Raises
    ------
    Dropped
        If the SCF or the relaxation does not converge, or the bonds changed.
    """
    atoms = ase.Atoms([a.GetAtomicNum() for a in mol.GetAtoms()], positions)
    atoms.calc = surface = _Gfn2Surface(atoms)
    try:
        converged = BFGS(atoms, logfile=None).run(fmax=FMAX, steps=MAX_STEPS)
    except (TBLiteRuntimeError, RuntimeError) as error:
        raise Dropped("scf") from error
    if not converged:
        raise Dropped("relaxation")
    if not keeps_bonds(mol, atoms.positions, surface.bond_orders(atoms)):
        raise Dropped("bonds changed")
    return atoms.positions.copy()


class _Gfn2Surface:
    """Energies and forces for an ASE optimiser, without the bookkeeping of an ASE calculator.

    ``tblite.ase.TBLite`` gives the same numbers, but checks and copies as long as it computes for
    molecules this small. The wavefunction of one geometry starts the next.
    """

    def __init__(self, atoms: ase.Atoms) -> None:
        self._calc = Calculator("GFN2-xTB", atoms.numbers, atoms.positions / Bohr)
        self._calc.set("verbosity", 0)
        self._calc.set("temperature", 300 * kB / Hartree)
        self._positions = np.full_like(atoms.positions, np.nan)
        self._result: Result | None = None

    def _at(self, atoms: ase.Atoms) -> Result:
        result = self._result
        if result is None or not np.array_equal(self._positions, atoms.positions):
            self._calc.update(positions=atoms.positions / Bohr)
            result = self._result = self._calc.singlepoint(self._result)
            self._positions = atoms.positions.copy()
        return result

    def get_potential_energy(self, atoms: ase.Atoms, force_consistent: bool = False) -> float:
        return float(self._at(atoms)["energy"] * Hartree)

    def get_forces(self, atoms: ase.Atoms) -> np.ndarray:
        return -self._at(atoms)["gradient"] * Hartree / Bohr

    def bond_orders(self, atoms: ase.Atoms) -> np.ndarray:
        return bond_orders(self._at(atoms))


def keeps_bonds(mol: Chem.Mol, positions: np.ndarray, orders: np.ndarray) -> bool:
    """Whether exactly the bonded pairs have a Wiberg bond order above one half.

    Bond orders tell a bond from a short contact in small bicycles, where distances overlap: the
    axial carbons of bicyclo[1.1.1]pentane are 1.9 Angstrom apart and not bonded. A bond longer
    than 1.4 times the sum of the covalent radii counts as broken all the same.
    """
    bonded = Chem.GetAdjacencyMatrix(mol) > 0
    if ((orders > 0.5) != bonded)[np.triu_indices(len(bonded), 1)].any():
        return False
    radii = ase.data.covalent_radii[[a.GetAtomicNum() for a in mol.GetAtoms()]]
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    return bool((distance[bonded] < 1.4 * (radii[:, None] + radii)[bonded]).all())


def quantise(numbers: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Centre of mass to the origin, coordinates to multiples of 1e-4 Angstrom."""
    masses = ase.data.atomic_masses[numbers]
    centred = positions - masses @ positions / masses.sum()
    return np.rint(centred / STEP) * STEP


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A rotation matrix, uniform over SO(3) (from a random unit quaternion)."""
    w, x, y, z = (q := rng.normal(size=4)) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def with_positions(mol: Chem.Mol, positions: np.ndarray) -> Chem.Mol:
    """`mol` with `positions` as its only conformer."""
    mol = Chem.Mol(mol)
    mol.RemoveAllConformers()
    conformer = Chem.Conformer(mol.GetNumAtoms())
    for i, xyz in enumerate(positions):
        conformer.SetAtomPosition(i, Point3D(*map(float, xyz)))
    mol.AddConformer(conformer)
    return mol


def relax_smiles(smiles: str, seed: int) -> Relaxed:
    """Embed and relax one molecule.

    Parameters
    ----------
    smiles : str
        Without stereochemistry: the embedding picks it, and the result records it.
    seed : int
        Decides embedding and orientation.

    Raises
    ------
    Dropped
        With the reason, if there is no acceptable geometry.
    """
    plain = Chem.AddHs(Chem.MolFromSmiles(smiles))
    positions = gfn2_relax(plain, embed(plain, seed))
    solid = with_positions(plain, positions)
    Chem.AssignStereochemistryFrom3D(solid)
    text = Chem.MolToSmiles(Chem.RemoveHs(solid))
    mol = Chem.AddHs(Chem.MolFromSmiles(text))
    order = solid.GetSubstructMatch(mol, useChirality=True)
    if len(order) != mol.GetNumAtoms():
        raise Dropped("stereochemistry")
    numbers = np.array([a.GetAtomicNum() for a in mol.GetAtoms()])
    rng = np.random.default_rng(seed)
    positions = quantise(numbers, positions[list(order)] @ random_rotation(rng).T)
    key = Chem.MolToInchiKey(mol)
    return Relaxed(text, key, with_positions(mol, positions), numbers, positions)
