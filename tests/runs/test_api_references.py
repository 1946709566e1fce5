"""What a documented docstring names is documented too: no reader is sent to what is private."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest
from paths import ROOT

API = "\n".join(page.read_text() for page in sorted((ROOT / "book/api").glob("*.md")))
DOCUMENTED = set(
    re.findall(r"^\.\. auto(?:function|class|data|module):: (\S+)$", API, re.MULTILINE)
)
LAST = {name.rpartition(".")[2] for name in DOCUMENTED}
ROOMS = {page.stem for page in (ROOT / "book/api").glob("*.md")}
NAME = r"~?([A-Za-z_][\w.]*)(?:\(\))?"
SINGLE, DOUBLE = re.compile(rf"(?<!`)`{NAME}`(?!`)"), re.compile(rf"``{NAME}``")
PARAMETERS = re.compile(r"^([a-zA-Z_][\w, ]*) : ", re.MULTILINE)
CAMEL = re.compile(r"\b[A-Z][a-z]+[A-Z]\w+\b")

Definition = ast.FunctionDef | ast.ClassDef


def definitions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    """Functions, classes and constants of a module."""
    for node in tree.body:
        if isinstance(node, Definition):
            yield node.name, node
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        yield from ((t.id, node) for t in targets if isinstance(t, ast.Name) and t.id.isupper())


FILES = sorted((ROOT / "cpdkit").rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
DEFINED = {name for tree in TREES.values() for name, _ in definitions(tree)}


def docstrings(node: Definition) -> Iterator[str]:
    """Of a function, or of a class and its public methods, less the names of these."""
    parts = [p for p in getattr(node, "body", []) if isinstance(p, ast.FunctionDef)]
    own = "|".join(p.name for p in parts) if isinstance(node, ast.ClassDef) else ""
    for part in [node, *(p for p in parts if own and not p.name.startswith("_"))]:
        text = ast.get_docstring(part) or ""
        yield re.sub(rf"`({own})`", "", text) if own else text


def known(name: str) -> bool:
    """Whether a page explains a name, a room that has a page, or a member of what is explained."""
    parts = name.split(".")
    if parts[0] == "cpdkit" and (len(parts) == 1 or len(parts) == 2 and parts[1] in ROOMS):
        return True
    return any(part in LAST for part in parts[1 if parts[0] == "cpdkit" else 0 :])


def dead(text: str) -> set[str]:
    """Names in a docstring that are the library's own and stand on no page."""
    explained = set(re.findall(r"\w+", " ".join(PARAMETERS.findall(text))))
    literal = {n for n in DOUBLE.findall(text) if "cpdkit." in n or n[0].isupper()}
    quoted = ({*SINGLE.findall(text)} | literal) - explained
    own = {n for n in quoted if n.startswith("cpdkit.") or n.partition(".")[0] in DEFINED}
    own |= {n for n in CAMEL.findall(text) if n in DEFINED}
    return {name for name in own if not known(name)}


DOCSTRINGS = [
    (f"{path.relative_to(ROOT)}:{name}", text)
    for path, tree in TREES.items()
    for name, node in definitions(tree)
    if name in LAST and isinstance(node, Definition)
    for text in docstrings(node)
]


def test_documented_docstrings_name_nothing_that_is_private() -> None:
    assert len(DOCSTRINGS) > 100
    found = {where: sorted(names) for where, text in DOCSTRINGS if (names := dead(text))}
    assert found == {}


@pytest.mark.parametrize(
    "text",
    ["See `cpdkit.held_out.protocol.INPUTS`.", "``cpdkit.intervals.INTERVALS`` lists",
     ":func:`~cpdkit._checks.finite` says", "As in FoldSums.", "from `get_protocol`()"],
)  # fmt: skip
def test_the_check_sees_what_leads_nowhere(text: str) -> None:
    assert len(dead(text)) == 1
    assert dead("`cpdkit.cpd`, ``Moments``, `cpdkit.intervals`, `Dataset.targets`, `seed`") == set()
