"""Pooled features of structures in labelled blocks, without torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._sealed import read_sealed, write_sealed

__all__ = ["Block", "Representation"]

_FORMAT = "cpdkit-representation-3"
KINDS = ("component", "norm", "square")


@dataclass(frozen=True)
class Block:
    """`mul` channels of one layer that turn alike.

    Attributes
    ----------
    layer : int
        Index of the layer in the encoder, from 0.
    name : str
        Name of the layer.
    l, p : int, str
        Degree and parity (``"e"`` or ``"o"``) as the model labels them.
    mul : int
        Number of channels.
    pooling : str
        How atoms were pooled.
    start : int
        First column in :attr:`Representation.values`.
    element : int or None
        Atomic number of the atoms pooled; None for all of them.
    kind : {"component", "norm", "square"}
        Components; norms taken atom by atom, one per channel; or squares of pooled scalars.

    Raises
    ------
    ValueError
        If a number is negative or not whole, or there is no such parity or kind.
    """

    layer: int
    name: str
    l: int  # noqa: E741 - the field's own symbol
    p: str
    mul: int
    pooling: str
    start: int
    element: int | None = None
    kind: str = "component"

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in ("layer", "l", "mul", "start")}
        for name, value in counts.items():
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
                raise ValueError(f"{name} of a block must be a whole number from 0; got {value!r}.")
            object.__setattr__(self, name, int(value))  # NumPy's are not JSON's
        if self.p not in ("e", "o") or self.kind not in KINDS:
            raise ValueError(
                f"a block has parity 'e' or 'o' and a kind of {KINDS}; got {self.p!r} and "
                f"{self.kind!r}."
            )

    @property
    def components(self) -> int:
        """Columns per channel: ``2 l + 1``, or 1 for norms."""
        return 1 if self.kind == "norm" else 2 * self.l + 1

    @property
    def columns(self) -> slice:
        """Where the block lies in :attr:`Representation.values`."""
        return slice(self.start, self.start + self.mul * self.components)

    @property
    def irrep(self) -> str:
        """Label such as ``"1o"``."""
        return f"{self.l}{self.p}"


@dataclass(frozen=True, eq=False)
class Representation:
    """Pooled features of a data set, block by block.

    Attributes
    ----------
    values : ndarray, shape (n_structures, n_columns)
        Pooled components. Vectors and tensors are raw: channel by channel, the ``2 l + 1``
        components together, in the model's own order (e3nn orders l=1 as x, y, z).
    blocks : tuple of Block
        What the columns are.
    n_atoms : ndarray of int64, shape (n_structures,)
        Number of atoms of each structure.
    metadata : mapping
        Encoder, data set, fingerprints, versions.

    Raises
    ------
    ValueError
        If blocks and columns, or rows and `n_atoms`, do not fit, or are no numbers.
    """

    values: np.ndarray = field(repr=False)
    blocks: tuple[Block, ...]
    n_atoms: np.ndarray = field(repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        position = 0
        for block in self.blocks:
            if block.start != position:
                raise ValueError(
                    f"block {block} starts at column {block.start}; expected {position}."
                )
            position = block.columns.stop
        if self.values.dtype.kind != "f" or self.n_atoms.dtype.kind not in "iu":
            raise ValueError(
                "values must be real and n_atoms whole numbers; got arrays of "
                f"{self.values.dtype} and {self.n_atoms.dtype}."
            )
        if self.values.ndim != 2 or self.values.shape[1] != position:
            raise ValueError(
                f"blocks cover {position} columns, but values have shape {self.values.shape}."
            )
        if self.n_atoms.shape != (len(self.values),):
            raise ValueError(
                f"{len(self.values)} rows need n_atoms of shape ({len(self.values)},); "
                f"got {self.n_atoms.shape}."
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers, in the model's order."""
        return tuple(dict.fromkeys(block.name for block in self.blocks))

    @cached_property
    def features(self) -> np.ndarray:
        """Invariant features, shape (n_structures, n_channels).

        Scalars as they are; for l > 0 the norm of each pooled vector, which rotations leave
        unchanged. One column per channel, in the order of :attr:`channels`.
        """
        parts = []
        for block in self.blocks:
            part = self.values[:, block.columns]
            if block.l > 0 and block.kind == "component":
                part = np.linalg.norm(part.reshape(len(part), block.mul, -1), axis=2)
            parts.append(part)
        return np.concatenate(parts, axis=1)

    @property
    def channels(self) -> pd.DataFrame:
        """One row per column of :attr:`features`.

        Columns are layer, name, l, p, channel, pooling, element and kind, which is ``"scalar"``,
        ``"norm of pooled"``, ``"pooled norm"`` or ``"square"``.
        """
        frames = []
        for block in self.blocks:
            kind = {
                "component": "norm of pooled" if block.l > 0 else "scalar",
                "norm": "pooled norm",
                "square": "square",
            }[block.kind]
            frames.append(
                pd.DataFrame(
                    {
                        "layer": block.layer,
                        "name": block.name,
                        "l": block.l,
                        "p": block.p,
                        "channel": np.arange(block.mul),
                        "pooling": block.pooling,
                        "element": block.element,
                        "kind": kind,
                    }
                )
            )
        return pd.concat(frames, ignore_index=True)

    def select(
        self,
        *,
        layer: int | str | Sequence[int | str] | None = None,
        l: int | Sequence[int] | None = None,  # noqa: E741
        p: str | None = None,
        pooling: str | None = None,
    ) -> Representation:
        """Keep the blocks that match.

        Parameters
        ----------
        layer : int, str or sequence, optional
            Index (negative from the end) or name of the layers; all by default.
        l : int or sequence, optional
            Degrees; all by default.
        p : {"e", "o"}, optional
            Parity; both by default.
        pooling : str, optional
            Pooling, where several were extracted; all by default.

        Returns
        -------
        Representation
            With the same rows and the matching columns.

        Raises
        ------
        ValueError
            If a layer, or a degree or parity in one of the layers asked for, is absent; the
            message lists what there is. Without `layer`, layers that lack a degree are skipped.
        """
        index = self._layer_indices(layer)
        degrees = None if l is None else [l] if isinstance(l, (int, np.integer)) else list(l)
        for item in degrees or []:
            if not isinstance(item, (int, np.integer)):
                raise ValueError(
                    f"l is a degree such as 1, and p a parity such as 'o'; got {l!r} for l."
                )
        if not index or degrees == []:
            raise ValueError(f"nothing was asked for; {self._listing()}")
        kept = [
            b
            for b in self.blocks
            if b.layer in index
            and (degrees is None or b.l in degrees)
            and p in (None, b.p)
            and pooling in (None, b.pooling)
        ]
        required = index if layer is not None else [None]
        for wanted in required:
            for degree in degrees if degrees is not None else [None]:
                if not any(wanted in (None, b.layer) and degree in (None, b.l) for b in kept):
                    raise ValueError(self._absent(wanted, degree, p, pooling))
        return self._only(kept)

    def _only(self, kept: Sequence[Block]) -> Representation:
        columns = np.concatenate([np.arange(b.columns.start, b.columns.stop) for b in kept])
        blocks, start = [], 0
        for block in kept:
            blocks.append(Block(**{**asdict(block), "start": start}))
            start = blocks[-1].columns.stop
        return Representation(self.values[:, columns], tuple(blocks), self.n_atoms, self.metadata)

    def vectors(
        self,
        *,
        l: int,  # noqa: E741
        layer: int | str = -1,
        p: str | None = None,
        pooling: str | None = None,
    ) -> np.ndarray:
        """Pooled components of one degree, shape (n_structures, n_channels, 2 l + 1).

        Components are in the model's own order; e3nn orders l=1 as x, y, z. Norms and squares
        are left out; channels of several elements come one element after the other.

        Raises
        ------
        ValueError
            If the layer has no such degree, only norms of it were kept, or there are several
            poolings and none is named.
        """
        chosen = self.select(layer=layer, l=l, p=p, pooling=pooling)
        kept = [block for block in chosen.blocks if block.kind == "component"]
        if not kept:
            raise ValueError(
                f"layer {layer!r} holds norms of l={l} taken atom by atom, from which components "
                'cannot be had; extract with pooling="mean" or "sum".'
            )
        poolings = list(dict.fromkeys(block.pooling for block in kept))
        if len(poolings) > 1:
            raise ValueError(f"components were pooled by {poolings}; choose one with pooling=.")
        chosen = chosen._only(kept)
        return chosen.values.reshape(len(self), -1, 2 * l + 1)

    def with_squares(self) -> Representation:
        """Append the squares of all pooled scalars.

        Norms of vectors are a nonlinear function of pooled components; beside them, scalars
        alone are at a disadvantage under a linear probe. Squares are their fair partner. Where
        they are there already, nothing is added.
        """
        if any(block.kind == "square" for block in self.blocks):
            return self
        blocks, parts, start = list(self.blocks), [self.values], self.values.shape[1]
        for block in self.blocks:
            if block.l == 0 and block.kind == "component":
                blocks.append(Block(**{**asdict(block), "start": start, "kind": "square"}))
                parts.append(self.values[:, block.columns] ** 2)
                start = blocks[-1].columns.stop
        return Representation(
            np.concatenate(parts, axis=1), tuple(blocks), self.n_atoms, self.metadata
        )

    def _layer_indices(self, layer: int | str | Sequence[int | str] | None) -> list[int]:
        present = {block.layer: block.name for block in self.blocks}
        if layer is None:
            return list(present)
        wanted = [layer] if isinstance(layer, (int, np.integer, str)) else list(layer)
        result = []
        for item in wanted:
            if isinstance(item, str):
                matches = [i for i, name in present.items() if name == item]
            else:
                order = sorted(present)
                matches = [order[item]] if -len(order) <= item < 0 else []
                matches = [item] if item in present else matches
            if not matches:
                raise ValueError(f"no layer {item!r}; {self._listing()}")
            result += matches
        return result

    def _absent(
        self, layer: int | None, degree: int | None, p: str | None, pooling: str | None
    ) -> str:
        asked = [f"layer {layer}"] if layer is not None else []
        asked += [f"l={degree}"] if degree is not None else []
        asked += [f"p={p!r}"] if p is not None else []
        asked += [f"pooling={pooling!r}"] if pooling is not None else []
        return f"nothing with {', '.join(asked)}; {self._listing()}"

    def _listing(self) -> str:
        layers: dict[str, list[str]] = {}
        for block in self.blocks:
            irreps = layers.setdefault(f"{block.layer} {block.name!r}", [])
            label = f"{block.mul}x{block.irrep}"
            if label not in irreps:
                irreps.append(label)
        listed = "; ".join(f"{k}: {'+'.join(v)}" for k, v in layers.items())
        poolings = ", ".join(repr(name) for name in dict.fromkeys(b.pooling for b in self.blocks))
        return f"there is: {listed}; pooled by {poolings}."

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write to a safetensors file, complete or not at all.

        Returns
        -------
        Path
            Where it was written.
        """
        about = {
            "format": _FORMAT,
            "blocks": [asdict(block) for block in self.blocks],
            "metadata": dict(self.metadata),
        }
        return write_sealed(path, {"values": self.values, "n_atoms": self.n_atoms}, about)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Representation:
        """Read what :meth:`save` wrote; nothing is unpickled.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is damaged or is not a saved representation.
        """
        arrays, about = read_sealed(
            path,
            ("values", "n_atoms"),
            form=_FORMAT,
            what="representation",
            remedy="extract it again",
        )
        try:
            blocks = tuple(Block(**block) for block in about["blocks"])
            return cls(arrays["values"], blocks, arrays["n_atoms"], about["metadata"])
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{path} holds no sound representation ({error!r}); extract it again."
            ) from error
