"""Composition and constitution as numbers: the nuisance that CPD removes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import ase
import numpy as np
import pandas as pd
from ase.data import chemical_symbols

from cpdkit._messages import unknown
from cpdkit.datasets import AtomsSequence, Dataset, canonical_formulas, parse_formula
from cpdkit.datasets._dataset import as_sequence
from cpdkit.datasets.formulas import atomic_number, listed_formulas

if TYPE_CHECKING:
    from rdkit.Chem import Mol

__all__ = [
    "KINDS",
    "LADDER",
    "bond_counts",
    "composition_matrix",
    "formula_counts",
    "molecules",
    "morgan_counts",
]

KINDS = ("counts", "fractions", "formula", "bonds", "morgan")

LADDER = ("counts", "formula", "bonds", "morgan")
"""Nuisances from composition to constitution, each removing more than the one before."""

_SYMBOL = {1.0: "-", 1.5: ":", 2.0: "=", 3.0: "#"}


def composition_matrix(
    atoms: Dataset | Iterable[ase.Atoms] | ase.Atoms | Sequence[str],
    *,
    kind: str = "counts",
    elements: Sequence[int | str] | None = None,
    as_frame: bool = False,
) -> np.ndarray | pd.DataFrame:
    """Describe each structure by its elements, or by its bonds too, without any coordinate.

    Parameters
    ----------
    atoms : Dataset, iterable of ase.Atoms, ase.Atoms, or sequence of str
        The structures, or their formulas such as ``"C2H6O"``, which have no bonds. Bonds are taken
        from the SMILES of a data set that has them.
    kind : {"counts", "fractions", "formula", "bonds", "morgan"}
        What each column is:

        ``counts``
            number of atoms of an element.
        ``fractions``
            the same divided by the number of atoms. They sum to one, so an intercept beside them
            makes the columns linearly dependent (the projector copes), and they do not hold the
            size of a structure.
        ``formula``
            one for an exact formula, else zero. A linear map of these is any function of
            composition, but says nothing of formulas that the training fold lacks.
        ``bonds``
            counts, and beside them the number of bonds of each type (`bond_counts`).
        ``morgan``
            these, and beside them `morgan_counts`.
    elements : sequence of int or str, optional
        Elements that become columns, in this order. By default those that occur, by atomic
        number. Give them when matrices of several data sets must have the same columns.
    as_frame : bool, default False
        Return a data frame with named columns.

    Returns
    -------
    ndarray or pandas.DataFrame of float, shape (n_structures, n_columns)
        The nuisance matrix C.

    Raises
    ------
    ValueError
        If `kind` is not known or asks for bonds of formulas, there is no structure, a structure has
        no atom or holds an element that `elements` lacks, a formula cannot be read, or `elements`
        have no order or repeat; for bonds also as from `molecules`.
    TypeError
        If something is neither a structure nor a formula, or both are mixed.
    ImportError
        For bonds, if RDKit is not installed.
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind of composition", kind, KINDS))
    data = _rows(atoms)
    if len(data) == 0:
        raise ValueError("no structures given; a composition matrix needs at least one.")
    if isinstance(data, list) and kind in ("bonds", "morgan"):
        raise ValueError(f"a formula says nothing of bonds; kind={kind!r} needs structures.")
    text = isinstance(data, list)
    counts, present = formula_counts(data) if text else as_sequence(data).element_counts()
    size = counts.sum(axis=1, keepdims=True)
    empty = np.flatnonzero(size == 0)
    if len(empty):
        raise ValueError(f"structure {empty[0]} has no atoms; remove it ({len(empty)} in all).")
    if kind == "formula":
        formulas = canonical_formulas(data) if text else as_sequence(data).formulas()
        frame = pd.get_dummies(pd.Series(formulas), dtype=float)
        return frame if as_frame else np.ascontiguousarray(frame)
    if elements is not None:
        counts, present = _reorder(counts, present, elements)
    matrix = counts.astype(np.float64)
    if kind == "fractions":
        matrix /= size
    frame = pd.DataFrame(matrix, columns=[chemical_symbols[z] for z in present])
    if kind in ("bonds", "morgan"):
        frame = pd.concat([frame, bond_counts(data)], axis=1)
    if kind == "morgan":
        bits = pd.DataFrame(morgan_counts(data)).add_prefix("environment ")
        frame = pd.concat([frame, bits], axis=1)
    return frame if as_frame else np.ascontiguousarray(frame)


def _rows(atoms: Any) -> Any:
    """A Dataset, an AtomsSequence, or formulas in a list."""
    if isinstance(atoms, Dataset | AtomsSequence):
        return atoms
    if isinstance(atoms, str):
        raise TypeError(f"got the string {atoms!r}; give formulas in a list, [{atoms!r}].")
    if isinstance(atoms, Iterable) and not isinstance(atoms, ase.Atoms | Mapping | set | frozenset):
        atoms = list(atoms)  # once: an iterator is empty the second time
        text = [isinstance(item, str) for item in atoms]
        if any(text) and not all(text):
            raise TypeError(
                f"row {text.index(False)} is {atoms[text.index(False)]!r}, where others are "
                "formulas; give formulas or structures, not both."
            )
        if any(text):
            return atoms
    return as_sequence(atoms)


def formula_counts(formulas: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    """Atoms of each element in formulas, and the atomic numbers that occur, ascending.

    Parameters
    ----------
    formulas : iterable of str
        Chemical formulas such as ``"C2H6O"``.

    Returns
    -------
    counts : ndarray of int, shape (n_formulas, n_elements)
        Number of atoms.
    present : ndarray of int, shape (n_elements,)
        Their atomic numbers.

    Raises
    ------
    ValueError
        If a formula cannot be read.
    """
    given = listed_formulas(formulas)
    position = {formula: i for i, formula in enumerate(dict.fromkeys(given))}
    counted = [parse_formula(formula) for formula in position]
    present = sorted({atomic_number(symbol) for count in counted for symbol in count})
    symbols = [chemical_symbols[z] for z in present]
    table = np.array([[c.get(s, 0) for s in symbols] for c in counted], dtype=np.int64)
    return table[[position[formula] for formula in given]], np.array(present)


def _reorder(
    counts: np.ndarray, present: np.ndarray, elements: Sequence[int | str]
) -> tuple[np.ndarray, np.ndarray]:
    if isinstance(elements, str | set | frozenset) or not isinstance(elements, Iterable):
        raise ValueError(f"elements={elements!r} must be a list: its order is that of the columns.")
    wanted: list[int] = []
    for element in elements:
        if isinstance(element, str) and element in chemical_symbols[1:]:
            wanted.append(chemical_symbols.index(element))
        elif (
            isinstance(element, int | np.integer)
            and not isinstance(element, bool)
            and 1 <= element < len(chemical_symbols)
        ):
            wanted.append(int(element))
        else:
            raise ValueError(
                f"{element!r} is no chemical element; give symbols such as 'C' or atomic numbers."
            )
    if not wanted or len(set(wanted)) < len(wanted):
        raise ValueError(f"elements={list(elements)!r} must name elements, each once.")
    missing = sorted(set(present.tolist()) - set(wanted))
    if missing:
        row = int(np.flatnonzero(counts[:, np.isin(present, missing)].any(axis=1))[0])
        names = ", ".join(chemical_symbols[z] for z in missing)
        raise ValueError(
            f"structure {row} holds {names}, which elements={list(elements)!r} lacks; add them."
        )
    column = {int(z): counts[:, i] for i, z in enumerate(present)}
    zeros = np.zeros(len(counts), dtype=counts.dtype)
    return np.stack([column.get(z, zeros) for z in wanted], axis=1), np.array(wanted)


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
        As for `molecules`.

    Returns
    -------
    pandas.DataFrame of float, shape (n_structures, n_bond_types)
        Columns such as ``"C-H"``, ``"C=O"`` and ``"C:C"`` (aromatic).

    Raises
    ------
    ImportError, ValueError
        As for `molecules`.
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
        As for `molecules`.
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
        As for `molecules`.

    References
    ----------
    .. [1] D. Rogers and M. Hahn, Extended-connectivity fingerprints, Journal of Chemical
       Information and Modeling 50, 742 (2010).
    """
    mols = molecules(data)
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=n_bits)
    return np.array([generator.GetCountFingerprintAsNumPy(mol) for mol in mols], dtype=float)
