"""Options in the name of an encoder: ``soap[compression=mu2,elements=H C N O]``."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from cpdkit._messages import unknown

__all__ = ["keyword_parameters", "split_options", "typed_options"]


def split_options(name: str) -> tuple[str, dict[str, str]]:
    """A name without its options, and the options as text, sorted.

    Options stand in brackets at the end, ``key=value``, with commas between them.

    Raises
    ------
    ValueError
        If what stands in brackets is not of this form, or an option is given twice.
    """
    base, bracket, inside = name.removesuffix("]").rpartition("[")
    if not name.endswith("]") or not bracket:
        if name.rfind("[") > name.rfind("]"):
            raise ValueError(f"{name!r}: options stand in brackets at its end; ']' is missing.")
        return name, {}
    options: dict[str, str] = {}
    for part in inside.split(","):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not key or not equals or not value:
            raise ValueError(
                f"{name!r}: options stand in brackets as key=value with commas between them, such "
                f"as soap[compression=mu2,elements=H C N O]; {part.strip()!r} is none."
            )
        if key in options:
            raise ValueError(f"{name!r} gives the option {key!r} twice.")
        options[key] = " ".join(value.split())
    return base, dict(sorted(options.items()))


def keyword_parameters(builder: Callable[..., Any], n_given: int) -> dict[str, inspect.Parameter]:
    """Parameters of `builder` that options can set, after `n_given` positional arguments."""
    try:
        signature = inspect.signature(builder, eval_str=True)
    except NameError:  # an annotation that its module imports for type checkers only
        signature = inspect.signature(builder)
    positional = [p for p in signature.parameters.values() if p.kind is not p.KEYWORD_ONLY]
    taken = {p.name for p in positional[:n_given]}
    return {
        key: parameter
        for key, parameter in signature.parameters.items()
        if key not in taken and parameter.kind in (parameter.KEYWORD_ONLY, _EITHER)
    }


_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD


def typed_options(
    name: str, options: Mapping[str, str], parameters: Mapping[str, inspect.Parameter]
) -> dict[str, Any]:
    """Options as the types that the parameters of the builder say.

    Raises
    ------
    TypeError
        If there is no option of a name.
    ValueError
        If a value is not of the type.
    """
    typed = {}
    for key, text in options.items():
        if key not in parameters:
            raise TypeError(unknown(f"option of encoder {name!r}:", key, parameters))
        kind, default = parameters[key].annotation, parameters[key].default
        if isinstance(kind, str) or kind is inspect.Parameter.empty:
            plain = (bool, int, float, str)
            kind = type(default) if isinstance(default, plain) else int | float | str
        try:
            typed[key] = _typed(text, kind)
        except ValueError as error:
            raise ValueError(f"option {key!r} of encoder {name!r}: {error}.") from None
    return typed


def _typed(text: str, kind: Any) -> Any:
    if get_origin(kind) in (types.UnionType, Union):
        parts = get_args(kind)
        if type(None) in parts and text.lower() == "none":
            return None
        for part in sorted(parts, key=lambda part: part is str):  # text could be anything
            try:
                return _typed(text, part)
            except ValueError:
                continue
        raise ValueError(f"{text!r} is no {' or '.join(map(_say, parts))}")
    if kind is str:
        return text
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    if kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"{text!r} is no {_say(kind)}") from None
    if get_origin(kind) in (list, Sequence):
        return [_typed(part, get_args(kind)[0]) for part in text.split()]
    raise ValueError(f"a {_say(kind)} cannot be written in a name; give it to load_encoder")


def _say(kind: Any) -> str:
    words = {int: "whole number", float: "number", str: "text"}
    return words.get(kind, getattr(kind, "__name__", str(kind)))
