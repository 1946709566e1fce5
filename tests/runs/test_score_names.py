"""On pages of results prose names the scores as tables and figures do."""

from __future__ import annotations

from pathlib import Path

import pytest
from glossary import GLOSSARY
from lxml import html
from sphinx.application import Sphinx

CONF = 'extensions = ["myst_parser", "glossary", "score_names"]\n'
GLOSSARY_PAGE = "# Words\n\n```{glossary}\nr2_partial\nR²partial\n  A share.\n```\n"
PAGE = """\
# Page

The share `r2_partial` (see `r2_geom - ceiling`), by r2_full and *r2_comp*; not `r2_partial_fixed`,
`r2_partial.csv` or `my_r2_geom`.

| score |
|---|
| `r2_leak` |

```python
score = "r2_partial"
```
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same page twice, among results and among instructions."""
    source, out = (tmp_path_factory.mktemp(name) for name in ("source", "out"))
    (source / "conf.py").write_text(CONF)
    for name, text in {
        GLOSSARY: GLOSSARY_PAGE, "book/claims": PAGE, "book/engine": PAGE, "index": "# All\n",
    }.items():  # fmt: skip
        (source / name).parent.mkdir(exist_ok=True)
        (source / f"{name}.md").write_text(text)
    Sphinx(source, source, out, out / "doctrees", "html", status=None, warning=None).build()
    return out


def test_results_have_the_names_of_tables(site: Path) -> None:
    page = html.parse(site / "book/claims.html")
    said = " ".join(page.xpath("string(//p[contains(., 'share')])").split())
    assert said == (
        "The share R²partial (see R²geom - ceiling), by R²full and R²comp; not r2_partial_fixed,"
        " r2_partial.csv or my_r2_geom."
    )
    assert page.xpath("//sub/text()") == ["partial", "geom", "full", "comp", "leak"]
    assert page.xpath("//p//code//text()") == ["r2_partial_fixed", "r2_partial.csv", "my_r2_geom"]


def test_the_first_still_leads_to_the_glossary(site: Path) -> None:
    (link,) = html.parse(site / "book/claims.html").xpath("//a[contains(@class, 'term')]")
    assert link.text_content() == "R²partial"
    assert link.get("title") == "A share."


def test_code_and_other_pages_keep_what_is_written(site: Path) -> None:
    assert '"r2_partial"' in html.parse(site / "book/claims.html").xpath("string(//pre)")
    assert html.parse(site / "book/engine.html").xpath("//sub") == []
