"""An argument parser that says what was probably meant, and reads ``-p NAME=VALUE``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from cpdkit._messages import unknown

__all__ = ["Parser", "at_least", "complete", "joined", "pair"]

_PAIRS = ("-p", "--parameter")


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence on standard error, with status 2."""

    def error(self, message: str) -> NoReturn:
        """End with a sentence."""
        self.exit(2, f"cpdkit: {message}\nSee: {self.prog} --help\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        # The hook that argparse's own message comes from.
        if action.choices is not None and value not in action.choices:
            kind = "command" if isinstance(action, argparse._SubParsersAction) else "value"
            known = map(str, action.choices)
            raise argparse.ArgumentError(None, unknown(kind, value, known))


def joined(arguments: Sequence[str]) -> list[str]:
    """Arguments with ``-p NAME VALUE`` as ``-p NAME=VALUE``, the form that is parsed."""
    found: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument not in _PAIRS:
            found.append(argument)
            continue
        name = next(rest, None)
        if name is None:
            found.append(argument)
        elif "=" in name:
            found.append(f"--parameter={name}")
        else:
            value = next(rest, None)
            found.append(f"--parameter={name}" + ("" if value is None else f"={value}"))
    return found


def pair(text: str) -> tuple[str, str]:
    """Name and value of ``NAME=VALUE``."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE or NAME VALUE, got {text!r}")
    return name, value


def at_least(least: int) -> Callable[[str], int]:
    """Whole numbers from `least`."""

    def whole(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least}")
        return int(text)

    return whole


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions; it asks through the environment."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
