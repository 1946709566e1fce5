"""Crystals of the Materials Project [1]_ as its service has them today; needs a key.

The service is asked over HTTP, as the package mp-api does, which would bring boto3, deltalake and a
python-dateutil older than the book's. Tried against an answer that was made with the schema of
emmet-core 0.87.3, never against the service: the machines that build this project do not reach it.

References
----------
.. [1] A. Jain et al., The Materials Project: a materials genome approach to accelerating materials
   innovation, APL Materials 1, 011002 (2013).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import ase
import numpy as np
import pandas as pd
import requests
from requests.adapters import HTTPAdapter
from tqdm.auto import tqdm
from urllib3.util import Retry

from cpdkit.datasets import LIVE
from cpdkit.datasets._dataset import AtomsSequence, Dataset, drawn_rows
from cpdkit.datasets.materials_project import UNITS

__all__ = ["UNITS", "load"]

_SERVICE = "https://api.materialsproject.org/"
_NUMBERS = {
    "formation_energy_per_atom": "formation_energy_per_atom",
    "band_gap": "band_gap",
    "volume": "volume_per_atom",
    "density": "density",
    "efermi": "fermi_energy",
    "total_magnetization": "magnetization_of_cell",
}  # the service's names, ours
_PAGE = 1000  # the most that the service gives at once
_BATCH = 100  # ids in one address, which must not become too long
_WAIT = 60  # seconds
_BACKOFF = 1.0  # seconds before an overloaded service is asked again; doubled each time
_LAST_IN_FIGURES = 3_347_529  # later ids are in letters only; all may be answered in letters


def load(
    *,
    n: int | None = None,
    at_most: int | None = None,
    max_atoms: int | None = None,
    elements: Sequence[str] | None = None,
    complete: Sequence[str] = (),
    seed: int = 0,
) -> Dataset:
    """List crystals of the service, draw some, and fetch the structures of these.

    Parameters
    ----------
    n, at_most, max_atoms, elements, seed
        As for `load_dataset`, which checks them; one of the first two must be given.
    complete : sequence of str
        Targets that must be finite: crystals that lack one are left out before the draw.

    Returns
    -------
    Dataset
        Columns and units of ``"materials-project"``, sorted by the number in the id, so that a
        seed draws the same crystals until the database changes. Deprecated entries are left out,
        and those of GNoME, whose licence forbids commercial use.

    Raises
    ------
    ValueError
        If ``MP_API_KEY`` is not set or refused, `n` and `at_most` are missing, there are too few
        crystals, or the service's answer is not understood.
    OSError
        If the service cannot be reached.
    """
    if n is None and at_most is None:
        raise ValueError(
            f"{LIVE!r} has more than 100,000 crystals; say with n= or at_most= how many to fetch."
        )
    with _session() as session:
        listed = _listed(session, max_atoms)
        kept = np.isfinite(listed[list(complete)]).all(axis=1)
        if elements is not None:
            kept &= listed["elements"].map(set(elements).issuperset)
        listed = listed[kept]
        if listed.empty:
            raise ValueError(f"no crystal of {LIVE!r} is left by max_atoms, elements and targets.")
        if at_most is not None:
            n = min(at_most, len(listed))
        rows = drawn_rows(n, len(listed), seed=seed, name=LIVE)
        listed = listed.iloc[rows].reset_index(drop=True)
        ids = listed["material_id"].tolist()
        structures = _structures(session, ids)
    return Dataset(
        name=LIVE,
        split="",
        atoms=AtomsSequence.from_atoms([_crystal(name, structures[name]) for name in ids]),
        targets=listed[list(UNITS)],
        units=UNITS,
        ids=np.array(ids),
        info=listed[["fermi_energy", "magnetization_of_cell"]],
    )


def _session() -> requests.Session:
    key = os.environ.get("MP_API_KEY")
    if not key:
        raise ValueError(
            f"{LIVE!r} needs a key: log in at https://materialsproject.org/api, copy yours and set "
            "the environment variable MP_API_KEY to it. 'materials-project' needs none."
        )
    session = requests.Session()
    session.headers["X-API-KEY"] = key
    patient = Retry(total=3, backoff_factor=_BACKOFF, status_forcelist=[429, 502, 504])
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=patient))
    return session


def _answer(session: requests.Session, query: Mapping[str, Any]) -> tuple[list[Any], int]:
    """Documents that the service gives to a query, and how many there are in all."""
    service = os.environ.get("MP_API_ENDPOINT") or _SERVICE
    address = f"{service.rstrip('/')}/materials/summary/"
    try:
        reply = session.get(address, params=query, timeout=_WAIT)
    except requests.RequestException as error:
        raise OSError(f"{service} cannot be reached: {error}") from None
    if reply.status_code in (401, 403):
        raise ValueError(
            f"{service} refuses the key in MP_API_KEY ({reply.status_code}); copy it again from "
            "https://materialsproject.org/api."
        )
    if not reply.ok:
        raise OSError(f"{service} answers {reply.status_code}: {reply.text[:200]}")
    try:
        answer = reply.json()
        return list(answer["data"]), int(answer["meta"]["total_doc"])
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{service} answers what is not understood: {reply.text[:200]}") from None


def _pages(session: requests.Session, query: Mapping[str, Any]) -> Iterator[Any]:
    """All documents that fit a query, page by page."""
    total, seen = 1, 0
    with tqdm(desc="Materials Project", unit=" crystals", disable=None) as bar:
        while seen < total:
            page, total = _answer(session, {**query, "_limit": _PAGE, "_skip": seen})
            if not page and total:
                raise ValueError(f"the service gave {seen} of {total} crystals; try again.")
            bar.total = total
            bar.update(len(page))
            seen += len(page)
            yield from page


def _listed(session: requests.Session, max_atoms: int | None) -> pd.DataFrame:
    """All crystals without their structures, by the number in their id."""
    fields = ["material_id", "nsites", "elements", *_NUMBERS]
    query = {
        "deprecated": "false",
        "batch_id_not_eq": "gnome_r2scan_statics",
        "_fields": ",".join(fields),
        "_sort_fields": "material_id",
    }
    if max_atoms is not None:
        query["nsites_max"] = str(max_atoms)
    found = list(_pages(session, query))
    lacking = {name for document in found for name in fields[:3] if not document.get(name)}
    if lacking:
        raise ValueError(f"the service gives crystals without {sorted(lacking)}.")
    table = pd.DataFrame(found, columns=fields)
    table["material_id"] = table["material_id"].map(_id)
    if table["material_id"].duplicated().any():
        raise ValueError("the service lists a crystal twice: it was changed meanwhile; try again.")
    table[list(_NUMBERS)] = table[list(_NUMBERS)].astype(float)
    table["volume"] /= table["nsites"]
    table = table.rename(columns=_NUMBERS)
    return table.sort_values("material_id", key=lambda ids: ids.map(_number))


def _number(name: str) -> int:
    """Of an id in figures, ``mp-149``, or in letters with a = 0 in front, ``mp-aaaaaaft``."""
    last = name.rpartition("-")[2]
    if last.isdecimal():
        return int(last)
    return sum("abcdefghijklmnopqrstuvwxyz".find(c) * 26**i for i, c in enumerate(last[::-1]))


def _id(name: str) -> str:
    """The id as the snapshot and the web page write it: in figures, unless it never had any."""
    number = _number(name)
    return f"{name.rpartition('-')[0]}-{number}" if number <= _LAST_IN_FIGURES else name


def _structures(session: requests.Session, ids: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for start in range(0, len(ids), _BATCH):
        names = ",".join(ids[start : start + _BATCH])
        query = {"material_ids": names, "_fields": "material_id,structure"}
        found |= {_id(one["material_id"]): one["structure"] for one in _pages(session, query)}
    lost = [name for name in ids if name not in found]
    if lost:
        raise ValueError(f"the service gives no structure of {lost[:3]}; try again.")
    return found


def _crystal(name: str, structure: Mapping[str, Any]) -> ase.Atoms:
    """Crystal of a structure as pymatgen writes it to JSON; nothing of pymatgen is needed."""
    try:
        species = [site["species"] for site in structure["sites"]]
        if any(len(here) != 1 or here[0]["occu"] != 1 for here in species):
            raise ValueError("it has partly occupied sites, and models take atoms")
        return ase.Atoms(
            [here[0]["element"] for here in species],
            cell=structure["lattice"]["matrix"],
            scaled_positions=[site["abc"] for site in structure["sites"]],
            pbc=True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the structure of {name!r} is not understood: {error!r}.") from None
