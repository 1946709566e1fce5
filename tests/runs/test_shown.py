"""What a page shows of a table: words, whole sentences, no empty cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lxml import html

from cpdkit.runs.shown import as_html


def rows(table: pd.DataFrame | pd.Series) -> list[list[str]]:
    found = html.fromstring(as_html(table)).xpath(".//tr")
    return [[cell.text_content() for cell in row] for row in found]


def test_names_become_words_and_empty_cells_dashes() -> None:
    table = pd.DataFrame(
        {"probe": ["mlp", "knn"], "r2_partial": [0.25, np.nan], "left_out": [1, 2],
         "above_ceiling": [True, False], "sentence": ["for packing_fraction 0.2.", ""]}
    )  # fmt: skip
    assert rows(table) == [
        ["probe", "R²partial", "left out", "above the ceiling", "sentence"],
        ["neural network", "0.25", "1", "yes", "for the packing fraction 0.2."],
        ["nearest neighbours", "–", "2", "no", "–"],
    ]
    assert "R²<sub>partial</sub>" in as_html(table)


def test_headers_and_rows_of_several_levels() -> None:
    keys = pd.MultiIndex.from_tuples([("xtb9", "mlp"), ("qm9", "")], names=["dataset", "probe"])
    columns = pd.MultiIndex.from_product([["r2_geom"], ["trees", "random"]], names=["score", None])
    shown = rows(pd.DataFrame("0.1", index=keys, columns=columns))
    assert shown[0][-1] == "R²geom"
    assert shown[1][-2:] == ["boosted trees", "random"]
    assert shown[-1][:2] == ["QM9", "–"]


def test_a_series_is_a_table_of_one_column() -> None:
    series = pd.Series([3, 4], index=pd.Index(["seen", "new"], name="formulas"), name="n_pairs")
    assert rows(series) == [["", "pairs"], ["formulas", ""], ["seen", "3"], ["new", "4"]]


def test_a_table_without_rows_is_a_sentence() -> None:
    shown = as_html(pd.DataFrame(columns=["layers"]))
    assert "<table" not in shown
    assert "nothing in this run falls into it" in shown


def test_what_is_long_is_shown_whole() -> None:
    sentence = "Claim 1 fails here: " + "surely " * 60 + "so."
    assert rows(pd.DataFrame({"sentence": [sentence]}))[1][-1] == sentence
    assert len(rows(pd.DataFrame({"x": range(60)}))) == 61
    assert len(rows(pd.DataFrame({"x": range(61)}))) == 12


def test_the_table_itself_is_left_alone() -> None:
    table = pd.DataFrame({"r2_geom": ["", None]})
    before = table.copy()
    as_html(table)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(("columns", "said"), [(2, "composition"), (6, "compo\u00adsition")])
def test_long_words_may_break_where_there_are_many_columns(columns: int, said: str) -> None:
    wide = pd.DataFrame({f"composition {i}": [i] for i in range(columns)})
    assert rows(wide)[0][0] == f"{said} 0"
