"""What a page writes, shows and gathers."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cpdkit.experiments.verdict import Verdict
from cpdkit.runs import page as module
from cpdkit.runs import record as record_module
from cpdkit.runs.page import Page

TABLE = pd.DataFrame(
    {
        "representation": ["soap", "soap", "zoo/painn-gap-0", "zoo/painn-gap-0"],
        "target": ["mu", "gap"] * 2,
        "mean": [0.1234, 0.2, np.nan, 0.4],
        "low": [0.1, 0.1, np.nan, 0.3],
        "high": [0.2, 0.3, np.nan, 0.5],
        "alphas": [(1.0,)] * 4,
        "fold_values": [(0.1, 0.2)] * 4,
    }
)


@pytest.fixture
def glued(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    kept: dict[str, str] = {}
    monkeypatch.setattr(module, "glue_text", lambda key, text, display: kept.setdefault(key, text))
    return kept


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list:
    seen: list = []
    monkeypatch.setattr(module, "display", seen.append)
    return seen


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record_module, "_HOME", tmp_path / "home")
    return Page("06_geometry_alone")


def record(home: Path, dataset: str, **tables: pd.DataFrame) -> None:
    folder = home / "06_geometry_alone" / dataset
    folder.mkdir(parents=True)
    for name, table in tables.items():
        table.to_csv(folder / f"06_{name}.csv", index=False)
    about = {
        "date": "2026-01-01", "command": "cpdkit record", "wall_seconds": 60,
        "hardware": {"cpus": 2}, "parameters": {"dataset": dataset},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(about))


def test_a_table_keeps_its_names_and_loses_its_folds(page: Page) -> None:
    assert page.table("within", TABLE) is TABLE
    plain = TABLE.drop(columns="fold_values")
    assert Path("06_within.csv").read_text() == plain.to_csv(index=False)
    page.table("few", TABLE, drop=["alphas"])
    assert list(pd.read_csv("06_few.csv").columns) == list(TABLE.columns[:5])
    page.table("chosen", TABLE, columns=["target", "fold_values"])
    assert list(pd.read_csv("06_chosen.csv").columns) == ["target", "fold_values"]
    page.table("index", TABLE[["mean"]], index=True, float_format="%.1f")
    assert Path("06_index.csv").read_text().splitlines()[:2] == [",mean", "0,0.1"]


def test_a_column_that_is_not_there_is_an_error(page: Page) -> None:
    with pytest.raises(KeyError, match="alpha"):
        page.table("within", TABLE, drop=["alpha"])
    assert not list(Path.cwd().glob("*.csv"))


def test_a_figure_is_written_and_given_back(page: Page) -> None:
    figure = Figure()
    assert page.figure("within", figure) is figure
    assert "<svg" in Path("06_within.svg").read_text()


def test_a_shown_table_has_words_intervals_and_the_order_of_its_rows(page: Page) -> None:
    wide = page.show(TABLE, rows="representation", columns="target", units={"gap": "eV"})
    assert list(wide.index) == ["SOAP descriptor", "PaiNN, trained on the gap"]
    assert list(wide.columns) == ["dipole moment", "HOMO-LUMO gap (eV)"]
    assert wide.iloc[0].tolist() == ["0.12 (0.10 to 0.20)", "0.20 (0.10 to 0.30)"]
    assert wide.iloc[1].tolist() == ["not defined", "0.40 (0.30 to 0.50)"]
    plain = page.show(TABLE, rows="target", columns="representation", interval=False)
    assert plain.loc["dipole moment"].tolist() == ["0.12", ""]
    deep = page.show(
        TABLE.assign(kind=["b", "b", "a", "a"]), rows=["target", "representation"],
        columns="kind", style="signed",
    )  # fmt: skip
    assert list(deep.columns) == ["b", "a"]
    assert list(deep.index)[:2] == [
        ("dipole moment", "SOAP descriptor"), ("dipole moment", "PaiNN, trained on the gap"),
    ]  # fmt: skip
    assert deep.iloc[0].tolist() == ["+0.12 (+0.10 to +0.20)", ""]
    flat = page.show(TABLE, rows="target", digits=1)
    assert list(flat.columns) == ["representation", "mean", "low", "high", "alphas"]
    assert flat["mean"].tolist()[:2] == [0.1, 0.2]
    assert flat.index[0] == "dipole moment"
    with pytest.raises(ValueError, match="several rows have the same representation, alphas"):
        page.show(TABLE, rows="representation", columns="alphas")


def test_records_are_shown_and_gathered(page: Page, tmp_path: Path, shown: list) -> None:
    verdicts = pd.DataFrame(
        {"claim": "c", "outcome": "holds", "sentence": ["soap 0.4 for gap.", "Two."]}
    )
    record(tmp_path / "home", "xtb9", verdict=verdicts, rulers=TABLE)
    for name, found in page.records():
        assert name == "xtb9"
        assert found.parameters == {"dataset": "xtb9"}
        assert "rulers" in found
        assert "pairs" not in found
        assert found["rulers"]["target"].tolist() == TABLE["target"].tolist()
        with pytest.raises(KeyError, match="did you mean 'rulers'"):
            found["ruler"]
        found.figure("line", Figure())
    said = [getattr(thing, "data", "") for thing in shown]
    assert said[0].startswith("**xtb9.** *Recorded, not live:* 2026-01-01")
    assert said[0].endswith("\n\n> The SOAP descriptor 0.4 for the gap.\n>\n> Two.")
    assert isinstance(shown[1], Figure)
    assert said[2] == "Nothing recorded yet of QM9."
    with zipfile.ZipFile("06_recorded.zip") as archive:
        tables = {"xtb9/06_rulers.csv", "xtb9/06_verdict.csv", "xtb9/manifest.json"}
        assert set(archive.namelist()) == {"figures/xtb9_line.svg", *tables}


def test_verdicts_are_kept_for_tables_pages_and_the_book(
    page: Page, tmp_path: Path, glued: dict[str, str]
) -> None:
    verdicts = pd.DataFrame({"claim": ["a", "b"], "outcome": ["holds", "fails"], "sentence": "s"})
    record(tmp_path / "home", "qm9", verdict=verdicts)
    one, two = Verdict("a", "holds", "soap 0.4 for gap."), Verdict("b", "undecided", "No.")
    page.verdict(one, glue="alone")  # without records on the page nothing is said of ours
    assert {path.stem for path in Path.cwd().glob("*.txt")} == {"06_sentence", "06_outcome"}
    glued.clear()
    list(page.records())
    shown = page.verdict(one, glue="first", also={"claimed": (two, "second")})
    assert shown.data == (
        "*Long runs, recorded: QM9: holds. This run:*\n\n**The SOAP descriptor 0.4 for the gap.**"
        "\n\n*Long runs, recorded: QM9: fails. This run:*\n\n**No.**"
    )
    assert pd.read_csv("06_verdict.csv")["sentence"].tolist() == [one.sentence, two.sentence]
    texts = {path.stem: path.read_text() for path in Path.cwd().glob("*.txt")}
    assert texts == {
        "06_sentence": "The SOAP descriptor 0.4 for the gap.", "06_outcome": "holds",
        "06_recorded": "QM9: holds", "06_claimed_sentence": "No.",
        "06_claimed_outcome": "undecided", "06_claimed_recorded": "QM9: fails",
        "06_badge": "{bdg-success}`holds on QM9`",
        "06_claimed_badge": "{bdg-danger}`not reproduced`",
        "06_badges": "{bdg-success}`our question: holds on QM9`",
    }  # fmt: skip
    assert glued == {"first": texts["06_sentence"], "second": "No."}
    page.verdict(one, glue="first", recorded="xtb9: holds")
    assert Path("06_recorded.txt").read_text() == "xtb9: holds"


def test_a_notebook_run_in_its_place_leaves_nothing_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(module, "checkout", lambda: tmp_path)
    monkeypatch.chdir(tmp_path / "notebooks")
    Page("06_geometry_alone").table("within", TABLE)
    assert list(Path.cwd().iterdir()) == []
    assert (tmp_path / "_build/in_place/06_geometry_alone/06_within.csv").is_file()


def test_other_sentences_are_said_in_words(page: Page, glued: dict[str, str]) -> None:
    assert page.sentence("ani2x-aev says so.").data == "**The ANI-2x descriptor (AEV) says so.**"
    page.sentence("For mu.", glue="key", file="remedy")
    assert glued == {"key": "For the dipole moment."}
    assert Path("06_remedy.txt").read_text() == "For the dipole moment."
