"""The first use of a word leads to the glossary, which explains it on hover."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from glossary import GLOSSARY, MOST
from lxml import html
from paths import ROOT
from sphinx.application import Sphinx

CONF = 'extensions = ["myst_parser", "glossary"]\nmyst_enable_extensions = ["dollarmath"]\n'
PAGE = """\
# A probe in the heading

`probe` and $probe$ and [a probe](https://example.org), a subprobe, a probe-like thing.

| probe | table |
|---|---|
| probe | cell |

By `r2_geom`, of course.

- Of **Probes** the *first* counts, of a probe the second does not.

```python
probe
```

Not formula folds: {words}.
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two planted pages, and the glossary of the book."""
    source, out = (tmp_path_factory.mktemp(name) for name in ("source", "out"))
    (source / "book/api").mkdir(parents=True)
    (source / "conf.py").write_text(CONF)
    glossary = (ROOT / f"{GLOSSARY}.md").read_text()
    (source / f"{GLOSSARY}.md").write_text(glossary)
    words = ", ".join(re.findall(r"^(\w[\w ]*)$", glossary, re.MULTILINE))
    (source / "book/page.md").write_text(PAGE.replace("{words}", words))
    (source / "book/api/page.md").write_text(PAGE)
    (source / "index.md").write_text("# All\n")
    Sphinx(source, source, out, out / "doctrees", "html", status=None, warning=None).build()
    return out


def links(page: Path) -> list[html.HtmlElement]:
    return html.parse(page).xpath("//a[contains(@class, 'term')]")


def test_the_first_use_in_prose_is_a_link_that_says_what_it_means(site: Path) -> None:
    score, first, second, *others = links(site / "book/page.html")
    assert score.getparent().tag == "code"
    assert (score.text_content(), first.text) == ("r2_geom", "Probes")
    assert first.get("href") == "glossary.html#term-probe"
    assert first.get("title").startswith("A small model that is fitted to predict")
    assert second.text == "formula folds"  # the longer one, not *folds*
    assert len({link.get("href") for link in (score, first, second, *others)}) == MOST
    assert len(others) == MOST - 3
    text = html.parse(site / "book/page.html").xpath("string(//body)")
    assert "a subprobe, a probe-like thing." in " ".join(text.split())


def test_the_api_and_the_glossary_itself_are_left_alone(site: Path) -> None:
    assert links(site / "book/api/page.html") == []
    assert links(site / f"{GLOSSARY}.html") == []


def test_entries_are_in_order_and_defined(site: Path) -> None:
    items = html.parse(site / f"{GLOSSARY}.html").xpath("//dl[contains(@class, 'glossary')]")
    names = [dt.text.lower() for dt in items[0].xpath("dt[not(preceding-sibling::*[1][self::dt])]")]
    assert len(names) >= 30
    assert names == sorted(names)
    told = [" ".join(dd.text_content().split()) for dd in items[0].xpath("dd")]
    assert len(told) == len(names)
    assert [text for text in told if not 20 < len(text) < 450 or text[-1] != "."] == []


def test_every_entry_is_used_on_some_page() -> None:
    pages = [p.read_text() for p in (ROOT / "book").glob("*.md") if p.stem != "glossary"]
    cells = [json.loads(p.read_text())["cells"] for p in (ROOT / "notebooks").glob("*.ipynb")]
    pages += ["".join(c["source"]) for page in cells for c in page if c["cell_type"] == "markdown"]
    text = re.sub(r"<!--.*?-->|\]\([^)]*\)", " ", "\n".join(pages))
    text = re.sub(r"`(r2_\w+)?[^`]*`", lambda code: code[1] or " ", text).replace("\n", " ")
    listed = (ROOT / f"{GLOSSARY}.md").read_text().partition("```{glossary}\n")[2]
    targets = set(re.findall(r"^\((.+)\)=$", "\n".join(pages), re.MULTILINE))
    assert targets & set(listed.lower().splitlines()) == set()  # a link could mean either
    unused = []
    for entry in listed.split("\n\n"):
        terms = [line for line in entry.splitlines() if line[0] not in " `"]
        pattern = rf"(?<![\w-])(?:{'|'.join(map(re.escape, terms))})(?![\w-])"
        unused += [] if re.search(pattern, text, re.IGNORECASE) else terms[:1]
    assert unused == []
