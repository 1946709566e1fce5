"""One shard of structures through an encoder."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.encoders import encoder_options
from cpdkit.encoders._base import Encoder
from cpdkit.encoders._optional import undo_import_effects
from cpdkit.extraction.pooling import blocks_of, pool

__all__ = ["ShardJob", "batches_of", "check", "labels_of"]

# Hooks on one model see the passes of all threads, and a Dask worker may have several.
_FORWARD = threading.RLock()


@dataclass(frozen=True)
class ShardJob:
    """What a worker needs to turn structures into pooled features."""

    encoder: Encoder
    poolings: tuple[str, ...]
    elements: tuple[int, ...]
    batch_size: int
    max_atoms: int

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel to a Dask worker as bytes that are opened with model libraries contained."""
        import cloudpickle  # comes with distributed

        state = {field.name: getattr(self, field.name) for field in fields(self)}
        return _unpack, (cloudpickle.dumps(state),)

    @property
    def precision(self) -> type:
        """NumPy type of the result."""
        return np.float64 if self.encoder.dtype == torch.float64 else np.float32

    def run(self, atoms: AtomsSequence, labels: list[str], bar: Any = None) -> np.ndarray:
        """Pooled features of one shard, in the order of `atoms`."""
        result: np.ndarray | None = None
        for rows, pooled in self.batches(atoms, labels):
            if result is None:
                result = np.empty((len(atoms), pooled.shape[1]), dtype=self.precision)
            result[rows] = pooled
            if bar is not None:
                bar.update(len(rows))
        if result is None:
            raise ValueError("a shard without structures was asked for.")
        return result

    def batches(
        self, atoms: AtomsSequence, labels: list[str]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Rows of each batch and their pooled features, in double precision."""
        for rows in batches_of(atoms.n_atoms, self.batch_size, self.max_atoms):
            graphs = []
            for row in rows:
                structure = atoms[int(row)]
                try:
                    graphs.append(self.encoder.graph(structure))
                except ValueError as error:
                    formula = structure.get_chemical_formula()
                    raise ValueError(f"{labels[row]}, {formula}: {error}") from error
            of_elements = "element_mean" in self.poolings  # nothing else asks for the elements
            numbers = atoms.select(rows).numbers if of_elements else np.empty(0, dtype=np.int64)
            yield (
                rows,
                self._pooled(graphs, atoms.n_atoms[rows], numbers, [labels[r] for r in rows]),
            )

    def examine(self, atoms: AtomsSequence) -> None:
        """Let the encoder look at the structures before they are encoded."""
        with _FORWARD, torch.inference_mode():
            self.encoder.examine(atoms)

    def reproduces(self, atoms: AtomsSequence, values: np.ndarray, labels: list[str]) -> bool:
        """Whether the encoder gives `values`, judged by the largest of the structures.

        A fingerprint cannot know all that determines features: attributes that are no tensors,
        say, or what a function of the user's calls.
        """
        row = int(np.argmax(atoms.n_atoms))
        one, known = atoms.select(np.array([row])), values[row]
        blocks = blocks_of(self.encoder.layers, self.poolings, self.elements)
        if len(known) != blocks[-1].columns.stop:
            return False
        with _FORWARD, torch.inference_mode():
            features = self._features([self.encoder.graph(one[0])], len(one.numbers))
            again = self._pool(features, one.n_atoms, one.numbers, [labels[row]])[0]
        # Devices and batches round, by the size of the features of atoms, since those of a
        # structure may cancel; where symmetry forbids them altogether, rounding is all there is.
        close = 1e-6 if self.encoder.dtype == torch.float64 else 1e-3
        least = 10 * torch.finfo(self.encoder.dtype).eps
        scales = [least + close * float(feature.abs().max()) for feature in features]
        for block in blocks:
            atol = scales[block.layer] * (len(one.numbers) if block.pooling == "sum" else 1)
            part = block.columns
            if not np.allclose(again[part], known[part], rtol=close, atol=atol):
                return False
        return True

    def _pooled(
        self, graphs: list[Any], n_atoms: np.ndarray, numbers: np.ndarray, labels: list[str]
    ) -> np.ndarray:
        with _FORWARD, torch.inference_mode():
            features = self._features(graphs, int(n_atoms.sum()))
            return self._pool(features, n_atoms, numbers, labels)

    def _features(self, graphs: list[Any], total: int) -> list[torch.Tensor]:
        encoder = self.encoder
        features = encoder.forward(graphs)
        for layer, feature in zip(encoder.layers, features, strict=True):
            expected = (total, layer.irreps.dim)
            if tuple(feature.shape) != expected:
                raise ValueError(
                    f"encoder {encoder.name!r} gave features of shape "
                    f"{tuple(feature.shape)} for layer {layer.name!r}; {expected} were "
                    f"expected for {expected[0]} atoms and irreps {layer.irreps}."
                )
        return features

    def _pool(
        self,
        features: list[torch.Tensor],
        n_atoms: np.ndarray,
        numbers: np.ndarray,
        labels: list[str],
    ) -> np.ndarray:
        encoder = self.encoder
        result = pool(
            features,
            encoder.layers,
            torch.from_numpy(numbers).to(encoder.device),
            torch.from_numpy(n_atoms).to(encoder.device),
            self.poolings,
            self.elements,
        )
        values = result.cpu().numpy()
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
            raise ValueError(
                f"encoder {encoder.name!r} gave a feature that is not finite for {labels[row]}; "
                + (
                    "look for atoms that almost coincide, or remove the structure."
                    if all(p.isfinite().all() for p in encoder.model.parameters())
                    else "the model has weights that are not finite."
                )
            )
        return values


def _unpack(state: bytes) -> ShardJob:
    """The other end of :meth:`ShardJob.__reduce__`, run by a worker of the user's own cluster."""
    with undo_import_effects():  # this may be the first import of e3nn or mace in the process
        return ShardJob(**pickle.loads(state))


def labels_of(dataset: Dataset | None, start: int, n: int) -> list[str]:
    """Names of `n` structures from `start` on, as errors call them."""
    if dataset is None:
        return [f"structure {i}" for i in range(start, start + n)]
    return [f"structure {i} ({dataset.ids[i]})" for i in range(start, start + n)]


def check(encoder: Encoder, atoms: AtomsSequence, dataset: Dataset | None) -> None:
    """Refuse what the encoder cannot take before any work is done."""

    def at(row: int) -> str:
        label, formula = labels_of(dataset, row, 1)[0], atoms[row].get_chemical_formula()
        return f"{label}, {formula}," if formula else label

    def first(strange: np.ndarray) -> int:
        """Structure of the first atom that is strange."""
        return int(np.searchsorted(atoms.offsets, np.argmax(strange), side="right")) - 1

    if not atoms.n_atoms.all():
        row = int(np.flatnonzero(atoms.n_atoms == 0)[0])
        raise ValueError(f"{at(row)} has no atoms; remove it from the data set.")
    if not atoms.numbers.all():
        row = first(atoms.numbers == 0)
        raise ValueError(f"{at(row)} has a ghost atom X, which is no element; remove it.")
    trained = None if encoder.allow_unseen_elements else encoder.trained_elements
    parts = [elements for elements in (encoder.elements, trained) if elements is not None]
    if parts:
        known = frozenset.intersection(*parts)
        strange = ~np.isin(atoms.numbers, sorted(known))
        if strange.any():
            row = first(strange)
            absent = set(atoms[row].numbers.tolist()) - known
            text = f"{at(row)} has {_symbols(absent)}, which encoder {encoder.name!r}"
            rows = len(set(np.searchsorted(atoms.offsets, np.flatnonzero(strange), side="right")))
            keep = _symbols(known).replace(" ", "") if len(known) < 20 else "..."
            without = (
                f" {rows:,} of {len(atoms):,} structures hold such elements; elements= of "
                f"load_dataset, or -p elements={keep}, leaves them out."
            )
            if encoder.elements is not None and absent - encoder.elements:
                name = encoder.name.partition("[")[0]
                if "elements" in encoder_options(name):
                    without += f" Or name all there are: {name}[elements=H C ...]."
                raise ValueError(f"{text} does not know. It knows {_symbols(known)}.{without}")
            raise ValueError(
                f"{text} never saw in training. It was trained on {_symbols(known)}; "
                f"load_encoder(..., allow_unseen_elements=True) encodes them all the same.{without}"
            )
    if not encoder.periodic and atoms.pbc is not None and atoms.pbc.any():
        row = int(np.flatnonzero(atoms.pbc.any(axis=1))[0])
        raise ValueError(f"{at(row)} is periodic; encoder {encoder.name!r} takes molecules only.")


def _symbols(numbers: Iterable[int]) -> str:
    return ", ".join(chemical_symbols[z] for z in sorted(numbers))


def batches_of(sizes: np.ndarray, batch_size: int, max_atoms: int) -> Iterator[np.ndarray]:
    """Rows of each batch, largest structures first so that memory peaks at the start."""
    batch: list[int] = []
    total = 0
    for row in np.argsort(-sizes, kind="stable"):
        if batch and (len(batch) == batch_size or total + sizes[row] > max_atoms):
            yield np.array(batch)
            batch, total = [], 0
        batch.append(int(row))
        total += int(sizes[row])
    if batch:
        yield np.array(batch)
