"""What every encoder offers."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import ase
import torch
from ase.data import atomic_numbers, chemical_symbols

from cpdkit._messages import unknown
from cpdkit.encoders._graph import build_graph
from cpdkit.encoders.irreps import Irreps

__all__ = ["Encoder", "Layer", "parse_device", "parse_dtype", "parse_elements"]

_FARTHEST = 1000  # Angstrom; a neighbour list of more would never end
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


def parse_dtype(dtype: str | torch.dtype | type) -> torch.dtype:
    """Turn ``"float32"`` or ``"float64"`` into a torch dtype; raise ValueError for others."""
    name = dtype.__name__ if isinstance(dtype, type) else str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise ValueError(unknown("dtype", name, _DTYPES))
    return _DTYPES[name]


@cache  # reading it takes as long as encoding several molecules
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def parse_elements(elements: Iterable[int | str]) -> list[int]:
    """Atomic numbers, ascending, of numbers or symbols; raise ValueError for others or none."""
    found = set()
    for element in elements:
        number = atomic_numbers.get(element, 0) if isinstance(element, str) else int(element)
        if not number and len(symbols := re.findall("[A-Z][a-z]?", str(element))) > 1:
            raise ValueError(
                f"{element!r} is no element. In a name separate elements with spaces, "
                f"elements={' '.join(symbols)}; in Python give a list of symbols."
            )
        if not 0 < number < len(chemical_symbols):
            known = chemical_symbols[1:] if isinstance(element, str) else ["1", "...", "118"]
            raise ValueError(unknown("element", element, known))
        found.add(number)
    if not found:
        raise ValueError("elements is empty; give at least one, or leave it out.")
    return sorted(found)


def _set_of(elements: Iterable[int | str] | None) -> frozenset[int] | None:
    return None if elements is None else frozenset(parse_elements(elements))


def parse_device(device: str | torch.device) -> torch.device:
    """Turn ``"cpu"``, ``"cuda:1"`` or the like into a torch device.

    Raises
    ------
    ValueError
        If there is no such device, or nothing can be computed on it here.
    """
    try:
        place = torch.device(device)
        torch.zeros(1, device=place).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        there_is = ["cpu"]
        if torch.accelerator.is_available():
            there_is.append(str(torch.accelerator.current_accelerator()))
        reason = str(error).partition("\n")[0].rstrip(".")
        raise ValueError(
            f"device {str(device)!r} cannot be used: {reason}. torch {torch.__version__} on this "
            f"machine offers {', '.join(repr(name) for name in there_is)}."
        ) from error
    return place


@dataclass(frozen=True, init=False)
class Layer:
    """One layer of per-atom features: its name and how its components turn.

    Attributes
    ----------
    name : str
        Name of the layer.
    irreps : Irreps
        Given as text, as :class:`cpdkit.encoders.irreps.Irreps` or as ``e3nn.o3.Irreps``.
    owners : tuple of int, optional
        For models with one network per element: the element (atomic number) each term of
        `irreps` belongs to. Atoms of other elements hold zeros there.
    """

    name: str
    irreps: Irreps
    owners: tuple[int, ...] | None = None

    def __init__(self, name: str, irreps: object, owners: Sequence[int] | None = None) -> None:
        parsed = irreps if isinstance(irreps, Irreps) else Irreps.parse(irreps)
        if owners is not None and len(owners) != len(parsed.terms):
            raise ValueError(
                f"layer {name!r} has {len(parsed.terms)} terms in {parsed} but "
                f"{len(owners)} owners."
            )
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "irreps", parsed)
        object.__setattr__(self, "owners", None if owners is None else tuple(owners))


class Encoder(ABC):
    """A model that gives per-atom features, layer by layer.

    A subclass builds `model` and `layers`, and implements :meth:`forward`. Building the graph
    (:meth:`graph`) is apart from the forward pass, so each can be replaced and measured.

    Parameters
    ----------
    name : str
        Name under which results are kept.
    model : torch.nn.Module
        The network, or an empty module where there is none. Set to evaluation mode, without
        gradients, in `dtype`.
    layers : sequence of Layer
        What :meth:`forward` returns, in that order.
    elements : iterable of int or str, optional
        Atomic numbers or symbols the model has a place for; None for any.
    trained_elements : iterable of int or str, optional
        Those it was trained on; None where it was not trained, or on all of `elements`.
    cutoff : float, optional
        Radius of the graph in Angstrom.
    periodic : bool, default True
        Whether crystals can be encoded.
    options : mapping, optional
        What else identifies the features; enters :attr:`fingerprint`.
    dtype : str, default "float32"
        ``"float32"`` or ``"float64"``.

    Attributes
    ----------
    allow_unseen_elements : bool
        Whether structures with elements outside `trained_elements` are encoded all the same; what
        a network says of these is what its initial weights say.
    cpu_atoms : int
        Atoms per batch whose intermediates stay in the caches of a CPU; measured, and a
        subclass may say otherwise.
    libraries : tuple of str
        Packages whose versions may change the features; they are kept with the features.
    """

    allow_unseen_elements: bool = False
    cpu_atoms: int = 512
    libraries: tuple[str, ...] = ("vesin",)  # the neighbour list

    def __init__(
        self,
        *,
        name: str,
        model: torch.nn.Module,
        layers: Sequence[Layer],
        elements: Iterable[int | str] | None = None,
        trained_elements: Iterable[int | str] | None = None,
        cutoff: float | None = None,
        periodic: bool = True,
        options: Mapping[str, Any] | None = None,
        dtype: str | torch.dtype = "float32",
    ) -> None:
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"an encoder needs a name under which results are kept; got {name!r}.")
        self.name = name
        self.layers = tuple(layers)
        empty = [layer.name for layer in self.layers if layer.irreps.dim == 0]
        if empty:
            raise ValueError(f"layer {empty[0]!r} of encoder {name!r} has no channels.")
        if cutoff is not None and not 0 < cutoff < _FARTHEST:
            raise ValueError(
                f"cutoff is a radius in Angstrom, above 0 and below {_FARTHEST}; got {cutoff}."
            )
        self.elements = _set_of(elements)
        self.trained_elements = _set_of(trained_elements)
        self.cutoff = cutoff
        self.periodic = periodic
        self.options = dict(options or {})
        self.dtype = parse_dtype(dtype)
        self.device = torch.device("cpu")
        # Any: its attributes are those of other libraries.
        self.model: Any = model.to(self.dtype).eval().requires_grad_(False)
        if not self.layers:
            raise ValueError(f"encoder {name!r} needs at least one layer.")

    def graph(self, atoms: ase.Atoms) -> Any:
        """Prepare one structure; by default every pair within `cutoff`.

        Raises
        ------
        ValueError
            If two atoms lie at the same place.
        """
        return build_graph(atoms, self.cutoff)

    def examine(self, structures: Sequence[ase.Atoms]) -> None:  # noqa: B027 - may stay empty
        """Look at a few structures for what would make features wrong; by default, nothing.

        Raises
        ------
        ValueError
            If something is wrong.
        """

    @abstractmethod
    def forward(self, graphs: Sequence[Any]) -> list[torch.Tensor]:
        """Features of the atoms of all graphs.

        Parameters
        ----------
        graphs : sequence
            As returned by :meth:`graph`.

        Returns
        -------
        list of Tensor, each of shape (total_atoms, layer.irreps.dim)
            One per layer; atoms in input order, components copy by copy in the order of
            `layer.irreps`.
        """

    def to(self, device: str | torch.device) -> Encoder:
        """Move the model to `device` (in place) and return the encoder.

        Raises
        ------
        ValueError
            If there is no such device here; the encoder stays where it was.
        """
        self.device = parse_device(device)
        self.model.to(self.device)
        return self

    @property
    def versions(self) -> dict[str, str]:
        """Versions of :attr:`libraries` that are installed."""
        return {name: found for name in self.libraries if (found := _version(name))}

    @property
    def fingerprint(self) -> str:
        """SHA-256 of name, options, layers, dtype and all weights, as they are now."""
        digest = hashlib.sha256()
        layers = [(layer.name, str(layer.irreps), layer.owners) for layer in self.layers]
        about = [self.name, str(self.dtype), self.cutoff, layers, self.options, self.versions]
        digest.update(json.dumps(about, sort_keys=True).encode())
        for key, value in sorted(self.model.state_dict().items()):
            if isinstance(value, torch.Tensor):
                array = value.detach().cpu().contiguous().numpy()
                digest.update(f"{key}{array.dtype}{array.shape}".encode())
                digest.update(array.tobytes())
        return digest.hexdigest()

    def __repr__(self) -> str:
        layers = ", ".join(f"{layer.name}: {layer.irreps}" for layer in self.layers)
        return f"<{type(self).__name__} {self.name!r} ({layers})>"
