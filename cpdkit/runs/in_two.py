"""Two pages of one executed chapter: what a reader came for, and what stands behind it.

The notebook's metadata say which sections stand on the first page, ``cpdkit.first_page``, and which
figure stands under the answer, ``cpdkit.lead``, the name that `Page.figure` was given. The notebook
itself stays whole, in the order in which it runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy

import nbformat
from nbformat import NotebookNode

from cpdkit._messages import unknown

__all__ = ["SECOND", "in_two"]

SECOND = "_in_depth"  # behind the name of the file
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
_STARTS = re.compile(
    r"(?<!\)=)(?<!\)=\n)\n(?=(?:\([\w-]+\)=\n+)?## )"
)  # a section, with the target before it


def in_two(notebook: NotebookNode, *, name: str) -> tuple[NotebookNode, NotebookNode | None]:
    """Split an executed chapter into its page and the page *in depth*; code is folded on both.

    Parameters
    ----------
    notebook : NotebookNode
        Executed; its first cell begins with the title. It is left as it is.
    name : str
        Of its file, without extension; the second page is called ``NAME_in_depth``.

    Returns
    -------
    page : NotebookNode
        The first cell, the figure that leads with the prose under it, the sections of
        ``first_page``, and a link that names the others.
    depth : NotebookNode or None
        The other sections under a title; None where the metadata name no ``first_page``.

    Raises
    ------
    ValueError
        If the metadata name a section or a figure that the notebook does not have.
    """
    own = notebook.metadata.get("cpdkit", {})
    sections = _sections(notebook)
    titles = [title for title, _ in sections[1:]]
    kept = own.get("first_page", titles)
    for title in kept:
        if title not in titles:
            raise ValueError(unknown("section of first_page", title, titles))
    page, depth = deepcopy(notebook), deepcopy(notebook)
    lead = _take(own["lead"], sections) if "lead" in own else []
    page.cells = (
        sections[0][1] + lead + [c for t, cells in sections[1:] if t in kept for c in cells]
    )
    depth.cells = [c for t, cells in sections[1:] if t not in kept for c in cells]
    if not depth.cells:
        return page, None
    title = notebook.cells[0].source.partition("\n")[0].removeprefix("# ")
    first = f"# {title}: in depth\n\nWhat stands behind [the chapter]({name})."
    last = f"## In depth\n\n[What stands behind this chapter]({name}{SECOND}):\n"
    last += "".join(f"\n- {title}" for title in titles if title not in kept)
    depth.cells.insert(0, nbformat.v4.new_markdown_cell(first, id="in-depth-title"))
    page.cells.append(nbformat.v4.new_markdown_cell(last, id="in-depth-link"))
    return page, depth


def _sections(notebook: NotebookNode) -> list[tuple[str, list[NotebookNode]]]:
    """Titles with copies of their cells; what stands before the first heading has no title."""
    found: list[tuple[str, list[NotebookNode]]] = [("", [])]
    for cell in _split(notebook):
        heading = _HEADING.search(cell.source) if cell.cell_type == "markdown" else None
        if heading:
            found.append((heading[1], []))
        found[-1][1].append(cell)
    return found


def _split(notebook: NotebookNode) -> Iterator[NotebookNode]:
    """Copies of all cells, those of prose cut where a section starts, code folded."""
    for cell in deepcopy(notebook.cells):
        if cell.cell_type == "code":
            cell.metadata["tags"] = sorted({*cell.metadata.get("tags", []), "hide-input"})
            yield cell
            continue
        for i, text in enumerate(_STARTS.split(cell.source)):
            part = deepcopy(cell)
            part.source = text.strip()
            part.id = f"{cell.id}-{i}" if i else cell.id
            yield part


def _take(figure: str, sections: list[tuple[str, list[NotebookNode]]]) -> list[NotebookNode]:
    """Take the cell that draws a figure out of its section, and what is written under it."""
    drawing = f'page.figure("{figure}"'
    for _, cells in sections:
        for i, cell in enumerate(cells):
            if cell.cell_type == "code" and drawing in cell.source:
                n = 2 if [c.cell_type for c in cells[i + 1 : i + 2]] == ["markdown"] else 1
                taken, cells[i : i + n] = cells[i : i + n], []
                return taken
    raise ValueError(f"no cell of the notebook holds {drawing}, the figure that is to lead.")
