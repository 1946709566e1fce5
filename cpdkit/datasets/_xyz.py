"""Frames of extended XYZ as the specification [1]_ has them; what it does not allow is refused.

Text stands as it was written: SMILES keep their brackets and backslashes, names their zeros, and
``F`` is no truth value. Nothing is taken for a number before somebody asks for one.

References
----------
.. [1] Extended XYZ specification, https://github.com/libAtoms/extxyz.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpdkit._messages import unknown
from cpdkit.datasets._lines import numbered_lines
from cpdkit.datasets.formulas import atomic_number

__all__ = ["Frame", "is_number", "number", "read_frames"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_BOOLEANS = dict.fromkeys(("T", "True", "true", "TRUE"), True)
_BOOLEANS |= dict.fromkeys(("F", "False", "false", "FALSE"), False)

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_KEY = re.compile(rf'({_QUOTED}|[^\s="]+)(\s*=\s*)?')
_VALUE = re.compile(rf"({_QUOTED})|('[^']*')|([\[{{])|([^\s\"'][^\s\"]*)")
_BRACKETS = re.compile(rf"{_QUOTED}|[\[{{]|[\]}}]|\s|.")
_SPECIAL = ("Properties", "Lattice", "pbc")
_PROPERTY = r"[^:]+:[SIRL]:[1-9]\d{0,5}"
_PROPERTIES = re.compile(f"{_PROPERTY}(?::{_PROPERTY})*", re.ASCII)
_PLAIN = "species:S:1:pos:R:3"


@dataclass(frozen=True, eq=False)
class Frame:
    """One structure of a file.

    Attributes
    ----------
    line : int
        Where it begins, from 1.
    info : dict of str to str or None
        Keys of the comment line and their text; None for a word without a value. A column
        ``occupancy`` of the atoms stands here too.
    numbers : list of int
        Atomic numbers.
    positions : list of list of float
        Coordinates in Angstrom.
    cell : ndarray of shape (3, 3) or None
        Lattice vectors in Angstrom, as rows.
    pbc : tuple of bool
        Periodic directions.
    """

    line: int
    info: dict[str, str | None]
    numbers: list[int]
    positions: list[list[float]]
    cell: np.ndarray | None
    pbc: tuple[bool, ...]


def is_number(text: str | None) -> bool:
    """Whether `number` reads it."""
    return text is not None and bool(_NUMBER.fullmatch(text) or _NOT_FINITE.fullmatch(text))


def number(text: str) -> float:
    """A number as the specification writes it; ``1.5D-3`` is Fortran's 0.0015.

    Raises
    ------
    ValueError
        If it is anything else, such as ``1_000`` or ``0,5``.
    """
    if not is_number(text):
        raise ValueError(f"{text!r} is not a number")
    return float(text if _NOT_FINITE.fullmatch(text) else re.sub("[dD]", "e", text))


def read_frames(path: str | os.PathLike[str]) -> Iterator[Frame]:
    """Frames of a file, one after the other; compressed ones are known by their first bytes.

    Parameters
    ----------
    path : path
        Text in UTF-8, or in UTF-16 with a byte-order mark; plain, gzip, bzip2 or xz.

    Raises
    ------
    ValueError
        Where the file is not extended XYZ, with the line and what was expected there.
    """
    path = Path(path)
    lines = numbered_lines(path)
    at = 0
    try:
        for at, line in lines:
            if line.strip():  # between frames and at the end, blank lines say nothing
                yield _frame(at, line, lines)
    except _Problem as problem:
        where = problem.args[1] if len(problem.args) > 1 else at
        raise ValueError(
            f"{str(path)!r} is not a readable extended-XYZ file: line {where}: {problem.args[0]}."
        ) from None


class _Problem(Exception):
    """What is wrong, and in which line where that is not the frame's first."""


def _frame(start: int, header: str, lines: Iterator[tuple[int, str]]) -> Frame:
    if not re.fullmatch(r"\s*\d+\s*", header, re.ASCII):
        raise _Problem(f"expected the number of atoms of a frame, got {_short(header)}")
    n = int(header) if len(header) < 100 else 10**99
    if n == 0:
        raise _Problem("the frame has no atoms; remove it")
    at, comment = next(lines, (start + 1, ""))
    info = _comment(comment, at)
    columns, exact = _columns(info, at)
    width = max(columns.values(), key=lambda part: part.stop).stop
    numbers, positions = [], []
    shares: list[str] = []
    for done in range(n):  # by lines that are there: nothing is set aside for a count that lies
        at, line = next(lines, (at + 1, ""))
        if not line:
            raise _Problem(
                f"the frame that begins in line {start} is to have {n:,} atoms, and the file ends "
                f"after {done}",
                at,
            )
        fields = line.split()
        if len(fields) < width or (exact and len(fields) > width):
            raise _Problem(
                f"expected {width} columns for atom {done + 1} of {n} of the frame that begins in "
                f"line {start}, got {_short(line)}",
                at,
            )
        try:
            numbers.append(_element(fields, columns))
            positions.append([_coordinate(field) for field in fields[columns["pos"]]])
            shares.extend(fields[columns["occupancy"]] if "occupancy" in columns else ())
        except ValueError as error:
            raise _Problem(str(error).rstrip("."), at) from None
    cell, pbc = _periodic(info, start + 1)
    if shares:
        info.setdefault("occupancy", " ".join(shares))
    return Frame(start, info, numbers, positions, cell, pbc)


def _element(fields: list[str], columns: dict[str, slice]) -> int:
    found = []
    if "species" in columns:
        found.append(atomic_number(fields[columns["species"]][0]))
    if "Z" in columns:
        text = fields[columns["Z"]][0]
        if not (re.fullmatch(r"\d{1,3}", text, re.ASCII) and 1 <= int(text) <= 118):
            raise ValueError(f"{text!r} is no atomic number")
        found.append(int(text))
    if len(set(found)) > 1:
        raise ValueError(f"species and Z name different elements: {found[0]} and {found[1]}")
    return found[0]


def _coordinate(text: str) -> float:
    value = number(text)
    if not np.isfinite(value):
        raise ValueError(f"the coordinate {text!r} is not finite; repair it")
    return value


def _comment(line: str, at: int) -> dict[str, str | None]:
    """Keys and values of a comment line, as text."""
    info: dict[str, str | None] = {}
    line, position = line.strip(), 0
    while position < len(line):
        match = _KEY.match(line, position)
        if match is None:
            raise _Problem(f"expected key=value, got {_short(line[position:])}", at)
        key, equals = _unquoted(match[1]), match[2]
        value, position = None, match.end()
        if equals is not None:
            value, position = _value(line, match, at)
        if position < len(line) and not line[position].isspace():
            raise _Problem(f"no space behind {_short(line[match.start() : position])}", at)
        position += len(line[position:]) - len(line[position:].lstrip())
        if key in info and (value is not None or info[key] is not None):
            raise _Problem(
                f"{key!r} stands twice in the comment line ({info[key]!r} and {value!r}); keep one",
                at,
            )
        if key.lower() in (s.lower() for s in _SPECIAL) and key not in _SPECIAL:
            raise _Problem(unknown("key", key, _SPECIAL).rstrip("."), at)
        info[key] = value
    return info


def _value(line: str, match: re.Match[str], at: int) -> tuple[str, int]:
    """The value behind the key and the equals sign of `match`, and where it ends."""
    found = _VALUE.match(line, match.end())
    if found is None or (found[4] and match[2] != match[2].rstrip() and "=" in found[4]):
        raise _Problem(f"{match[1]}= has no value", at)
    if found[1] or found[2]:
        text = _unquoted(found[0])
        return text, found.end()
    if not found[3]:
        return found[0], found.end()
    depth = 0
    for part in _BRACKETS.finditer(line, found.start()):
        if part[0].isspace() and depth == 0:
            return line[found.start() : part.start()], part.start()
        depth += (part[0] in "[{") - (part[0] in "]}")
    if depth:
        raise _Problem(f"a bracket of {match[1]}= is not closed", at)
    return line[found.start() :], len(line)


def _unquoted(text: str) -> str:
    """Without quotes; only these and doubled backslashes are escapes, for the sake of SMILES."""
    if text.startswith('"'):
        return re.sub(r'\\(["\\])', r"\1", text[1:-1])
    return text[1:-1] if text.startswith("'") and text.endswith("'") and len(text) > 1 else text


def _columns(info: dict[str, str | None], at: int) -> tuple[dict[str, slice], bool]:
    """Where each property lies, and whether there is nothing else."""
    text = info.get("Properties", _PLAIN)
    if "Properties" not in info:
        for key, value in info.items():
            if value and _PROPERTIES.fullmatch(value):
                raise _Problem(f"{key}={_short(value)} looks like Properties=; correct the key", at)
    triples = re.findall(r"([^:]+):([SIRL]):(\d+)", text or "")
    if not text or not _PROPERTIES.fullmatch(text):
        raise _Problem(f"Properties={text} is no list of name:type:columns such as {_PLAIN}", at)
    columns, stop, kinds = {}, 0, {}
    for name, kind, width in triples:
        if name in columns:
            raise _Problem(f"Properties={text} names {name!r} twice", at)
        columns[name] = slice(stop, stop + int(width))
        kinds[name] = f"{kind}:{width}"
        stop += int(width)
    for name, kind in {"species": "S:1", "Z": "I:1", "pos": "R:3"}.items():
        if kinds.get(name, kind) != kind:
            raise _Problem(f"expected {name}:{kind} in Properties, got {name}:{kinds[name]}", at)
    if "pos" not in columns or not {"species", "Z"} & set(columns):
        lacking = "pos:R:3" if "pos" not in columns else "species:S:1 (or Z:I:1)"
        raise _Problem(
            f"Properties={text} has no {lacking}; rename the column if it is another of "
            f"{list(columns)}",
            at,
        )
    return columns, "Properties" in info


def _periodic(info: dict[str, str | None], at: int) -> tuple[np.ndarray | None, tuple[bool, ...]]:
    cell = None
    if "Lattice" in info:
        words = _words(info["Lattice"])
        if len(words) != 9 or not all(_NUMBER.fullmatch(word) for word in words):
            raise _Problem(f"Lattice must be nine numbers, got {_short(info['Lattice'] or '')}", at)
        cell = np.array([number(word) for word in words]).reshape(3, 3)
    if "pbc" not in info:
        return cell, (cell is not None,) * 3
    words = _words(info["pbc"])
    words = words * 3 if len(words) == 1 else words
    if len(words) != 3 or not all(word in _BOOLEANS for word in words):
        raise _Problem(f'pbc must be three of T and F, such as "T T F", got {info["pbc"]!r}', at)
    pbc = tuple(_BOOLEANS[word] for word in words)
    if any(pbc) and cell is None:
        raise _Problem("pbc says that the structure is periodic, but there is no Lattice", at)
    return cell, pbc


def _words(text: str | None) -> list[str]:
    text = (text or "").strip()
    return (re.sub(r"[\[\]{},]", " ", text) if text.startswith(("[", "{")) else text).split()


def _short(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) < 60 else text[:57] + "...")
