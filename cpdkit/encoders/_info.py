"""What there is to know of an encoder before it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ase.data import chemical_symbols

from cpdkit.encoders.irreps import Irreps

if TYPE_CHECKING:
    from cpdkit.encoders._base import Encoder

__all__ = ["MPTRJ", "RANDOM", "UNTRAINED", "EncoderInfo"]

UNTRAINED = "nothing: its weights are random"
RANDOM = "drawn from a seed"

_ABSENT = ("Po", "At", "Rn", "Fr", "Ra")
# The elements of the Materials Project trajectories.
MPTRJ = tuple(symbol for symbol in chemical_symbols[1:95] if symbol not in _ABSENT)


def _nothing() -> str:
    return ""


@dataclass(frozen=True, kw_only=True)
class EncoderInfo:
    """An encoder in words, registered beside it.

    Attributes
    ----------
    family : str
        Architecture and where it is described.
    trained_on : str
        Data set, its size and level of theory.
    elements : tuple of str, optional
        Symbols of the elements it was trained on; None where nothing was trained, empty where
        only the file can tell.
    layers : mapping of str to str
        Name of each layer to its irreps, with default options; empty where only the file can tell.
    parameters : int, optional
        How many numbers make up the network; None where only the file can tell.
    weights : str
        Where these numbers come from.
    licence : str
        Of the weights, or of the code where there are none.
    packages : tuple of str
        What must be importable.
    extra : str
        The extra of this package that installs them.
    absent : callable
        Returns what else is missing on this machine and how to get it; empty if nothing is.
    """

    family: str
    trained_on: str
    elements: tuple[str, ...] | None = None
    layers: Mapping[str, str] = field(default_factory=dict)
    parameters: int | None = None
    weights: str
    licence: str
    packages: tuple[str, ...] = ()
    extra: str = ""
    absent: Callable[[], str] = _nothing

    @property
    def missing(self) -> str:
        """What keeps it from being loaded here, and what to do; empty if nothing does."""
        for package in self.packages:
            if find_spec(package) is None:
                return f"needs {package}: pip install 'cpdkit[{self.extra}]'"
        return self.absent()

    def of(self, encoder: Encoder) -> EncoderInfo:
        """The same, with what the loaded encoder shows: its layers, size and elements."""
        seen = encoder.trained_elements or encoder.elements
        elements = self.elements
        if elements is not None and seen is not None:
            elements = tuple(chemical_symbols[z] for z in sorted(seen))
        return replace(
            self,
            elements=elements,
            layers={layer.name: str(layer.irreps) for layer in encoder.layers},
            parameters=sum(p.numel() for p in encoder.model.parameters()),
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "family": self.family,
            "trained_on": self.trained_on,
            "elements": None if self.elements is None else list(self.elements),
            "layers": dict(self.layers),
            "parameters": self.parameters,
            "weights": self.weights,
            "licence": self.licence,
            "here": not self.missing,
            "missing": self.missing,
        }

    def lines(self) -> list[str]:
        """A few lines of text."""
        return [
            f"family      {self.family}",
            f"trained on  {self.trained_on}",
            f"elements    {_elements(self.elements)}",
            f"layers      {_layers(self.layers)}",
            f"size        {_size(self.parameters)}",
            f"weights     {self.weights}",
            f"licence     {self.licence}",
            f"here        {'no: ' + self.missing if self.missing else 'yes'}",
        ]


def _elements(symbols: tuple[str, ...] | None) -> str:
    if not symbols:
        return "none: it was not trained" if symbols is None else "those of the file"
    if len(symbols) < 20:
        return " ".join(symbols)
    last = chemical_symbols.index(symbols[-1])
    without = [symbol for symbol in chemical_symbols[1:last] if symbol not in symbols]
    but = f" without {' '.join(without)}" if without else ""
    return f"{len(symbols)}: {symbols[0]} to {symbols[-1]}{but}"


def _layers(layers: Mapping[str, str]) -> str:
    """Runs of layers with the same irreps as one: ``block_1 to block_3 64x0e+64x1o``."""
    if not layers:
        return "those of the file"
    runs: list[list[str]] = []
    for name, irreps in layers.items():
        if runs and runs[-1][1] == irreps:
            runs[-1][2] = name
        else:
            runs.append([name, irreps, ""])
    degree = max(term.l for irreps in layers.values() for term in Irreps.parse(irreps).terms)
    listed = (f"{first}{' to ' + last if last else ''} {irreps}" for first, irreps, last in runs)
    return f"{len(layers)}, l up to {degree}: {', '.join(listed)}"


def _size(parameters: int | None) -> str:
    if parameters is None:
        return "that of the file"
    return f"{parameters:,} numbers" if parameters else "no network"
