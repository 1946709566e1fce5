"""Parameters of a notebook: what its ``parameters`` cell declares, and checks of what is given.

Papermill injects whatever it is handed: a misspelt name is ignored by the notebook and a string
where a number belongs fails somewhere deep inside. Both are caught here, before a kernel starts.
"""

from __future__ import annotations

import ast
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from operator import or_
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from cpdkit._messages import unknown

__all__ = [
    "Parameter",
    "absolute_files",
    "check_data",
    "check_encoders",
    "check_folds",
    "check_parameters",
    "current_names",
    "declared_parameters",
    "literal",
    "named_files",
    "parse_parameters",
    "parse_value",
]

_TYPES = {t.__name__: t for t in (bool, int, float, str, list, tuple, dict)} | {"Path": Path}
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
        case ast.Constant(value=value) if value is ...:
            return ...
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
    try:
        json.dumps(default)
    except TypeError as error:
        raise ValueError(f"a manifest cannot hold its value ({error}).") from None
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
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        text = (source.splitlines() or [""])[min(line, source.count("\n") + 1) - 1].strip()
        raise ValueError(
            f"the parameters cell cannot be read at line {line}, {text!r}: it must hold "
            "assignments only; put magics and other code into another cell."
        ) from error
    for statement in statements:
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

    def with_commas() -> list[Any] | tuple[Any, ...]:
        found = [k for k in (kind, *get_args(kind)) if (get_origin(k) or k) in (list, tuple)]
        if len(found) != 1 or text.lstrip().startswith(("[", "(")):
            raise ValueError("an unfinished list")
        items = [item for item in get_args(found[0]) if item is not ...]
        parts = [part.strip() for part in re.split(r",(?![^\[\]]*\])", text)]
        if len(items) < 2:
            values = [parse_value(part, items[0] if items else str) for part in parts]
        else:
            values = [parse_value(p, item) for p, item in zip(parts, items, strict=True)]
        return tuple(values) if (get_origin(found[0]) or found[0]) is tuple else values

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
            return _as_declared(reading(), kind)
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
    checked = {}
    for name, value in given.items():
        if name not in declared:
            raise ValueError(unknown("parameter", name, declared))
        try:
            checked[name] = _as_declared(value, declared[name].type)
        except ValidationError as error:
            raise TypeError(
                f"parameter {name!r} must be {declared[name].type_name}, "
                f"got {value!r} ({type(value).__name__})."
            ) from error
    return {name: checked.get(name, parameter.default) for name, parameter in declared.items()}


def _as_declared(value: Any, kind: Any) -> Any:
    """The value, if it has the type; JSON has lists for tuples, and text stands for a path.

    Raises
    ------
    pydantic.ValidationError
        If it has not.
    """
    plain = str(value) if isinstance(value, os.PathLike) else value
    try:
        return TypeAdapter(_plain(kind)).validate_python(plain, strict=True)
    except ValidationError:
        if not isinstance(value, list):
            raise
        return TypeAdapter(_plain(kind)).validate_python(tuple(value), strict=True)


def _plain(kind: Any) -> Any:
    """The type with text for every path, which is what the notebook gets."""
    if kind is Path:
        return str
    if not (parts := get_args(kind)):
        return kind
    inner = tuple(_plain(part) for part in parts)
    return reduce(or_, inner) if get_origin(kind) is UnionType else get_origin(kind)[inner]


def _holds_paths(kind: Any) -> bool:
    return kind is Path or any(map(_holds_paths, get_args(kind)))


_MODULE = re.compile(r"([^:\[\]]+):([A-Za-z_]\w*)((?:\[.*\])?)")
"""A function in a module of one's own, and perhaps options."""
_OPTION = re.compile(r"(?<==)[^=,\[\]]+(?=[,\]])")
_FILE = re.compile(r"((?:[\w+-]+:)?)([^\[\]]+)((?:\[.*\])?)")
"""A file, as it may stand behind the name of a model family and before options."""


def _file_in(value: str, *, any_name: bool = False) -> tuple[str, str, str] | None:
    """What stands before the name of an existing file, the name, and what stands behind it.

    A folder is one too where it is the whole value and written with a slash, ``crystals/``.
    """
    module = _MODULE.fullmatch(value)
    for name in (module[1], f"{module[1]}.py") if module else ():
        if name.endswith(".py") and os.path.isfile(name):
            return "", name, f":{module[2]}{module[3]}"  # type: ignore[index]
    if os.path.dirname(value) and "\0" not in value and os.path.isdir(value):
        return "", value, ""
    match = _FILE.fullmatch(value)
    readings = [("", value, "")] + ([match.groups()] if match else [])
    for before, name, behind in readings:
        likely = any_name or os.path.dirname(name) or os.path.splitext(name)[1]
        if likely and "\0" not in name and os.path.isfile(name):
            return before, name, behind
    return None


def check_data(values: Mapping[str, Any]) -> None:
    """Read a file of one's own that ``dataset`` names, so that what is wrong with it is told now.

    Raises
    ------
    ValueError, FileNotFoundError
        As `cpdkit.load_dataset`.
    """
    from cpdkit.datasets import DATASETS, LIVE, load_dataset

    name = values.get("dataset")
    if isinstance(name, str) and name not in {*DATASETS, LIVE}:
        asked = {key: values[key] for key in ("targets", "max_atoms") if key in values}
        load_dataset(
            name, **({"targets": [values["target"]]} if "target" in values else {}) | asked
        )


def check_folds(values: Mapping[str, Any]) -> None:
    """Refuse a kind of folds that there is not; it would be found when features are computed.

    Raises
    ------
    ValueError
        With the kinds that there are.
    """
    from cpdkit.folds import SCHEMES

    asked = values.get("folds") or []
    for scheme in [asked] if isinstance(asked, str) else asked:
        if scheme not in SCHEMES:
            raise ValueError(unknown("kind of folds", scheme, SCHEMES))


def check_encoders(values: Mapping[str, Any]) -> None:
    """Refuse names in ``encoders`` that no encoder has, and options that it does not take.

    Raises
    ------
    ValueError, TypeError, ImportError, FileNotFoundError
        As `cpdkit.load_encoder`.
    """
    # By name: this room is without torch, and so is what is called, but for options and modules.
    check = import_module("cpdkit.encoders").check_encoder_name
    for name in values.get("encoders") or []:
        check(name)


def absolute_files(declared: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with absolute paths for files: the kernel works in another directory.

    A word without folder and extension, such as ``mlp``, is no file unless it is declared as Path.
    ``my_module:function`` names the file ``my_module.py``, and options in brackets may name files.
    """

    def absolute(value: Any, of_path: bool) -> Any:
        if isinstance(value, str):
            if of_path and value and not _file_in(value, any_name=True):
                return os.path.abspath(value)
            before, name, behind = _file_in(value, any_name=of_path) or ("", "", value)
            behind = _OPTION.sub(_absolute_option, behind) if behind.endswith("]") else behind
            return before + (os.path.abspath(name) if name else "") + behind
        if isinstance(value, list | tuple):
            return type(value)(absolute(item, of_path) for item in value)
        if isinstance(value, dict):
            return {key: absolute(item, of_path) for key, item in value.items()}
        return value

    kinds = {name: _holds_paths(parameter.type) for name, parameter in declared.items()}
    return {name: absolute(value, kinds[name]) for name, value in values.items()}


def _absolute_option(match: re.Match[str]) -> str:
    value = match[0].strip()
    return os.path.abspath(value) if os.path.splitext(value)[1] and os.path.isfile(value) else value


def named_files(values: Any) -> list[str]:
    """Existing files that values name, in lists and other containers too."""
    if isinstance(values, str):
        found = _file_in(values)
        named = [found[1]] if found else []
        if values.endswith("]"):
            named += [file for file in _OPTION.findall(values) if os.path.isfile(file)]
        return [file for file in named if os.path.isabs(file) and os.path.isfile(file)]
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return [file for value in values for file in named_files(value)]
    return []


def literal(value: Any) -> str:
    """A value as Python reads it; infinity and NaN have no literal of their own."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"float({str(value)!r})"
    if isinstance(value, tuple):
        return f"({''.join(literal(item) + ', ' for item in value)})"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    return repr(value)
