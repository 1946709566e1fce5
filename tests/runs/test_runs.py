"""Runs: parameters are checked before anything starts, and exactly what changed runs again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from cpdkit import runs
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.runs import key
from cpdkit.runs.parameters import (
    absolute_files,
    check_parameters,
    declared_parameters,
    literal,
    named_files,
    parse_parameters,
    parse_value,
)
from cpdkit.runs.run import (
    NotebookError,
    notebook_parameters,
    profile_parameters,
    read_notebook,
    run_notebook,
)

CELL = """
n: int = 2  # how many
scale: float = 1.0  # by how much
names: list[str] = ["a", "b"]  # which
source: str = "none"  # a file, or a name
limit: int | None = None  # at most
fast: bool = False  # or not
"""


def write_notebook(path: Path, *code: str, **metadata: Any) -> Path:
    """A small notebook: a title, parameters and the given cells."""
    cells = [new_markdown_cell("# Small"), new_code_cell(CELL, metadata={"tags": ["parameters"]})]
    cells += [new_code_cell(source) for source in code]
    nbformat.write(new_notebook(cells=cells, metadata={"cpdkit": metadata}), path)
    return path


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    code = 'from pathlib import Path\nPath("made.csv").write_text(f"n,{n}")\nprint("n is", n)'
    return write_notebook(
        tmp_path / "small.ipynb",
        code,
        test_parameters={"n": 1},
        profiles={"full": {"n": 9, "scale": 2.0}},
    )


def quick(path: Path, parameters: dict | None = None, **options: Any) -> runs.Run:
    options = {"runs_dir": path.parent / "runs", "progress": False} | options
    return run_notebook(path, parameters, **options)


# --- parameters ---------------------------------------------------------------------------------


def test_parameters_carry_type_default_and_help(notebook: Path) -> None:
    found = notebook_parameters(read_notebook(notebook))
    assert {n: (p.type_name, p.default) for n, p in found.items()} == {
        "n": ("int", 2),
        "scale": ("float", 1.0),
        "names": ("list[str]", ["a", "b"]),
        "source": ("str", "none"),
        "limit": ("int | None", None),
        "fast": ("bool", False),
    }
    assert found["n"].help == "how many"
    assert found["limit"].help == "at most"


def test_a_comment_may_hold_anything() -> None:
    found = declared_parameters(
        'n: int = 4  # n = 4, "µm" # of it\nnames: list[str] = [\n    "a#"\n]  # so'
    )
    assert [p.help for p in found.values()] == ['n = 4, "µm" # of it', "so"]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"scael": 1.0}, ValueError, "unknown parameter 'scael'; did you mean 'scale'"),
        ({"n": "3"}, TypeError, r"'n' must be int, got '3' \(str\)"),
        ({"n": True}, TypeError, "'n' must be int, got True"),
        ({"n": 2.0}, TypeError, "'n' must be int"),
        ({"names": "a"}, TypeError, r"'names' must be list\[str\]"),
        ({"names": ["a", 1]}, TypeError, r"'names' must be list\[str\]"),
        ({"limit": "all"}, TypeError, r"'limit' must be int \| None"),
    ],
)
def test_wrong_parameters_stop_before_anything_runs(
    notebook: Path, given: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        quick(notebook, given)
    assert not (notebook.parent / "runs").exists()


def test_an_integer_may_stand_for_a_float(notebook: Path) -> None:
    assert (
        check_parameters(notebook_parameters(read_notebook(notebook)), {"scale": 2})["scale"] == 2
    )


@pytest.mark.parametrize("line", ["n = f(2)", "n += 1", "import os", "a, b = 1, 2", "n: Foo = 1"])
def test_a_parameters_cell_holds_typed_literals_only(line: str) -> None:
    with pytest.raises(ValueError, match="must look like 'n_structures: int = 400"):
        declared_parameters(line)


@given(
    st.one_of(
        st.tuples(st.just(int), st.integers()),
        st.tuples(st.just(float), st.floats(allow_nan=False)),
        st.tuples(st.just(bool), st.booleans()),
        st.tuples(st.just(str), st.text()),
        st.tuples(st.just(int | None), st.none() | st.integers()),
        st.tuples(st.just(list[float]), st.lists(st.floats(allow_nan=False, allow_infinity=False))),
        st.tuples(st.just(dict[str, int]), st.dictionaries(st.text(), st.integers())),
        st.tuples(st.just(list[int] | None), st.none() | st.lists(st.integers())),
    )
)
def test_what_python_writes_the_command_line_reads(case: tuple[Any, Any]) -> None:
    kind, value = case
    assert parse_value(value if kind is str else repr(value), kind) == value


def test_lists_may_be_written_with_commas() -> None:
    assert parse_value("ani2x-aev, sevennet-0", list[str]) == ["ani2x-aev", "sevennet-0"]
    assert parse_value("1,2", list[int]) == parse_value("1,2", list[int] | None) == [1, 2]


def test_text_stays_text() -> None:
    for text in ("3", "true", "'a'", "[1]"):
        assert parse_value(text, str) == parse_value(text, str | None) == text
    assert repr(parse_value("2", float)) == "2.0"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x", int),
        ("1.5", int),
        ("2.0", int),
        ("yes", bool),
        ("1", bool),
        ("[1", list),
        ("1,x", list[int]),
    ],
)
def test_text_of_another_type_is_refused(text: str, kind: type) -> None:
    with pytest.raises(ValueError, match="cannot be read so|valid|unfinished list"):
        parse_value(text, kind)


def test_profiles_come_from_the_notebook(notebook: Path) -> None:
    read = read_notebook(notebook)
    assert profile_parameters(read, "test") == {"n": 1}
    assert profile_parameters(read, "full") == {"n": 9, "scale": 2.0}
    with pytest.raises(ValueError, match="unknown profile 'ful'; did you mean 'full'"):
        profile_parameters(read, "ful")


def test_an_old_name_of_a_parameter_still_works(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_notebook(tmp_path / "old.ipynb", "print(n)", aliases={"number": "n"})
    first = quick(path, {"number": 3})
    assert capsys.readouterr().err.splitlines() == ["parameter 'number' is now called 'n'."]
    assert first.manifest["parameters"]["n"] == 3
    assert quick(path, {"n": 3}).reason == ""  # the same run
    with pytest.raises(ValueError, match="'n' is given twice, by an old and another name"):
        quick(path, {"number": 3, "n": 3})


def test_a_missing_or_foreign_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no notebook at"):
        read_notebook(tmp_path / "absent.ipynb")
    (tmp_path / "prose.md").write_text("# Only prose")
    with pytest.raises(ValueError, match="neither an .ipynb nor a MyST Markdown notebook"):
        read_notebook(tmp_path / "prose.md")


# --- one run ------------------------------------------------------------------------------------


def test_a_run_keeps_notebook_files_and_manifest(notebook: Path) -> None:
    run = quick(notebook, {"n": 3}, profile="full")
    executed = nbformat.read(run.notebook, as_version=4)
    assert executed.cells[-1].outputs[0].text == "n is 3\n"
    assert (run.directory / "made.csv").read_text() == "n,3"
    written = json.loads((run.directory / "manifest.json").read_text())
    assert written == run.manifest
    assert written["parameters"]["n"] == 3
    assert written["parameters"]["scale"] == 2.0
    assert {"made.csv", "small.ipynb"} == set(written["outputs"])
    assert {"hardware", "python", "packages", "wall_seconds", "started"} <= set(written)
    assert not list((notebook.parent / "runs").glob(".part-*"))


def test_markdown_notebooks_run_too(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(
        "---\nfile_format: mystnb\nkernelspec:\n  name: python3\n---\n# Page\n\n"
        "```{code-cell} ipython3\nprint(6 * 7)\n```\n"
    )
    executed = nbformat.read(quick(tmp_path / "page.md").notebook, as_version=4)
    assert executed.cells[-1].outputs[0].text == "42\n"


def test_a_failing_cell_leaves_what_ran_until_it_runs(tmp_path: Path) -> None:
    file = tmp_path / "there"
    code = f"print('until here')\n1 / os.path.exists({str(file)!r})"
    path = write_notebook(tmp_path / "broken.ipynb", "import os", code)
    with pytest.raises(
        NotebookError, match="broken.ipynb failed(.|\n)*ZeroDivisionError"
    ) as failed:
        quick(path)
    kept = failed.value.notebook
    assert [p.name for p in (tmp_path / "runs").iterdir()] == [kept.parent.name]
    assert any("until here" in str(cell.get("outputs")) for cell in nbformat.read(kept, 4).cells)
    file.write_text("")
    run = quick(path)
    assert run.reason == "not run before"
    assert list((tmp_path / "runs").iterdir()) == [run.directory]


def test_a_cell_that_ends_its_process_is_told_too(tmp_path: Path) -> None:
    """As the system does where memory runs out."""
    end = "import os\nos.kill(os.getpid(), 9)"
    path = write_notebook(tmp_path / "dead.ipynb", "print('until here')", end, "print('after')")
    with pytest.raises(
        NotebookError, match="memory runs out, in .* begins with 'import os'"
    ) as told:
        quick(path)
    cells = nbformat.read(told.value.notebook, 4).cells
    assert any("until here" in str(cell.get("outputs")) for cell in cells)
    assert list((tmp_path / "runs").iterdir()) == [told.value.notebook.parent]


def test_the_kernel_is_this_interpreter_whatever_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernelspec named python3 that points elsewhere, a plotting backend, a startup file."""
    spec = tmp_path / "jupyter/kernels/python3/kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["/bin/false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("MPLBACKEND", "pdf")
    (tmp_path / "startup.py").write_text("raise SystemExit('startup ran')")
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "startup.py"))
    code = (
        "import sys, os, cpdkit\nprint(sys.executable, cpdkit.__file__, os.environ['MPLBACKEND'])"
    )
    run = quick(write_notebook(tmp_path / "where.ipynb", code))
    said = nbformat.read(run.notebook, as_version=4).cells[-1].outputs[0].text.split()
    expected = [sys.executable, str(key.PACKAGE / "__init__.py")]
    assert said[:2] == expected
    assert "inline" in said[2]


# --- again --------------------------------------------------------------------------------------


def test_nothing_changed_nothing_runs_again(notebook: Path) -> None:
    first = quick(notebook)
    again = quick(notebook)
    assert first.reason == "not run before"
    assert again.reason == ""
    assert again.manifest == first.manifest
    read = read_notebook(notebook)
    read.cells[-1].execution_count = 7  # what an interactive session leaves behind
    nbformat.write(read, notebook)
    assert quick(notebook).reason == ""
    assert quick(notebook, force=True).reason == "forced"


def test_a_changed_parameter_or_notebook_runs_again(notebook: Path) -> None:
    quick(notebook)
    assert quick(notebook, {"n": 5}).reason == "not run before"
    assert quick(notebook).reason == ""
    assert quick(notebook, {"n": 5}).reason == ""
    read = read_notebook(notebook)
    read.cells[0].source += " and edited"
    nbformat.write(read, notebook)
    assert quick(notebook).reason == "the notebook changed"


def test_lost_or_edited_output_runs_again(notebook: Path) -> None:
    run = quick(notebook)
    (run.directory / "made.csv").write_text("n,99")
    assert "made.csv" in quick(notebook).reason
    run.notebook.unlink()
    assert "small.ipynb" in quick(notebook).reason


def test_a_changed_data_file_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files named by a parameter, relative to the caller, and files a cell finds by itself."""
    path = write_notebook(
        tmp_path / "reader.ipynb",
        "import os\nprint(open(source).read())\n"
        "print(open(os.path.join(os.environ['CPDKIT_DATA'], 'more.txt')).read())",
    )
    (tmp_path / "given.txt").write_text("one")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/more.txt").write_text("two")
    monkeypatch.setenv("CPDKIT_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    parameters = {"source": "given.txt"}
    quick(path, parameters)
    assert quick(path, parameters).reason == ""
    (tmp_path / "given.txt").write_text("changed")
    assert quick(path, parameters).reason.endswith("given.txt changed")
    (tmp_path / "data/more.txt").write_text("changed")
    assert quick(path, parameters).reason.endswith("more.txt changed")
    shutil.copytree(tmp_path / "data", tmp_path / "elsewhere")
    monkeypatch.setenv("CPDKIT_DATA", str(tmp_path / "elsewhere"))
    assert quick(path, parameters).reason.startswith("CPDKIT_DATA is now")


def test_a_file_that_changed_while_it_ran_runs_again(tmp_path: Path) -> None:
    path = write_notebook(
        tmp_path / "race.ipynb",
        "import os\nprint(open(source).read())\nos.system(f'echo more >> {source}');",
    )
    (tmp_path / "given.txt").write_text("one")
    parameters = {"source": str(tmp_path / "given.txt")}
    quick(path, parameters)
    assert quick(path, parameters).reason.endswith("given.txt changed")


def test_a_notebook_without_code_runs(tmp_path: Path) -> None:
    nbformat.write(new_notebook(cells=[new_markdown_cell("# Prose")]), tmp_path / "prose.ipynb")
    assert quick(tmp_path / "prose.ipynb").reason == "not run before"
    assert quick(tmp_path / "prose.ipynb").reason == ""


def test_a_setting_that_was_not_asked_for_does_not_matter(
    notebook: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CPDKIT_DATA", raising=False)
    quick(notebook)
    monkeypatch.setenv("CPDKIT_DATA", "/somewhere")
    assert quick(notebook).reason == ""


def test_a_changed_package_runs_again(notebook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = quick(notebook)
    assert "ipykernel" in run.manifest["packages"]
    real = key.metadata.version
    monkeypatch.setattr(
        key.metadata, "version", lambda name: "0" if name == "ipykernel" else real(name)
    )
    assert quick(notebook).reason == "ipykernel is now 0"


def test_a_changed_module_runs_again_what_uses_it(tmp_path: Path) -> None:
    """On a copy of the library: touching one module repeats its users and nobody else."""
    shutil.copytree(
        key.PACKAGE, tmp_path / "cpdkit", ignore=shutil.ignore_patterns("__pycache__", "data")
    )
    write_notebook(tmp_path / "irreps.ipynb", "import cpdkit.encoders.irreps")
    write_notebook(tmp_path / "messages.ipynb", "from cpdkit._messages import unknown")
    code = (
        "import sys; from cpdkit.runs.run import run_notebook\n"
        "for name in ['irreps', 'messages']:\n"
        "    print(name, run_notebook(f'{name}.ipynb', runs_dir='runs', progress=False).reason)"
    )

    def again() -> dict[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return dict(line.split(" ", 1) for line in done.stdout.splitlines())

    def touch(name: str) -> None:
        with (tmp_path / "cpdkit" / name).open("a") as module:
            module.write("\n# touched\n")

    assert again() == {"irreps": "not run before", "messages": "not run before"}
    assert again() == {"irreps": "", "messages": ""}
    touch("encoders/irreps.py")
    assert again() == {"irreps": "cpdkit/encoders/irreps.py changed", "messages": ""}
    touch("cli.py")  # neither notebook loads these
    touch("projection/linear.py")
    assert again() == {"irreps": "", "messages": ""}
    touch("__init__.py")
    assert again() == dict.fromkeys(("irreps", "messages"), "cpdkit/__init__.py changed")


def test_a_link_that_points_elsewhere_runs_again(tmp_path: Path) -> None:
    """Given by a parameter, and found by a cell itself; of one size and time."""
    link = tmp_path / "latest.txt"
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text(name)
        os.utime(tmp_path / f"{name}.txt", (1e9, 1e9))
    by_name = write_notebook(tmp_path / "given.ipynb", "print(open(source).read())")
    by_itself = write_notebook(tmp_path / "found.ipynb", f"print(open({str(link)!r}).read())")
    for target in ("one", "two"):
        link.unlink(missing_ok=True)
        link.symlink_to(f"{target}.txt")
        for path, values in ((by_name, {"source": str(link)}), (by_itself, {})):
            run = quick(path, values)
            assert run.reason
            assert nbformat.read(run.notebook, 4).cells[-1].outputs[0].text == f"{target}\n"
            assert quick(path, values).reason == ""


def test_a_model_in_the_cache_folder_counts_and_a_font_list_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / ".cache"
    (cache / "matplotlib").mkdir(parents=True)
    (cache / "mace").mkdir()
    model, fonts = cache / "mace/my.model", cache / "matplotlib/fontlist.json"
    read = "; ".join(f"open({str(p)!r}).read()" for p in (model, fonts))
    write_notebook(tmp_path / "cached.ipynb", read)
    code = (
        "from cpdkit.runs.run import run_notebook\n"
        "print(run_notebook('cached.ipynb', runs_dir='runs', progress=False).reason)"
    )

    def again() -> str:
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
            env=os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(key.PACKAGE.parent)},
        )  # fmt: skip
        return done.stdout.strip()

    model.write_text("one")
    fonts.write_text("one")
    assert again() == "not run before"
    fonts.write_text("other")
    assert again() == ""
    model.write_text("other")
    assert again().endswith("my.model changed")


def test_what_safetensors_reads_counts(tmp_path: Path) -> None:
    """It opens files where Python does not see it."""
    path = tmp_path / "moments.safetensors"
    code = "from cpdkit import Moments\nprint(len(Moments.load(source)))"
    notebook = write_notebook(tmp_path / "sealed.ipynb", code.replace("source", repr(str(path))))
    for n in (20, 30):
        rng = np.random.default_rng(n)
        moments_from_arrays(rng.normal(size=(n, 2)), None, rng.normal(size=n)).save(path)
        assert quick(notebook).reason
        assert quick(notebook).reason == ""


def test_an_executed_notebook_forgets_its_values(notebook: Path) -> None:
    run = quick(notebook, {"n": 50})
    copy = notebook.with_name("mine.ipynb")
    shutil.copy(run.notebook, copy)
    again = quick(copy)
    assert again.manifest["parameters"]["n"] == 2
    assert (again.directory / "made.csv").read_text() == "n,2"
    assert (quick(copy, {"n": 7}).directory / "made.csv").read_text() == "n,7"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(VALUES)
def test_a_literal_is_the_value(value: Any) -> None:
    assert repr(eval(literal(value))) == repr(value)


def test_tuples_stay_tuples(tmp_path: Path) -> None:
    cell = "t: tuple = (1, 2)\nsizes: tuple[int, ...] = ()\npair: tuple[str, int] = ('a', 1)"
    declared = declared_parameters(cell)
    given = [("t", "(3, 4)"), ("sizes", "5,6"), ("pair", "b, 2")]
    values = parse_parameters(declared, {}, given)
    assert values == {"t": (3, 4), "sizes": (5, 6), "pair": ("b", 2)}
    assert check_parameters(declared, {"sizes": [5, 6]})["sizes"] == (5, 6)
    with pytest.raises(ValueError, match="'pair' must be tuple"):
        parse_parameters(declared, {}, [("pair", "b")])
    with pytest.raises(TypeError, match=r"'sizes' must be tuple\[int, ...\]"):
        check_parameters(declared, {"sizes": ["a"]})


def test_no_parameter_is_called_unknown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_notebook(tmp_path / "union.ipynb", "print(limit)")
    quick(path, {"limit": 3}, progress=True)
    assert "unknown parameter" not in capfd.readouterr().err


def test_only_what_names_a_file_becomes_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mlp", "x.txt", "my.model", "sub/plain"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    declared = declared_parameters(
        'word: str = "ridge"\nfile: str = ""\nfolder: str = ""\nbare: str = ""\n'
        'here: Path = ""\nnone: Path | None = None\n'
        "many: list[str] = []\npaths: list[Path] = []\nby: dict[str, str] = {}"
    )
    given = {
        "word": "mlp",
        "file": "x.txt",
        "folder": "sub/",
        "bare": "sub",
        "here": "mlp",
        "many": ["x.txt", "mlp", "mace:my.model[head=a]", "soap[n_max=4]", "sub/plain"],
        "paths": ["mlp", "absent"],
        "by": {"a": "x.txt"},
    }
    values = absolute_files(declared, check_parameters(declared, given))
    here = str(tmp_path)
    assert values == {
        "word": "mlp",
        "file": f"{here}/x.txt",
        "folder": f"{here}/sub",
        "bare": "sub",
        "here": f"{here}/mlp",
        "none": None,
        "many": [
            f"{here}/x.txt", "mlp", f"mace:{here}/my.model[head=a]", "soap[n_max=4]",
            f"{here}/sub/plain",
        ],
        "paths": [f"{here}/mlp", f"{here}/absent"],
        "by": {"a": f"{here}/x.txt"},
    }  # fmt: skip
    files = {"x.txt", "my.model", "sub/plain", "mlp"}
    assert set(named_files(values)) == {f"{here}/{name}" for name in files}
    assert check_parameters(declared, {"here": Path("mlp")})["here"] == "mlp"


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%matplotlib inline\nn: int = 4", "line 1, '%matplotlib inline'.*put magics"),
        ("n: int = 4\nm = (", r"line 2, 'm = \('"),
        ("n = b'bytes'", "a manifest cannot hold its value"),
        ("n = {1, 2}", "a manifest cannot hold its value"),
    ],
)
def test_a_parameters_cell_that_cannot_be_read_is_quoted(cell: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        declared_parameters(cell)


@pytest.mark.parametrize(
    "content",
    [
        "", "{}", "[1]", "null", "not JSON", '{"nbformat": 4}',
        '{"nbformat":4,"nbformat_minor":5,"metadata":{},"cells":[{"cell_type":"code"}]}',
        '{"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []}', "[" * 9999,
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "odd.ipynb").write_text(content)
    with pytest.raises(ValueError, match="odd.ipynb cannot be read as a notebook: "):
        read_notebook(tmp_path / "odd.ipynb")


def test_notebooks_of_format_3_run(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "input": "print(2)", "language": "python", "outputs": []}
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}}
    old["worksheets"] = [{"metadata": {}, "cells": [cell | {"metadata": {}}]}]
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    executed = nbformat.read(quick(tmp_path / "old.ipynb").notebook, as_version=4)
    assert executed.cells[-1].outputs[0].text == "2\n"


@pytest.mark.parametrize("own", [[], {"profiles": []}, {"aliases": "n"}, {"test_parameters": 3}])
def test_metadata_of_another_kind_are_named(tmp_path: Path, own: Any) -> None:
    path = write_notebook(tmp_path / "meta.ipynb", "1")
    read = nbformat.read(path, as_version=4)
    read.metadata["cpdkit"] = own
    nbformat.write(read, path)
    with pytest.raises(ValueError, match="metadata hold no mapping cpdkit"):
        quick(path, profile="test")


# --- runs beside one another --------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0, 1, 50, 0.5, 0.99])
def test_a_cut_manifest_is_named_and_made_again(notebook: Path, keep: float) -> None:
    manifest = quick(notebook).directory / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text[: int(keep * len(text)) if 0 < keep < 1 else int(keep)])
    assert quick(notebook).reason == "the manifest.json of the earlier run is damaged"
    assert quick(notebook).reason == ""


@pytest.mark.parametrize("change", [{"files": []}, {"packages": None}, {"outputs": {"a": 1}}])
def test_an_altered_manifest_is_made_again(notebook: Path, change: dict) -> None:
    manifest = quick(notebook).directory / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | change))
    assert quick(notebook).reason
    assert quick(notebook).reason == ""


@pytest.mark.parametrize("device", ["/dev/zero", "pipe"])
def test_a_device_in_a_manifest_is_not_read(notebook: Path, device: str) -> None:
    manifest = quick(notebook).directory / "manifest.json"
    content = json.loads(manifest.read_text())
    if device == "pipe":
        os.mkfifo(notebook.with_name("pipe"))
    path = str(notebook.parent / device)
    manifest.write_text(json.dumps(content | {"files": content["files"] | {path: "0"}}))
    assert quick(notebook).reason == f"{path} changed"


def test_two_notebooks_of_one_name_have_a_run_each(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "same.ipynb" for folder in "xy"]
    for path in paths:
        path.parent.mkdir()
        write_notebook(path, f"print({path.parent.name!r})")
    runs = [quick(path, runs_dir=tmp_path / "runs") for path in paths]
    assert runs[0].directory != runs[1].directory
    assert [quick(path, runs_dir=tmp_path / "runs").reason for path in paths] == ["", ""]


def test_runs_beside_one_another_replace_whole_folders(notebook: Path) -> None:
    """And what a killed one left is swept."""
    stale = notebook.parent / "runs/.part-killed"
    stale.mkdir(parents=True)
    code = (
        "import sys; from cpdkit.runs.run import run_notebook\n"
        "run = run_notebook(sys.argv[1], runs_dir=sys.argv[2], progress=False, force=True)\n"
        "print((run.directory / 'made.csv').read_text())"
    )
    command = [sys.executable, "-c", code, str(notebook), str(notebook.parent / "runs")]
    beside = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate()[0].strip() for process in beside] == ["n,2"] * 3
    assert [process.returncode for process in beside] == [0, 0, 0]
    assert not list((notebook.parent / "runs").glob(".part-*"))
    assert quick(notebook).reason == ""
