"""Notebooks are whole wherever they are opened; the site adds answers and what one takes away."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from paths import ROOT
from plain_sources import myst
from pybtex.database import parse_file

import cpdkit
from cpdkit.experiments.labels import in_words
from cpdkit.runs.record import recorded_tables
from cpdkit.runs.run import Run, run_notebook
from cpdkit.runs.take_away import VERDICT_WORDS, site, write_chapter

CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOURCES = [*CHAPTERS, *sorted((ROOT / "book").rglob("[!.]*.ipynb"))]
LINK = re.compile(r"\]\(([^()\s#]*)(?:#([\w-]+))?\)")
WORK = re.compile(r"https://(?:doi\.org|arxiv\.org/abs)/([^)\s]+)")

each = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def prose(path: Path) -> str:
    cells = json.loads(path.read_text())["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


@each
def test_a_source_is_plain(path: Path) -> None:
    assert myst(json.loads(path.read_text())) == []


@pytest.mark.parametrize(
    "text",
    ["see {cite}`a2020b`", "{glue:text}`key`", "(name)=", "```{note}\n```", ":::{note}\n:::",
     "- ```{include} a.txt", "~~~{math}", "% hidden", "+++", "{{ word }}"],
)  # fmt: skip
def test_the_check_sees_what_is_not_plain(text: str) -> None:
    plain = "Text with `{a}`, $\\frac{a}{b}$ and\n\n```python\nx = {1: 2}\n```"
    assert myst(new_notebook(cells=[new_markdown_cell(plain), new_code_cell(text)])) == []
    cells = [new_markdown_cell(plain), new_markdown_cell(f"before\n\n{text}\n\nafter")]
    assert len(myst(new_notebook(cells=cells))) >= 1


@each
def test_links_of_a_source_lead_somewhere(path: Path) -> None:
    broken = []
    for link, anchor in LINK.findall(prose(path)):
        target = (path.parent / link) if link else path
        if link.startswith("https:"):
            continue
        text = target.read_text() if target.is_file() else ""
        if target.suffix == ".ipynb" and text:
            text = prose(target)
        anchors = (f'<a id="{anchor}"></a>', f"({anchor})=") if anchor else ("",)
        if not text or not any(a in text for a in anchors):
            broken.append(f"{link}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_names_its_answer_and_its_works(path: Path) -> None:
    """The sentences it announces are kept by its code; what it cites is in the bibliography."""
    (answer,) = re.findall(r"<!-- answer: ([\w -]+) -->", prose(path))
    cells = json.loads(path.read_text())["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    assert [key for key in answer.split() if f'"{key}"' not in code] == []
    bibliography = parse_file(ROOT / "book/references.bib").entries.values()
    known = {entry.fields.get("doi", entry.fields.get("eprint")) for entry in bibliography}
    assert set(WORK.findall(prose(path))) <= known


def test_what_the_site_makes_of_a_source() -> None:
    text = (
        "Asked.\n\n*At the end.* <!-- answer: one two -->\n\n"
        '<a id="rule"></a>\n\n## Rule\n\n[below](#rule), [there](../book/method.md#margin), '
        "[page](../book/method.md), [out](https://example.org/a.md)"
    )
    kept = [
        new_output(
            "display_data",
            data={"application/papermill.record/text/plain": repr(f"Said {key}.")},
            metadata={"scrapbook": {"name": key}},
        )
        for key in ("one", "two")
    ]
    cells = [new_markdown_cell(text), new_code_cell(outputs=kept)]
    cell = site(new_notebook(cells=cells)).cells[0]
    assert cell.source == (
        "Asked.\n\nSaid one.\n\nSaid two.\n\n"
        "(rule)=\n\n## Rule\n\n[below](#rule), [there](#margin), "
        "[page](../book/method), [out](https://example.org/a.md)"
    )


def test_where_outcomes_stand_their_words_are_explained_once_a_section() -> None:
    heading, verdict = "## Verdict", "page.verdict(one, glue='a')"
    sources = ["page.show(scores)", heading, "page.show(carried)", verdict, heading, "1", verdict]
    kinds = {heading: new_markdown_cell}
    cells = [kinds.get(source, new_code_cell)(source) for source in sources]
    page = site(new_notebook(cells=cells))
    assert [cell.source == VERDICT_WORDS for cell in page.cells] == [
        False, False, True, False, False, False, False, True, False,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def chapter() -> tuple[Path, Run]:
    source = ROOT / "notebooks/06_geometry_alone.ipynb"
    return source, run_notebook(
        source, profile="test", runs_dir=ROOT / "_build/runs", progress=False
    )


@pytest.fixture(scope="module")
def page(chapter: tuple[Path, Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A chapter as it is staged."""
    source, run = chapter
    page = tmp_path_factory.mktemp("staged") / source.name
    write_chapter(source, run, page, root=ROOT)
    return page


def test_a_staged_chapter_has_answer_citation_and_downloads(
    chapter: tuple[Path, Run], page: Path
) -> None:
    executed = nbformat.read(page, as_version=4)
    first, last = executed.cells[0].source, executed.cells[-1].source
    recorded = recorded_tables("06_geometry_alone", dataset="xtb9")["verdict"]["sentence"]
    said = [in_words(recorded.iloc[0]), (chapter[1].directory / "06_sentence.txt").read_text()]
    assert 0 < first.index(said[0]) < first.index("dropdown") < first.rindex(said[1])
    assert "Run all cells" not in first
    assert (page.parent / "verdict_words.txt").read_text() == VERDICT_WORDS
    assert "cpdkit run geometry\n" in last
    assert "2603.03155" in last
    assert f"version {cpdkit.__version__}" in last
    offered = re.findall(r"\{download\}`[^<]*<([^>]+)>`", last)
    there = {p.name for p in chapter[1].directory.glob("06_*") if p.suffix in (".csv", ".svg")}
    assert there | {"06_recorded.zip"} == {name for name in offered if "/" not in name}
    assert f"({len(there) + 1} files)" in last
    assert all((page.parent / name).is_file() for name in offered if "/" in name)
    assert "{download}" not in "".join(c.source for c in executed.cells[:-1])


def test_the_zip_of_a_chapter_runs_in_an_empty_folder(page: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(page.parent / "files" / f"{page.stem}.zip").extractall(tmp_path)
    folder = tmp_path / page.stem
    ours = nbformat.read(ROOT / "notebooks" / page.name, as_version=4).cells
    theirs = nbformat.read(folder / page.name, as_version=4).cells
    assert [theirs[0], *theirs[2:]] == ours  # the second installs what is missing
    assert (folder / "constraints.txt").read_bytes() == (ROOT / "constraints.txt").read_bytes()
    assert (folder / "recorded/xtb9/06_within.csv").is_file()
    needed = [line.split("  ") for line in (folder / "data.sha256").read_text().splitlines()]
    assert "cpdkit/datasets/xtb9/data/conformers.npz" in dict(map(reversed, needed))
    for digest, name in needed:
        assert hashlib.sha256((ROOT / name).read_bytes()).hexdigest() == digest
    command = [
        sys.executable,
        "-m",
        "cpdkit",
        "run",
        page.name,
        "--profile",
        "test",
        "-o",
        "mine.ipynb",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "representations not trained on the gap" in (folder / "mine.ipynb").read_text()
