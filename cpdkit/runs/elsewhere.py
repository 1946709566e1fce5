"""A chapter outside of a clone: a cell that installs what is missing, links to Colab and Binder."""

from __future__ import annotations

import re
import tomllib
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from cpdkit._version import WHEEL

__all__ = ["repository", "ways_to_open", "with_install"]

_INSTALL = """\
# Where cpdkit is missing, as in Colab: put its wheel beside this notebook, from the page Install.
from importlib.util import find_spec

if find_spec("cpdkit") is None:
    %pip install --quiet "./{wheel}[{extras}]\""""
_AT_GITHUB = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)(?:\.git)?/?")
_BRANCH = "main"


def repository(root: Path) -> str:
    """``OWNER/NAME`` at GitHub, of ``Repository`` in ``project.urls`` of pyproject; or empty.

    Raises
    ------
    ValueError
        If that address is not one of GitHub, where alone Colab and Binder links are known to us.
    """
    file = root / "pyproject.toml"
    project = tomllib.loads(file.read_text("utf-8"))["project"] if file.is_file() else {}
    address = project.get("urls", {}).get("Repository", "")
    found = _AT_GITHUB.fullmatch(address)
    if address and not found:
        raise ValueError(
            f"Repository in {file} is {address!r}; give an address such as "
            "'https://github.com/owner/name', or leave it out."
        )
    return found[1] if found else ""


def ways_to_open(stem: str, where: str) -> str:
    """Items of a list: a chapter in Colab and Binder, its source, its issues.

    Parameters
    ----------
    stem : str
        Name of the notebook without extension.
    where : str
        Of :func:`repository`; where it is empty, how to do it by hand in Colab.
    """
    if not where:
        return (
            "- [Colab](https://colab.research.google.com) (untested): *File, Upload notebook*, "
            "then upload the wheel of the page [Install](../book/install); the first cell "
            "installs it."
        )
    file = f"{_BRANCH}/notebooks/{stem}.ipynb"
    colab = f"https://colab.research.google.com/github/{where}/blob/{file}"
    binder = f"https://mybinder.org/v2/gh/{where}/{_BRANCH}?labpath=notebooks/{stem}.ipynb"
    home = f"https://github.com/{where}"
    return (
        f"- Open it in [Colab]({colab}) or [Binder]({binder}) (both untested).\n"
        f"- [Source]({home}/blob/{file}) and [issues]({home}/issues)."
    )


def with_install(notebook: NotebookNode, *, extras: str) -> NotebookNode:
    """A copy whose first cell of code installs the package, only where it is missing.

    Parameters
    ----------
    notebook : NotebookNode
        It is left as it is.
    extras : str
        Of the package, such as ``"experiments"``.
    """
    copy = deepcopy(notebook)
    cell = nbformat.v4.new_code_cell(_INSTALL.format(wheel=WHEEL, extras=extras), id="install")
    copy.cells.insert(1, cell)
    return copy
