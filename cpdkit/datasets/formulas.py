"""Chemical formulas as text: one reader and one spelling for all of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from ase.data import atomic_numbers, chemical_symbols
from ase.formula import Formula

__all__ = [
    "atomic_number",
    "canonical_formulas",
    "canonical_groups",
    "formula_counts",
    "hill_formula",
    "listed_formulas",
    "numbers_of",
    "parse_formula",
]

_PART = re.compile(r"(?:([A-Z][a-z]?)|(\()|(\)))([0-9]{0,9})")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_ISOTOPES = {"D": "deuterium", "T": "tritium"}
_REASONS = {
    "+": "charges are not part of a composition; leave them out",
    "-": "charges are not part of a composition; leave them out",
    ".": "counts must be whole numbers",
    ")": "a bracket is not opened",
}


def atomic_number(symbol: str) -> int:
    """Number of an element.

    Parameters
    ----------
    symbol : str
        Such as ``"Cl"``, in this spelling.

    Raises
    ------
    ValueError
        If there is no such element: ghost atoms ``X``, isotopes, labels such as ``C1``.
    """
    number = atomic_numbers.get(symbol, 0)
    if number:
        return number
    if symbol in _ISOTOPES:
        raise ValueError(
            f"{symbol!r} is {_ISOTOPES[symbol]}, and isotopes are not told apart; write 'H'"
        )
    if symbol == "X":
        raise ValueError("'X' is a ghost or dummy atom, no element; remove it")
    letters = (re.match("[A-Za-z]*", symbol) or [""])[0].capitalize()
    near = next((part for part in (letters[:2], letters[:1]) if atomic_numbers.get(part)), None)
    raise ValueError(
        f"{symbol!r} is no symbol of an element" + (f"; did you mean {near!r}?" if near else "")
    )


def numbers_of(elements: Sequence[str]) -> list[int]:
    """Atomic numbers of a list of symbols; raise ValueError for one text or no symbol."""
    if isinstance(elements, str):
        raise ValueError(f"elements={elements!r} must be a list of symbols, such as ['Li', 'O'].")
    return [atomic_number(symbol) for symbol in elements]


def hill_formula(numbers: np.ndarray) -> str:
    """Chemical formula in Hill order (carbon, hydrogen, then alphabetical).

    Parameters
    ----------
    numbers : ndarray of int, shape (n_atoms,)
        Atomic numbers.

    Returns
    -------
    str
        Such as ``"C2H6O"``.
    """
    values, counts = np.unique(np.asarray(numbers, dtype=np.int64), return_counts=True)
    return _hill({chemical_symbols[z]: int(c) for z, c in zip(values, counts, strict=True)})


def _hill(count: Mapping[str, int]) -> str:
    return Formula.from_dict(dict(count)).format("hill")  # ASE's: hydrogen leads without carbon too


def parse_formula(formula: str) -> dict[str, int]:
    """Number of atoms of each element in a formula.

    Parameters
    ----------
    formula : str
        Element symbols with whole counts, brackets allowed: ``"C2H6O"``, ``"(CH3)2O"``, ``"H₂O"``.

    Returns
    -------
    dict of str to int
        Counts by symbol.

    Raises
    ------
    ValueError
        If it is anything else: empty, a charge, a count that is no whole number, an isotope, a
        ghost atom, or a name. The message says what could not be read.
    """
    text = formula.strip().translate(_SUBSCRIPTS) if isinstance(formula, str) else ""
    if not text:
        raise ValueError(f"{formula!r} is no chemical formula: it names no element.")
    stack: list[Counter[str]] = [Counter()]
    position = 0
    while position < len(text):
        match = _PART.match(text, position)
        symbol, opened, closed, digits = match.groups() if match else ("", "", "", "")
        if match is None or (digits and int(digits) == 0) or (opened and digits):
            raise _refused(formula, text[position:])
        if symbol:
            try:
                atomic_number(symbol)
            except ValueError as error:
                raise ValueError(f"{formula!r} is no chemical formula: {error}.") from None
            stack[-1][symbol] += int(digits or 1)
        elif opened:
            stack.append(Counter())
        elif len(stack) == 1 or not stack[-1]:
            raise _refused(formula, text[position:])
        else:
            for name, n in stack.pop().items():
                stack[-1][name] += n * int(digits or 1)
        position = match.end()
    if len(stack) > 1:
        raise ValueError(f"{formula!r} is no chemical formula: a bracket is not closed.")
    return dict(stack[0])


def _refused(formula: str, rest: str) -> ValueError:
    sign = "." if "." in rest else rest[0]
    reason = _REASONS.get(sign, "expected element symbols with whole counts, such as 'C2H6O'")
    return ValueError(f"{formula!r} is no chemical formula: {rest!r} cannot be read; {reason}.")


def canonical_formulas(formulas: Iterable[Any]) -> np.ndarray:
    """The same formulas in one spelling, Hill's: ``H4C`` and ``CH4`` are one.

    Parameters
    ----------
    formulas : iterable of str
        Formulas that `parse_formula` reads.

    Returns
    -------
    ndarray of str, shape (n,)

    Raises
    ------
    ValueError
        If one cannot be read.
    """
    number, given = pd.factorize(np.array(listed_formulas(formulas), dtype=object))
    return np.array([_hill(parse_formula(formula)) for formula in given], dtype=str)[number]


def listed_formulas(formulas: Iterable[Any]) -> list[str]:
    """Formulas as a list of strings, in rows; they are not read yet.

    Raises
    ------
    ValueError
        If it is one string, or a row holds no string: a missing formula is none.
    """
    if isinstance(formulas, str | bytes | set | frozenset) or not isinstance(formulas, Iterable):
        what = repr(formulas) if isinstance(formulas, str) else type(formulas).__name__
        raise ValueError(f"formulas must be a list, one formula for each row; got {what}.")
    given = formulas.tolist() if isinstance(formulas, np.ndarray) else list(formulas)
    if set(map(type, given)) <= {str}:  # in a tenth of the time
        return given
    for row, formula in enumerate(given):
        if not isinstance(formula, str):
            raise ValueError(f"row {row} has no chemical formula but {formula!r}.")
    return [str(formula) for formula in given]


def canonical_groups(labels: Iterable[Any]) -> np.ndarray:
    """Labels of groups, where all are formulas with one label for each.

    A formula that occurs in several spellings is written as Hill has it; what has one spelling, and
    labels of which some are no formulas, stay as they stand.

    Parameters
    ----------
    labels : iterable
        Formulas, or other names of groups.

    Returns
    -------
    ndarray, shape (n,)
    """
    given = labels if isinstance(labels, np.ndarray) else np.asarray(list(labels))
    try:
        hill = canonical_formulas(given.tolist())
    except (ValueError, TypeError):
        return given
    text = given.astype(str)
    number, spelled = pd.factorize(text.astype(object))
    first = np.unique(number, return_index=True)[1]  # one row of each spelling
    own = pd.Series(hill[first])
    return np.where(own.duplicated(keep=False), own, spelled).astype(str)[number]


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
    number, given = pd.factorize(np.array(listed_formulas(formulas), dtype=object))
    counted = [parse_formula(formula) for formula in given]
    present = sorted({atomic_number(symbol) for count in counted for symbol in count})
    symbols = [chemical_symbols[z] for z in present]
    table = np.array([[c.get(s, 0) for s in symbols] for c in counted], dtype=np.int64)
    return table[number], np.array(present)
