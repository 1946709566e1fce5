"""What a composition matrix is made of: structures or formulas, and elements in an order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ase
import numpy as np
from ase.data import chemical_symbols

from cpdkit.datasets import AtomsSequence, Dataset
from cpdkit.datasets._dataset import as_sequence

__all__ = ["in_order", "rows_of"]


def rows_of(atoms: Any) -> Any:
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


def in_order(
    counts: np.ndarray, present: np.ndarray, elements: Sequence[int | str]
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of `counts`, and of elements that do not occur, in the order of `elements`."""
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
