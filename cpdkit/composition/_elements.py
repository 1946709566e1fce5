"""Columns of a composition matrix by the elements that a user names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from ase.data import chemical_symbols

__all__ = ["in_order"]


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
