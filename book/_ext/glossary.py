"""Sphinx extension: the first use of a word of the glossary leads there and is explained on hover.

The entries are those of the page `GLOSSARY`; further terms of an entry, such as plurals, lead to
the first.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

GLOSSARY = "book/glossary"
MOST = 12  # links on one page
_WITHOUT = ("book/api", "book/references", GLOSSARY)
_NOT_IN = (nodes.entry, nodes.footnote, nodes.citation, addnodes.desc)
_PROSE = (nodes.paragraph, nodes.emphasis, nodes.strong, nodes.literal)


def entries(glossary: nodes.document) -> dict[str, tuple[str, str]]:
    """Anchor and definition by term, in lower case."""
    found = {}
    for item in glossary.findall(nodes.definition_list_item):
        *terms, definition = item.children
        told = " ".join(definition.astext().split())
        found |= {term.astext().lower(): (terms[0]["ids"][0], told) for term in terms}
    return found


def _texts(page: nodes.document) -> list[nodes.Text]:
    """Running prose: no headings, code but for names of scores, links, captions, tables."""
    found = []
    for text in page.findall(nodes.Text):
        if isinstance(text.parent, nodes.literal) and not text.startswith("r2_"):
            continue
        up = text.parent
        while isinstance(up, _PROSE) and not isinstance(up, nodes.paragraph):
            up = up.parent
        if isinstance(up, nodes.paragraph) and "sd-card-text" not in up["classes"]:
            above = up.parent
            while above is not None and not isinstance(above, _NOT_IN):
                above = above.parent
            found += [text] if above is None else []
    return found


def explain(app: Sphinx, page: nodes.document, name: str) -> None:
    """Turn the first use of each word into a link."""
    if not name.startswith(("book/", "notebooks/")) or name.startswith(_WITHOUT):
        return
    known = entries(app.env.get_doctree(GLOSSARY))
    link = app.builder.get_relative_uri(name, GLOSSARY)
    longest_first = "|".join(re.escape(term) for term in sorted(known, key=len, reverse=True))
    words = re.compile(rf"(?<![\w-])(?:{longest_first})(?![\w-])", re.IGNORECASE)
    used: set[str] = set()
    for text in _texts(page):
        made: list[nodes.Node] = []
        done = 0
        for word in words.finditer(text):
            anchor, told = known[word[0].lower()]
            if anchor in used or len(used) == MOST:
                continue
            used.add(anchor)
            made += [nodes.Text(text[done : word.start()]), nodes.reference(
                "", word[0], refuri=f"{link}#{anchor}", reftitle=told, internal=True,
                classes=["term"],
            )]  # fmt: skip
            done = word.end()
        if made:
            text.parent.replace(text, [*made, nodes.Text(text[done:])])


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the hook; called by Sphinx."""
    app.connect("doctree-resolved", explain)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
