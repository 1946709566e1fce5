"""Composition Projection Decomposition for atomistic models."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cpdkit import composition as composition
    from cpdkit.datasets import Dataset as Dataset
    from cpdkit.datasets import load_dataset as load_dataset
    from cpdkit.decomposition import cpd as cpd
    from cpdkit.encoders import load_encoder as load_encoder
    from cpdkit.extraction.extract import extract as extract
    from cpdkit.extraction.several import extract_each as extract_each
    from cpdkit.moments.moments import Moments as Moments
    from cpdkit.moments.scores import cpd_from_moments as cpd_from_moments
    from cpdkit.probes.equivariant import EquivariantRidge as EquivariantRidge
    from cpdkit.probes.equivariant import equivariant_scores as equivariant_scores
    from cpdkit.projection.linear import CompositionProjector as CompositionProjector
    from cpdkit.representation import Representation as Representation

from cpdkit._messages import missing
from cpdkit._version import __version__ as __version__

# Imported on first use, so that `import cpdkit` costs neither torch nor matplotlib.
_HOME = {
    "CompositionProjector": "cpdkit.projection.linear",
    "EquivariantRidge": "cpdkit.probes.equivariant",
    "Moments": "cpdkit.moments.moments",
    "Dataset": "cpdkit.datasets",
    "Representation": "cpdkit.representation",
    "cpd": "cpdkit.decomposition",
    "cpd_from_moments": "cpdkit.moments.scores",
    "equivariant_scores": "cpdkit.probes.equivariant",
    "extract": "cpdkit.extraction.extract",
    "extract_each": "cpdkit.extraction.several",
    "load_dataset": "cpdkit.datasets",
    "load_encoder": "cpdkit.encoders",
}

__all__ = ["composition", *_HOME]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        try:
            value = getattr(import_module(_HOME[name]), name)
        except ModuleNotFoundError as error:
            sentence = missing(error.name, what=f"cpdkit.{name}")
            raise ModuleNotFoundError(sentence, name=error.name) from error
        globals()[name] = value  # also where a submodule has the same name
        return value
    if name == "composition":
        return import_module("cpdkit.composition")
    raise AttributeError(f"module 'cpdkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
