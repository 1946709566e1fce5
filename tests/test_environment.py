"""What the library bears, the one environment of the book, and what a wheel carries."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from cpdkit.zoo import ARCHITECTURES

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
def declared(project: dict) -> list[Requirement]:
    """What pyproject.toml asks for, all extras included."""
    extras = [r for group in project["optional-dependencies"].values() for r in group]
    found = map(Requirement, project["dependencies"] + extras)
    return [requirement for requirement in found if requirement.name != "cpdkit"]


@pytest.fixture(scope="module")
def locked(root: Path) -> dict[str, str]:
    return pins((root / "constraints.txt").read_text().split())


def test_the_lock_has_all_that_is_asked_for_within_its_range(
    declared: list[Requirement], locked: dict[str, str]
) -> None:
    versions = {r: locked.get(normal(r.name), "none") for r in declared}
    assert {str(r): v for r, v in versions.items() if v == "none"} == {}
    assert {str(r): v for r, v in versions.items() if v not in r.specifier} == {}


def test_the_core_asks_for_ranges_only(project: dict) -> None:
    """Whoever has a model of their own installs this beside it."""
    core = list(map(Requirement, project["dependencies"]))
    assert [str(r) for r in core if {s.operator for s in r.specifier} != {">="}] == []
    assert project["requires-python"] == ">=3.11"


def test_conda_takes_the_lock(root: Path) -> None:
    conda = yaml.safe_load((root / "environment.yml").read_text())["dependencies"]
    (pip,) = [entry["pip"] for entry in conda if isinstance(entry, dict)]
    assert pip == ["-c constraints.txt", "-e .[all]"]
    assert "python=3.11" in conda


def test_the_lock_is_complete_for_what_is_installed(locked: dict) -> None:
    """Whatever a locked package needs on this platform is locked, at the version that is here."""
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


def test_torch_is_installed_first_at_the_locked_version(root: Path, locked: dict[str, str]) -> None:
    installs = [line for line in (root / "Makefile").read_text().splitlines() if "install" in line]
    first = next(line for line in installs if "pip install" in line)
    assert first.endswith(f"-c constraints.txt torch=={locked['torch']}")


def test_all_takes_every_extra(project: dict) -> None:
    extras = project["optional-dependencies"]
    (reference,) = extras["all"]
    named = set(re.fullmatch(r"cpdkit\[(.*)\]", reference)[1].split(","))
    # the model families bring the first, book and test the second, these others
    implied = {"torch", "run", "plot", "bonds", "experiments"}
    assert named == set(extras) - {"all"} - implied


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


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the working tree, built from its own source archive."""
    tmp_path = tmp_path_factory.mktemp("wheel")
    source, made = tmp_path / "source", tmp_path / "made"
    ignore = shutil.ignore_patterns("__pycache__", "_build", ".*", "tests", "*.egg-info")
    shutil.copytree(root, source, ignore=ignore)
    made.mkdir()
    for name in ("gap-77", "dipole-0"):  # another seed, another task
        for suffix in ("json", "safetensors"):
            weights = source / "cpdkit/zoo/weights"
            shutil.copy(weights / f"schnet-gap-0.{suffix}", weights / f"schnet-{name}.{suffix}")
    build = "from setuptools import build_meta; import sys; build_meta.build_{}(sys.argv[1])"
    quiet = {"check": True, "timeout": 300, "stdout": subprocess.DEVNULL}
    command = [sys.executable, "-W", "ignore", "-c"]
    subprocess.run([*command, build.format("sdist"), str(made)], cwd=source, **quiet)
    (archive,) = made.glob("*.tar.gz")
    shutil.unpack_archive(archive, made)
    (unpacked,) = (path for path in made.iterdir() if path.is_dir())
    subprocess.run([*command, build.format("wheel"), str(made)], cwd=unpacked, **quiet)
    (built,) = made.glob("*.whl")
    return built


def test_a_wheel_carries_code_data_and_experiments(root: Path, wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        path.relative_to(root).as_posix()
        for path in (root / "cpdkit").rglob("*")
        if path.is_file() and (path.suffix == ".py" or path.parent.name in ("data", "xtb9", "qm9"))
    }
    expected = {name for name in expected if "__pycache__" not in name}
    expected |= {f"cpdkit/notebooks/{p.name}" for p in (root / "notebooks").glob("0*.ipynb")}
    expected |= {f"cpdkit/zoo/weights/painn-{t}-0.safetensors" for t in ("gap", "untrained")}
    assert expected - packed == set()
    assert wheel.stat().st_size <= 20e6
    weights = {name.rpartition("/")[2] for name in packed if name.endswith(".safetensors")}
    kinds = ("gap-0", "energy-0", "untrained-0")
    assert weights == {f"{a}-{kind}.safetensors" for a in ARCHITECTURES for kind in kinds}
    assert "cpdkit/zoo/weights/schnet-gap-77.json" in packed


def test_from_a_wheel_experiments_run_in_an_empty_folder(
    root: Path, wheel: Path, tmp_path: Path
) -> None:
    """Nothing is written into the package, and what the wheel lacks is said."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    before = sorted(p.name for p in (tmp_path / "site").rglob("*") if p.suffix != ".pyc")
    empty = tmp_path / "empty"
    empty.mkdir()

    def python(*arguments: str) -> subprocess.CompletedProcess:
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "site"), "CPDKIT_ZOO": str(empty)}
        command = [sys.executable, *arguments]
        return subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True)

    def cpdkit(*arguments: str) -> subprocess.CompletedProcess:
        return python("-m", "cpdkit", *arguments)

    assert "gradient" in cpdkit("list").stdout
    few = ["-p", "encoders=bond-counts", "-p", "n_structures=60", "-p", "ladder=counts"]
    done = cpdkit("run", "gradient", "--profile", "test", *few, "-o", "mine.ipynb")
    assert done.returncode == 0, done.stderr
    assert "Claim 1 is undecided here: the run has no" in (empty / "mine.ipynb").read_text()
    assert sorted(p.name for p in empty.iterdir()) == [
        "_build", "mine.ipynb", "mine.manifest.json"
    ]  # fmt: skip
    done = cpdkit("record", "gradient")
    assert done.returncode == 2
    assert "this is an installed package" in done.stderr
    after = sorted(p.name for p in (tmp_path / "site").rglob("*") if p.suffix != ".pyc")
    assert [name for name in after if name != "__pycache__"] == before
    load = "import cpdkit; print(cpdkit.load_encoder('zoo/painn-gap-0{}').name)"
    assert python("-c", load.format("")).stdout == "zoo/painn-gap-0\n"
    assert "Let CPDKIT_ZOO name" in (said := python("-c", load.format("@1")).stderr), said
    weights = "painn-gap-0.checkpoints.safetensors"
    shutil.copy(root / "cpdkit/zoo/weights" / weights, empty)
    assert python("-c", load.format("@1")).stdout == "zoo/painn-gap-0@1\n"
    (empty / weights).write_bytes(b"other")
    assert "SHA-256 is not the one in its card" in python("-c", load.format("@1")).stderr


def test_import_is_light() -> None:
    """`import cpdkit` and its command line load neither torch nor plotting nor chemistry."""
    code = (
        "import sys, cpdkit, cpdkit.cli;"
        "print(*{'torch', 'matplotlib', 'rdkit', 'papermill'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
