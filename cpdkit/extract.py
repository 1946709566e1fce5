"""From an encoder and structures to a pooled representation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from typing import Any

import ase
import numpy as np
import torch
from ase.data import chemical_symbols
from tqdm.auto import tqdm

from cpdkit import __version__
from cpdkit._messages import unknown
from cpdkit.datasets._dataset import Dataset
from cpdkit.encoders._base import Encoder
from cpdkit.representation import Block, Representation

__all__ = ["extract"]

POOLINGS = ("mean", "sum")
# Structures are sorted by size within chunks of this many, so that a batch holds equals
# and the order of the work does not depend on how many structures follow.
_CHUNK = 2048


def extract(
    encoder: Encoder,
    structures: Dataset | Iterable[ase.Atoms] | ase.Atoms,
    *,
    pooling: str = "mean",
    batch_size: int = 64,
    max_atoms: int = 1024,
    device: str | torch.device | None = None,
    progress: bool = True,
) -> Representation:
    """Encode structures and pool their atoms.

    Parameters
    ----------
    encoder : Encoder
        From :func:`cpdkit.load_encoder`.
    structures : Dataset, iterable of ase.Atoms, or ase.Atoms
        What to encode; rows of the result are in this order.
    pooling : {"mean", "sum"}
        How features of atoms become those of a structure.
    batch_size, max_atoms : int
        A batch holds at most `batch_size` structures, and more than `max_atoms` atoms only if
        one structure does. They set memory and speed, not results.
    device : str or torch.device, optional
        Where to run, such as ``"cuda"``; the encoder is moved there. By default where it is.
    progress : bool, default True
        Show a bar with the time left.

    Returns
    -------
    Representation
        One row per structure, all layers.

    Raises
    ------
    ValueError
        If there are no structures; if one has no atoms, two atoms at the same place or an
        element the encoder does not know; if a feature is not finite; if `pooling` is unknown.
    """
    if pooling not in POOLINGS:
        raise ValueError(unknown("pooling", pooling, POOLINGS))
    for key, value in (("batch_size", batch_size), ("max_atoms", max_atoms)):
        if value < 1:
            raise ValueError(f"{key} must be at least 1; got {value}.")
    if isinstance(structures, ase.Atoms):
        structures = [structures]
    dataset = structures if isinstance(structures, Dataset) else None
    atoms = structures.atoms if dataset is not None else structures
    if not isinstance(atoms, Sequence):
        atoms = list(atoms)
    if not len(atoms):
        raise ValueError("there are no structures to encode; the data set is empty.")
    if device is not None:
        encoder.to(device)

    blocks = _blocks(encoder, pooling)
    precision = np.float64 if encoder.dtype == torch.float64 else np.float32
    values = np.empty((len(atoms), blocks[-1].columns.stop), dtype=precision)
    n_atoms = np.empty(len(atoms), dtype=np.int64)
    with tqdm(total=len(atoms), desc=encoder.name, unit="structure", disable=not progress) as bar:
        for start in range(0, len(atoms), _CHUNK):
            rows = range(start, min(start + _CHUNK, len(atoms)))
            chunk = [_checked(encoder, atoms[i], _label(dataset, i)) for i in rows]
            n_atoms[rows.start : rows.stop] = [len(a) for a in chunk]
            for batch in _batches(n_atoms[rows.start : rows.stop], batch_size, max_atoms):
                names = [_label(dataset, start + i) for i in batch]
                graphs = [
                    _graph(encoder, chunk[i], name) for i, name in zip(batch, names, strict=True)
                ]
                sizes = [len(chunk[i]) for i in batch]
                values[start + batch] = _pooled(encoder, graphs, sizes, pooling, names)
                bar.update(len(batch))
    metadata = {
        "encoder": encoder.name,
        "encoder_fingerprint": encoder.fingerprint,
        "dataset": None if dataset is None else f"{dataset.name} ({dataset.split})",
        "dataset_fingerprint": None if dataset is None else dataset.fingerprint,
        "pooling": pooling,
        "dtype": str(encoder.dtype).removeprefix("torch."),
        "versions": {
            "cpdkit": __version__,
            "torch": version("torch"),
            "numpy": version("numpy"),
        },
    }
    return Representation(values, blocks, n_atoms, metadata)


def _blocks(encoder: Encoder, pooling: str) -> tuple[Block, ...]:
    blocks: list[Block] = []
    start = 0
    for index, layer in enumerate(encoder.layers):
        owners = layer.owners or (None,) * len(layer.irreps.terms)
        for (term, part), element in zip(layer.irreps.slices(), owners, strict=True):
            blocks.append(
                Block(
                    index, layer.name, term.l, term.p, term.mul, pooling, start + part.start, element
                )
            )
        start += layer.irreps.dim
    return tuple(blocks)


def _label(dataset: Dataset | None, index: int) -> str:
    return f"structure {index}" + (f" ({dataset.ids[index]})" if dataset is not None else "")


def _checked(encoder: Encoder, atoms: ase.Atoms, label: str) -> ase.Atoms:
    if not len(atoms):
        raise ValueError(f"{label} has no atoms; remove it from the data set.")
    if encoder.elements is not None:
        absent = sorted(set(atoms.numbers.tolist()) - encoder.elements)
        if absent:
            known = ", ".join(chemical_symbols[z] for z in sorted(encoder.elements))
            raise ValueError(
                f"{label}, {atoms.get_chemical_formula()}, has "
                f"{', '.join(chemical_symbols[z] for z in absent)}, which encoder "
                f"{encoder.name!r} does not know. It knows {known}."
            )
    if not encoder.periodic and atoms.pbc.any():
        raise ValueError(
            f"{label}, {atoms.get_chemical_formula()}, is periodic; encoder {encoder.name!r} "
            "takes molecules only."
        )
    return atoms


def _graph(encoder: Encoder, atoms: ase.Atoms, label: str) -> Any:
    try:
        return encoder.graph(atoms)
    except ValueError as error:
        raise ValueError(f"{label}, {atoms.get_chemical_formula()}: {error}") from error


def _batches(sizes: np.ndarray, batch_size: int, max_atoms: int) -> Iterator[np.ndarray]:
    """Rows of each batch, largest structures first so that memory peaks at the start."""
    batch: list[int] = []
    total = 0
    for row in np.argsort(-sizes, kind="stable"):
        if batch and (len(batch) == batch_size or total + sizes[row] > max_atoms):
            yield np.array(batch)
            batch, total = [], 0
        batch.append(row)
        total += sizes[row]
    if batch:
        yield np.array(batch)


def _pooled(
    encoder: Encoder, graphs: list[Any], sizes: list[int], pooling: str, names: list[str]
) -> np.ndarray:
    counts = torch.tensor(sizes, device=encoder.device)
    owner = torch.repeat_interleave(counts)
    parts = []
    with torch.inference_mode():
        features = encoder.forward(graphs)
        for layer, feature in zip(encoder.layers, features, strict=True):
            expected = (len(owner), layer.irreps.dim)
            if tuple(feature.shape) != expected:
                raise ValueError(
                    f"encoder {encoder.name!r} gave features of shape {tuple(feature.shape)} for "
                    f"layer {layer.name!r}; {expected} were expected for {len(owner)} atoms and "
                    f"irreps {layer.irreps}."
                )
            # Adding up in double precision makes the sum independent of the batch.
            total = torch.zeros(
                (len(sizes), expected[1]), dtype=torch.float64, device=encoder.device
            ).index_add_(0, owner, feature.double())
            parts.append(total / counts[:, None] if pooling == "mean" else total)
        values = torch.cat(parts, dim=1).cpu().numpy()
    if not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise ValueError(
            f"encoder {encoder.name!r} gave a feature that is not finite for {names[row]}; "
            "look for atoms that almost coincide, or remove the structure."
        )
    return values
