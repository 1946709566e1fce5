"""What the README tells people to type works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from cpdkit._parser import joined
from cpdkit.cli import _parser, main
from cpdkit.runs.parameters import check_parameters, parse_parameters
from cpdkit.runs.run import notebook_parameters, read_notebook
from cpdkit.runs.shipped import find_notebook
from cpdkit.runs.sweep import grid
from cpdkit.zoo import ARCHITECTURES, TASKS

PAGES = [ROOT / "README.md", *sorted((ROOT / "book").glob("howto_*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the Python blocks of *Arrays of your own* write."""
    folder = tmp_path_factory.mktemp("arrays")
    code = "\n".join(blocks(ROOT / "book/howto_arrays.md", "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "r2_partial" in done.stdout
    return folder


def commands(page: Path) -> list[list[str]]:
    """Lines after a ``$``, continued lines joined, comments dropped."""
    text = "\n".join(blocks(page, "console")).replace("\\\n", " ")
    lines = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    return [shlex.split(line, comments=True) for line in lines]


CASES = [(page.name, command) for page in PAGES for command in commands(page)]


def test_python_blocks_run(tmp_path: Path) -> None:
    code = "\n".join(blocks(ROOT / "README.md", "python"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "r2_partial" in done.stdout


@pytest.mark.parametrize(("page", "command"), CASES)
def test_commands_are_right(
    page: str,
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    request: pytest.FixtureRequest,
) -> None:
    """Cheap ones run; a run of a notebook is checked up to the point where it would start."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("CPDKIT_ZOO", str(tmp_path))
    if command[0] == "export":
        assert command[1].startswith("CPDKIT_DATA=")
    elif command[0] == "make":
        subprocess.run(["make", "--dry-run", *command[1:]], check=True, capture_output=True)
    elif command[1:3] == ["zoo", "train"]:  # takes half an hour
        options = _parser().parse_args(command[1:])
        assert options.architecture in ARCHITECTURES
        assert options.task in TASKS
    elif command[0] == "eval":
        assert command[1] == "$(register-python-argcomplete cpdkit)"
    elif command[1] == "sweep":
        options = _parser().parse_args(joined(command[1:]))
        declared = notebook_parameters(read_notebook(find_notebook(options.notebook)))
        assert len(grid(declared, dict(options.parameter), {})) == 10
    elif command[1] in ("report", "compare", "rerun"):  # of runs that are not here
        assert main(command[1:]) == 2
        assert "no run at RUN" in capsys.readouterr().err
    elif "-p" not in command:
        assert command[0] == "cpdkit"
        if command[1] == "probe":
            monkeypatch.chdir(request.getfixturevalue("arrays"))
        assert main(command[1:]) == 0
        assert capsys.readouterr().out
    else:
        options = _parser().parse_args(joined(command[1:]))
        declared = notebook_parameters(read_notebook(find_notebook(options.notebook)))
        misspelt = {"n_structure"}  # shown on purpose, with the message it gives
        if {name for name, _ in options.parameter} <= misspelt:
            assert main(command[1:]) == 2
            assert "did you mean 'n_structures'" in capsys.readouterr().err
        else:
            given = parse_parameters(declared, {}, options.parameter)  # names of today
            check_parameters(declared, given)


def test_the_page_on_arrays_shows_what_is_printed(
    arrays: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(arrays)
    page = ROOT / "book/howto_arrays.md"
    assert main(next(command for command in commands(page) if "-o" in command)[1:]) == 0
    assert [capsys.readouterr().out] == blocks(page, "text")


def test_files_the_readme_names_exist() -> None:
    text = (ROOT / "README.md").read_text()
    named = re.findall(r"`([\w./-]+(?:\.\w+|/|LICENSE))`", text)
    assert {name for name in named if not (ROOT / name).exists()} <= {"_config.yml/"}
