"""Every lesson keeps the form, runs as student and as instructor, and becomes slides."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import zipfile
from html import unescape
from pathlib import Path

import nbformat
import pytest
from html_pages import Page, external
from nbformat import NotebookNode
from paths import ROOT

from cpdkit._version import WHEEL
from cpdkit.course.feedback import exercise_names
from cpdkit.course.products import (
    instructor,
    lesson_zip,
    site,
    slides,
    student,
    write_products,
)
from cpdkit.runs.run import run_notebook

COURSE = ROOT / "book" / "course"
SOURCES = sorted(COURSE.glob("*.ipynb"))
LESSONS = [path for path in SOURCES if not path.name.startswith("5")]
ALONE = [path for path in SOURCES if path.name[0] in "12"]  # with cpdkit and nothing else
RUNS = ROOT / "_build" / "runs"  # those of the book, where it was built


def stem(path: Path) -> str:
    return path.stem


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if tag in tags(cell)]


def shown(cell: NotebookNode) -> str:
    return "".join(str(output.get("data", output)) for output in cell.get("outputs", []))


def checks(cell: NotebookNode) -> list[ast.Call]:
    calls = [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Call)]
    return [call for call in calls if getattr(call.func, "id", "") == "check"]


@pytest.fixture(scope="module")
def executed() -> dict[Path, NotebookNode]:
    return {}


def run(path: Path, executed: dict[Path, NotebookNode]) -> NotebookNode:
    if path not in executed:
        executed[path] = read(run_notebook(path, runs_dir=RUNS, progress=False).notebook)
    return executed[path]


def test_there_are_four_lessons_whose_checkers_are_used() -> None:
    assert [path.name[0] for path in LESSONS] == list("1234")
    cells = [cell for path in SOURCES for cell in tagged(read(path), "exercise")]
    used = {call.args[0].value for cell in cells for call in checks(cell)}
    there = {path.name[0] for path in SOURCES}
    assert used == {name for name in exercise_names() if name[0] in there}


@pytest.mark.parametrize("path", SOURCES, ids=stem)
def test_sources_are_plain(path: Path) -> None:
    """No outputs, no cell without a stable name."""
    notebook = read(path)
    assert notebook.metadata["cpdkit"]["lesson"] == int(path.name[0])
    assert notebook.cells[0].source.startswith("# ")
    for cell in notebook.cells:
        assert cell.id
        assert not cell.get("outputs")
        if cell.cell_type == "markdown":
            assert cell.source.count("<details>") == cell.source.count("</details>")
        else:
            lines = [line for line in cell.source.splitlines() if line.strip()]
            assert len(lines) <= 6, cell.source


@pytest.mark.parametrize("path", LESSONS, ids=stem)
def test_a_lesson_has_all_its_parts(path: Path) -> None:
    notebook, number = read(path), path.name[0]
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    text = "\n".join(prose)
    assert "You need" in text
    goals = next(p for p in prose if re.search(r"you can", p))
    assert len(re.findall(r"^\d\. ", goals, re.MULTILINE)) == 3
    minutes = re.findall(r"^\| *(\d+) *\|", text, re.MULTILINE)
    assert sum(map(int, minutes)) == 45
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    own = re.compile(
        r"^(?!first_)\w+_figure\(", re.MULTILINE
    )  # beside the recorded one of a chapter
    assert sum(len(own.findall(source)) for source in code) == 2
    assert len(tagged(notebook, "predict")) >= 4
    assert all("What do you expect" in cell.source for cell in tagged(notebook, "predict"))
    names = [call.args[0].value for c in tagged(notebook, "exercise") for call in checks(c)]
    assert sorted(names) == [f"{number}.{i}" for i in range(1, 6)]
    assert "pencil" in text
    assert len(tagged(notebook, "hint")) >= 5
    (quiz,) = tagged(notebook, "quiz")
    assert re.findall(r"^\*\*(\d)\.\*\*", quiz.source, re.MULTILINE) == list("123456")
    assert quiz.source.count("<details>") == 6
    assert tagged(notebook, "misunderstanding")
    assert tagged(notebook, "instructor")
    assert len(re.findall(r"https://(?:doi|arxiv)\.org/", text)) >= 3
    assert "notebooks/0" in text


@pytest.mark.parametrize("path", SOURCES, ids=stem)
def test_each_exercise_is_followed_by_its_solution(path: Path) -> None:
    cells = read(path).cells
    for cell, after in zip(cells, cells[1:], strict=False):
        if "exercise" in tags(cell):
            assert "= None" in cell.source
            assert "solution" in tags(after)
            assert [ast.unparse(c) for c in checks(after)] == [ast.unparse(c) for c in checks(cell)]


@pytest.mark.parametrize("path", SOURCES, ids=stem)
def test_as_instructor_every_checker_says_right(path: Path, executed: dict) -> None:
    solutions = tagged(instructor(run(path, executed)), "solution")
    assert [cell.source for cell in solutions if "**Right**" not in shown(cell)] == []


@pytest.mark.parametrize("path", SOURCES, ids=stem)
def test_as_student_blanks_are_answered_kindly(path: Path, executed: dict) -> None:
    """A cell that raised would have ended the run."""
    theirs = ROOT / "_build" / "course" / path.name
    theirs.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(student(read(path)), theirs)
    notebook = run(theirs, executed)
    assert not tagged(notebook, "solution") + tagged(notebook, "instructor")
    prose = "".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    assert re.findall(r"\]\((?!http)[^)]+\.(?:ipynb|md)\)", prose) == []  # it lies outside the book
    for cell in tagged(notebook, "exercise"):
        assert "no answer yet" in shown(cell)
        assert "Traceback" not in shown(cell)


@pytest.mark.parametrize("path", SOURCES, ids=stem)
def test_as_slides_with_one_figure_each_and_nothing_from_elsewhere(
    path: Path, executed: dict
) -> None:
    html = slides(run(path, executed), static="../_static")
    assert [url for url in Page(html).fetched if external(url)] == []
    assert "../_static/reveal/dist/reveal.js" in html
    assert not re.findall(r'href="(?!http)[^"]+\.(?:ipynb|md)"', html)
    sections = re.split(r"<section", html)[1:]
    assert len(sections) > (5 if path in LESSONS else 1)
    assert max(part.count("<img") for part in sections) == (path in LESSONS)  # the project: none
    for secret in tagged(run(path, executed), "instructor"):
        assert secret.source.splitlines()[0] not in html
    if path in LESSONS:
        written = [" ".join(re.sub(r"<[^>]+>", "", part).split()) for part in sections]
        for exercise in tagged(run(path, executed), "exercise"):
            (name,) = [call.args[0].value for call in checks(exercise)]
            assert any(f'check("{name}", answer' in unescape(part) for part in written)


@pytest.mark.parametrize("path", SOURCES, ids=stem)
def test_the_site_folds_solutions_away_and_shows_no_notes(path: Path, executed: dict) -> None:
    page = site(run(path, executed), offers="all of it")
    assert page.cells[1].source == "all of it"
    assert all("hide-cell" in tags(cell) for cell in tagged(page, "solution"))
    assert tagged(page, "solution")
    assert not tagged(page, "instructor")


def test_all_products_lie_where_the_page_says(tmp_path: Path) -> None:
    """Of the project, whose ZIP holds one file more."""
    page = tmp_path / "course" / "5_project.ipynb"
    page.parent.mkdir()
    (page.parent / "project_example.py").write_text("print()")
    write_products(read(COURSE / page.name), page, tmp_path / "slides")
    offered = re.findall(r"<(files/[^>]+)>", read(page).cells[1].source)
    assert len(offered) == 3
    assert all((page.parent / name).is_file() for name in offered)
    assert (tmp_path / "slides" / "5_project.html").is_file()
    names = zipfile.ZipFile(page.parent / "files" / "5_project.zip").namelist()
    assert sorted(Path(name).name for name in names) == [
        "5_project.ipynb", "README.txt", "project_example.py",
    ]  # fmt: skip


RUNNER = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
for cell in json.load(open(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code":
        shell.run_cell("".join(cell["source"])).raise_error()
import cpdkit
print(cpdkit.__file__, "torch" in sys.modules, "rdkit" in sys.modules)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as pip installs it, and no torch."""
    folder = tmp_path_factory.mktemp("installed")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        (folder / name).write_bytes((ROOT / name).read_bytes())
    for name in ("cpdkit", "notebooks"):
        (folder / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(folder)]
    subprocess.run(command, check=True, cwd=folder, timeout=300)
    site = folder / "site"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    (site / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    return site


@pytest.mark.parametrize("path", ALONE, ids=stem)
def test_the_zip_runs_with_the_installed_package_alone(
    path: Path, installed: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "lesson.zip"
    archive.write_bytes(lesson_zip(read(path), path.stem))
    assert archive.read_bytes() == lesson_zip(read(path), path.stem)
    zipfile.ZipFile(archive).extractall(tmp_path)
    folder = tmp_path / path.stem
    assert {p.name for p in folder.iterdir()} == {"README.txt", path.name}
    readme = (folder / "README.txt").read_text()
    assert f"pip install './{WHEEL}[plot]'" in readme
    assert path.name in readme
    environment = os.environ | {"PYTHONPATH": str(installed), "IPYTHONDIR": str(tmp_path / "ipy")}
    done = subprocess.run(
        [sys.executable, "-P", "-c", RUNNER, path.name],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    where, torch, rdkit = done.stdout.split()[-3:]
    assert where.startswith(str(installed))
    assert (torch, rdkit) == ("False", "False")
