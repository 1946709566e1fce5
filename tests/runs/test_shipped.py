"""Experiments by name, number or path, and models of one's own in them."""

from __future__ import annotations

import json
import py_compile
import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from paths import ROOT

from cpdkit.encoders import load_encoder
from cpdkit.runs import shipped
from cpdkit.runs.key import stale
from cpdkit.runs.run import default_runs_dir, run_notebook
from cpdkit.runs.shipped import experiments, find_notebook, originals

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))

MODEL = """
import torch
from beside import WIDTH
from cpdkit.encoders import ModuleEncoder

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(100, WIDTH)

    def forward(self, batch):
        return self.embed(batch.numbers)

def make_encoder(weights: str = ""):
    model = Net()
    torch.nn.init.zeros_(model.embed.weight)
    if weights:
        model.load_state_dict(torch.load(weights, weights_only=True))
    call = lambda net, batch: net(batch)
    return ModuleEncoder(model, hooks={"embed": f"{WIDTH}x0e"}, call=call, name="own", check=False)
"""


def test_every_experiment_has_a_name_a_number_and_a_question() -> None:
    found = experiments()
    assert [e.path for e in found.values()] == NOTEBOOKS
    assert [e.number for e in found.values()] == [int(path.stem[:2]) for path in NOTEBOOKS]
    assert all(e.title and e.question.endswith("?") for e in found.values())


@pytest.mark.parametrize("given", ["gradient", "1", "01", "01_disentanglement_gradient"])
def test_an_experiment_is_found(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_notebook(given) == ROOT / "notebooks/01_disentanglement_gradient.ipynb"
    (tmp_path / given).write_text("")  # a file of that name is meant before anything else
    assert find_notebook(given) == Path(given)


def test_a_copy_is_no_chapter(tmp_path: Path) -> None:
    first = NOTEBOOKS[1]
    for name in (first.name, f"{first.stem}-Copy1.ipynb", f"{first.stem}_mine.ipynb"):
        shutil.copy(first, tmp_path / name)
    (tmp_path / "other.ipynb").write_text("{}")
    assert [path.name for path in originals(tmp_path)] == [first.name, "other.ipynb"]


def test_runs_are_kept_in_the_current_folder_or_in_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_runs_dir() == tmp_path / "_build/runs"
    monkeypatch.chdir(ROOT / "notebooks")
    assert default_runs_dir() == ROOT / "_build/runs"
    monkeypatch.setattr("cpdkit.runs.run.checkout", lambda: None)
    assert default_runs_dir() == ROOT / "notebooks/_build/runs"


def test_a_wheel_has_the_notebooks_in_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpdkit/notebooks").mkdir(parents=True)
    shutil.copy(NOTEBOOKS[2], tmp_path / "cpdkit/notebooks")
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "cpdkit")
    assert shipped.checkout() is None
    assert list(experiments()) == ["routing"]


def notebook(folder: Path) -> Path:
    """A notebook that takes encoders and a data set and shows what was recorded."""
    parameters = 'dataset: str = "xtb9"  # data\nencoders: list[str] = []  # models'
    code = (
        "from cpdkit import load_encoder\n"
        "print([load_encoder(e).model.embed.weight.sum().item() for e in encoders])"
    )
    recorded = {"tags": ["recorded"]}
    cells = [
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        new_code_cell(code),
        new_markdown_cell("## Recorded", metadata=recorded),
        new_code_cell("print('ours')", metadata=recorded),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "small.ipynb")
    return folder / "small.ipynb"


def test_a_model_of_ones_own_is_named_by_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With weights from a file; changes of the module, of what it imports or of weights show."""
    import torch

    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_model.py").write_text(MODEL)
    (tmp_path / "beside.py").write_text("WIDTH = 4")
    py_compile.compile("beside.py")  # so that it is not read as text
    torch.save({"embed.weight": torch.ones(100, 4)}, "weights.pt")
    names = ["own_model:make_encoder", "own_model.py:make_encoder[weights=weights.pt]"]

    run = run_notebook(notebook(tmp_path), {"encoders": names}, progress=False)
    assert nbformat.read(run.notebook, 4).cells[2].outputs[0].text == "[0.0, 400.0]\n"
    now = {"notebook": run.manifest["notebook_sha256"], "parameters": run.manifest["parameters"]}
    for name in ("weights.pt", "own_model.py", "beside.py"):
        before = (tmp_path / name).read_bytes()
        assert stale(run.manifest, **now, outputs=run.directory) == ""
        (tmp_path / name).write_bytes(before + b"\n")
        assert stale(run.manifest, **now, outputs=run.directory) == f"{tmp_path / name} changed"
        (tmp_path / name).write_bytes(before)


def test_what_is_wrong_with_a_module_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty_module.py").write_text("def make_encoder(): return 3")
    file = tmp_path / "empty_module.py"
    with pytest.raises(ValueError, match="did you mean 'make_encoder'"):
        load_encoder(f"{file}:make_encodr")
    with pytest.raises(TypeError, match="must return an Encoder, such as ModuleEncoder makes"):
        load_encoder(f"{file}:make_encoder")
    with pytest.raises(ValueError, match="a file in the current folder, or installed"):
        load_encoder("no_such_module:make_encoder")
    with pytest.raises(FileNotFoundError, match="no module at"):
        load_encoder(f"{tmp_path}/absent.py:make")


def test_records_of_ours_stay_out_of_data_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.xyz").write_text("")
    path = notebook(tmp_path)
    counts = {
        data: len(nbformat.read(run_notebook(path, {"dataset": data}).notebook, 4).cells)
        for data in ("qm9", "mine.xyz")
    }
    assert counts == {"qm9": 5, "mine.xyz": 3}  # with a cell of values each


@pytest.mark.parametrize("path", NOTEBOOKS[1:], ids=lambda path: path.stem)
def test_all_that_shows_records_is_marked(path: Path) -> None:
    cells = json.loads(path.read_text())["cells"]
    shows = [
        "recorded" in cell["metadata"].get("tags", [])
        for cell in cells
        if "page.records(" in (text := "".join(cell["source"])) or "_recorded.zip" in text
    ]
    assert shows == [True, True]
