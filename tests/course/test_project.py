"""The rubric of the project and the marks of its three examples add up."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest


@pytest.fixture
def cells(root: Path) -> list[str]:
    notebook = nbformat.read(root / "book/course/5_project.ipynb", as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def test_marks_follow_the_rubric(cells):
    (rubric,) = (text for text in cells if text.startswith("## Rubric"))
    most = {name: int(n) for n, name in re.findall(r"^\| (\d+) \| ([^|]+) \|", rubric, flags=re.M)}
    assert sum(most.values()) == 20
    examples = [text for text in cells if text.startswith("### Example")]
    words = []
    for text in examples:
        word, total = re.search(r"· (\w+) \((\d+) of 20\)", text).groups()
        marks = re.findall(r"^\| ([^|]+) \| (\d)/(\d) \|", text, flags=re.M)
        assert {name: int(of) for name, _, of in marks} == most
        assert sum(int(given) for _, given, _ in marks) == int(total)
        grade = "excellent" if int(total) >= 17 else "sound" if int(total) >= 12 else "insufficient"
        assert word == grade
        words.append(word)
    assert words == ["excellent", "sound", "insufficient"]
