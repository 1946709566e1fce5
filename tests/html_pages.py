"""What pages of HTML would fetch, and where they link to."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

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
