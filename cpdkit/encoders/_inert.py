"""Read a pickled torch module without running any of it.

Model files written by ``torch.save(model)`` name classes and functions that an ordinary load
would import and call. Here every such name becomes an inert record with the same class name, so
that hyperparameters and tensors can be read off and the model be built again by its library.
"""

from __future__ import annotations

import os
from typing import Any

import torch

from cpdkit.encoders._torch_file import load_inert, unsafe_names

__all__ = ["Inert", "read_inert", "tensors"]


class Inert:
    """Stands for an object of a pickle: its arguments and its state, nothing else."""

    _args: tuple[Any, ...]

    def __new__(cls, *args: Any) -> Inert:  # a pickle may create objects without __init__
        self = super().__new__(cls)
        self._args = args
        return self

    def __init__(self, *args: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)
        else:
            self._state = state

    def __getattr__(self, name: str) -> Any:
        # Only called when ordinary lookup fails: look where torch modules keep their parts.
        for part in ("_modules", "_parameters", "_buffers"):
            content = self.__dict__.get(part)
            if content and name in content:
                return content[name]
        raise AttributeError(f"{type(self).__name__} in the file has no {name!r}")

    def __getitem__(self, index: int) -> Any:
        return list(self.__dict__["_modules"].values())[index]

    def __hash__(self) -> int:
        return id(self)


def read_inert(path: str | os.PathLike[str]) -> Any:
    """Read `path`, every class and function in it replaced by an inert record.

    Raises
    ------
    ValueError
        If the file is not such a file, is cut short, was altered, or names what torch refuses
        under all circumstances.
    """
    stand_ins = [
        (type(name.rpartition(".")[2], (Inert,), {"origin": name}), name)
        for name in unsafe_names(path)
    ]
    return load_inert(path, stand_ins)


def tensors(module: Inert, prefix: str = "") -> dict[str, torch.Tensor]:
    """State dict of an inert module: its parameters and persistent buffers."""
    found: dict[str, torch.Tensor] = {}
    transient = module.__dict__.get("_non_persistent_buffers_set") or ()
    for part in ("_parameters", "_buffers"):
        for name, value in (module.__dict__.get(part) or {}).items():
            if isinstance(value, torch.Tensor) and name not in transient:
                found[prefix + name] = value.detach()
    for name, child in (module.__dict__.get("_modules") or {}).items():
        if isinstance(child, Inert):
            found.update(tensors(child, f"{prefix}{name}."))
    return found
