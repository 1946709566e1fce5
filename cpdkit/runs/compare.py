"""``cpdkit compare``: two runs, row by row, on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cpdkit.comparisons import paired_difference
from cpdkit.experiments.verdict import with_interval
from cpdkit.runs.tables import find_run

__all__ = ["compare_runs", "shown"]

_DEALT = ("n", "folds", "n_folds", "repeats", "seed")
_SAME = ("dataset", "split", "n_structures", "folds", "repeats", "seed")
_NO_KEYS = ("note", "fold_values", "alphas")


def compare_runs(
    one: str | Path, other: str | Path, *, table: str = "", every: bool = False
) -> pd.DataFrame:
    """Differences, one run minus the other, with intervals of the differences on the same folds.

    Parameters
    ----------
    one, other : path
        Folders of runs, their manifests or executed notebooks.
    table : str, optional
        Short name of a table; by default that of the notebook's headline, and of it those rows.
    every : bool, default False
        Take all rows.

    Returns
    -------
    DataFrame
        What tells rows apart, then ``one, other, difference, low, high``. Columns in which the runs
        have one value each and not the same, such as the encoder, name both.

    Raises
    ------
    FileNotFoundError, ValueError
        If one is no run, they were dealt other folds, or they have no row in common.
    """
    runs = [find_run(one), find_run(other)]
    asked = [run.manifest["parameters"] for run in runs]
    apart = [
        f"{name} {asked[0].get(name)!r} and {asked[1].get(name)!r}"
        for name in _SAME
        if asked[0].get(name) != asked[1].get(name)
    ]
    tables, settings = zip(*(run.folds(table) for run in runs), strict=True)
    if not every:
        tables = tuple(runs[0].headline.of(part) for part in tables)
    apart += [
        f"{name} {settings[0].get(name)!r} and {settings[1].get(name)!r}"
        for name in _DEALT
        if settings[0].get(name) != settings[1].get(name) and name not in _SAME
    ]
    if apart:
        raise ValueError(
            f"the runs have other folds: {'; '.join(apart)}. Only scores on the same folds can be "
            "paired; run one again with the parameters of the other."
        )
    keys = [key for key in tables[0].columns if _is_key(key, tables)]
    both = [key for key in keys if _one_each(key, tables)]
    keys = [key for key in keys if key not in both]
    merged = tables[0].merge(tables[1], on=keys, suffixes=("_one", "_other"), how="inner")
    if merged.empty or merged.duplicated([*keys]).any():
        raise ValueError(
            f"the rows of the two runs cannot be matched by {', '.join(keys) or 'any column'}."
        )
    n_folds = settings[0].get("n_folds") or len(merged["fold_values_one"].iloc[0])
    rows = []
    for _, row in merged.iterrows():
        gap = paired_difference(row["fold_values_one"], row["fold_values_other"], n_folds=n_folds)
        found = {key: row[key] for key in keys}
        found |= {key: f"{row[f'{key}_one']} - {row[f'{key}_other']}" for key in both}
        found |= {"one": row["mean_one"], "other": row["mean_other"], "difference": gap["mean"]}
        rows.append(found | {"low": gap["low"], "high": gap["high"]})
    return pd.DataFrame(rows)


def _is_key(name: str, tables: Sequence[pd.DataFrame]) -> bool:
    """Whether a column says which row it is: text, whole numbers, and depths, but no scores."""
    if name in _NO_KEYS or name not in tables[1]:
        return False
    return not pd.api.types.is_float_dtype(tables[0][name]) or name == "depth"


def _one_each(name: str, tables: Sequence[pd.DataFrame]) -> bool:
    values = [set(table[name]) for table in tables]
    return all(len(v) == 1 for v in values) and values[0] != values[1]


def shown(differences: pd.DataFrame) -> str:
    """The table as text, a difference with its interval in a cell."""
    told = differences.drop(columns=["low", "high"]).round(3)
    told["difference"] = [
        with_interval(row, "difference", style="signed") for _, row in differences.iterrows()
    ]
    apart = int(((differences["low"] > 0) | (differences["high"] < 0)).sum())
    about = f"{apart} of {len(told)} differences are not zero at 95 %, each judged alone."
    constant = [key for key in told if told[key].nunique() == 1 and len(told) > 1]
    head = [f"{key}: {told[key].iloc[0]}" for key in constant]
    return "\n".join([*head, told.drop(columns=constant).to_string(index=False), about])
