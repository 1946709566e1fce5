"""Collect what submodules return during a forward pass."""

from __future__ import annotations

import copy
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


class _Inputs(tuple):  # type: ignore[type-arg]
    """Inputs of a module as they were before it ran; knows whether anyone looked at them."""

    looked_at = False

    def __getitem__(self, index: Any) -> Any:
        self.looked_at = True
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Any]:
        self.looked_at = True
        return super().__iter__()


def _as_they_are(values: Any) -> Any:
    """`values` in containers of their own, for a module may put others into the given ones."""
    if isinstance(values, (torch.Tensor, torch.nn.Module)):
        return values
    if isinstance(values, tuple):
        parts = [_as_they_are(value) for value in values]
        return type(values)(*parts) if hasattr(values, "_fields") else type(values)(parts)
    own = copy.copy(values)
    if isinstance(own, (dict, list)):
        for key in own if isinstance(own, dict) else range(len(own)):
            own[key] = _as_they_are(own[key])
    return own


def _versions(values: Any, depth: int = 5) -> list[int]:
    """How often each tensor among `values` was changed in place; those of inference do not tell."""
    if isinstance(values, torch.Tensor):
        return [] if values.is_inference() else [values._version]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, (list, tuple)):
        values = getattr(values, "__dict__", {}).values()
    return [v for part in values for v in _versions(part, depth - 1)] if depth else []


@contextmanager
def capture(
    model: torch.nn.Module,
    names: Sequence[str],
    *,
    read: Callable[[Any, Any], torch.Tensor] | None = None,
) -> Iterator[list[torch.Tensor]]:
    """Collect ``read(inputs, output)`` of the submodules `names`, in the order of `names`.

    Without `read` the output itself is collected. Copies are kept, since a model may go on to
    change its tensors in place. The list is filled when the block ends; hooks are removed even
    when it fails.

    Raises
    ------
    ValueError
        If a name is unknown, or its module did not run, ran more than once, or changed in place
        the inputs that `read` would see.
    TypeError
        If what is read is not a tensor.
    """
    caught: dict[str, list[torch.Tensor]] = {name: [] for name in names}
    inputs_of: dict[str, tuple[_Inputs, list[int]]] = {}
    wrong: list[Exception] = []  # raised at the end, so that the model's own errors stay apart
    handles = []
    result: list[torch.Tensor] = []
    try:
        for name in names:
            module = find_module(model, name)

            def before(_module: Any, inputs: Any, name: str = name) -> None:
                inputs_of[name] = _Inputs(_as_they_are(inputs)), _versions(inputs)

            def hook(_module: Any, inputs: Any, output: Any, name: str = name) -> None:
                given, versions = inputs_of.pop(name, (_Inputs(), []))
                try:
                    value = output if read is None else read(given, output)
                except Exception as error:
                    wrong.append(
                        ValueError(
                            f"read= failed on {name!r}, {type(error).__name__}: {error}. It was "
                            f"given {len(inputs)} inputs, those without a keyword, and a "
                            f"{type(output).__name__} as output."
                        )
                    )
                    return
                if not isinstance(value, torch.Tensor):
                    wrong.append(
                        TypeError(
                            f"{name!r} gave a {type(value).__name__}, not a tensor; say which part "
                            "is wanted with read=, such as read=lambda inputs, output: output[0]."
                        )
                    )
                    return
                if given.looked_at and versions != _versions(given):
                    wrong.append(
                        ValueError(
                            f"{name!r} changes its inputs in place, so that read= sees other "
                            "inputs than it was given; hook the module before or after it."
                        )
                    )
                caught[name].append(value.clone())

            if read is not None:
                handles.append(module.register_forward_pre_hook(before))
            handles.append(module.register_forward_hook(hook))
        yield result
    finally:
        for handle in handles:
            handle.remove()
    if wrong:
        raise wrong[0]
    for name, outputs in caught.items():
        if len(outputs) != 1:
            advice = "hook something that runs once."
            if not outputs:
                others = [n for n, _ in model.named_modules() if n != name]
                advice = (
                    f"{_nearest(name, others)} Is it the model that call= was given that runs, and "
                    "is the module called as module(...), which module.forward(...) is not?"
                )
            raise ValueError(
                f"the hook on {name!r} fired {len(outputs)} times in one forward pass of "
                f"{type(model).__name__}, not once; {advice}"
            )
        result.append(outputs[0])
