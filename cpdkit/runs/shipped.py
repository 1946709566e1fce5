"""The experiments that come with the library, by name, by number or by path."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cpdkit._messages import unknown

__all__ = ["Experiment", "checkout", "experiments", "find_notebook", "originals"]

_PACKAGE = Path(__file__).resolve().parents[1]
_HEADING = re.compile(r"#\s+(?:\d+\s*·\s*)?(.+)")
_QUESTION = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)


@dataclass(frozen=True)
class Experiment:
    """A notebook of this library.

    Attributes
    ----------
    number : int
        Of its chapter.
    name : str
        Short, such as ``"gradient"``: ``cpdkit.name`` in the metadata of the notebook.
    title : str
        Its first heading.
    question : str
        What it asks, the first line in bold.
    path : Path
        Of the notebook.
    """

    number: int
    name: str
    title: str
    question: str
    path: Path


def checkout() -> Path | None:
    """The repository that this library is run from, or None where it was installed from a wheel."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "notebooks").is_dir() else None


def experiments() -> dict[str, Experiment]:
    """All experiments by short name, in the order of their chapters."""
    root = checkout()
    home = _PACKAGE / "notebooks" if root is None else root / "notebooks"
    found = filter(None, map(_experiment, originals(home)))
    return {experiment.name: experiment for experiment in found}


def originals(folder: Path) -> list[Path]:
    """Notebooks of a folder in order, without copies: of those of one short name the shortest."""
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.ipynb"), key=lambda path: (len(path.name), path.name)):
        found.setdefault(_short_name(path) or path.name, path)
    return sorted(found.values())


def _short_name(path: Path) -> str | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["cpdkit"]["name"]
    except (ValueError, KeyError, TypeError):
        return None


def _experiment(path: Path) -> Experiment | None:
    """What a notebook says of itself; None without a short name or a number."""
    name, number = _short_name(path), path.stem.partition("_")[0]
    if name is None or not number.isdecimal():
        return None
    text = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    heading, question = _HEADING.match(text), _QUESTION.search(text)
    asked = " ".join(question[1].split()).replace("$", "").replace("\\ell", "l") if question else ""
    return Experiment(int(number), name, heading[1] if heading else path.stem, asked, path)


def find_notebook(given: str | Path) -> Path:
    """The notebook that is meant by a path, a short name, a number or a name without extension.

    Parameters
    ----------
    given : str or Path
        Such as ``"gradient"``, ``"1"``, ``"01_disentanglement_gradient"`` or ``"mine.ipynb"``.

    Raises
    ------
    FileNotFoundError
        If it is a path and nothing is there.
    ValueError
        If no experiment has that name.
    """
    text = os.fspath(given)
    path = Path(text)
    if path.is_file():
        return path
    known = experiments()
    if text in known:
        return known[text].path
    for experiment in known.values():
        if text == experiment.path.stem or (text.isdecimal() and int(text) == experiment.number):
            return experiment.path
    if path.suffix or path.name != text:
        raise FileNotFoundError(f"no notebook at {path} (looked from {Path.cwd()}).")
    raise ValueError(
        unknown("experiment", text, known) + " One of your own is given by its path, such as "
        "'mine.ipynb'."
    )
