"""Recorded tables: what was measured, with how, or nothing at all."""

from __future__ import annotations

import json
import shlex
import zipfile
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook
from paths import ROOT

from cpdkit.cli import main
from cpdkit.runs import record as module
from cpdkit.runs.commands import given_parameters
from cpdkit.runs.page import as_svg
from cpdkit.runs.record import bundle, record, recorded_outcomes, recorded_tables

WRITE = 'import pandas as pd\npd.DataFrame({"x": [n / 3, 1.0]}).to_csv("a.csv", index=False)'


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "_HOME", tmp_path / "home")
    return tmp_path / "home"


def write(folder: Path, code: str = WRITE, dataset: str = "xtb9") -> Path:
    cells = [
        new_code_cell(
            f'dataset: str = "{dataset}"  # what\nn: int = 1  # how many',
            metadata={"tags": ["parameters"]},
        ),
        new_code_cell(code),
    ]
    notebook = new_notebook(cells=cells, metadata={"cpdkit": {"profiles": {"full": {"n": 2}}}})
    nbformat.write(notebook, folder / "table.ipynb")
    return folder / "table.ipynb"


def test_a_recorded_table_comes_back_with_its_origin(home: Path, tmp_path: Path) -> None:
    notebook = write(tmp_path)
    assert recorded_tables("table", dataset="xtb9") is None
    target = record(notebook, {}, home=home, runs_dir=tmp_path / "runs")
    assert sorted(p.name for p in target.iterdir()) == ["a.csv", "manifest.json"]
    found = recorded_tables("table", dataset="xtb9")
    assert found is not None
    pd.testing.assert_frame_equal(
        found.tables["a.csv"], pd.DataFrame({"x": [2 / 3, 1.0]}), rtol=1e-5
    )
    assert found.manifest["parameters"] == {"dataset": "xtb9", "n": 2}
    assert "cpdkit record notebooks/table.ipynb --profile full" in found.note
    assert "before the method changed" not in found.note
    json.dumps(found.manifest)
    earlier = {**found.manifest, "date": "2026-11-27"}
    (target / "manifest.json").write_text(json.dumps(earlier))
    old = recorded_tables("table", dataset="xtb9")
    assert old is not None
    assert "Made before the method changed on 2026-11-28" in old.note

    record(notebook, {"n": 6}, home=home, runs_dir=tmp_path / "runs")
    again = recorded_tables("table", dataset="xtb9")
    assert again is not None
    assert again.tables["a.csv"]["x"].tolist() == [2.0, 1.0]
    assert "-p n 6" in again.note
    assert [p.name for p in (home / "table").iterdir()] == ["xtb9"]


@pytest.mark.parametrize(
    ("code", "dataset", "message"),
    [
        ("print(n)", "xtb9", "wrote no CSV table with rows"),
        (WRITE, "../mine.xyz", "only runs on named data sets"),
        (WRITE.replace("1.0]", "*range(999)]"), "xtb9", "at most 1,000 are kept"),
    ],
)
def test_what_is_not_kept(
    code: str, dataset: str, message: str, home: Path, tmp_path: Path
) -> None:
    notebook = write(tmp_path, code, dataset)
    with pytest.raises(ValueError, match=message):
        record(notebook, {}, home=home, runs_dir=tmp_path / "runs", largest=1000)
    assert not list(home.rglob("*.csv"))


def test_two_records_of_one_data_set_have_different_names(home: Path, tmp_path: Path) -> None:
    notebook, runs = write(tmp_path), tmp_path / "runs"
    first = record(notebook, {}, home=home, runs_dir=runs)
    second = record(notebook, {"n": 6}, name="xtb9-six", home=home, runs_dir=runs)
    assert (first.name, second.name) == ("xtb9", "xtb9-six")
    found = recorded_tables("table", dataset="xtb9-six")
    assert found is not None
    assert found.manifest["parameters"]["dataset"] == "xtb9"
    assert "--profile full --as xtb9-six -p n 6" in found.note
    with pytest.raises(ValueError, match=r"letters, digits, - and _; got '../x'"):
        record(notebook, {}, name="../x", home=home, runs_dir=runs)


@pytest.mark.parametrize("folder", sorted(module._HOME.glob("*/*")), ids=lambda p: p.name)
def test_the_command_of_a_record_asks_what_was_asked(folder: Path) -> None:
    """Pasted into a shell: quotes, commas and empty lists included."""
    manifest = json.loads((folder / "manifest.json").read_text())
    words = shlex.split(manifest["command"])
    path = ROOT / words[2]
    given = {key: value for flag, key, value in zip(words, words[1:], words[2:], strict=False)
             if flag == "-p"}  # fmt: skip
    asked = given_parameters(path, list(given.items()))
    assert asked.items() <= manifest["parameters"].items()
    assert ("--as" in words) == (folder.name != manifest["parameters"]["dataset"])


def test_the_command_checks_parameters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["record", str(write(tmp_path)), "-p", "m", "1"]) == 2
    assert "unknown parameter 'm'" in capsys.readouterr().err


def test_an_installed_package_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "checkout", lambda: None)
    assert main(["record", str(write(tmp_path))]) == 2
    assert "this is an installed package" in capsys.readouterr().err


@pytest.mark.parametrize("folder", sorted(module._HOME.glob("*/*")), ids=lambda p: p.name)
def test_what_the_package_holds_can_be_read(folder: Path) -> None:
    found = recorded_tables(folder.parent.name, dataset=folder.name)
    assert found is not None
    assert found.tables
    dataset = found.manifest["parameters"]["dataset"]
    assert folder.name == dataset or f"--as {folder.name} " in found.manifest["command"]
    assert all(len(table) for table in found.tables.values())


def test_a_bundle_holds_every_record_and_figure_and_nothing_else(
    home: Path, tmp_path: Path
) -> None:
    for dataset in ("xtb9", "qm9"):
        record(write(tmp_path, dataset=dataset), {}, home=home, runs_dir=tmp_path / "runs")
    paths = []
    for name in "ab":
        figure = Figure()
        figure.subplots().plot([0, 1])
        figures = {"line": as_svg(figure)}
        paths.append(bundle("table", tmp_path / f"{name}.zip", figures=figures))
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with zipfile.ZipFile(paths[0]) as archive:
        assert archive.read("figures/line.svg").decode() == figures["line"]
        kept = {f"{d}/{f}" for d in ("xtb9", "qm9") for f in ("a.csv", "manifest.json")}
        assert set(archive.namelist()) == {"figures/line.svg", *kept}
        assert archive.read("qm9/a.csv") == (home / "table" / "qm9" / "a.csv").read_bytes()
    with zipfile.ZipFile(bundle("nothing", tmp_path / "c.zip")) as archive:
        assert archive.namelist() == []


def test_outcomes_are_those_of_the_records(home: Path, tmp_path: Path) -> None:
    assert recorded_outcomes("05_claim") == {}
    for dataset, outcome in {"xtb9": "fails", "qm9": "holds"}.items():
        folder = home / "05_claim" / dataset
        folder.mkdir(parents=True)
        pd.DataFrame({"claim": ["c"], "outcome": [outcome]}).to_csv(
            folder / "05_verdict.csv", index=False
        )
        about = {"date": "", "command": "", "wall_seconds": 60, "hardware": {"cpus": 2}}
        (folder / "manifest.json").write_text(json.dumps(about))
    assert recorded_outcomes("05_claim") == {"xtb9": "fails", "qm9": "holds"}
    assert recorded_outcomes("05_claim", datasets=["qm9"]) == {"qm9": "holds"}
    assert recorded_outcomes("05_claim", row=1) == {}  # recorded before there was a second one
