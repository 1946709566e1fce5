"""Named data sets and any extended-XYZ file, as structures with targets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np

from cpdkit._messages import unknown
from cpdkit._options import check_count, check_seed
from cpdkit.datasets._dataset import AtomsSequence, Dataset
from cpdkit.datasets.crystal_files import DATABASES, check_crystals, read_cif_folder, read_database
from cpdkit.datasets.extxyz import read_extxyz, target_names
from cpdkit.datasets.formulas import canonical_formulas, hill_formula, numbers_of, parse_formula

__all__ = [
    "CRYSTALS",
    "DATASETS",
    "LIVE",
    "AtomsSequence",
    "Dataset",
    "canonical_formulas",
    "check_crystals",
    "hill_formula",
    "load_dataset",
    "parse_formula",
    "read_cif_folder",
    "read_database",
    "read_extxyz",
]

DATASETS: Mapping[str, str] = {
    "xtb9": "cpdkit.datasets.xtb9.read",
    "prototypes": "cpdkit.datasets.prototypes.read",
    "qm9": "cpdkit.datasets.qm9",
    "materials-project": "cpdkit.datasets.materials_project",
}
"""Named data sets and the module whose ``load(split)`` reads them."""

LIVE = "materials-project-live"
"""Of this one only what is drawn is fetched, by `cpdkit.datasets.materials_project_live`."""

CRYSTALS: Mapping[str, tuple[str, ...]] = {
    "prototypes": ("packing_fraction", "volume_per_atom", "ewald_energy"),
    "materials-project": ("band_gap", "formation_energy_per_atom"),
    LIVE: ("band_gap", "formation_energy_per_atom"),
}
"""Named data sets of crystals, and the targets that a chapter takes of each by default."""

MISSING = ("raise", "drop")


def load_dataset(
    name: str | Path,
    *,
    split: str = "probe",
    n: int | None = None,
    at_most: int | None = None,
    max_atoms: int | None = None,
    elements: Sequence[str] | None = None,
    seed: int = 0,
    targets: Sequence[str] | None = None,
    units: Mapping[str, str] | None = None,
    missing: str = "raise",
) -> Dataset:
    """Load a named data set, or structures from a file or folder.

    Parameters
    ----------
    name : str or Path
        ``"xtb9"`` (molecules) or ``"prototypes"`` (crystals) in the package; ``"qm9"`` or
        ``"materials-project"`` (crystals) from the folder that the environment variable
        ``CPDKIT_DATA`` names; ``"materials-project-live"`` from its service, with your key in
        ``MP_API_KEY``; or the path of an extended-XYZ file, of a folder of CIF files
        (`read_cif_folder`) or of a database of ASE (`read_database`).
    split : str, default "probe"
        Part of a named data set; a file has none.
    n : int, optional
        Draw so many structures without replacement; all by default.
    at_most : int, optional
        Draw so many, or take all where there are no more.
    max_atoms : int, optional
        Leave out structures with more atoms, before anything is drawn.
    elements : sequence of str, optional
        Leave out structures with any other element, before anything is drawn.
    seed : int, default 0
        Seed of the draw.
    targets : sequence of str, optional
        Columns to keep. All of a named data set by default; must be given for a file.
    units : mapping of str to str, optional
        Units of the targets of a file.
    missing : {"raise", "drop"}
        What to do where a chosen target is NaN or infinite: refuse, or leave these structures
        out. Where none is chosen, what a named data set lacks stays NaN unless it is to be dropped.

    Returns
    -------
    Dataset
        Structures, targets and units.

    Raises
    ------
    ValueError
        If the data set, split, a target or an option is not known or does not apply, `n` is larger
        than the data set, none is left by `max_atoms` and `elements`, both `n` and `at_most` are
        given, or a chosen target is NaN somewhere.
    FileNotFoundError
        If a file is missing.
    OSError
        If a service cannot be reached.

    Examples
    --------
    >>> ds = load_dataset("xtb9", n=100, seed=0)
    >>> len(ds.atoms), ds.targets.shape[0], ds.units["gap"]
    (100, 100, 'eV')
    """
    if n is not None and at_most is not None:
        raise ValueError(f"n={n} and at_most={at_most}: give one of them.")
    if missing not in MISSING:
        raise ValueError(unknown("value of missing", missing, MISSING))
    names = target_names(targets)
    if n is not None:
        check_count(n, "n")
    if at_most is not None:
        check_count(at_most, "at_most")
    if max_atoms is not None:
        check_count(max_atoms, "max_atoms")
    if elements is not None:
        numbers_of(elements)  # asked for now, as what is read may be large
    check_seed(seed)
    if isinstance(name, str) and name in (*DATASETS, LIVE) and units is not None:
        raise ValueError(f"units are those of {name!r}; give them only for a file of your own.")
    if name == LIVE:
        if split != "probe":
            raise ValueError(f"split={split!r}: {LIVE!r} has no splits; leave split= out.")
        from cpdkit.datasets import materials_project_live as live

        for target in names or []:
            if target not in live.UNITS:
                raise ValueError(unknown(f"target of {LIVE!r}", target, live.UNITS))
        complete = (names or list(live.UNITS)) if missing == "drop" else []
        drawn = live.load(
            n=n, at_most=at_most, max_atoms=max_atoms, elements=elements, complete=complete,
            seed=seed,
        )  # fmt: skip
        return _keep_targets(drawn, names, missing)
    if isinstance(name, str) and name in DATASETS:
        load: Callable[[str], Dataset] = import_module(DATASETS[name]).load
        dataset = _keep_targets(load(split), names, missing)
    elif not isinstance(name, str | os.PathLike):
        raise ValueError(f"name={name!r} must be a name of {list(DATASETS)}, or a path.")
    elif isinstance(name, os.PathLike) or Path(name).suffix or Path(name).exists():
        if split != "probe":
            raise ValueError(f"split={split!r}: a file has no splits; leave split= out.")
        read = _reader(Path(name))(name, targets=names, units=units)
        dataset = _keep_targets(read, names, missing)
    else:
        raise ValueError(
            unknown("data set", name, [*DATASETS, LIVE])
            + " A file of your own is given by its path, such as 'molecules.xyz', a folder of CIF "
            "files by one with a slash, such as 'crystals/'."
        )
    if max_atoms is not None:
        dataset = _small(dataset, max_atoms)
    if elements is not None:
        dataset = dataset.made_of(elements)
    if at_most is not None:
        n = min(at_most, len(dataset))
    return dataset if n is None else dataset.sample(n, seed=seed)


def _reader(path: Path) -> Callable[..., Dataset]:
    if path.is_dir():
        return read_cif_folder
    return read_database if path.suffix.lower() in DATABASES else read_extxyz


def _small(dataset: Dataset, max_atoms: int) -> Dataset:
    sizes = dataset.atoms.n_atoms
    if sizes.min() > max_atoms:
        raise ValueError(
            f"no structure of {dataset.name!r} has max_atoms={max_atoms} atoms or fewer; the "
            f"smallest has {sizes.min()}."
        )
    return dataset if sizes.max() <= max_atoms else dataset.select(sizes <= max_atoms)


def _keep_targets(dataset: Dataset, targets: Sequence[str] | None, missing: str) -> Dataset:
    if targets is None:
        if missing == "raise":
            return dataset
        targets = list(dataset.targets)
    for name in targets:
        if name not in dataset.targets:
            raise ValueError(unknown(f"target of {dataset.name!r}", name, dataset.targets.columns))
    chosen = dataset.targets[list(targets)]
    lacking = ~np.isfinite(chosen.to_numpy()).all(axis=1)
    if lacking.any() and missing == "raise":
        counts, first = (~np.isfinite(chosen)).sum(), int(lacking.argmax())
        raise ValueError(
            f"targets are NaN or infinite in some of the {len(dataset)} structures: "
            f"{ {k: int(v) for k, v in counts.items() if v} } (first: structure {first}, "
            f"{str(dataset.ids[first])!r}); remove them from a file of your own, or let "
            "load_dataset(..., missing='drop') leave them out."
        )
    if lacking.all():
        raise ValueError(f"no structure of {dataset.name!r} has all of the targets {targets}.")
    kept = Dataset(
        name=dataset.name,
        split=dataset.split,
        atoms=dataset.atoms,
        targets=chosen.copy(),
        units={name: dataset.units.get(name, "") for name in targets},
        ids=dataset.ids,
        smiles=dataset.smiles,
        info=dataset.info,
    )
    return kept.select(~lacking) if lacking.any() else kept
