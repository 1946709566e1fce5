"""Pages as readers see them: Chromium, three widths, light and dark.

The book that `make book` has built is looked at; where there is none, or no browser, that is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import CHROMIUM, chromium, leaves, stumbles
from html_pages import Page, external, pages
from paths import ROOT
from playwright.sync_api import Browser

HTML = ROOT / "_build/html"
DOOR = "index.html"  # sends the reader on to the first page
PAGES = sorted(p.relative_to(HTML).as_posix() for p in pages(HTML)) if HTML.is_dir() else []
CHARTS = {"explore", "explorer", "playground"}  # with what draws them
SLIDES = [name for name in PAGES if name.startswith("slides/")]

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium; apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.mark.parametrize("name", [name for name in PAGES if name not in [DOOR, *SLIDES]] or [None])
def test_nobody_stumbles_over_a_page(browser: Browser, name: str | None) -> None:
    if name is None:
        pytest.skip("no book in _build/html; `make book` makes it")
    assert stumbles(browser, HTML / name) == []


def test_the_door_leads_to_the_first_page(browser: Browser) -> None:
    if DOOR not in PAGES:
        pytest.skip("no book in _build/html; `make book` makes it")
    page = browser.new_page()
    page.goto((HTML / DOOR).as_uri())
    page.wait_for_url("**/book/intro.html")
    page.close()


def test_a_map_of_molecules_opens_from_the_disk(browser: Browser) -> None:
    name = "book/explorer.html"
    if name not in PAGES:
        pytest.skip("no book in _build/html; `make book` makes it")
    found: list[str] = []
    page = browser.new_page()
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda r: found.append(r.url) if leaves(r.url) else None)
    page.goto((HTML / name).as_uri())
    for button in page.query_selector_all(".explorer button"):
        button.click()
        page.wait_for_selector(".explorer-structure canvas")
        page.wait_for_selector(".explorer-map .plotly")
    page.close()
    assert found == []


WRONG = {
    "console": "<script>console.error('x')</script>",
    "script": "<script>throw new Error('x')</script>",
    "asks": "<img alt=x src='http://127.0.0.1:9/x.png'>",
    "scrolls sideways": "<div style='width: 2000px'>x</div>",
    "cut off": "<div style='overflow: hidden; width: 100px'><table><tr><td>"
    + "<div style='width: 500px'>x</div></table></div>",
    "missing picture": "<img alt=x src='nowhere.png'>",
    "no alternative text": "<img src='nowhere.png'>",
    "letters of": "<p style='font-size: 6px'>x</p>",
    "not drawn": "<span class=math>x</span>",
    "color-contrast": "<p style='color: #bbb; background: #fff'>words</p>",
    "button-name": "<button></button>",
}


@pytest.mark.parametrize("what", WRONG)
def test_the_look_sees_what_is_wrong(browser: Browser, tmp_path: Path, what: str) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><html lang=en><title>x</title><body><main><h1>x</h1>"
        f"<article>{WRONG[what]}</article></main></body></html>"
    )
    assert any(what in said for said in stumbles(browser, page))


def test_the_look_lets_a_sound_page_pass(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        "<!doctype html><html lang=en><title>x</title><body><main><h1>x</h1>"
        "<article><p>Words.</p><table><tr><th>a</th></tr><tr><td>1</td></tr></table></article>"
        "</main></body></html>"
    )
    assert stumbles(browser, page) == []


def test_the_site_is_small() -> None:
    if not PAGES:
        pytest.skip("no book in _build/html; `make book` makes it")
    assert not list(HTML.rglob("*.map"))
    assert sum(f.stat().st_size for f in HTML.rglob("*") if f.is_file()) < 60e6


ENDS = """() => {
  const slide = Reveal.getCurrentSlide(), shown = [...slide.querySelectorAll('*')]
    .filter(e => !e.closest('mjx-assistive-mml')).map(e => e.getBoundingClientRect())
    .filter(box => box.width && box.height);
  return [Math.max(...shown.map(b => b.bottom)), Math.max(...shown.map(b => b.right))]
}"""


@pytest.mark.parametrize("name", SLIDES or [None])
def test_slides_fit_the_window(browser: Browser, name: str | None) -> None:
    if name is None:
        pytest.skip("no book in _build/html; `make book` makes it")
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto((HTML / name).as_uri())
    page.wait_for_function("() => window.Reveal && Reveal.isReady()")
    page.wait_for_timeout(1000)  # formulas
    over = []
    for number in range(page.evaluate("() => Reveal.getTotalSlides()")):
        page.evaluate(f"() => Reveal.slide({number}, 0, 99)")
        page.wait_for_timeout(100)
        bottom, right = page.evaluate(ENDS)
        if bottom > 721 or right > 1281:
            over.append((number + 1, bottom, right))
    page.close()
    assert over == []


def weight(page: Path) -> int:
    """Bytes of a page and of the files of the site that it loads."""
    urls = {url.split("?")[0].split("#")[0] for url in Page(page.read_text("utf-8")).fetched}
    own = [url for url in urls if not external(url) and not url.startswith("data:")]
    files = [page, *((page.parent / url).resolve() for url in own)]
    return sum(file.stat().st_size for file in files if file.is_file())


def test_no_page_is_heavy() -> None:
    if not PAGES:
        pytest.skip("no book in _build/html; `make book` makes it")
    weights = {name: weight(HTML / name) for name in PAGES}
    assert max(weights.values()) < 5e6, max(weights, key=lambda name: weights[name])
    prose = {
        n: w for n, w in weights.items() if n.startswith("book/") and not CHARTS & {Path(n).stem}
    }
    prose = {name: w for name, w in prose.items() if not name.startswith("book/course/")}
    assert len(prose) > 30
    assert max(prose.values()) < 1.5e6, max(prose, key=lambda name: prose[name])
