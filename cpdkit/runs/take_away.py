"""From a notebook to its page on the site: the answer on top, what a reader takes away below.

Sources are plain Markdown, so that they are whole wherever they are opened. Three things in them
become what only the site understands:

- a paragraph that ends in ``<!-- answer: KEY KEY -->``: what is recorded, then the sentences that
  this run kept under these keys;
- ``<a id="NAME"></a>`` on a line of its own: a target;
- a link to a page or to a target on another page: a cross-reference.
"""

from __future__ import annotations

import ast
import copy
import re
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from cpdkit._files import packed
from cpdkit._version import WHEEL
from cpdkit.experiments.crystals.verdict import claim_by_claim
from cpdkit.experiments.headlines import NAMES
from cpdkit.experiments.labels import in_words
from cpdkit.runs.elsewhere import repository, ways_to_open, with_install
from cpdkit.runs.in_two import SECOND, in_two
from cpdkit.runs.record import recorded_tables
from cpdkit.runs.run import Run

__all__ = ["VERDICT_WORDS", "chapter_pages", "chapter_zip", "site", "write_chapter"]

_ANSWER = re.compile(r"^.*<!-- answer: ([\w -]+) -->$", re.MULTILINE)
_TARGET = re.compile(r'^<a id="([\w-]+)"></a>$', re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^()\s#]+)\.(?:md|ipynb)(?:#([\w-]+))?\)")
_OUTCOMES = re.compile(r"\bpage\.(?:verdict|records)\(|\bcarried\b")
_CITED = ("steier2026information", "cpdkit")
_OFFERED = (".csv", ".svg", ".zip")
_EXTRAS = {"08_crystals": "experiments,soap,chgnet,crystals"}

_BLOCK = """\
## Run it, take it away

```bash
cpdkit run {name}
```

`-p` changes a parameter; [Run it](../book/howto_run) says more, and how to open the notebook in
JupyterLab.

- {{download}}`The notebook <files/{stem}.ipynb>`, without outputs.
- {{download}}`A ZIP to run elsewhere <files/{stem}.zip>`: the notebook, the versions of all
  packages, what data it reads, and all that is recorded.
{elsewhere}
- [The paper](https://arxiv.org/abs/2603.03155).

:::{{dropdown}} Tables and figures of this page ({n} files)
{files}
:::

:::{{dropdown}} Cite the paper and this book
```bibtex
{cited}
```
:::
"""

_LIVE = """\
**What the long runs say.** {recorded}

:::{{dropdown}} What the short run says that made this page
{live}
:::"""

VERDICT_WORDS = """\
*Holds*, *holds in part*, *fails* and *undecided* are what a rule says of one data set. Of both \
together: *reproduced* (holds on both), *partly* (on one, or in part), *not reproduced* (fails on \
one, holds on none), *open* (undecided on both), said of the paper's own claims only \
({term}`verdict words`)."""
"""How the words of rules and badges follow from each other, as the site says it."""

_README = """\
{title}

It needs Python 3.11 and cpdkit {version}, which no package index has: the site offers its wheel on
the page Install. Put the wheel beside this file. That page also says how to get a smaller torch.

    pip install -c constraints.txt './{wheel}[{extras}]' jupyterlab
    cpdkit run {stem}.ipynb -o mine.ipynb
    jupyter lab {stem}.ipynb

The second line runs it ({seconds:.0f} s on {cpus} cores of ours), the third opens it.

constraints.txt  the versions of all packages that the book was made with
data.sha256      data and weights that the run on the site read. All of them come with cpdkit; in
                 the folder that holds the folder cpdkit, `sha256sum -c` compares yours.
recorded/        tables and figures of the long runs, if any, and what they were made from
"""


def site(notebook: NotebookNode, *, recorded: str = "") -> NotebookNode:
    """The notebook with answers, targets and cross-references as the site understands them.

    Where outcomes of rules stand, a line says what their words mean.

    Parameters
    ----------
    notebook : NotebookNode
        Executed where it has an answer; it is left as it is.
    recorded : str
        What long runs say, which stands before what this run says.
    """
    page = copy.deepcopy(notebook)
    said = _glued(notebook)

    def answer(found: re.Match[str]) -> str:
        live = "\n\n".join(said[key] for key in found[1].split())
        return _LIVE.format(recorded=recorded, live=live) if recorded else live

    cells: list[NotebookNode] = []
    told = False
    for cell in page.cells:
        if cell.cell_type == "markdown":
            told = told and not re.search(r"^## ", cell.source, re.MULTILINE)
            text = _ANSWER.sub(answer, cell.source)
            text = _TARGET.sub(r"(\1)=", text)
            cell.source = _LINK.sub(_reference, text)
        elif not told and _OUTCOMES.search(cell.source):  # once a section
            told = True
            words = nbformat.v4.new_markdown_cell(VERDICT_WORDS, id=f"words-{len(cells)}")
            cells.append(words)
        cells.append(cell)
    page.cells = cells
    return page


def _glued(notebook: NotebookNode) -> dict[str, str]:
    """Sentences that a notebook kept, by their keys."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    marked = [o for o in outputs if "scrapbook" in o.get("metadata", {})]
    return {
        o.metadata.scrapbook.name: ast.literal_eval(text)
        for o in marked
        for kind, text in o.data.items()
        if kind.endswith("text/plain")
    }


def _recorded(run: Run) -> str:
    """What the long runs of a chapter say, behind its badges."""
    number = run.notebook.stem.partition("_")[0]
    badges, headline = (
        path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        for path in (run.directory / f"{number}_{name}.txt" for name in ("badges", "headline"))
    )
    if not headline:
        of = {name: recorded_tables(run.notebook.stem, dataset=name) for name in NAMES}
        said: dict[str, list[str]] = {}  # what several data sets share is said once
        for name, record in of.items():
            if record is not None:
                said.setdefault(record["verdict"]["sentence"].iloc[0], []).append(NAMES[name])
        told = [f"{'; '.join(names)}: {sentence}" for sentence, names in said.items()]
        carried = {NAMES[name]: r["carried"] for name, r in of.items() if r and "carried" in r}
        headline = in_words("\n\n".join(told))
        if carried:
            headline = f"\n\n{claim_by_claim(carried)}"
    return f"{badges} {headline}".strip()


def _reference(link: re.Match[str]) -> str:
    """Without the ending: pages whose code runs have another one here."""
    return f"](#{link[2]})" if link[2] else f"]({link[1]})"


def chapter_pages(
    run: Run, *, bibliography: Path, where: str = ""
) -> tuple[NotebookNode, NotebookNode | None]:
    """The page of an executed chapter, *Run it, take it away* at its end, and its page in depth.

    Parameters
    ----------
    run : Run
        Of the chapter; the files it left are offered for download.
    bibliography : Path
        Holds the paper and this book, to be cited.
    where : str
        The repository, as :func:`cpdkit.runs.elsewhere.repository` says it.
    """
    from pybtex.database import parse_file

    page = site(nbformat.read(run.notebook, as_version=4), recorded=_recorded(run))
    entries = parse_file(bibliography).entries
    files = _files(run)
    block = _BLOCK.format(
        name=page.metadata["cpdkit"]["name"],
        stem=run.notebook.stem,
        elsewhere=ways_to_open(run.notebook.stem, where),
        n=sum(map(len, files.values())),
        files="\n".join(f"- {name}: {', '.join(links)}" for name, links in files.items()),
        cited="\n".join(entries[key].to_string("bibtex").strip() for key in _CITED),
    )
    first, depth = in_two(page, name=run.notebook.stem)
    first.cells.append(nbformat.v4.new_markdown_cell(block, id="take-away"))
    return first, depth


def _files(run: Run) -> dict[str, list[str]]:
    """Download links to what the run left, by what it is of."""
    found: dict[str, list[str]] = {}
    for path in sorted(run.directory.glob(f"{run.notebook.stem.partition('_')[0]}_*")):
        if path.suffix in _OFFERED:
            name = path.stem.partition("_")[2].replace("_", " ")
            link = f"{{download}}`{path.suffix[1:].upper()} <{path.name}>`"
            found.setdefault(name, []).append(link)
    return found


def chapter_zip(source: Path, run: Run, *, constraints: Path) -> bytes:
    """What runs where cpdkit is installed: the notebook and what it needs and is compared with.

    Parameters
    ----------
    source : Path
        The notebook, without outputs.
    run : Run
        Of it: says what was read.
    constraints : Path
        The versions of the book.
    """
    stem, made = source.stem, run.manifest
    notebook = _whole(source)
    title = notebook.cells[0].source.splitlines()[0].lstrip("# ")
    readme = _README.format(
        title=title, stem=stem, version=made["cpdkit"], seconds=made["wall_seconds"],
        cpus=made["hardware"]["cpus"], wheel=WHEEL,
        extras=_extras(source),
    )  # fmt: skip
    files = {
        f"{stem}.ipynb": nbformat.writes(notebook).encode(),
        "README.txt": readme.encode(),
        "constraints.txt": constraints.read_bytes(),
        "data.sha256": _data(made).encode(),
    }
    recorded = run.directory / f"{stem.partition('_')[0]}_recorded.zip"
    if recorded.is_file():
        with zipfile.ZipFile(BytesIO(recorded.read_bytes())) as archive:
            files |= {f"recorded/{name}": archive.read(name) for name in archive.namelist()}
    return packed({f"{stem}/{name}": content for name, content in files.items()})


def _whole(source: Path) -> NotebookNode:
    """The notebook without outputs, with a cell that installs what is missing."""
    return with_install(nbformat.read(source, as_version=4), extras=_extras(source))


def _extras(source: Path) -> str:
    return _EXTRAS.get(source.stem, "experiments")


def _data(manifest: Mapping[str, Any]) -> str:
    """Data and weights in the package that a run read, as sha256sum writes and reads them."""
    return "".join(
        f"{digest}  {name}\n"
        for name, digest in manifest["files"].items()
        if name.startswith("cpdkit/") and not name.endswith(".py") and "recorded_data" not in name
    )


def write_chapter(source: Path, run: Run, page: Path, *, root: Path) -> None:
    """The page of a chapter, its page in depth, and beside them ``files`` with what it offers.

    Parameters
    ----------
    source : Path
        The notebook.
    run : Run
        Of it.
    page : Path
        The notebook of the site.
    root : Path
        The repository.
    """
    files = page.parent / "files"
    files.mkdir(exist_ok=True)
    nbformat.write(_whole(source), files / f"{source.stem}.ipynb")
    content = chapter_zip(source, run, constraints=root / "constraints.txt")
    (files / f"{source.stem}.zip").write_bytes(content)
    bibliography = root / "book/references.bib"
    first, depth = chapter_pages(run, bibliography=bibliography, where=repository(root))
    (page.parent / "verdict_words.txt").write_text(VERDICT_WORDS, encoding="utf-8")
    nbformat.write(first, page)
    if depth is not None:
        nbformat.write(depth, page.with_stem(page.stem + SECOND))
