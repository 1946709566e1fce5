"""Collect what submodules return during a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch

__all__ = ["capture", "find_module"]


def find_module(model: torch.nn.Module, name: str) -> torch.nn.Module:
    """The submodule called `name`.

    Raises
    ------
    ValueError
        If there is none; lists the nearest names.
    """
    modules = dict(model.named_modules(remove_duplicate=False))  # a tied module has two names
    if name in modules and name:
        return modules[name]
    raise ValueError(
        f"{type(model).__name__} has no submodule {name!r}; {_nearest(name, list(modules))}"
    )


def _nearest(name: str, names: Sequence[str]) -> str:
    near = get_close_matches(name, [n for n in names if n], n=5, cutoff=0.3)
    near = near or [n for n in names if n][:5]
    return f"nearest names: {', '.join(map(repr, near))}."


@contextmanager
def capture(
    model: torch.nn.Module,
    names: Sequence[str],
    *,
    read: Callable[[Any, Any], torch.Tensor] = lambda inputs, output: output,
) -> Iterator[list[torch.Tensor]]:
    """Collect ``read(inputs, output)`` of the submodules `names`, in the order of `names`.

    Copies are kept, since a model may go on to change its tensors in place. The list is filled
    when the block ends; hooks are removed even when it fails.

    Raises
    ------
    ValueError
        If a name is unknown, or its module did not run or ran more than once.
    TypeError
        If what is read is not a tensor.
    """
    caught: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    handles = []
    result: list[torch.Tensor] = []
    try:
        for name in names:
            module = find_module(model, name)

            def hook(_module: Any, inputs: Any, output: Any, name: str = name) -> None:
                value = read(inputs, output)
                if not isinstance(value, torch.Tensor):
                    raise TypeError(
                        f"{name!r} gave a {type(value).__name__}, not a tensor; say which part is "
                        "wanted with read=, such as read=lambda inputs, output: output[0]."
                    )
                caught[name].append(value.clone())

            handles.append(module.register_forward_hook(hook))
        yield result
    finally:
        for handle in handles:
            handle.remove()
    for name, outputs in caught.items():
        if len(outputs) != 1:
            advice = "hook something that runs once."
            if not outputs:
                others = [n for n, _ in model.named_modules() if n != name]
                advice = f"{_nearest(name, others)} Is it the model that call= was given that runs?"
            raise ValueError(
                f"the hook on {name!r} fired {len(outputs)} times in one forward pass of "
                f"{type(model).__name__}, not once; {advice}"
            )
        result.append(outputs[0])
