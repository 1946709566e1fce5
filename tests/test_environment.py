"""One set of versions, said in four places: they must agree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

# Installed by a step of its own, without what it asks for: see the Makefile.
APART = "so3krates-torch"
PIN = re.compile(r"([A-Za-z0-9_.-]+)==([^\s;+]+)")


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lines: list[str]) -> dict[str, str]:
    """Names and versions; every line must be an exact pin."""
    found = {}
    for line in lines:
        match = PIN.fullmatch(line.strip())
        assert match, f"{line!r} is no exact pin"
        name, version = normal(match[1]), match[2]
        assert found.get(name, version) == version, f"{name} is pinned twice"
        found[name] = version
    return found


@pytest.fixture(scope="module")
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def declared(project: dict) -> dict[str, str]:
    extras = [r for group in project["optional-dependencies"].values() for r in group]
    return pins([r for r in project["dependencies"] + extras if not r.startswith("cpdkit[")])


@pytest.fixture(scope="module")
def locked(root: Path) -> dict[str, str]:
    return pins((root / "constraints.txt").read_text().split())


def test_pyproject_and_environment_name_the_same_versions(root: Path, declared: dict) -> None:
    conda = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    together = {name: version for name, version in declared.items() if name != APART}
    assert pins([line for line in pip if not line.startswith("-")]) == together
    assert "-c constraints.txt" in pip
    assert "-e ." in pip
    assert "python=3.11" in conda


def test_what_is_installed_apart_has_one_version_everywhere(root: Path, declared: dict) -> None:
    command = f"pip install --no-deps {APART}=={declared[APART]}"
    for name in ("environment.yml", "README.md", "tests/encoders/test_so3lr.py"):
        assert command in (root / name).read_text(), name
    assert command.replace("install", "install $(PIP_ARGS)") in (root / "Makefile").read_text()


def test_every_pin_is_in_the_lock(declared: dict, locked: dict) -> None:
    assert {name: locked.get(name) for name in declared} == declared


def test_the_lock_is_complete_for_what_is_installed(locked: dict) -> None:
    """Whatever a locked package needs on this platform is locked, at the version that is here."""
    if find_spec("so3krates_torch") is None:
        locked = {name: version for name, version in locked.items() if name != APART}
    absent = {}
    for name in locked:
        for line in metadata.requires(name) or []:
            requirement, _, marker = line.partition(";")
            needed = normal(re.match(r"[A-Za-z0-9_.-]+", requirement)[0])
            if marker or needed in locked:
                continue
            absent[needed] = name
    assert absent == {}
    assert {name: metadata.version(name).partition("+")[0] for name in locked} == locked


def test_torch_is_installed_first_at_the_pinned_version(root: Path, declared: dict) -> None:
    installs = [line for line in (root / "Makefile").read_text().splitlines() if "install" in line]
    first = next(line for line in installs if "pip install" in line)
    assert first.endswith(f"torch=={declared['torch']}")
    assert declared["torch"] == "2.13.0"


def test_all_takes_every_extra(project: dict) -> None:
    extras = project["optional-dependencies"]
    (reference,) = extras["all"]
    named = set(re.fullmatch(r"cpdkit\[(.*)\]", reference)[1].split(","))
    implied = {"torch", "run"}  # the model families bring the first, book and test the second
    apart = {"so3lr"}  # cannot be resolved together with the others
    assert named == set(extras) - {"all"} - implied - apart


def test_make_synchronises_when_and_only_when_the_pins_change(root: Path, tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(root / name, tmp_path)

    def make(*arguments: str) -> str:
        command = ["make", "-C", str(tmp_path), "--no-print-directory", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    first = make("--dry-run", "book")
    assert "pip install" in first
    stamp = tmp_path / re.search(r"^touch (\S+)$", first, re.MULTILINE)[1]
    stamp.parent.mkdir()
    stamp.touch()
    os.utime(tmp_path / "constraints.txt")  # newer, but the same
    assert "pip install" not in make("--dry-run", "book")
    with (tmp_path / "constraints.txt").open("a") as lock:
        lock.write("another==1.0\n")
    assert "pip install" in make("--dry-run", "book")


def test_a_wheel_carries_code_and_data(root: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    shutil.copytree(
        root / "cpdkit", source / "cpdkit", ignore=shutil.ignore_patterns("__pycache__")
    )
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, cwd=tmp_path, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        path.relative_to(root).as_posix()
        for path in (root / "cpdkit").rglob("*")
        if path.is_file() and (path.suffix == ".py" or path.parent.name == "data")
    }
    assert expected <= packed


def test_import_is_light() -> None:
    """`import cpdkit` and its command line load neither torch nor plotting nor chemistry."""
    code = (
        "import sys, cpdkit, cpdkit.cli;"
        "print(*{'torch', 'matplotlib', 'rdkit', 'papermill'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
