"""What a notebook needs where there is no clone, and where its links lead."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cpdkit._version import WHEEL
from cpdkit.runs.elsewhere import repository, ways_to_open, with_install


@pytest.mark.parametrize("missing", [True, False])
def test_the_package_is_installed_where_and_only_where_it_is_missing(
    missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = new_notebook(cells=[new_markdown_cell("# A"), new_code_cell("x = 1")])
    whole = with_install(notebook, extras="soap")
    nbformat.validate(whole)
    assert [whole.cells[0], whole.cells[2]] == notebook.cells
    asked: list[str] = []
    shell = InteractiveShell()
    shell.register_magic_function(asked.append, magic_name="pip")
    find_spec = importlib.util.find_spec

    def found(name: str) -> object:
        return None if missing and name == "cpdkit" else find_spec(name)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    shell.run_cell(whole.cells[1].source).raise_error()
    assert asked == ([f'install --quiet "./{WHEEL}[soap]"'] if missing else [])


def project(folder: Path, address: str) -> Path:
    (folder / "pyproject.toml").write_text(
        f"[project]\nname = 'a'\nurls = {{ Repository = '{address}' }}\n"
    )
    return folder


@pytest.mark.parametrize("ending", ["", "/", ".git"])
def test_with_a_public_address_chapters_link_to_what_fetches_it(
    ending: str, tmp_path: Path
) -> None:
    where = repository(project(tmp_path, f"https://github.com/some/cpd.kit{ending}"))
    assert where == "some/cpd.kit"
    text = ways_to_open("07_isomers", where)
    for address in (
        "(https://colab.research.google.com/github/some/cpd.kit/blob/main/notebooks/07_isomers.ipynb)",
        "(https://mybinder.org/v2/gh/some/cpd.kit/main?labpath=notebooks/07_isomers.ipynb)",
        "(https://github.com/some/cpd.kit/blob/main/notebooks/07_isomers.ipynb)",
        "(https://github.com/some/cpd.kit/issues)",
    ):
        assert address in text


def test_without_one_they_say_what_to_do_by_hand(tmp_path: Path) -> None:
    assert repository(tmp_path) == ""
    assert "upload the wheel" in ways_to_open("07_isomers", "")
    with pytest.raises(ValueError, match="such as 'https://github.com/owner/name'"):
        repository(project(tmp_path, "https://example.org/some/cpdkit"))
