"""Constitution as numbers: which atoms are bonded, without any coordinate. Needs RDKit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import ase
import numpy as np
import pandas as pd

from cpdkit.datasets import Dataset
from cpdkit.datasets._dataset import as_sequence

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = ["bond_counts", "molecules", "morgan_counts"]

_SYMBOL = {1.0: "-", 1.5: ":", 2.0: "=", 3.0: "#"}


def molecules(data: Dataset | Iterable[ase.Atoms]) -> list[Mol]:
    """RDKit molecules with explicit hydrogens, from SMILES or from bonds perceived in space.

    Parameters
    ----------
    data : Dataset or iterable of ase.Atoms
        SMILES are used where the data set has them; otherwise bonds and their orders are perceived
        from the coordinates of neutral molecules.

    Returns
    -------
    list of rdkit.Chem.Mol

    Raises
    ------
    ImportError
        If RDKit is not installed.
    ValueError
        If a SMILES string cannot be read or does not have the structure's formula, or the bonds of
        a structure cannot be perceived.
    """
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise ImportError("constitution needs RDKit: pip install 'cpdkit[data]'.") from error
    sequence = as_sequence(data)
    smiles = data.smiles if isinstance(data, Dataset) else None
    found = []
    with rdBase.BlockLogs():
        for i in range(len(sequence)):
            if smiles is None:
                found.append(_perceived(sequence[i], i))
                continue
            mol = Chem.MolFromSmiles(smiles[i])
            if mol is None:
                raise ValueError(f"structure {i}: the SMILES {smiles[i]!r} cannot be read.")
            mol = Chem.AddHs(mol)
            numbers = sorted(atom.GetAtomicNum() for atom in mol.GetAtoms())
            if numbers != sorted(sequence[i].numbers.tolist()):
                raise ValueError(
                    f"structure {i}: the SMILES {smiles[i]!r} does not have the formula of the "
                    f"coordinates, {sequence[i].get_chemical_formula()}."
                )
            found.append(mol)
    return found


def _perceived(atoms: ase.Atoms, i: int) -> Mol:
    from rdkit import Chem
    from rdkit.Chem import rdDetermineBonds

    lines = [
        f"{s} {x:.6f} {y:.6f} {z:.6f}"
        for s, (x, y, z) in zip(atoms.get_chemical_symbols(), atoms.positions, strict=True)
    ]
    mol = Chem.MolFromXYZBlock(f"{len(atoms)}\n\n" + "\n".join(lines) + "\n")
    try:
        if mol is None or atoms.pbc.any():
            raise ValueError("not a molecule")
        rdDetermineBonds.DetermineBonds(mol, charge=0)
    except ValueError as error:
        raise ValueError(
            f"structure {i}, {atoms.get_chemical_formula()}: its bonds cannot be perceived "
            f"({error}); give SMILES, or leave it out."
        ) from error
    return mol


def bond_counts(data: Dataset | Iterable[ase.Atoms]) -> pd.DataFrame:
    """Number of bonds of each type, hydrogens included.

    Parameters
    ----------
    data : Dataset or iterable of ase.Atoms
        SMILES are used where the data set has them; else bonds are perceived from coordinates.

    Returns
    -------
    pandas.DataFrame of float, shape (n_structures, n_bond_types)
        Columns such as ``"C-H"``, ``"C=O"`` and ``"C:C"`` (aromatic).

    Raises
    ------
    ImportError, ValueError
        If RDKit is not installed, or bonds or a SMILES string cannot be read.
    """
    counted = [_bonds(mol) for mol in molecules(data)]
    types = sorted({name for count in counted for name in count})
    return pd.DataFrame(
        [[count[name] for name in types] for count in counted], columns=types, dtype=float
    )


def _bonds(mol: Mol) -> Counter[str]:
    return Counter(
        _SYMBOL.get(bond.GetBondTypeAsDouble(), "~").join(
            sorted((bond.GetBeginAtom().GetSymbol(), bond.GetEndAtom().GetSymbol()))
        )
        for bond in mol.GetBonds()
    )


def morgan_counts(
    data: Dataset | Iterable[ase.Atoms], *, radius: int = 1, n_bits: int = 256
) -> np.ndarray:
    """Counts of circular environments [1]_, folded to a fixed width.

    Parameters
    ----------
    data : Dataset or iterable of ase.Atoms
        SMILES are used where the data set has them; otherwise bonds are perceived from coordinates.
    radius : int, default 1
        Largest number of bonds from the central atom.
    n_bits : int, default 256
        Width; environments whose hashes collide share a column.

    Returns
    -------
    ndarray of float, shape (n_structures, n_bits)

    Raises
    ------
    ImportError, ValueError
        If RDKit is not installed, or bonds or a SMILES string cannot be read.

    References
    ----------
    .. [1] D. Rogers and M. Hahn, Extended-connectivity fingerprints, Journal of Chemical
       Information and Modeling 50, 742 (2010).
    """
    mols = molecules(data)
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=n_bits)
    return np.array([generator.GetCountFingerprintAsNumPy(mol) for mol in mols], dtype=float)
