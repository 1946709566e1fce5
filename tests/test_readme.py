"""What the README tells people to type works."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest
from ase.build import bulk
from paths import ROOT

from cpdkit._parser import joined
from cpdkit.cli import _parser, main
from cpdkit.datasets import check_crystals, read_cif_folder, read_extxyz
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
    elif command[:2] == ["python", "-m"]:  # a generator of the repository, minutes to hours
        asked = [sys.executable, "-m", command[2], "--help"]
        options = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
        assert {word for word in command if word.startswith("--")} <= set(options.split())
    elif command[0] == ".venv/bin/jupyter":
        assert command[1] == "lab"
        assert find_spec("jupyterlab")
        assert (ROOT / command[2]).is_file()
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


def test_the_files_that_the_page_on_runs_shows_can_be_read(tmp_path: Path) -> None:
    molecule, crystal, table = blocks(ROOT / "book/howto_run.md", "text")
    for name, text in (("molecule.xyz", molecule), ("crystal.xyz", crystal)):
        (tmp_path / name).write_text(text)
    assert read_extxyz(tmp_path / "molecule.xyz", targets=["energy", "gap"]).formulas[0] == "H2O"
    salt = read_extxyz(tmp_path / "crystal.xyz", targets=["bulk_modulus"])
    check_crystals(salt.atoms, str)
    assert salt.atoms[0].get_volume() == pytest.approx(5.64**3 / 4)
    (tmp_path / "properties.csv").write_text(table)
    for name in ("quartz", "rutile"):
        bulk("Cu").write(tmp_path / f"{name}.cif")
    assert read_cif_folder(tmp_path, targets=["bulk_modulus"]).formulas[1] == "Cu"


def test_the_model_of_the_page_runs_by_name(tmp_path: Path) -> None:
    """The file that it writes, weights saved as it says, its command, and the table it shows."""
    page = ROOT / "book/howto_your_model.md"
    (code,) = re.findall(r"^%%writefile my_module.py\n(.*?)^```", page.read_text(), re.M | re.S)
    (save,) = re.findall(r"^torch.manual_seed.*\ntorch.save.*$", page.read_text(), re.M)
    (tmp_path / "my_module.py").write_text(code)
    shown = re.findall(r"^\| (\S+) \| (\d.+?) \| (\d.+?) \|$", page.read_text(), re.M)
    (command,) = commands(page)
    given = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(ROOT)}, "text": True}
    save = f"import torch\nfrom my_module import Model\n{save}"
    subprocess.run([sys.executable, "-c", save], check=True, timeout=300, **given)
    command = [sys.executable, "-m", *command]
    done = subprocess.run(command, capture_output=True, timeout=1200, **given)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.splitlines()[1]).parent
    table = pd.read_csv(folder / "01_gradient.csv").query("protocol == 'sound'")
    table = table[table["score"] == "r2_partial"]
    names = table["representation"].str.replace(f"{tmp_path.resolve()}/", "")
    table = table.assign(name=names.str.replace(".py:", ":"))
    for name, *said in shown:
        rows = table[table["name"] == name].set_index("target").loc[["gap", "mu"]]
        assert [
            f"{r['mean']:.2f} ({r.low:.2f} to {r.high:.2f})" for _, r in rows.iterrows()
        ] == said
    assert len(shown) == 3
