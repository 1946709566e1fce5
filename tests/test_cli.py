"""The command line says what there is, and what is wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from cpdkit.cli import main


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    cells = [
        new_code_cell("n: int = 2  # how many", metadata={"tags": ["parameters"]}),
        new_code_cell("print(n * 2)"),
    ]
    metadata = {"cpdkit": {"aliases": {"number": "n"}}}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), tmp_path / "double.ipynb")
    return tmp_path / "double.ipynb"


@pytest.mark.parametrize("command", [[], ["run"], ["book"], ["probe"], ["datasets"], ["encoders"]])
def test_help_is_there(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert "usage: cpdkit" in capsys.readouterr().out


def test_it_lists_data_sets_and_encoders(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets"]) == 0
    assert main(["encoders"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("xtb9", "qm9", "ani2x-aev", "sevennet-0"))


def test_it_lists_parameters(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(notebook), "--list"]) == 0
    assert capsys.readouterr().out == "n: int = 2  # how many\n"


def test_it_runs_and_copies(notebook: Path, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    out = tmp_path / "new" / "mine.ipynb"
    command = ["run", str(notebook), "-p", "n", "4", "-o", str(out)]
    command += ["--runs-dir", str(tmp_path / "runs")]
    assert main(command) == 0
    assert nbformat.read(out, as_version=4).cells[-1].outputs[0].text == "8\n"
    manifest = json.loads((tmp_path / "new/mine.manifest.json").read_text())
    assert manifest["parameters"] == {"n": 4}
    assert sorted(p.name for p in out.parent.iterdir()) == ["mine.ipynb", "mine.manifest.json"]
    assert capfd.readouterr().out.startswith("not run before: ran in")
    assert main(command) == 0
    assert capfd.readouterr().out.startswith("unchanged")
    command[command.index("n")] = "number"
    assert main(command) == 0
    said = capfd.readouterr()
    assert said.out.startswith("unchanged")
    assert said.err == "parameter 'number' is now called 'n'.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "m", "3"], "unknown parameter 'm'"),
        (["-p", "n", "three"], "parameter 'n' must be int"),
        (["-p", "number", "1", "-p", "n", "1"], "parameter 'n' is given twice"),
        (["--profile", "tset"], "unknown profile 'tset'"),
        (["-p", "n=three"], "parameter 'n' must be int"),
        (["-p", "n"], "expected NAME=VALUE or NAME VALUE, got 'n'"),
    ],
)
def test_errors_are_one_sentence(
    notebook: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code(["run", str(notebook), *arguments]) == 2
    said = capsys.readouterr().err
    assert said.startswith("cpdkit: ")
    assert message in said
    assert "Traceback" not in said


def code(arguments: list[str]) -> object:
    """Exit status, where the parser ends the program too."""
    try:
        return main(arguments)
    except SystemExit as stop:
        return stop.code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runn"], "unknown command 'runn'; did you mean 'run'?"),
        (["zoo", "lst"], "unknown command 'lst'; did you mean 'list'?"),
        (["run", "gradent"], "unknown experiment 'gradent'; did you mean 'gradient'?"),
        (["encoders", "sop"], "unknown encoder 'sop'; did you mean 'soap'?"),
        (["probe", "a.npz", "--probe", "tree"], "unknown value 'tree'; did you mean 'trees'?"),
        (["run"], "the following arguments are required: notebook"),
    ],
)
def test_a_wrong_call_says_what_was_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code(arguments) == 2
    assert capsys.readouterr().err.startswith(f"cpdkit: {message}")


def test_values_may_stand_behind_an_equals_sign(
    notebook: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    command = ["run", str(notebook), "--runs-dir", str(tmp_path / "runs"), "-p"]
    assert main([*command, "n", "-3"]) == 0
    assert capfd.readouterr().out.startswith("not run before")
    assert main([*command, "n=-3"]) == 0
    said = capfd.readouterr()
    assert said.out.startswith("unchanged")
    assert said.err == ""  # no bar where nobody looks at a terminal


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("cpdkit rep", {"report "}),
        ("cpdkit run grad", {"gradient "}),
        ("cpdkit run gradient -p n_", {"n_structures="}),
        ("cpdkit probe a.npz --folds f", {"formula "}),
    ],
)
def test_a_shell_gets_completions(line: str, completions: set[str], tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")
    asked = {
        "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9",
        "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "said"),
    }  # fmt: skip
    subprocess.run([sys.executable, "-m", "cpdkit"], env=os.environ | asked, timeout=120)
    assert set((tmp_path / "said").read_text().splitlines()) == completions


def test_lists_come_as_json_too(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for command in (["list"], ["datasets"], ["zoo", "list"], ["run", str(notebook), "--list"]):
        assert main([*command, "--json"]) == 0
        found[command[0]] = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in found["list"]][:2] == ["zoo", "gradient"]
    assert {row["name"] for row in found["datasets"]} >= {"xtb9", "qm9"}
    assert {row["model"] for row in found["zoo"]} >= {"painn-gap-0"}
    assert found["run"] == [
        {"name": "n", "type_name": "int", "default": 2, "help": "how many"},
    ]


def test_a_missing_notebook_and_a_missing_book_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", str(tmp_path / "absent.ipynb")]) == 2
    assert main(["book", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "no notebook at" in said
    assert "no book at" in said


@pytest.mark.parametrize("chapter", ["gradient", "inflation", "crystals"])
def test_what_is_wrong_with_a_file_is_told_before_anything_runs(
    chapter: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.xyz").write_text("1\nProperties=species:S:1:pos:R:3 y=soft\nH 0 0 0\n")
    runs = tmp_path / "runs"
    target = "target=y" if chapter == "inflation" else "targets=y"
    given = ["-p", f"dataset={tmp_path / 'mine.xyz'}", "-p", target, "--runs-dir", str(runs)]
    assert main(["run", chapter, *given]) == 2
    said = capsys.readouterr().err
    assert "target 'y' is 'soft' in frame 0" in said
    assert said.count("\n") == 1
    assert not runs.exists()


def test_a_failing_cell_is_told_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [new_code_cell(code) for code in ("open('kept', 'w')\nprint(3)", "1 / 0", "print(4)")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "broken.ipynb")
    runs = tmp_path / "runs"
    assert main(["run", str(tmp_path / "broken.ipynb"), "--runs-dir", str(runs)]) == 1
    said = capsys.readouterr().err
    assert "broken.ipynb failed: ZeroDivisionError: division by zero\n" in said
    assert said.count("\n") == 2
    (kept,) = runs.glob("*-failed/broken.ipynb")
    assert said.rstrip().endswith(f"Up to there: {kept}")
    assert "---" in nbformat.read(kept, 4).cells[-2].outputs[0].traceback[0]
    ran = [cell for cell in nbformat.read(kept, 4).cells if cell.cell_type == "code"]
    assert ran[0].outputs[0].text == "3\n"
    assert ran[2].outputs == []
    assert (kept.parent / "kept").is_file()
    assert not (kept.parent / "manifest.json").exists()


def test_a_missing_extra_is_named(notebook: Path) -> None:
    code = "import sys; sys.modules['papermill'] = None; from cpdkit.cli import main; "
    code += f"sys.exit(main(['run', {str(notebook)!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs papermill; install it with: pip install 'cpdkit[run]'" in done.stderr


def test_module_and_command_are_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cpdkit", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("cpdkit ")


def test_an_output_that_cannot_be_is_told_before_the_run(
    notebook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = notebook.read_bytes()
    (tmp_path / "folder").mkdir()
    (tmp_path / "link.ipynb").symlink_to(notebook)
    said = {
        notebook: "is the notebook itself",
        tmp_path / "link.ipynb": "is the notebook itself",
        tmp_path / "folder": "is a folder; give a file",
    }
    for output, message in said.items():
        runs = tmp_path / "runs"
        command = ["run", str(notebook), "-o", str(output), "--runs-dir", str(runs)]
        assert main(command) == 2
        assert message in capsys.readouterr().err
        assert not runs.exists()
    (tmp_path / "file").write_text("")
    for where in (["-o", "file/mine.ipynb"], ["--runs-dir", "file/runs"]):
        assert main(["run", str(notebook), where[0], str(tmp_path / where[1])]) == 2
        assert "nothing can be written to" in capsys.readouterr().err
    assert notebook.read_bytes() == before


def test_ctrl_c_ends_in_a_sentence(tmp_path: Path) -> None:
    cells = [new_code_cell("import time; open('started', 'w'); time.sleep(60)")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "slow.ipynb")
    command = [sys.executable, "-m", "cpdkit", "run", "slow.ipynb"]
    running = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if list(tmp_path.rglob("started")):
            break
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert said.splitlines()[-1] == "cpdkit: stopped; what was unfinished is not kept."
    assert "Traceback" not in said
    assert list((tmp_path / "_build/runs").iterdir()) == []


@pytest.mark.parametrize(
    "call",
    [
        "train pain gap",
        "train painn gaps",
        "train painn gap --epochs 0",
        "train painn gap --seed=-1",
        "train painn gap --stop-after 3",
        "train painn gap --device abacus",
        "untrained pain",
        "untrained --seed=-1",
    ],
)
def test_a_wrong_call_of_the_zoo_ends_with_2_before_anything_is_made(
    call: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "zoo"
    assert main(["zoo", *call.split(), "--directory", str(home)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not home.exists()


@pytest.mark.parametrize("call", ["gradient -p folds rand", "inflation -p folds random,formulas"])
def test_a_kind_of_folds_that_there_is_not_is_told_before_anything_runs(
    call: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    assert main(["run", *call.split(), "--runs-dir", str(runs)]) == 2
    assert "unknown kind of folds" in capsys.readouterr().err
    assert not runs.exists()
