"""Several encoders on the same structures: all are checked before the first is run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import ase

from cpdkit.datasets._dataset import Dataset, as_sequence
from cpdkit.encoders import load_encoder
from cpdkit.encoders._base import Encoder
from cpdkit.extraction.extract import extract
from cpdkit.extraction.job import check
from cpdkit.representation import Representation

__all__ = ["check_encoders", "extract_each"]


def check_encoders(
    encoders: Iterable[Encoder | str], structures: Dataset | Iterable[ase.Atoms] | ase.Atoms
) -> list[Encoder]:
    """Load encoders and see that all of them can take the structures, before any is run.

    Parameters
    ----------
    encoders : iterable of Encoder or str
        Encoders, or names for :func:`cpdkit.load_encoder`.
    structures : Dataset, iterable of ase.Atoms, or ase.Atoms
        What is going to be encoded.

    Returns
    -------
    list of Encoder
        Loaded, in the order given.

    Raises
    ------
    ValueError
        If there are no structures, or some encoder cannot take one: a structure without atoms,
        with an element it does not know or was not trained on, or periodic where it takes
        molecules only. Says so of every such encoder.
    ImportError
        If the library of an encoder is not installed.
    """
    if isinstance(encoders, (Encoder, str)):
        encoders = [encoders]
    dataset = structures if isinstance(structures, Dataset) else None
    atoms = as_sequence(structures)
    if not len(atoms):
        raise ValueError("there are no structures to encode; the data set is empty.")
    loaded = [load_encoder(e) if isinstance(e, str) else e for e in encoders]
    wrong = []
    for encoder in loaded:
        try:
            check(encoder, atoms, dataset)
        except ValueError as error:
            wrong.append(str(error))
    if wrong:
        raise ValueError("\n".join(wrong))
    return loaded


def extract_each(
    encoders: Iterable[Encoder | str],
    structures: Dataset | Iterable[ase.Atoms] | ase.Atoms,
    **options: Any,
) -> Iterator[tuple[str, Representation]]:
    """Encode structures with one encoder after the other, once all of them can take them.

    Parameters
    ----------
    encoders : iterable of Encoder or str
        Encoders, or names for :func:`cpdkit.load_encoder`.
    structures : Dataset, iterable of ase.Atoms, or ase.Atoms
        What to encode.
    **options
        Of :func:`cpdkit.extract`.

    Yields
    ------
    name : str
        As given, or the encoder's own.
    representation : Representation
        See :func:`cpdkit.extract`.

    Raises
    ------
    ValueError
        If some encoder cannot take a structure, before the first is run; see
        :func:`check_encoders`. And as :func:`cpdkit.extract`.

    Examples
    --------
    >>> import ase.build, cpdkit
    >>> water = ase.build.molecule("H2O")
    >>> each = cpdkit.extract_each(["bond-counts", "random"], water, progress=False)
    >>> {name: representation.features.shape for name, representation in each}
    {'bond-counts': (1, 28), 'random': (1, 128)}
    """
    given = [encoders] if isinstance(encoders, (Encoder, str)) else list(encoders)
    if not isinstance(structures, Dataset):
        structures = as_sequence(structures)
    for name, encoder in zip(given, check_encoders(given, structures), strict=True):
        label = name if isinstance(name, str) else encoder.name
        yield label, extract(encoder, structures, **options)
