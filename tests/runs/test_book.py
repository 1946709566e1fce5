"""The book builds without a warning, asks the network for nothing, and links to what exists."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
import yaml
from html_pages import Page, pages, requests_of
from mathml import mathml
from paths import ROOT
from plain_sources import myst

import cpdkit
from cpdkit.encoders import _REGISTRY
from cpdkit.runs.book import build_book, stage_book
from cpdkit.runs.in_two import SECOND
from cpdkit.runs.run import NotebookError

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
DIRECTIVE = re.compile(r"^\.\. auto(?:function|class|data|module):: (\S+)$", re.MULTILINE)
DOCUMENTED = [
    name
    for page in sorted((ROOT / "book/api").glob("*.md"))
    for name in DIRECTIVE.findall(page.read_text())
]


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


def test_formulas_are_drawn_without_a_script(small: Path) -> None:
    written = {page: page.read_text(encoding="utf-8") for page in pages(small)}
    apart = {page for page in written if page.parent.name == "slides"}
    drawn = {page for page, text in written.items() if "<math " in text}
    assert {page.stem for page in drawn} >= {"method", "by_hand", "engine"}
    assert drawn == {page for page, text in written.items() if "formulas.css" in text}
    assert {page for page, text in written.items() if "tex-svg-full.js" in text} == apart
    sheet = small / "_static/formulas.css"
    assert "@font-face" in sheet.read_text()
    assert 1e5 < sheet.stat().st_size < 3e5


@pytest.mark.parametrize("wrong", [r"\nosuch{x}", r"\mathrm{a}\unheard b", r"a &= b"])
def test_a_formula_that_cannot_be_drawn_is_an_error(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"which cannot be drawn\.$"):
        mathml(wrong)


def test_a_formula_says_what_was_written() -> None:
    drawn = mathml(r"a < |b| / c")
    assert drawn.startswith('<math alttext="a &lt; |b| / c" ')
    assert drawn.count('lspace="0" rspace="0"') == 3


def test_charts_have_stills_and_only_their_pages_load_scripts(small: Path) -> None:
    written = {page: page.read_text(encoding="utf-8") for page in pages(small)}
    loading = {page.stem for page, text in written.items() if "vega/charts.js" in text}
    assert loading == {"explore", "playground"}
    stills = [text.count('<svg role="img" aria-label="') for text in written.values()]
    assert sum(stills) == sum(text.count('<div class="chart"') for text in written.values()) == 3
    script = small / "_static/vega/charts.js"
    assert 5e5 < script.stat().st_size < 1.2e6


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


def test_the_notebooks_that_pages_offer_are_as_they_are_written(small: Path) -> None:
    offered = sorted((small / "_sources").rglob("*_*.ipynb"))
    assert len(offered) >= len(list((ROOT / "notebooks").glob("*.ipynb")))
    for path in offered:
        notebook = json.loads(path.read_text())
        assert myst(notebook) == []
        assert not any(cell.get("outputs") for cell in notebook["cells"])


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
    sources = [*(root / "book").rglob("*.md"), *(root / "book").rglob("*.ipynb")]
    sources += (root / "notebooks").glob("*.ipynb")
    names = [p.relative_to(root).with_suffix("").as_posix() for p in sources]
    assert [n for n in names if not any(fnmatch(n, entry) for entry in listed)] == []
    plain = [entry for entry in listed if "*" not in entry]
    seconds = {f"{name}{SECOND}" for name in names if name.startswith("notebooks/")}
    assert set(plain) <= {*names, *seconds}
    assert seconds <= set(plain)  # a page that is not listed would not be built
    assert len(set(plain)) == len(plain)


def write_book(root: Path, **notebooks: str) -> None:
    """A book of notebooks with one cell each."""
    (root / "_toc.yml").write_text("format: jb-book\nroot: book/intro\n")
    (root / "_config.yml").write_text("title: Small\n")
    for folder in ("book", "notebooks"):
        (root / folder).mkdir()
    for name, code in notebooks.items():
        cells = [nbformat.v4.new_code_cell(code)]
        notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
        nbformat.write(notebook, root / f"notebooks/{name}.ipynb")


def test_a_notebook_beside_the_prose_is_executed(tmp_path: Path) -> None:
    write_book(tmp_path, a="6 * 7")
    (tmp_path / "notebooks/a.ipynb").rename(tmp_path / "book/a.ipynb")
    stage_book(tmp_path, tmp_path / "source", runs_dir=tmp_path / "runs")
    (cell,) = nbformat.read(tmp_path / "source/book/a.ipynb", as_version=4).cells
    assert cell.outputs[0].data["text/plain"] == "42"


def test_a_failing_notebook_is_named_and_stops_the_book(tmp_path: Path) -> None:
    write_book(tmp_path, a="1 / 0", b="import time; time.sleep(600)")
    with pytest.raises(NotebookError, match=r"a.ipynb failed(.|\n)*ZeroDivisionError") as caught:
        build_book(tmp_path)
    assert caught.value.notebook.is_file()
    assert not (tmp_path / "_build/html").exists()


def test_ctrl_c_stops_every_notebook_and_ends_in_a_sentence(tmp_path: Path) -> None:
    begin = "import pathlib, time; pathlib.Path({!r}).touch(); time.sleep(600)"
    begun = [tmp_path / "begun-a", tmp_path / "begun-b"]
    a, b = (begin.format(str(path)) for path in begun)
    write_book(tmp_path, a=a, b=b, c="1", d="1")
    command = [sys.executable, "-m", "cpdkit", "book", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    # A shell in the background makes its children deaf to interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        running = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    deadline = time.monotonic() + 120
    while not any(path.exists() for path in begun) and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(running.pid, signal.SIGINT)
    _, told = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "cpdkit: stopped" in told
    assert "Traceback" not in told
