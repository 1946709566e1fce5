"""What a function does, as far as its code shows it: to tell two functions apart.

`ShardJob.reproduces` is a second guard, for what no code shows. It encodes one structure of a
shard again and allows for rounding, so it cannot see a function that differs on others.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from types import CellType, CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

__all__ = ["describe_code"]

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(...), np.generic)
_DEEPEST = 50


def describe_code(value: Any, _seen: tuple[int, ...] = ()) -> Any:
    """Nested lists of text: bytecode, constants, names, defaults and what a closure holds.

    Functions of equal text give equal lists in every process. Objects that are no plain values,
    and containers that may change, count by their type alone; what a function calls is not looked
    into.
    """
    if isinstance(value, _PLAIN):
        return repr(value)
    if id(value) in _seen:  # a function that refers to itself
        return "above"

    def parts(values: Iterable[Any]) -> list[Any]:
        return [describe_code(part, (*_seen, id(value))) for part in values]

    if isinstance(value, CodeType):
        names = [*value.co_names, *value.co_freevars]
        return ["code", value.co_code.hex(), names, *parts(value.co_consts)]
    if isinstance(value, FunctionType):
        cells = tuple(_content(cell) for cell in value.__closure__ or ())
        keywords = tuple((value.__kwdefaults__ or {}).items())
        return ["def", *parts([value.__code__, value.__defaults__, keywords, cells])]
    if isinstance(value, MethodType):
        return ["method", type(value.__self__).__qualname__, *parts([value.__func__])]
    if isinstance(value, functools.partial):
        return ["partial", *parts([value.func, value.args, tuple(value.keywords.items())])]
    if isinstance(value, tuple) and len(_seen) < _DEEPEST:
        return ["tuple", *parts(value)]
    if isinstance(value, frozenset):
        return ["frozenset", *sorted(map(str, parts(value)))]
    if isinstance(value, type) or callable(value):
        named = value if hasattr(value, "__qualname__") else type(value)
        return f"{getattr(named, '__module__', None)}.{named.__qualname__}"
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing was assigned yet
        return "empty"
