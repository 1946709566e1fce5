"""`cpdkit probe`: scores of arrays of one's own, in words, with warnings where they mislead."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cpdkit._files import replacing
from cpdkit._messages import WrongCall
from cpdkit.composition.matrix import composition_matrix
from cpdkit.datasets.arrays import Arrays
from cpdkit.datasets.formulas import canonical_formulas, canonical_groups
from cpdkit.decomposition import LEAK_SCORE, cpd
from cpdkit.experiments.verdict import listed, number, with_interval
from cpdkit.projection.linear import CompositionProjector

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Findings", "as_json", "probe_arrays", "scores_figure", "shown", "write"]

FEW_ROWS = 100
"""With fewer rows, folds of twenty and less are tested on."""
FEW_FORMULAS = 10
"""With fewer formulas, composition hardly varies; and each fold should hold two."""
WIDE = 0.25
"""An interval of ``r2_partial`` this wide or wider does not tell a third from a half."""
ROWS_PER_COLUMN = 10
"""Training rows that least squares on composition needs for each independent column."""
LEAKS = 0.05
"""A control that scores more is left in the features; its own ceiling is seldom above 0.3."""
ROUNDING = 1e-6

MEANING = {
    "r2_comp": "composition alone",
    "r2_full": "the features as they are",
    "r2_geom": "the features without composition",
    "ceiling": "the most that r2_geom can be",
    "crossing": "r2_geom minus its ceiling",
    "r2_comp_in_probe": "composition found again",
    "r2_partial": "share of what composition leaves",
    LEAK_SCORE: "mean over each formula",
}
DRAWN = ("r2_comp", "r2_full", "r2_geom", "ceiling", "r2_partial")


@dataclass(frozen=True)
class Findings:
    """What `probe_arrays` finds.

    Attributes
    ----------
    table : DataFrame
        As from `cpdkit.cpd`.
    sentences : dict of str to str
        What the scores of each target mean.
    warnings : list of str
        Why some of them cannot be trusted; empty where nothing speaks against them.
    about : str
        Sizes and settings in a line.
    """

    table: pd.DataFrame
    sentences: dict[str, str]
    warnings: list[str]
    about: str

    @property
    def targets(self) -> list[str]:
        """Names of the targets."""
        return list(self.sentences)


def probe_arrays(
    arrays: Arrays,
    *,
    folds: str = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    probe: str = "ridge",
) -> Findings:
    """Score features, say what the scores mean, and warn where they mislead.

    Parameters
    ----------
    arrays : Arrays
        From `cpdkit.datasets.arrays.read_arrays`. Without groups, the formulas are the groups.
    folds, n_folds, repeats, seed, probe
        As in `cpdkit.cpd`.

    Returns
    -------
    Findings

    Raises
    ------
    ValueError
        If formula folds are asked for and there are neither formulas nor groups, and as from
        `cpdkit.cpd`.
    """
    formulas = None if arrays.formulas is None else canonical_formulas(arrays.formulas)
    groups: Any = formulas if arrays.groups is None else canonical_groups(arrays.groups)
    if folds == "formula" and groups is None:
        raise WrongCall("formula folds need the array 'formulas' or 'groups' in the file.")
    C = arrays.composition
    if C is None:
        C = composition_matrix([] if formulas is None else formulas.tolist())
    ids: Any = arrays.ids
    table = cpd(
        arrays.features, C, arrays.targets, groups=groups, ids=ids,
        folds=folds, n_folds=n_folds, repeats=repeats, seed=seed, probe=probe,
        leak=groups is None or _all_formulas(groups),
    )  # fmt: skip
    names = [str(name) for name in arrays.targets]
    scores = {name: table[table.target == name].set_index("score") for name in names}
    n_formulas = len(np.unique(C, axis=0) if formulas is None else np.unique(formulas))
    about = (
        f"{len(C)} rows, {arrays.features.shape[1]} features, {n_formulas} "
        f"{'compositions' if formulas is None else 'formulas'}; {n_folds} {folds} folds"
        f"{f', {repeats} times' if repeats > 1 else ''}, probe {probe}, 95% intervals"
    )
    found = _of_data(C, n_formulas, n_folds) + _of_leak(table, names)
    found += [text for name in names for text in _of_target(name, scores[name])]
    return Findings(table, {n: _sentence(n, scores[n]) for n in names}, found, about)


def _all_formulas(groups: np.ndarray) -> bool:
    try:
        canonical_formulas(groups.tolist())
    except ValueError:
        return False
    return True


def _sentence(name: str, scores: pd.DataFrame) -> str:
    """What the scores of a target mean."""
    comp, partial = scores.loc["r2_comp"], scores.loc["r2_partial"]
    alone = f"{name}: composition alone explains "
    alone += f"{_percent(comp['mean'])} of it" if comp["mean"] > 0 else "nothing of it"
    if math.isnan(partial["mean"]):
        return f"{alone}, and leaves nothing for the features to explain."
    share = with_interval(partial, style="percent")
    raw = (
        f"; against the whole of it that is r2_geom {number(scores.loc['r2_geom', 'mean'])}, "
        f"where {number(scores.loc['ceiling', 'mean'])} is what a perfect residual reaches."
    )
    if partial["low"] > 0:
        return f"{alone}, and the features explain {share} of what it leaves{raw}"
    if partial["high"] < 0:
        return (
            f"{alone}, and the features make the prediction worse than without them: {share}{raw}"
        )
    return f"{alone}; that the features explain any of the rest is not shown: {share}{raw}"


def _percent(share: float) -> str:
    return f"{number(100 * share, 1)}%"


def _of_data(C: np.ndarray, n_formulas: int, n_folds: int) -> list[str]:
    """Warnings that hold for every target."""
    found, n = [], len(C)
    train = n - math.ceil(n / n_folds)
    rank = CompositionProjector().fit(np.zeros((n, 1)), composition=C).rank_ - 1
    if n < FEW_ROWS:
        found.append(
            f"too few rows: {n}, so that about {n // n_folds} are tested at a time; take every "
            f"score as rough below {FEW_ROWS} rows."
        )
    if n_formulas < max(FEW_FORMULAS, 2 * n_folds):
        found.append(
            f"few distinct formulas: {n_formulas}. What is removed hardly varies, and the scores "
            "say little of other formulas."
        )
    if rank * ROWS_PER_COLUMN > train:
        found.append(
            f"more composition columns than the rows carry: {rank} independent ones for {train} "
            f"training rows, fewer than {ROWS_PER_COLUMN} rows for each. Composition is fitted "
            "poorly then: r2_comp comes out too low and r2_partial too high."
        )
    return found


def _of_leak(table: pd.DataFrame, names: list[str]) -> list[str]:
    other = table[(table.score == LEAK_SCORE) & ~table.target.isin(names)]
    there = other[other.low > LEAKS].sort_values("mean", ascending=False)
    if there.empty:
        return []
    best = [f"{row.target} ({number(row['mean'])})" for _, row in there.iloc[:3].iterrows()]
    return [
        f"composition in another form is left in the features: without what was removed they still "
        f"predict {listed(best)}. r2_geom and r2_partial may owe something to it; add such columns "
        "to composition and see whether they fall."
    ]


def _of_target(name: str, scores: pd.DataFrame) -> list[str]:
    found = []
    partial, crossing = scores.loc["r2_partial"], scores.loc["crossing"]
    if partial["high"] - partial["low"] >= WIDE:
        found.append(
            f"{name}: wide interval. r2_partial lies between {number(partial['low'])} and "
            f"{number(partial['high'])}; more rows would narrow it."
        )
    if crossing["low"] > ROUNDING:
        found.append(
            f"{name}: above the ceiling. r2_geom exceeds what a residual without composition can "
            f"reach by {with_interval(crossing)}: the probe has found composition again."
        )
    return found


def shown(findings: Findings) -> str:
    """The findings as text: a table for each target, sentences, warnings."""
    table = findings.table
    lines = [f"{findings.about[0].upper()}{findings.about[1:]}."]
    for name in findings.targets:
        lines += ["", name]
        for _, row in table[table.target == name].iterrows():
            lines.append(f"  {row['score']:<17}{MEANING[row['score']]:<34}{_value(row)}".rstrip())
    other = table[~table.target.isin(findings.targets)]
    if len(other):
        lines += ["", "composition left in the features, r2_leak of"]
        lines += [f"  {row['target']:<17}{_value(row)}" for _, row in other.iterrows()]
    lines += ["", *map(_wrapped, findings.sentences.values())]
    if findings.warnings:
        lines += ["", *(_wrapped(f"Warning: {text}") for text in findings.warnings)]
    return "\n".join(lines)


def _wrapped(text: str) -> str:
    return textwrap.fill(
        text, 100, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def _value(row: pd.Series) -> str:
    return f"{with_interval(row)}{f' ({row.note})' if row['note'] else ''}"


def as_json(findings: Findings) -> str:
    """The findings for programs; what is undefined is null."""

    def plain(value: Any) -> Any:
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        return [plain(item) for item in value] if isinstance(value, tuple) else value

    rows = findings.table.to_dict("records")
    told = {
        "settings": findings.table.attrs,
        "scores": [{name: plain(value) for name, value in row.items()} for row in rows],
        "sentences": findings.sentences,
        "warnings": findings.warnings,
    }
    return json.dumps(told, indent=1)


def write(findings: Findings, folder: str | Path) -> list[Path]:
    """Write ``scores.csv`` and ``scores.svg`` into a folder, which is made.

    Returns
    -------
    list of Path
        The two files.
    """
    import matplotlib as mpl

    table, figure = Path(folder) / "scores.csv", Path(folder) / "scores.svg"
    with replacing(table) as file:
        findings.table.drop(columns=["fold_values", "alphas"]).to_csv(file, index=False)
    with replacing(figure) as file, mpl.rc_context({"svg.hashsalt": "cpdkit"}):
        scores_figure(findings).savefig(file, format="svg", metadata={"Date": None})
    return [table, figure]


def scores_figure(findings: Findings) -> Figure:
    """Draw a panel for each target: scores with their intervals."""
    from cpdkit.figures import intervals, looks, name_rows, panels

    names = findings.targets
    figure, axes = panels(len(names), height=2.2, left=1.4, top=0.3)
    (look,) = looks(["scores"]).values()
    for axis, name in zip(axes, names, strict=True):
        table = findings.table[findings.table.target == name].set_index("score")
        intervals(axis, table.loc[list(DRAWN)], range(len(DRAWN)), look)
        axis.axvline(0, color="0.4", linewidth=1)
        axis.set_title(name).set_parse_math(False)
        axis.set_xlabel("R²")
    name_rows(axes, DRAWN)
    return figure
