"""The book builds without a warning, asks the network for nothing, and links to what exists."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from paths import ROOT

import cpdkit
from cpdkit.encoders import _REGISTRY
from cpdkit.runs.book import build_book

# Attributes that make a browser fetch something; an <a href> waits for a click.
FETCHING = {
    ("script", "src"), ("img", "src"), ("img", "srcset"), ("iframe", "src"), ("embed", "src"),
    ("object", "data"), ("source", "src"), ("source", "srcset"), ("video", "src"),
    ("video", "poster"), ("audio", "src"), ("track", "src"), ("input", "src"), ("image", "href"),
    ("image", "xlink:href"), ("use", "href"), ("use", "xlink:href"), ("form", "action"),
    ("body", "background"),
}  # fmt: skip
# Of links, those a browser follows by itself.
LINKS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "preconnect", "manifest"}
IN_STYLE = re.compile(r"(?:url\(|@import)\s*[\"']?\s*((?:https?:)?//[^\"')\s]+)", re.IGNORECASE)
# Scripts written into a page that load another.
IN_SCRIPT = re.compile(
    r"(?:import\s*\(?|from|fetch\(|importScripts\(|require\w*\(\s*\[?|\.src\s*=)"
    r"\s*[\"'`]((?:https?:)?//[^\"'`]+)"
)

DIRECTIVE = re.compile(r"^\.\. auto(?:function|class|data|module):: (\S+)$", re.MULTILINE)
DOCUMENTED = [
    name
    for page in sorted((ROOT / "book/api").glob("*.md"))
    for name in DIRECTIVE.findall(page.read_text())
]


def external(url: str) -> bool:
    return url.strip().startswith(("http:", "https:", "//", "ftp:", "ws:", "wss:"))


class Page(HTMLParser):
    """Collects what a page fetches, its anchors and the places it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.inside = tag
        self.anchors |= {given[key] for key in ("id", "name") if key in given}
        for name, value in given.items():
            if (tag, name) in FETCHING:
                several = value.split(",") if name == "srcset" else [value]
                self.fetched += [part.split()[0] for part in several if part.strip()]
            self.fetched += IN_STYLE.findall(value) if name == "style" else []
        if tag == "link" and LINKS & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))
        if tag == "meta" and given.get("http-equiv", "").lower() == "refresh":
            self.fetched.append(given.get("content", "").partition("url=")[2])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "style":
            self.fetched += IN_STYLE.findall(data)
        if self.inside == "script":
            self.fetched += IN_SCRIPT.findall(data)


def pages(html: Path) -> list[Path]:
    """Pages of the book; the theme keeps templates among its static files."""
    return [p for p in html.rglob("*.html") if "_static" not in p.parts]


def requests_of(html: Path) -> list[str]:
    """Everything below `html` that would be fetched from elsewhere."""
    found = []
    for page in pages(html):
        parsed = Page(page.read_text(encoding="utf-8"))
        found += [f"{page.name}: {url}" for url in parsed.fetched if external(url)]
    for sheet in html.rglob("*.css"):
        found += [f"{sheet.name}: {url}" for url in IN_STYLE.findall(sheet.read_text())]
    return sorted(set(found))


@pytest.fixture(scope="module")
def small(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The present sources as a book, its notebooks run small; any warning fails here."""
    return build_book(root, profile="test", out=tmp_path_factory.mktemp("book")).parent


@pytest.fixture(params=["small", "full"])
def html(request: pytest.FixtureRequest, root: Path) -> Path:
    """The book with small runs and, where `make book` has made it, the one people read."""
    if request.param == "small":
        return request.getfixturevalue("small")
    if not (root / "_build/html/index.html").is_file():
        pytest.skip("no book in _build/html; `make book` makes it")
    return root / "_build/html"


def test_no_request_leaves_the_pages(html: Path) -> None:
    assert requests_of(html) == []


def test_mathjax_is_in_the_book(small: Path) -> None:
    assert any("mathjax/tex-svg-full.js" in p.read_text(encoding="utf-8") for p in pages(small))
    assert (small / "_static/mathjax/tex-svg-full.js").stat().st_size > 1e6


def test_links_within_the_book_lead_somewhere(html: Path) -> None:
    parsed = {p.resolve(): Page(p.read_text(encoding="utf-8")) for p in pages(html)}
    broken = []
    for path, page in parsed.items():
        for link in page.links + page.fetched:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link in ("", "#"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if (
                not target.is_file()
                or anchor
                and target in parsed
                and anchor not in parsed[target].anchors
            ):
                broken.append(f"{path.name}: {link}")
    assert broken == []


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://unpkg.com/x.js"></script>',
        "<link rel=stylesheet href=//fonts.googleapis.com/css>",
        '<img alt="" src="https://img.shields.io/badge.svg">',
        '<iframe src="http://example.org"></iframe>',
        "<style>@import 'https://example.org/a.css';</style>",
        "<p style=\"background: url('https://example.org/a.png')\">",
        "<style>@font-face { src: url(https://example.org/a.woff2) }</style>",
        '<script type="module">import x from "https://esm.sh/x";</script>',
        "<script>fetch('https://example.org/a.json')</script>",
    ],
)
def test_the_check_sees_requests(tmp_path: Path, text: str) -> None:
    (tmp_path / "page.html").write_text(f"<html><body>{text}</body></html>")
    assert len(requests_of(tmp_path)) == 1


def test_the_check_lets_hyperlinks_pass(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text('<a href="https://arxiv.org/abs/2603.03155">paper</a>')
    assert requests_of(tmp_path) == []


def test_every_documented_name_has_its_anchor(small: Path) -> None:
    anchors = set().union(*(Page(p.read_text()).anchors for p in (small / "book/api").iterdir()))
    assert {name for name in DOCUMENTED if not {name, f"module-{name}"} & anchors} == set()


def resolve(name: str) -> object:
    """What a dotted name stands for."""
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def test_every_public_name_is_documented_once() -> None:
    """Names in ``__all__`` of the package and its rooms, wherever their page takes them from."""
    assert len(set(DOCUMENTED)) == len(DOCUMENTED)
    documented = [id(resolve(name)) for name in DOCUMENTED]
    faces = [
        cpdkit,
        *(import_module(m.name) for m in iter_modules(cpdkit.__path__, "cpdkit.") if m.ispkg),
    ]
    public = {f"{face.__name__}.{name}" for face in faces for name in getattr(face, "__all__", [])}
    times = {name: documented.count(id(resolve(name))) for name in public}
    assert len(times) > 40
    assert {name: n for name, n in times.items() if n != 1} == {}


def test_every_encoder_of_the_registry_is_documented() -> None:
    documented = [resolve(name) for name in DOCUMENTED]
    homes = {name: home for name, home in _REGISTRY.items() if isinstance(home, str)}
    builders = {name: resolve(home.replace(":", ".")) for name, home in homes.items()}
    plain = {name: getattr(builder, "func", builder) for name, builder in builders.items()}
    assert [name for name, builder in plain.items() if builder not in documented] == []


def test_every_page_is_in_the_table_of_contents(root: Path) -> None:
    def entries(node: object) -> list[str]:
        if isinstance(node, dict):
            own = [node[key] for key in ("root", "file", "glob") if key in node]
            return own + [entry for value in node.values() for entry in entries(value)]
        return [entry for item in node for entry in entries(item)] if isinstance(node, list) else []

    listed = entries(yaml.safe_load((root / "_toc.yml").read_text()))
    sources = [*(root / "book").rglob("*.md"), *(root / "notebooks").glob("*.ipynb")]
    names = [p.relative_to(root).with_suffix("").as_posix() for p in sources]
    assert [n for n in names if not any(fnmatch(n, entry) for entry in listed)] == []
    plain = [entry for entry in listed if "*" not in entry]
    assert set(plain) <= set(names)
    assert len(set(plain)) == len(plain)
