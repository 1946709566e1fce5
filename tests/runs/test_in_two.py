"""A chapter becomes two pages, and no cell is lost or told twice."""

from __future__ import annotations

from copy import deepcopy

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpdkit.runs.in_two import in_two


def chapter(
    first_page: list[str] | None = None, lead: str = "", n: int = 4
) -> nbformat.NotebookNode:
    """A title, and sections 0, 1, ... whose headings end the prose of the section before."""
    prose, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    cells = [prose("# 1 · Title\n\nA question?")]
    for i in range(n):
        cells += [prose(f"End of {i - 1}.\n\n(at-{i})=\n\n## Part {i}\n\nWords {i}.")]
        cells += [code(f'page.figure("f{i}", draw())')]
    own = {"first_page": first_page} if first_page is not None else {}
    own |= {"lead": lead} if lead else {}
    return nbformat.v4.new_notebook(cells=cells, metadata={"cpdkit": own})


def texts(notebook: nbformat.NotebookNode | None) -> list[str]:
    cells = notebook.cells if notebook else []
    return [line for cell in cells for line in cell.source.splitlines() if line]


@given(st.sets(st.integers(0, 3)), st.sampled_from(["", "f0", "f3"]))
def test_every_line_stands_on_one_page_in_its_order(kept: set[int], lead: str) -> None:
    notebook = chapter([f"Part {i}" for i in kept], lead)
    before = deepcopy(notebook)
    page, depth = in_two(notebook, name="01_title")
    assert notebook == before
    assert (depth is None) == (len(kept) == 4)
    nbformat.validate(page)
    everything = texts(page) + texts(depth)
    for i in range(4):
        home = texts(page) if i in kept else texts(depth)
        assert home.index(f"(at-{i})=") < home.index(f"## Part {i}") < home.index(f"Words {i}.")
        figure = f'page.figure("f{i}", draw())'
        assert everything.count(figure) == 1
        assert (figure in texts(page)) == (i in kept or lead == f"f{i}")
    if lead:
        code = [cell for cell in page.cells if cell.cell_type == "code"]
        assert code[0].source == f'page.figure("{lead}", draw())'
        if lead != "f3":  # what is written under it stays there
            assert texts(page)[texts(page).index(code[0].source) + 1] == f"End of {lead[1]}."
    shown = page.cells + (depth.cells if depth else [])
    assert all("hide-input" in c.metadata.tags for c in shown if c.cell_type == "code")


def test_the_pages_link_to_each_other_by_what_they_hold() -> None:
    page, depth = in_two(chapter(["Part 1"]), name="01_title")
    assert depth is not None
    nbformat.validate(depth)
    assert "[What stands behind this chapter](01_title_in_depth)" in page.cells[-1].source
    assert "- Part 0\n- Part 2\n- Part 3" in page.cells[-1].source
    assert depth.cells[0].source.startswith("# 1 · Title: in depth")
    assert "(01_title)" in depth.cells[0].source


def test_a_notebook_that_says_nothing_stays_one_page() -> None:
    page, depth = in_two(chapter(), name="x")
    assert depth is None
    assert texts(page) == texts(chapter())


def test_what_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="did you mean 'Part 1'"):
        in_two(chapter(["Part1"]), name="x")
    with pytest.raises(ValueError, match='page.figure\\("g"'):
        in_two(chapter(lead="g"), name="x")
