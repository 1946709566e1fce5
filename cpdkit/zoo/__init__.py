"""A zoo of small models that differ in architecture and task only.

Every architecture is trained on the same molecules, with the same readout, number of steps,
optimiser and schedule. See :class:`Recipe` for the numbers and :class:`ZooModel` for the readout.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpdkit.zoo.checkpoints import absent_names as absent_names
    from cpdkit.zoo.checkpoints import load_model as load_model
    from cpdkit.zoo.checkpoints import model_names as model_names
    from cpdkit.zoo.checkpoints import read_card as read_card
    from cpdkit.zoo.checkpoints import stopped_names as stopped_names
    from cpdkit.zoo.fit import train as train
    from cpdkit.zoo.fit import write_untrained as write_untrained
    from cpdkit.zoo.model import ZooModel as ZooModel
    from cpdkit.zoo.recipe import ARCHITECTURES as ARCHITECTURES
    from cpdkit.zoo.recipe import TASKS as TASKS
    from cpdkit.zoo.recipe import Recipe as Recipe

_LAZY = {  # what needs torch is imported when asked for
    "ARCHITECTURES": "cpdkit.zoo.recipe",
    "TASKS": "cpdkit.zoo.recipe",
    "Recipe": "cpdkit.zoo.recipe",
    "ZooModel": "cpdkit.zoo.model",
    "absent_names": "cpdkit.zoo.checkpoints",
    "load_model": "cpdkit.zoo.checkpoints",
    "model_names": "cpdkit.zoo.checkpoints",
    "read_card": "cpdkit.zoo.checkpoints",
    "stopped_names": "cpdkit.zoo.checkpoints",
    "train": "cpdkit.zoo.fit",
    "write_untrained": "cpdkit.zoo.fit",
}

__all__ = [
    "ARCHITECTURES",
    "TASKS",
    "Recipe",
    "ZooModel",
    "absent_names",
    "load_model",
    "model_names",
    "read_card",
    "stopped_names",
    "train",
    "write_untrained",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
