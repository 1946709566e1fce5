"""Tables of long runs, kept in the package and shown beside what runs live.

Only tables are kept, with what they were made from; no figure, no executed notebook.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from cpdkit._files import packed, replace_folder, replacing, scratch_folder
from cpdkit._messages import unknown
from cpdkit.runs.shipped import checkout, find_notebook

__all__ = ["Recorded", "bundle", "check_home", "record", "recorded_outcomes"]
__all__ += ["recorded_tables", "rounded"]

METHOD_CHANGED = "2026-11-28"
"""When what scores mean last changed (changelog); older records say that they are older."""

_NAME = re.compile(r"\w[\w-]*")
_HOME = Path(__file__).parents[1] / "recorded_data"
_KEPT = (
    "notebook", "notebook_sha256", "code_sha256", "parameters", "library", "data", "packages",
    "features", "cpdkit", "python", "hardware", "revision", "wall_seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """What a long run of a notebook left.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Its CSV files by name.
    manifest : mapping
        Notebook, parameters, hashes of library and data, versions, machine, command, time.
    note : str
        One Markdown sentence: when, how and how long.
    """

    tables: Mapping[str, pd.DataFrame]
    manifest: Mapping[str, Any]
    note: str

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The table of a short name: ``"rulers"`` for ``06_rulers.csv``."""
        named = self._named()
        if name not in named:
            raise KeyError(unknown("recorded table", name, named))
        return self.tables[named[name]]

    def __contains__(self, name: str) -> bool:
        return name in self._named()

    def _named(self) -> dict[str, str]:
        return {Path(file).stem.partition("_")[2]: file for file in self.tables}


def recorded_tables(notebook: str, *, dataset: str) -> Recorded | None:
    """The recorded run of a notebook on a data set, or None where there is none.

    Parameters
    ----------
    notebook : str
        Its name without extension, such as ``"03_gbt_inflation"``.
    dataset : str
        Value of its parameter ``dataset``, or what else the record is called.
    """
    folder = _HOME / notebook / dataset
    if not (folder / "manifest.json").is_file():
        return None
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except ValueError as error:
        raise ValueError(
            f"{folder / 'manifest.json'} is damaged ({error}); record it again."
        ) from None
    tables = {path.name: pd.read_csv(path) for path in sorted(folder.glob("*.csv"))}
    minutes = manifest["wall_seconds"] / 60
    asked = manifest.get("parameters", {})
    size = f"at most {asked['n_structures']:,} structures, " if "n_structures" in asked else ""
    models = f"{len(asked['encoders'])} representations, " if "encoders" in asked else ""
    note = (
        f"*Recorded, not live:* {manifest['date']}, {models}{size}`{manifest['command']}`, "
        f"{minutes:.0f} min on {manifest['hardware']['cpus']} cores."
    )
    if manifest["date"] < METHOD_CHANGED:
        note += (
            f" Made before the method changed on {METHOD_CHANGED} (changelog): rare elements "
            "counted in scores, and numbers may move when it is made again."
        )
    return Recorded(tables, manifest, note)


def recorded_outcomes(
    notebook: str, *, datasets: Sequence[str] = ("xtb9", "qm9"), row: int = 0
) -> dict[str, str]:
    """What the recorded runs of a notebook say of its claim.

    Parameters
    ----------
    notebook : str
        Its name without extension. Its record has a table ``NN_verdict.csv`` with a column
        ``outcome``.
    datasets : sequence of str
        Which records, in this order; those that do not exist are left out.
    row : int, default 0
        Which verdict, where the notebook has several; records without it are left out.

    Returns
    -------
    dict of str to str
        The outcome on each data set, such as ``{"xtb9": "fails", "qm9": "undecided"}``.
    """
    found = {name: recorded_tables(notebook, dataset=name) for name in datasets}
    verdict = f"{notebook.partition('_')[0]}_verdict.csv"
    return {
        name: record.tables[verdict].iloc[row]["outcome"]
        for name, record in found.items()
        if record is not None and row < len(record.tables[verdict])
    }


def bundle(notebook: str, path: str | Path, *, figures: Mapping[str, str] | None = None) -> Path:
    """One ZIP of all that is recorded of a notebook, for the reader to download.

    Parameters
    ----------
    notebook : str
        Its name without extension.
    path : path
        Of the archive. It holds ``DATASET/TABLE.csv``, ``DATASET/manifest.json`` and
        ``figures/NAME.svg``; without a record it is empty.
    figures : mapping of str to str, optional
        Figures drawn from the tables, as SVG, by name.

    Returns
    -------
    Path
        `path`. The same tables and figures give the same bytes.
    """
    home = _HOME / notebook
    content = {
        f"{file.parent.name}/{file.name}": file.read_bytes()
        for file in sorted(home.glob("[!.]*/*"))
    }
    content |= {f"figures/{name}.svg": svg.encode() for name, svg in (figures or {}).items()}
    with replacing(path) as file:
        file.write(packed(content))
    return Path(path)


def check_home() -> None:
    """Refuse to record where the tables would overwrite those of an installed package.

    Raises
    ------
    ValueError
        If this library was installed from a wheel.
    """
    if checkout() is None:
        raise ValueError(
            "cpdkit record keeps tables in the repository, and this is an installed package, whose "
            "files it would overwrite; call it in a clone, or keep tables of your own with "
            "cpdkit run."
        )


def record(
    notebook: str | Path,
    parameters: Mapping[str, Any],
    *,
    profile: str = "full",
    name: str | None = None,
    home: Path | None = None,
    largest: int = 1_000_000,
    runs_dir: str | Path | None = None,
    cache: bool = False,
) -> Path:
    """Run a notebook and keep its tables.

    Parameters
    ----------
    notebook : path
        The notebook; it must have a parameter ``dataset``.
    parameters, profile, runs_dir
        As for :func:`cpdkit.runs.run_notebook`.
    name : str, optional
        What the record is called; by default as its data set. A second one of the same data set
        needs another name, or takes its place.
    home : path, optional
        Where recorded runs are kept; the package of the repository by default.
    largest : int
        Bytes a table may have at most; recorded tables are small and tidy.
    cache : bool
        Take features that are kept (``CPDKIT_CACHE``); the manifest says which. By default all is
        computed afresh, and the record tells how long that took.

    Returns
    -------
    Path
        The folder written; what was recorded before under that name is replaced.

    Raises
    ------
    ValueError
        If the name is no word, the notebook has no such parameter, wrote no table, or one that is
        too large; or if there is no repository to keep them in.
    """
    from cpdkit.runs.run import run_notebook

    if home is None:
        check_home()
        home = _HOME
    if name is not None and not _NAME.fullmatch(name):
        raise ValueError(f"a record is called by letters, digits, - and _; got {name!r}.")
    notebook = find_notebook(notebook)
    run = run_notebook(notebook, parameters, profile=profile, runs_dir=runs_dir, cache=cache)
    dataset = run.manifest["parameters"].get("dataset")
    if not isinstance(dataset, str) or not _NAME.fullmatch(dataset):
        raise ValueError(
            f"{notebook} was run with dataset={dataset!r}; only runs on named data sets are kept."
        )
    # What was not asked for leaves a table without rows.
    tables = [t for t in sorted(run.directory.glob("*.csv")) if t.read_bytes().count(b"\n") > 1]
    if not tables:
        raise ValueError(f"{notebook} wrote no CSV table with rows; there is nothing to keep.")
    for table in tables:
        if table.stat().st_size > largest:
            raise ValueError(
                f"{table.name} has {table.stat().st_size:,} bytes; at most {largest:,} are kept. "
                "Write a smaller table."
            )
    words = ["--as", name] if name else []
    for key, value in parameters.items():
        words += ["-p", key, _text(value)]
    manifest = {key: run.manifest[key] for key in _KEPT if key in run.manifest} | {
        "profile": profile,
        "command": shlex.join(
            ["cpdkit", "record", f"notebooks/{notebook.name}", "--profile", profile, *words]
        ),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
    target = home / notebook.stem / (name or dataset)
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(target.parent) as scratch:
        beside = scratch / "new"
        beside.mkdir()
        for table in tables:
            rounded(table, beside / table.name)
        (beside / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
        replace_folder(beside, target, aside=scratch / "old")
    return target


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(map(str, value)) if value else "[]"
    return str(value)


def rounded(source: Path, target: Path) -> None:
    """Six significant digits are more than any score has."""
    text = io.StringIO()
    pd.read_csv(source).to_csv(text, index=False, float_format="%.6g")
    target.write_text(text.getvalue())
