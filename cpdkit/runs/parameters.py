"""Parameters of a notebook: what its ``parameters`` cell declares, and checks of what is given.

Papermill injects whatever it is handed: a misspelt name is ignored by the notebook and a string
where a number belongs fails somewhere deep inside. Both are caught here, before a kernel starts.
"""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from cpdkit._messages import unknown

__all__ = ["Parameter", "check_parameters", "declared_parameters", "parse_value"]

_TYPES = {t.__name__: t for t in (bool, int, float, str, list, tuple, dict)}


@dataclass(frozen=True)
class Parameter:
    """One line of a ``parameters`` cell, such as ``n_structures: int = 400  # how many``.

    Attributes
    ----------
    name : str
        Its name.
    type : object
        The annotation as a type (``int``, ``list[str]``, ``str | None``), or the type of the
        default where the line has none.
    default : object
        The value it has unless another is given.
    help : str
        The comment behind it.
    """

    name: str
    type: Any
    default: Any
    help: str = ""

    @property
    def type_name(self) -> str:
        """The type as one would write it."""
        plain = isinstance(self.type, type) and not get_args(self.type)
        return self.type.__name__ if plain else str(self.type)


def _type_of(node: ast.expr) -> Any:
    """The type an annotation stands for: builtin names, subscripts, unions and None."""
    if isinstance(node, ast.Constant) and node.value is None:
        return type(None)
    if isinstance(node, ast.Name) and node.id in _TYPES:
        return _TYPES[node.id]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _type_of(node.left) | _type_of(node.right)
    if isinstance(node, ast.Subscript):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _type_of(node.value)[tuple(_type_of(part) for part in inner)]
    raise ValueError(
        f"cannot read the type {ast.unparse(node)!r}; use {', '.join(_TYPES)}, list[...], "
        "dict[...] or unions of them such as 'str | None'."
    )


def _assignment(statement: ast.stmt) -> tuple[str, ast.expr | None, ast.expr]:
    """Name, annotation and value of an assignment to one name."""
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
        if statement.value is not None:
            return statement.target.id, statement.annotation, statement.value
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
        if isinstance(target, ast.Name):
            return target.id, None, statement.value
    raise ValueError("not an assignment to a name.")


def declared_parameters(
    source: str, *, comments: Mapping[str, str] | None = None
) -> dict[str, Parameter]:
    """Read the assignments of a ``parameters`` cell.

    Parameters
    ----------
    source : str
        The cell's code: assignments of literals, each with a type and a comment.
    comments : mapping of str to str, optional
        Help texts by name.

    Returns
    -------
    dict of str to Parameter
        In the order of the cell.

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
            name, annotation, value = _assignment(statement)
            default = ast.literal_eval(value)
            kind = type(default) if annotation is None else _type_of(annotation)
        except ValueError as error:
            raise ValueError(
                f"the parameters cell has the line {ast.unparse(statement)!r}: {error} Every line "
                "must look like 'n_structures: int = 400  # how many', with a literal value."
            ) from error
        found[name] = Parameter(name, kind, default, (comments or {}).get(name, ""))
    return found


def _matches(value: Any, kind: Any) -> bool:
    """Whether `value` is of type `kind`; an int may stand for a float, a bool for no number."""
    if get_origin(kind) in (types.UnionType, Union):
        return any(_matches(value, part) for part in get_args(kind))
    plain, inner = get_origin(kind) or kind, get_args(kind)
    if plain is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if plain is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(value, plain):
        return False
    if plain is list and inner:
        return all(_matches(item, inner[0]) for item in value)
    if plain is dict and inner:
        return all(_matches(k, inner[0]) and _matches(v, inner[1]) for k, v in value.items())
    return True


def parse_value(text: str, kind: Any) -> Any:
    """Read a value from a command line, given the type it should have.

    Lists may be written as Python lists or with commas: ``ani2x-aev,sevennet-0``. Commas between
    brackets do not count: ``soap[n_max=4,l_max=3],ani2x-aev``.

    Raises
    ------
    ValueError
        If `text` cannot be read as `kind`.
    """
    if get_origin(kind) in (types.UnionType, Union):
        parts = get_args(kind)
        if type(None) in parts and text.lower() in ("none", "null"):
            return None
        for part in sorted(parts, key=lambda part: part is str):  # a string takes anything
            if part is not type(None):
                try:
                    return parse_value(text, part)
                except ValueError:
                    continue
        raise ValueError(f"{text!r} is none of {kind}.")
    plain, inner = get_origin(kind) or kind, get_args(kind)
    if plain is str:
        return text
    if plain is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false.")
        return text.lower() == "true"
    if plain in (int, float):
        return plain(text)
    if plain is list and not text.lstrip().startswith("["):
        listed = re.split(r",(?![^\[\]]*\])", text)
        return [parse_value(part.strip(), inner[0] if inner else str) for part in listed]
    try:
        return ast.literal_eval(text)
    except SyntaxError as error:
        raise ValueError(f"{text!r} is not a Python literal.") from error


def check_parameters(declared: Mapping[str, Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a notebook with the values they will have.

    Parameters
    ----------
    declared : mapping of str to Parameter
        What the notebook takes.
    given : mapping of str to object
        What the caller sets.

    Returns
    -------
    dict of str to object
        Defaults, overridden by `given`.

    Raises
    ------
    ValueError
        If a name is unknown.
    TypeError
        If a value is of another type than declared.
    """
    for name, value in given.items():
        if name not in declared:
            raise ValueError(unknown("parameter", name, declared))
        parameter = declared[name]
        if not _matches(value, parameter.type):
            raise TypeError(
                f"parameter {name!r} must be {parameter.type_name}, "
                f"got {value!r} ({type(value).__name__})."
            )
    return {name: given.get(name, parameter.default) for name, parameter in declared.items()}
