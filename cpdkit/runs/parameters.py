"""Parameters of a notebook: what its ``parameters`` cell declares, and checks of what is given.

Papermill injects whatever it is handed: a misspelt name is ignored by the notebook and a string
where a number belongs fails somewhere deep inside. Both are caught here, before a kernel starts.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from cpdkit._messages import unknown

__all__ = [
    "Parameter",
    "check_parameters",
    "current_names",
    "declared_parameters",
    "parse_parameters",
    "parse_value",
]

_TYPES = {t.__name__: t for t in (bool, int, float, str, list, tuple, dict)}
_WORDS = {"true": True, "false": False, "none": None, "null": None}


@dataclass(frozen=True)
class Parameter:
    """One line of a ``parameters`` cell, such as ``n_structures: int = 400  # how many``.

    `type_name` is the type as written, or that of the default where the line has none.
    """

    name: str
    type_name: str
    type: Any
    default: Any
    help: str


def _type_of(node: ast.expr) -> Any:
    """The type an annotation stands for: builtin names, subscripts, unions and None."""
    match node:
        case ast.Constant(value=None):
            return type(None)
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _type_of(left) | _type_of(right)
        case ast.Subscript(value=plain, slice=ast.Tuple(elts=parts)):
            return _type_of(plain)[tuple(map(_type_of, parts))]
        case ast.Subscript(value=plain, slice=part):
            return _type_of(plain)[_type_of(part)]
    raise ValueError(
        f"cannot read the type {ast.unparse(node)!r}; use {', '.join(_TYPES)}, list[...], "
        "dict[...] or unions of them such as 'str | None'."
    )


def _parameter(statement: ast.stmt, lines: list[str]) -> Parameter:
    """The parameter that a statement of the cell declares."""
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=ast.expr() as value):
            default = ast.literal_eval(value)
            written, type_ = ast.unparse(kind), _type_of(kind)
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            default = ast.literal_eval(value)
            written, type_ = type(default).__name__, type(default)
        case _:
            raise ValueError("not an assignment to a name.")
    # What is left of the line is its comment. Papermill's own reader loses lines with a union or
    # with "=" in the comment.
    last = lines[(statement.end_lineno or 0) - 1].encode()[statement.end_col_offset :].decode()
    return Parameter(name, written, type_, default, last.strip().removeprefix("#").strip())


def declared_parameters(source: str) -> dict[str, Parameter]:
    """Read a ``parameters`` cell: assignments of literals, each with a type and a comment.

    Raises
    ------
    ValueError
        If a line is not an assignment of a literal, or its type is not one we can check.
    """
    found = {}
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # a docstring
        try:
            parameter = _parameter(statement, source.splitlines())
        except ValueError as error:
            raise ValueError(
                f"the parameters cell has the line {ast.unparse(statement)!r}: {error} Every line "
                "must look like 'n_structures: int = 400  # how many', with a literal value."
            ) from error
        found[parameter.name] = parameter
    return found


def parse_value(text: str, kind: Any) -> Any:
    """Read a value from a command line, given the type it should have.

    Lists may be written as Python lists or with commas: ``ani2x-aev,sevennet-0``. Commas between
    brackets do not count: ``soap[n_max=4,l_max=3],ani2x-aev``.

    Raises
    ------
    ValueError
        If `text` cannot be read as `kind`.
    """

    def with_commas() -> list[Any]:
        (items,) = [get_args(k) for k in (kind, *get_args(kind)) if (get_origin(k) or k) is list]
        if text.lstrip().startswith("["):
            raise ValueError("an unfinished list")
        parts = re.split(r",(?![^\[\]]*\])", text)
        return [parse_value(part.strip(), items[0] if items else str) for part in parts]

    readings: list[Callable[[], Any]] = [
        lambda: _WORDS[text.lower()],
        lambda: int(text),
        lambda: float(text),
        lambda: text,
        lambda: ast.literal_eval(text),
        with_commas,
    ]
    for reading in readings:  # the first that has the type
        try:
            return TypeAdapter(kind).validate_python(reading(), strict=True)
        except (ValueError, TypeError, KeyError, SyntaxError):
            continue
    raise ValueError(f"{text!r} cannot be read so.")


def current_names(aliases: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` by the names of today, with a line on standard error for each old one.

    Raises
    ------
    ValueError
        If a parameter is given by two names.
    """
    old = {name: new for name, new in aliases.items() if name in given}
    for new in old.values():
        if new in given or list(old.values()).count(new) > 1:
            raise ValueError(f"parameter {new!r} is given twice, by an old and another name.")
    for name, new in old.items():
        print(f"parameter {name!r} is now called {new!r}.", file=sys.stderr)
    return {old.get(name, name): value for name, value in given.items()}


def parse_parameters(
    declared: Mapping[str, Parameter], aliases: Mapping[str, str], given: Iterable[tuple[str, str]]
) -> dict[str, Any]:
    """Names and values of a command line, with the types that are declared.

    Raises
    ------
    ValueError
        If a name is unknown, or a value cannot be read.
    """
    values = {}
    for name, text in current_names(aliases, dict(given)).items():
        if name not in declared:
            raise ValueError(unknown("parameter", name, declared))
        try:
            values[name] = parse_value(text, declared[name].type)
        except ValueError as error:
            kind = declared[name].type_name
            raise ValueError(f"parameter {name!r} must be {kind}: {error}") from error
    return values


def check_parameters(declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """All `declared` parameters with the values they will have: defaults, or what is `given`.

    Raises
    ------
    ValueError
        If a name is unknown.
    TypeError
        If a value is of another type than declared; an int may stand for a float.
    """
    for name, value in given.items():
        if name not in declared:
            raise ValueError(unknown("parameter", name, declared))
        try:
            TypeAdapter(declared[name].type).validate_python(value, strict=True)
        except ValidationError as error:
            raise TypeError(
                f"parameter {name!r} must be {declared[name].type_name}, "
                f"got {value!r} ({type(value).__name__})."
            ) from error
    return {name: given.get(name, parameter.default) for name, parameter in declared.items()}
