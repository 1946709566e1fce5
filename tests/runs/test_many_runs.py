"""Many runs and finished ones: sweeps, comparisons, reports, reruns."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cpdkit.cli import main
from cpdkit.intervals import corrected_t
from cpdkit.runs.key import code_hash, notebook_hash
from cpdkit.runs.parameters import declared_parameters
from cpdkit.runs.record import record
from cpdkit.runs.rerun import _was_run, changed_inputs, rerun
from cpdkit.runs.run import Run, run_notebook
from cpdkit.runs.sweep import alternatives, grid
from cpdkit.runs.tables import find_run

CELL = """
seed: int = 0  # of the draw
encoders: list[str] = ["a"]  # models
source: str = ""  # a file to read
fails: int = -1  # the seed that fails
"""
CODE = """
import numpy as np, pandas as pd
from matplotlib.figure import Figure
from cpdkit.runs.page import Page

page = Page("09_small")
rng = np.random.default_rng(len(encoders[0]))
shift = float(open(source).read()) if source else 0.0
rows = []
for encoder in encoders:
    for target in ("gap", "mu"):
        for score in ("r2_geom", "r2_partial"):
            folds = tuple(seed + shift + rng.normal(size=10))
            rows.append({"encoder": encoder, "target": target, "score": score,
                         "mean": np.mean(folds), "fold_values": folds})
table = pd.DataFrame(rows)
table.attrs = {"n": 50, "n_folds": 5, "repeats": 2, "seed": seed, "folds": "random"}
page.table("scores", table)
figure = Figure()
figure.subplots().plot([0, 1])
page.figure("line", figure);
"""
END = """
if seed == fails:
    raise ValueError("this seed fails")
page.table("verdict", pd.DataFrame([{"claim": "c", "outcome": "holds", "sentence": f"<{seed}>"}]))
page.path("sentence", "txt").write_text(f"<{seed}> holds.");
"""


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small experiment that keeps scores of folds, a figure and a verdict."""
    cells = [
        new_markdown_cell("# Small"),
        new_code_cell(CELL, metadata={"tags": ["parameters"]}),
        new_code_cell(CODE),
        new_code_cell(END),
    ]
    headline = {"table": "scores", "rows": {"score": "r2_partial"}}
    path = tmp_path_factory.mktemp("many") / "09_small.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"cpdkit": {"headline": headline}}), path)
    return path


@pytest.fixture(scope="module")
def pair(notebook: Path) -> list[Run]:
    """Two runs on the same folds, of two encoders; the first reads a file."""
    (notebook.parent / "shift.txt").write_text("0.5")
    given: list[dict] = [{"source": str(notebook.parent / "shift.txt")}, {"encoders": ["bb"]}]
    where = notebook.parent / "pair"
    return [run_notebook(notebook, one, runs_dir=where, progress=False) for one in given]


# --- what is varied -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("seed", "0..3", [0, 1, 2, 3]),
        ("seed", "2..1", [2, 1]),
        ("seed", "5, 7", [5, 7]),
        ("encoders", "a,b", [["a"], ["b"]]),
        ("encoders", "a,b;c", [["a", "b"], ["c"]]),
        ("encoders", "a,b;", [["a", "b"]]),
        ("encoders", "soap[n_max=4,l_max=3],b", [["soap[n_max=4,l_max=3]"], ["b"]]),
        ("source", "x,y", ["x", "y"]),
    ],
)
def test_values_to_be_tried(name: str, text: str, values: list) -> None:
    assert alternatives(declared_parameters(CELL)[name], text) == values


def test_every_combination_once_with_what_is_fixed() -> None:
    declared = declared_parameters(CELL)
    cases = grid(declared, {"seed": "0..2", "encoders": "a,b"}, {"fails": 3})
    assert len(cases) == 6
    assert len({repr(case) for case in cases}) == 6
    assert all(case["fails"] == 3 for case in cases)
    for varied, fixed, message in (
        ({"sed": "1"}, {}, "did you mean 'seed'"),
        ({"seed": "1"}, {"seed": 2}, "both varied and fixed"),
        ({"seed": "1,1"}, {}, "has a value twice"),
        ({"seed": "1,x"}, {}, "'seed' must be int"),
    ):
        with pytest.raises(ValueError, match=message):
            grid(declared, varied, fixed)


def test_a_sweep_keeps_what_ran_names_what_failed_and_goes_on(
    notebook: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep", str(notebook), "-p", "seed=1..2", "-p", "encoders", "a,bb", "-f", "fails=1"]
    command += ["--workers", "2", "--runs-dir", str(tmp_path / "runs"), "-o", str(tmp_path / "out")]
    assert main(command) == 1
    said = capfd.readouterr()
    assert said.err.count("ValueError: this seed fails") == 4  # as they end, and at the end
    assert said.err.splitlines()[-1].startswith("cpdkit: 2 of 4 runs failed; the others are kept.")
    runs = pd.read_csv(tmp_path / "out/runs.csv")
    assert runs["state"].tolist() == ["failed", "failed", "ran", "ran"]
    assert runs["sentence"].tolist()[2:] == ["<2>", "<2>"]
    failed = runs[runs["state"] == "failed"]
    assert all((Path(folder) / "09_small.ipynb").is_file() for folder in failed["folder"])
    table = pd.read_csv(tmp_path / "out/sweep.csv")
    assert list(table)[:4] == ["seed", "encoders", "encoder", "target"]
    assert len(table) == 2 * 4
    assert (table["encoders"] == table["encoder"]).all()
    expected = np.random.default_rng(2).normal(size=(4, 10)).mean(axis=1)
    np.testing.assert_allclose(table.query("encoder == 'bb'")["mean"], 2 + expected)
    assert "<svg" in (tmp_path / "out/sweep.svg").read_text()
    assert main(command) == 1
    again = pd.read_csv(tmp_path / "out/runs.csv")
    assert again["state"].tolist() == [s.replace("ran", "unchanged") for s in runs["state"]]


def test_a_sweep_that_varies_nothing_is_a_wrong_call(
    notebook: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(notebook)]) == 2
    assert "nothing is varied" in capsys.readouterr().err


# --- finished runs ------------------------------------------------------------------------------


def test_two_runs_are_compared_on_the_same_folds(
    pair: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(run.directory) for run in pair]
    assert main(["compare", *folders, "--all", "--json"]) == 0
    found = pd.DataFrame(json.loads(capsys.readouterr().out))
    folds = [np.random.default_rng(n).normal(size=(4, 10)) for n in (1, 2)]
    gaps = folds[0] + 0.5 - folds[1]
    np.testing.assert_allclose(found["difference"], gaps.mean(axis=1))
    bounds = np.array([corrected_t(gap, test_share=1 / 4, level=0.95) for gap in gaps])
    np.testing.assert_allclose(found[["low", "high"]], bounds)
    assert (found["encoder"] == "a - bb").all()
    assert main(["compare", *folders]) == 0
    said = capsys.readouterr().out
    assert "score: r2_partial" in said
    assert "r2_geom" not in said


def test_other_folds_cannot_be_compared(
    pair: list[Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for change, message in (("seed", "seed 0 and 1"), ("n", "n 50 and 51")):
        other = tmp_path / change
        other.mkdir()
        for path in pair[0].directory.iterdir():
            (other / path.name).write_bytes(path.read_bytes())
        folds = other / "09_scores.folds.json"
        content = json.loads(folds.read_text())
        content["settings"][change] += 1
        folds.write_text(json.dumps(content))
        if change == "seed":
            about = json.loads((other / "manifest.json").read_text())
            about["parameters"]["seed"] = 1
            (other / "manifest.json").write_text(json.dumps(about))
        assert main(["compare", str(pair[0].directory), str(other)]) == 2
        assert f"the runs have other folds: {message}" in capsys.readouterr().err


def test_a_report_holds_everything(pair: list[Run], tmp_path: Path) -> None:
    assert main(["report", str(pair[1].notebook), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "<blockquote>&lt;0&gt; holds.</blockquote>" in page
    assert "09_scores.csv, 4 rows" in page
    assert "<th>encoders</th><td>bb</td>" in page
    assert page.count("src='data:image/svg+xml;base64,") == 1
    assert re.findall(r"(?:src|href)=['\"](?!data:)", page) == []


def test_a_rerun_says_whether_it_is_the_same_and_what_went_in(
    pair: list[Run], capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = pair[0].directory / "manifest.json"
    assert main(["rerun", str(manifest)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "identical: 3 tables and texts", "no input differs."
    ]  # fmt: skip
    source = Path(pair[0].manifest["parameters"]["source"])
    source.write_text("0.75")
    try:
        assert main(["rerun", str(manifest)]) == 1
    finally:
        source.write_text("0.5")
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "not identical: 1 of 3 tables and texts",
        "  09_scores.csv: largest difference 0.25, in the column mean",
        "inputs that differ:", f"  {source}: changed",
    ]  # fmt: skip
    assert "the results are not those of the manifest" in said.err


def test_inputs_are_told_apart(pair: list[Run]) -> None:
    then = json.loads(json.dumps(pair[0].manifest))
    assert changed_inputs(then) == []
    then["packages"]["numpy"] = "0.1"
    then["packages"]["no-such-package"] = "2"
    then["files"]["/gone"] = "0"
    then["python"] = "2.7"
    then["hardware"]["cpus"] += 1
    said = "; ".join(changed_inputs(then))
    for part in ("numpy: 0.1 then", "no-such-package: 2 then, not installed now", "/gone: is gone",
                 "python: 2.7 then", "cpus: "):  # fmt: skip
        assert part in said


def test_a_recorded_run_is_repeated_to_its_digits(notebook: Path, tmp_path: Path) -> None:
    cells = nbformat.read(notebook, 4)
    cells.cells[1].source += '\ndataset: str = "xtb9"  # data'
    nbformat.write(cells, tmp_path / "09_small.ipynb")
    kept = record(
        tmp_path / "09_small.ipynb", {}, profile="default", home=tmp_path / "home",
        runs_dir=tmp_path / "runs",
    )  # fmt: skip
    cells.cells.append(new_markdown_cell("A sentence that was mended afterwards."))
    nbformat.write(cells, kept / "09_small.ipynb")
    again = rerun(kept)
    assert again.identical
    assert again.inputs == []
    assert again.same == ["09_scores.csv", "09_verdict.csv"]


def test_a_notebook_is_known_by_its_code(notebook: Path, tmp_path: Path) -> None:
    """Older manifests hold a hash of code and prose together."""
    cells = nbformat.read(notebook, 4)
    manifest = {"notebook_sha256": notebook_hash(cells), "code_sha256": code_hash(cells)}
    old = {"notebook_sha256": notebook_hash(cells)}
    assert [_was_run(notebook, m) for m in (manifest, old, {})] == [True, True, False]
    changed = tmp_path / "changed.ipynb"
    cells.cells[0].source = "# Smaller"
    nbformat.write(cells, changed)
    assert [_was_run(changed, m) for m in (manifest, old)] == [True, False]
    cells.cells[1].source += "\n"
    nbformat.write(cells, changed)
    assert not _was_run(changed, manifest)


@pytest.mark.parametrize("command", ["report", "rerun"])
def test_what_is_no_run_is_said(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, content, message in (
        ("absent", None, "no run at"),
        ("empty", "", "holds no manifest.json"),
        ("cut", '{"notebook": ', "is damaged"),
        ("other", "[]", "is damaged"),
    ):
        if content is not None:
            (tmp_path / name).mkdir()
        if content:
            (tmp_path / name / "manifest.json").write_text(content)
        assert main([command, str(tmp_path / name)]) == 2
        assert message in capsys.readouterr().err


def test_a_recorded_run_is_found_too(root: Path) -> None:
    run = find_run(root / "cpdkit/recorded_data/07_isomers/xtb9")
    assert {"accuracy", "verdict"} <= set(run.tables)
    assert run.manifest["parameters"]["dataset"] == "xtb9"
