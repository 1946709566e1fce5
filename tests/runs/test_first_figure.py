"""The figure that leads a chapter is drawn from records, and shows who saw what."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cpdkit.experiments.by_kind import kinds_figure, seen_in_words
from cpdkit.experiments.crystals.verdict import RECORDED
from cpdkit.experiments.labels import label
from cpdkit.runs.first_figure import first_figure
from cpdkit.runs.record import recorded_tables

BOTH = ("xtb9", "qm9")
# Chapter, records, table, its column of values, and the rows that are to be drawn.
LEADS = [
    ("01_disentanglement_gradient", BOTH, "gradient", "mean",
     "target == 'gap' and score == 'r2_partial' and protocol == 'sound' and depth == 1"),
    ("02_irrep_routing", BOTH, "index", "mean", "quantity == 'index' and l == 1 and layer == last"),
    ("03_gbt_inflation", BOTH, "strong", "mean",
     "target == 'mass' and score == 'r2_geom' and folds == 'random'"),
    ("06_geometry_alone", ("xtb9",), "rulers", "mean", "target == 'gap'"),
    ("07_isomers", BOTH, "accuracy", "accuracy",
     "target == 'gap' and pairs == 'above' and from_quantile == 0"),
    ("08_crystals", RECORDED[1:], "gradient", "mean",
     "target == 'band_gap' and score == 'r2_partial' and protocol == 'sound' and depth == 1"),
]  # fmt: skip


def drawn(figure: Figure) -> np.ndarray:
    lines = [line for axis in figure.axes for line in axis.lines]
    return np.concatenate([np.atleast_1d(line.get_xdata()) for line in lines]).astype(float)


@pytest.mark.parametrize(("notebook", "datasets", "table", "value", "rows"), LEADS)
def test_every_recorded_number_is_drawn(
    notebook: str, datasets: tuple[str, ...], table: str, value: str, rows: str
) -> None:
    figure = first_figure(notebook, datasets)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(figure.axes) == (2 if notebook == "06_geometry_alone" else len(datasets))
    for dataset in datasets:
        record = recorded_tables(notebook, dataset=dataset)
        assert record is not None
        every = record[table]
        if "layer" in every and "depth" not in every:
            every = every.assign(last=every.groupby("encoder")["layer"].transform("max"))
        column = "encoder" if "encoder" in every else "representation"
        chosen = every.query(rows)
        shown = chosen[chosen[column].map(label).isin(names)]
        assert len(shown) >= 0.9 * len(chosen)  # but for representations that hold nothing
        assert not chosen.duplicated([column, *(["score"] if table == "rulers" else [])]).any()
        for score in shown[value]:
            assert np.abs(drawn(figure) - score).min() < 1e-9


def test_every_recorded_need_is_drawn() -> None:
    (figure, names) = (first_figure("04_sample_efficiency", BOTH), [])
    for axis in figure.axes:
        names.append((axis.get_title(), axis.get_ylabel()))
    assert [name for name, _ in names if name] == ["Our molecules", "QM9"]
    for dataset in BOTH:
        record = recorded_tables("04_sample_efficiency", dataset=dataset)
        assert record is not None
        rows = record["needed"].query(
            "target == 'gap' and criterion == '50% of final' and score == 'r2_partial'"
            " and width != 'pca' and bound != 'undefined' and representation != 'bond-counts'"
        )
        known = set(record["needed"]["representation"]) - {"bond-counts"}
        assert len(rows) == 2 * len(known) > 40  # all channels, and as many for all
        for final in rows["final"]:
            assert np.abs(drawn(figure) - final).min() < 1e-9


@pytest.mark.parametrize("name", ["01_disentanglement_gradient", "07_isomers"])
def test_the_legend_names_the_kinds_that_are_there(name: str) -> None:
    (legend,) = first_figure(name).legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[:4] == list(seen_in_words("gap").values())
    assert "95 % interval of" in texts[-1]


def test_without_a_network_that_saw_the_target_the_others_are_the_trained_ones() -> None:
    table = pd.DataFrame(
        [("chgnet", 0.4, 0.3, 0.5), ("soap", -0.9, -1.0, -0.8), ("random", 0.0, -0.1, 0.1)],
        columns=["representation", "mean", "low", "high"],
    )
    figure = kinds_figure({"A": table}, target="gap")
    (axis,), (legend,) = figure.axes, figure.legends
    assert [text.get_text() for text in axis.get_yticklabels()] == ["CHGNet", "SOAP descriptor"]
    assert [text.get_text() for text in axis.texts] == ["\N{LEFTWARDS ARROW} -0.9"]
    assert [text.get_text() for text in legend.get_texts()] == [
        "networks trained elsewhere", "descriptors written by hand",
        "95 % interval of the best descriptor",
    ]  # fmt: skip


def test_nothing_recorded_is_said() -> None:
    with pytest.raises(ValueError, match="nothing is recorded of 01_disentanglement_gradient on x"):
        first_figure("01_disentanglement_gradient", ["x"])
    with pytest.raises(ValueError, match="did you mean '07_isomers'"):
        first_figure("07_isomer")
