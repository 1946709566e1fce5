"""From the one notebook of a lesson to what students, instructors, the site and an audience get.

Tags decide: cells tagged ``solution`` and ``instructor`` are not for students; the site folds
solutions away. ``slideshow.slide_type`` says which cells are slides; others are none.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbconvert.exporters import SlidesExporter
from nbconvert.preprocessors import ClearOutputPreprocessor, TagRemovePreprocessor
from nbformat import NotebookNode

from cpdkit._files import packed
from cpdkit._version import WHEEL

__all__ = ["instructor", "lesson_zip", "site", "slides", "student", "write_products"]

TEMPLATES = Path(__file__).with_name("templates")
_FOLDED = {"code_prompt_show": "Show a solution", "code_prompt_hide": "Hide the solution"}
_WITHOUT_TORCH = (1, 2)

_OFFERS = (
    "For students: {{download}}`notebook <files/{name}.ipynb>`, "
    "{{download}}`ZIP with what to install <files/{name}.zip>`. "
    "How to: [Install](../install). "
    '<a href="../../slides/{name}.html">Slides</a>. For instructors: '
    "{{download}}`notebook with solutions and notes <files/{name}_instructor.ipynb>`."
)
_NO_SLIDE = ("", "-", "skip")
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)]+)\.(?:ipynb|md)\)")
_EXTRAS = ",graphpes,ani,bonds"  # what lessons 3 to 5 take beside
_README = """\
{title}

1. Python 3.11 or later, in an environment of your own.
2. No package index has cpdkit: the site offers its wheel on the page Install. Put it beside this
   file.
   pip install './{wheel}[{extras}]'
   and something that opens notebooks: pip install jupyterlab, or VS Code.
3. cpdkit doctor    says whether all is well.
4. Open {name}, run it cell by cell, and replace None by your answers.

Nothing is downloaded while the notebook runs.
"""


def student(notebook: NotebookNode) -> NotebookNode:
    """Without solutions and instructor's notes, without outputs, to be read outside the book."""
    return _without(_apart(_plain(notebook)), "solution", "instructor")


def instructor(notebook: NotebookNode) -> NotebookNode:
    """Everything, with outputs where there are any, to be read outside the book."""
    return _apart(copy.deepcopy(notebook))


def site(notebook: NotebookNode, *, offers: str = "") -> NotebookNode:
    """Without instructor's notes, solutions folded away; `offers` stand below the title."""
    page = _without(copy.deepcopy(notebook), "instructor")
    for cell in page.cells:
        if "solution" in cell.metadata.get("tags", []):
            cell.metadata["tags"].append("hide-cell")
            cell.metadata["mystnb"] = cell.metadata.get("mystnb", {}) | _FOLDED
        if cell.cell_type == "markdown":  # pages whose code runs have another ending here
            cell.source = _LINK.sub(r"[\1](\2)", cell.source)
    if offers:
        page.cells.insert(1, nbformat.v4.new_markdown_cell(offers, id="offers"))
    return page


def slides(notebook: NotebookNode, *, static: str) -> str:
    """One page of reveal.js that takes all scripts from the folder `static`, relative to it.

    Parameters
    ----------
    notebook : NotebookNode
        Executed; what has no slide type is left out, but for exercises and what asks for them.
    static : str
        Holds ``reveal/`` and ``mathjax/``.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    ValueError
        If no cell is a slide.
    """
    shown = _apart(copy.deepcopy(notebook))
    _show_exercises(shown.cells)
    shown.cells = [cell for cell in shown.cells if _slide_type(cell) not in _NO_SLIDE]
    if not any(_slide_type(cell) == "slide" for cell in shown.cells):
        raise ValueError("the notebook has no slide; set slideshow.slide_type of a cell to slide.")
    shown.metadata["title"] = _title(notebook)
    exporter = SlidesExporter(
        template_name="cpdkit_slides",
        extra_template_basedirs=[str(TEMPLATES)],
        reveal_url_prefix=f"{static}/reveal",
        reveal_theme="white",
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    math = {"reveal": {"mathjax": f"{static}/mathjax/tex-svg-full.js"}}
    html, _ = exporter.from_notebook_node(shown, resources=math)
    return html


def lesson_zip(
    notebook: NotebookNode, name: str, *, beside: Mapping[str, bytes] | None = None
) -> bytes:
    """What a student unpacks: the student notebook, what to install, and files `beside` it."""
    lesson = int(notebook.metadata["cpdkit"]["lesson"])
    alone = lesson in _WITHOUT_TORCH
    readme = _README.format(
        title=_title(notebook),
        wheel=WHEEL,
        extras=f"plot{'' if alone else _EXTRAS}",
        name=f"{name}.ipynb",
    )
    files = {f"{name}.ipynb": nbformat.writes(student(notebook)).encode()}
    files |= {"README.txt": readme.encode(), **(beside or {})}
    return packed({f"{name}/{file}": content for file, content in files.items()})


def write_products(executed: NotebookNode, page: Path, slides_folder: Path) -> None:
    """Everything a lesson offers.

    Parameters
    ----------
    executed : NotebookNode
        The lesson after a run of all its cells.
    page : Path
        The notebook of the site, ``book/course/NAME.ipynb``. What it offers for download goes to
        the folder ``files`` beside it.
    slides_folder : Path
        Where the site takes pages from as they are.
    """
    name, files = page.stem, page.parent / "files"
    for folder in (files, slides_folder):
        folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(student(executed), files / f"{name}.ipynb")
    nbformat.write(instructor(executed), files / f"{name}_instructor.ipynb")
    topic = name.partition("_")[2]
    beside = {path.name: path.read_bytes() for path in sorted(page.parent.glob(f"{topic}*.py"))}
    (files / f"{name}.zip").write_bytes(lesson_zip(executed, name, beside=beside))
    (slides_folder / f"{name}.html").write_text(
        slides(executed, static="../_static"), encoding="utf-8"
    )
    nbformat.write(site(executed, offers=_OFFERS.format(name=name)), page)


def _plain(notebook: NotebookNode) -> NotebookNode:
    return ClearOutputPreprocessor().preprocess(copy.deepcopy(notebook), {})[0]


def _apart(notebook: NotebookNode) -> NotebookNode:
    """Links to pages of the book become plain text: outside it they lead nowhere."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = _LINK.sub(r"\1", cell.source)
    return notebook


def _without(notebook: NotebookNode, *tags: str) -> NotebookNode:
    remover = TagRemovePreprocessor(remove_cell_tags=set(tags))
    return remover.preprocess(notebook, {})[0]


def _show_exercises(cells: list[NotebookNode]) -> None:
    """Give each exercise a slide, with what asks for it unless that stands on one already."""
    for before, cell in zip(cells, cells[1:], strict=False):
        if "exercise" in cell.metadata.get("tags", []) and _slide_type(cell) in _NO_SLIDE:
            cell.outputs = []
            cell.metadata["slideshow"] = {"slide_type": "slide"}
            if before.cell_type == "markdown" and _slide_type(before) in _NO_SLIDE:
                before.metadata["slideshow"] = {"slide_type": "slide"}
                cell.metadata["slideshow"] = {"slide_type": "fragment"}


def _slide_type(cell: NotebookNode) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "")


def _title(notebook: NotebookNode) -> str:
    return notebook.cells[0].source.splitlines()[0].lstrip("# ")
