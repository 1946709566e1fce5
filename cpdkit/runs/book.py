"""Build the book: run what changed, stage executed notebooks beside the prose, render pages."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import nbformat

from cpdkit._files import replace_folder, scratch_folder
from cpdkit.runs.first_figure import first_figure
from cpdkit.runs.key import PACKAGE, file_hash
from cpdkit.runs.run import MANIFEST, Run, read_notebook, run_notebook
from cpdkit.runs.shipped import originals
from cpdkit.runs.take_away import write_chapter
from cpdkit.runs.wheel import offer_wheel

__all__ = ["build_book", "stage_book"]

_STAMP = "cpdkit-source.txt"
_AT_ONCE = 4  # notebooks, at most, each with a kernel of about 1.5 GB and one thread
_FIRST = "01_disentanglement_gradient"  # whose figure is on the first screen
COURSE = "book/course"


def build_book(
    root: str | Path = ".",
    *,
    profile: str = "default",
    out: Path | None = None,
    runs_dir: Path | None = None,
) -> Path:
    """Bring the book up to date and return its first page.

    Parameters
    ----------
    root : str or Path
        The repository: ``_config.yml``, ``_toc.yml``, ``book/`` and ``notebooks/``.
    profile : str
        Run the notebooks with this named set of parameters, where they have it.
    out : Path, optional
        Where to build, ``root/_build`` by default.
    runs_dir : Path, optional
        Where runs are kept, ``root/_build/runs`` by default.

    Returns
    -------
    Path
        ``index.html``.

    Raises
    ------
    FileNotFoundError
        If `root` holds no book.
    RuntimeError
        If Jupyter Book reports an error or a warning; the book before stays in place.
    """
    root = Path(root).resolve()
    if not (root / "_toc.yml").is_file():
        raise FileNotFoundError(f"no book at {root}: it has no _toc.yml; give the repository.")
    out = (out or root / "_build").resolve()
    out.mkdir(parents=True, exist_ok=True)
    source = out / "source"
    stage_book(root, source, runs_dir=runs_dir or root / "_build/runs", profile=profile)
    html = out / "html"
    state = _state(source, root)
    if (html / _STAMP).is_file() and (html / _STAMP).read_text() == state:
        return html / "index.html"
    with scratch_folder(out) as scratch:
        start = "from jupyter_book.cli.main import main; main()"
        command = [sys.executable, "-c", start, "build", str(source), "--path-output", str(scratch)]
        command += ["--all", "-W", "--keep-going", "--quiet"]
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
        }
        print("Building the pages (about half a minute) ...", file=sys.stderr)
        done = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        new = scratch / "_build" / "html"
        if done.returncode:
            print(done.stdout, file=sys.stderr)
            raise RuntimeError("Jupyter Book stopped at the warnings or errors shown above.")
        (new / _STAMP).write_text(state)
        replace_folder(new, html, aside=scratch / "old")
    return html / "index.html"


def stage_book(root: Path, source: Path, *, runs_dir: Path, profile: str = "default") -> None:
    """Lay out what Jupyter Book reads: prose as it is, notebooks executed, their files beside.

    Lessons of the course become what their products are, slides are pages as they are, and chapters
    get their answers and what a reader takes away. Beside the pages lies the wheel of the package.
    """
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy2(root / name, source / name)
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    shutil.copytree(root / "book", source / "book", ignore=ignore)
    slides = source / "extra" / "slides"
    slides.mkdir(parents=True)
    notebooks = list(_notebooks(root))
    for notebook, run in zip(notebooks, _runs(notebooks, profile, runs_dir), strict=True):
        print(f"{notebook.relative_to(root)}: {run.reason or 'unchanged'}", file=sys.stderr)
        target = (source / notebook.relative_to(root)).with_suffix(".ipynb")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_suffix(".md").unlink(missing_ok=True)
        ignore = shutil.ignore_patterns(MANIFEST)
        shutil.copytree(run.directory, target.parent, ignore=ignore, dirs_exist_ok=True)
        _never_execute(target)
        if notebook.parent == root / COURSE:
            from cpdkit.course.products import write_products

            write_products(nbformat.read(target, as_version=4), target, slides)
        elif "name" in read_notebook(notebook).metadata.get("cpdkit", {}):
            write_chapter(notebook, run, target, root=root)
    if (source / "notebooks").is_dir():
        from cpdkit.runs.page import as_svg  # matplotlib, which `cpdkit list` does without

        leading = as_svg(first_figure(_FIRST))
        (source / "notebooks/first_screen.svg").write_text(leading, encoding="utf-8")
    if (root / "pyproject.toml").is_file():
        offer_wheel(root, slides.parent)


def _runs(notebooks: list[Path], profile: str, runs_dir: Path) -> Iterator[Run]:
    """Current runs, in order; where several are made, as many at once as there are cores."""
    run = partial(_run, profile=profile, runs_dir=runs_dir)
    context = get_context("spawn")  # threads of this process would not live on in a fork
    # Unlike an executor, a pool ends what still runs once a notebook fails or Ctrl-C is pressed.
    with context.Pool(min(_AT_ONCE, os.cpu_count() or 1, len(notebooks))) as pool:
        yield from pool.imap(run, notebooks)


def _run(notebook: Path, *, profile: str, runs_dir: Path) -> Run:
    own = read_notebook(notebook).metadata.get("cpdkit", {})
    known = profile in own.get("profiles", {}) or f"{profile}_parameters" in own
    try:
        return run_notebook(notebook, profile=profile if known else "default", runs_dir=runs_dir)
    except KeyboardInterrupt:  # said once, by the process that asked
        raise SystemExit(130) from None


def _never_execute(path: Path) -> None:
    """Outputs are there; a page's own wish to be executed would run it a second time."""
    notebook = nbformat.read(path, as_version=4)
    if notebook.metadata.get("mystnb", {}).pop("execution_mode", None):
        nbformat.write(notebook, path)


def _notebooks(root: Path) -> Iterator[Path]:
    """The experiments, the lessons, and pages whose code runs, some of them MyST notebooks."""
    for folder in ("notebooks", "book", COURSE):
        yield from originals(root / folder)
    from myst_nb.core.read import is_myst_markdown_notebook

    for page in sorted((root / "book").rglob("*.md")):
        if is_myst_markdown_notebook(page.read_text(encoding="utf-8")):
            yield page


def _state(source: Path, root: Path) -> str:
    """Hash of all that a page can show: staged files, documented library, versions of the tools."""
    files = [p for p in sorted(source.rglob("*")) if p.is_file()]
    files += sorted(PACKAGE.rglob("*.py"))
    files += [p for p in [root / "constraints.txt"] if p.is_file()]
    digest = hashlib.sha256(sys.version.encode())
    for path in files:
        digest.update(f"{path.name}\0{file_hash(path)}\n".encode())
    return digest.hexdigest()
