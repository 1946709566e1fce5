"""A table as a page shows it: words in place of names, nothing cut off, no empty cells."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from cpdkit.experiments.labels import header, in_words

__all__ = ["as_html"]

_LONGEST = 60  # rows; of longer tables the first and the last five are shown
_SCORE = re.compile(r"R²(partial|geom|comp|full|leak)\b")
_MANY = 6  # columns; in tables with so many, long words may break where a dictionary breaks them
_BREAK = re.compile(
    r"(?<=archi)(?=tecture)|(?<=compo)(?=sition|nents)|(?<=inter)(?=action)|(?<=neigh)(?=bours)|"
    r"(?<=net)(?=work)|(?<=compat)(?=ible)|(?<=trans)(?=ductive)|(?<=represen)(?=tation)|"
    r"(?<=direc)(?=tions)|(?<=proto)(?=col)|(?<=corre)(?=lat)|(?<=descrip)(?=tor)"
)
_NAME = re.compile(r"(?<![\w/.])[a-z]\w*_\w+(?![\w/.(])")


def as_html(table: pd.DataFrame | pd.Series) -> str:
    """HTML of a table or a series, as notebooks display it once they have made a `Page`.

    Parameters
    ----------
    table : DataFrame or Series
        Names in its headers and cells become words, scores get their index. Without rows it is a
        sentence.

    Examples
    --------
    >>> shown = as_html(pd.DataFrame({"probe": ["mlp"], "r2_geom": [None]}))
    >>> [word in shown for word in ("neural network", "R²<sub>geom</sub>", "–", "mlp")]
    [True, True, True, False]
    """
    if table.empty:
        return "<p>No table here: nothing in this run falls into it.</p>"
    table = table.to_frame() if isinstance(table, pd.Series) else table.copy()
    numbered = isinstance(table.index, pd.RangeIndex)
    cells = [table.iloc[:, i] for i in range(table.shape[1])]
    told = [c if pd.api.types.is_float_dtype(c) else c.map(_cell).astype(object) for c in cells]
    columns, index = _headers(table.columns), table.index if numbered else _rows(table.index)
    table = pd.concat(told, axis=1)
    table.columns, table.index = columns, index
    with pd.option_context("display.max_colwidth", None):
        written = table.to_html(
            index=not numbered, na_rep="–", max_rows=10 if len(table) > _LONGEST else None
        )
    return _SCORE.sub(r"R²<sub>\1</sub>", _soft(written, len(told)))


def _soft(text: str, columns: int) -> str:
    return _BREAK.sub("\u00ad", text) if columns >= _MANY else text


def _cell(value: Any) -> Any:
    """What a cell says: a name in words, a sentence with labels, a dash where there is nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or (not isinstance(value, str) and pd.isna(value)) or value == "":
        return "–"
    if not isinstance(value, str):
        return value
    known = header(value)
    return known if known != value else _NAME.sub(lambda name: header(name[0]), in_words(value))


def _headers(names: pd.Index) -> pd.Index:
    if isinstance(names, pd.MultiIndex):
        rows = [tuple(map(header, row)) for row in names]
        return pd.MultiIndex.from_tuples(rows, names=map(header, names.names))
    return pd.Index([header(name) for name in names], name=header(names.name))


def _rows(names: pd.Index) -> pd.Index:
    titles = [header(name) for name in names.names]
    if isinstance(names, pd.MultiIndex):
        return pd.MultiIndex.from_tuples([tuple(map(_cell, r)) for r in names], names=titles)
    return pd.Index([_cell(name) for name in names], name=titles[0])
