"""Finished runs by their folder: parameters, the table that matters most, scores of every fold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from cpdkit._messages import unknown

__all__ = ["FOLDS", "FinishedRun", "Headline", "find_run"]

FOLDS = ".folds.json"
"""Ending of files with the scores of every fold, beside the tables they belong to."""


@dataclass(frozen=True)
class Headline:
    """What a notebook's metadata name as ``cpdkit.headline``: the numbers to look at first.

    Attributes
    ----------
    table : str
        Short name of a table; the first one if empty.
    value : str
        Its column.
    rows : mapping
        Columns and the values they must have.
    """

    table: str = ""
    value: str = "mean"
    rows: Mapping[str, Any] = field(default_factory=dict)

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table."""
        for column, wanted in self.rows.items():
            if column in table:
                table = table[table[column] == wanted]
        return table


@dataclass(frozen=True)
class FinishedRun:
    """A folder with an executed notebook, its manifest and its tables.

    Attributes
    ----------
    folder : Path
        The folder.
    manifest : mapping
        What the run was made from.
    """

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / self.manifest["notebook"].replace(".md", ".ipynb")

    @property
    def headline(self) -> Headline:
        """What to look at first."""
        import nbformat  # takes two seconds, which the kernel of every notebook would spend

        own = nbformat.read(self.notebook, as_version=4).metadata.get("cpdkit", {})
        return Headline(**own.get("headline", {}))

    @property
    def tables(self) -> dict[str, Path]:
        """Its CSV files by short name: ``gradient`` for ``01_gradient.csv``."""
        return {_short(path): path for path in sorted(self.folder.glob("*.csv"))}

    def table(self, name: str = "") -> pd.DataFrame:
        """A table by its short name; by default that of the headline.

        Raises
        ------
        ValueError
            If the run has no such table.
        """
        tables = self.tables
        name = name or self.headline.table or next(iter(tables), "")
        if name not in tables:
            raise ValueError(unknown(f"table of {self.folder.name}:", name, tables))
        return pd.read_csv(tables[name])

    def folds(self, name: str = "") -> tuple[pd.DataFrame, dict[str, Any]]:
        """Rows of a table with ``fold_values``, and how the folds were dealt.

        Raises
        ------
        ValueError
            If the run kept no scores of folds for it.
        """
        known = {_short(path): path for path in sorted(self.folder.glob(f"*{FOLDS}"))}
        name = name or (self.headline.table if self.headline.table in known else "")
        name = name or next(iter(known), "")
        if name not in known:
            raise ValueError(unknown(f"table with folds of {self.folder.name}:", name, known))
        kept = json.loads(known[name].read_text())
        return pd.DataFrame(kept["rows"]), kept["settings"]


def _short(path: Path) -> str:
    stem = path.name.partition(".")[0]
    first, _, rest = stem.partition("_")
    return rest if first.isdecimal() and rest else stem


def find_run(given: str | Path) -> FinishedRun:
    """The run in a folder, or that a manifest or an executed notebook belongs to.

    Raises
    ------
    FileNotFoundError
        If there is nothing, or no manifest.
    ValueError
        If the manifest is damaged.
    """
    path = Path(given)
    if not path.exists():
        raise FileNotFoundError(f"no run at {path} (looked from {Path.cwd()}).")
    manifest = path if path.suffix == ".json" else (path if path.is_dir() else path.parent)
    if manifest.is_dir():
        manifest = manifest / "manifest.json"
    if not manifest.is_file():
        raise FileNotFoundError(
            f"{path} holds no manifest.json; give the folder that cpdkit run prints."
        )
    try:
        content = json.loads(manifest.read_text())
        content["notebook"], content["parameters"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} is damaged ({type(error).__name__}); run it again.") from None
    return FinishedRun(manifest.parent, content)
