"""One can install from the site; whatever says `pip install` says where the wheel comes from."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from paths import ROOT

from cpdkit._version import WHEEL
from cpdkit.course.products import lesson_zip, write_products
from cpdkit.encoders import encoder_info
from cpdkit.runs import wheel
from cpdkit.runs.run import Run, notebook_parameters, read_notebook
from cpdkit.runs.take_away import chapter_zip
from cpdkit.runs.wheel import offer_wheel

LESSONS = sorted((ROOT / "book/course").glob("[1-9]*.ipynb"))
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PAGES = sorted((ROOT / "book").rglob("*.md"))
ORIGIN = re.compile(r"\]\((?:\.\./)*install(?:\.md)?\)")
BY_NAME = re.compile(r"pip install[^\n`]*[ '\"]cpdkit\b(?!-)|cpdkit\[")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.fixture(scope="module")
def offered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return offer_wheel(ROOT, tmp_path_factory.mktemp("site"))


def test_what_is_offered_can_be_installed(offered: Path, tmp_path: Path) -> None:
    """As pip does it, into an empty folder, and imported from there with data and notebooks."""
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", str(target), str(offered)], check=True, timeout=300)
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r}); import cpdkit, cpdkit.runs.shipped as s;"
        "print(cpdkit.__file__, len(s.experiments()), len(cpdkit.load_dataset('xtb9')))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [f"{target}/cpdkit/__init__.py", str(len(CHAPTERS)), "4200"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A repository whose package is one module."""
    root = tmp_path / "root"
    for folder in ("cpdkit/datasets", "notebooks"):
        (root / folder).mkdir(parents=True)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, root)
    for name in ("__init__.py", "_version.py"):
        (root / "cpdkit" / name).write_text((ROOT / "cpdkit/_version.py").read_text())
    return root


def test_a_wheel_is_built_again_when_and_only_when_its_sources_change(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []
    build = wheel._built
    monkeypatch.setattr(wheel, "_built", lambda *paths: built.append(1) or build(*paths))
    first = offer_wheel(small, tmp_path).read_bytes()
    assert offer_wheel(small, tmp_path).read_bytes() == first
    assert len(built) == 1
    (small / "cpdkit/gone.py").write_text("")
    second = offer_wheel(small, tmp_path)
    assert "cpdkit/gone.py" in zipfile.ZipFile(second).namelist()
    (small / "cpdkit/gone.py").unlink()
    assert offer_wheel(small, tmp_path).read_bytes() == first  # nothing is left of what was
    assert len(built) == 3
    (small / "setup.py").write_text("no Python")
    with pytest.raises(RuntimeError, match=r"could not be built:(.|\n)*SyntaxError"):
        offer_wheel(small, tmp_path)
    assert {path.name for path in (small / "_build/wheel").iterdir()} == {WHEEL, "sources.txt"}
    assert list((small / "_build").glob(".part-*")) == []


def readmes() -> Iterator[tuple[str, str]]:
    """Of all that is packed for a reader."""
    manifest = {"cpdkit": "0", "wall_seconds": 1, "hardware": {"cpus": 1}, "files": {}}
    for path in CHAPTERS:
        run = Run(path, manifest, "")
        yield path.stem, read(chapter_zip(path, run, constraints=ROOT / "constraints.txt"))
    for path in LESSONS:
        yield path.stem, read(lesson_zip(nbformat.read(path, as_version=4), path.stem))


def read(archive: bytes) -> str:
    with zipfile.ZipFile(BytesIO(archive)) as packed:
        return packed.read(next(n for n in packed.namelist() if n.endswith("README.txt"))).decode()


def test_every_readme_says_where_the_wheel_comes_from() -> None:
    for name, text in readmes():
        assert "page Install" in text, name
        (line,) = re.findall(r"pip install .*cpdkit.*", text)
        extras = re.search(rf"'\./{re.escape(WHEEL)}\[([\w,]+)\]'", line)[1]
        assert set(extras.split(",")) <= set(EXTRAS), name
        assert not BY_NAME.search(text), name


def test_every_page_that_names_the_package_to_pip_says_where_it_comes_from(tmp_path: Path) -> None:
    """Pages, lessons as they are on the site, and chapters."""
    pages = {path: path.read_text() for path in PAGES}
    for path in LESSONS:
        staged = tmp_path / "course" / path.name
        write_products(nbformat.read(path, as_version=4), staged, tmp_path)
        pages[path] = staged.read_text()
    pages |= {path: path.read_text() for path in CHAPTERS}
    naming = {path for path, text in pages.items() if BY_NAME.search(text)}
    assert len(naming) > 4  # the check sees them
    silent = {p for p in naming if not ORIGIN.search(pages[p]) and p != ROOT / "book/install.md"}
    assert silent == set()


def test_pages_name_the_wheel_that_is_offered() -> None:
    texts = {path: path.read_text() for path in PAGES}
    named = {
        path: set(re.findall(r"cpdkit-[^\s/'\"<\[]+\.whl", text)) for path, text in texts.items()
    }
    naming = {path.stem for path, names in named.items() if names}
    assert naming == {"install", "instructor"}
    assert set().union(*named.values()) == {WHEEL}
    for path in PAGES:
        for extras in re.findall(r"(?:\.whl|cpdkit)\[([\w,]+)\]", texts[path]):
            assert set(extras.split(",")) <= set(EXTRAS), path


def brought(names: str) -> set[str]:
    """Extras and packages that extras bring."""
    found = set(names.split(","))
    for name in names.split(","):
        for text in EXTRAS[name]:
            needed = Requirement(text)
            own = needed.name == "cpdkit"
            found |= brought(",".join(needed.extras)) if own else {needed.name}
    return found


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_extras_for_a_chapter_bring_its_models(path: Path) -> None:
    given = dict(readmes())[path.stem]
    (chosen,) = re.findall(rf"{re.escape(WHEEL)}\[([\w,]+)\]", given)
    assert chosen in (ROOT / "book/install.md").read_text()
    models = notebook_parameters(read_notebook(path)).get("encoders")
    for name in models.default if models else []:
        assert encoder_info(name).extra in brought(chosen), name


def test_the_sum_for_a_room_without_computers_is_right() -> None:
    import numpy as np

    text = (ROOT / "book/course/instructor.md").read_text()
    rows = re.findall(r"^\| \w+ \$(\w)\$ \|([\d |]+)\|$", text, re.MULTILINE)
    c, x, y = (np.array(values.split("|"), float) for _, values in rows)
    line = np.column_stack([np.ones(6), c])
    x_rest, y_rest = (v - line @ np.linalg.lstsq(line, v, rcond=None)[0] for v in (x, y))
    pairs = [(c, y), (x, y), (x_rest, y_rest), (x_rest, y)]
    shares = [f"{np.corrcoef(pair)[0, 1] ** 2:.2f}" for pair in pairs]
    said = re.findall(r"\((?:\$R\^2\$ = )?(\d\.\d\d)\)", text)
    assert said == shares
