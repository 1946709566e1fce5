"""The house stays in order: imports run one way, and no module grows beyond one idea."""

from __future__ import annotations

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from paths import ROOT

LONGEST = 400
READING_PATH = [
    "composition/matrix.py", "projection/rank.py", "projection/linear.py",
    "projection/conditioned.py", "probes/ridge.py", "folds.py", "held_out/protocol.py",
    "held_out/rows.py", "scores/sums.py", "intervals.py", "decomposition.py",
]  # fmt: skip
AFTERNOON = 1500


def test_imports_run_one_way(root: Path) -> None:
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=root, env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert "3 kept, 0 broken" in done.stdout


def test_no_module_is_longer_than_one_reads_at_a_time(root: Path) -> None:
    lines = {p: len(p.read_text().splitlines()) for p in (root / "cpdkit").rglob("*.py")}
    assert {p.name: n for p, n in lines.items() if n > LONGEST} == {}


def test_the_method_is_read_in_an_afternoon(root: Path) -> None:
    lines = {name: len((root / "cpdkit" / name).read_text().splitlines()) for name in READING_PATH}
    assert sum(lines.values()) <= AFTERNOON, lines


def test_benchmarks_and_tools_import_what_there_is(root: Path) -> None:
    """They are run by hand, so nothing else tells when a name moves."""
    found = 0
    for path in [*(root / "benchmarks").glob("*.py"), *(root / "tools").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cpdkit"):
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    if not hasattr(module, alias.name):
                        importlib.import_module(f"{node.module}.{alias.name}")
                    found += 1
    assert found > 50


def test_contributors_are_sent_to_what_there_is(root: Path) -> None:
    text = (root / "CONTRIBUTING.md").read_text()
    table = re.findall(r"^\| `([\w/]+\.py)`", text.partition("**Two engines")[0], re.M)
    assert table == READING_PATH
    places = [root, root / "cpdkit", root / "cpdkit/experiments", root / "tests/datasets"]
    named = re.findall(r"`([\w/.-]+(?:\.(?:py|md|toml|txt|yml)|/))`", text)
    named = {name for name in named if not re.search(r"NAME|_N\b|_N_M", name)}
    named -= {"measure.py", "figures.py", "verdict.py"}  # of every chapter
    assert len(named) > 40
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
    rules = re.findall(r"`([\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", text)
    assert len(rules) > 8
    for file, names in rules:
        code = (root / "cpdkit" / file).read_text()
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^\s*(def |class )?{name}\b", code, re.M), (file, name)
    chapters = re.findall(r"^\| \d \| `(\w+)/` \| (.*) \|$", text, re.M)
    assert len(chapters) == 8
    for folder, names in chapters:
        code = (root / "cpdkit/experiments" / folder / "verdict.py").read_text()
        assert all(f"def {name}(" in code for name in re.findall(r"`(\w+)`", names)), folder


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_cells_of_a_chapter_can_be_projected(path: Path) -> None:
    cells = nbformat.read(path, 4).cells
    code = [
        c for c in cells if c.cell_type == "code" and "parameters" not in c.metadata.get("tags", [])
    ]
    lines = [sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in code]
    assert max(lines) <= 15
    assert np.median(lines) <= 6


def test_the_core_needs_no_torch(root: Path) -> None:
    code = (
        "import sys, cpdkit, cpdkit.controls, cpdkit.comparisons, cpdkit.probes.equivariant\n"
        "cpdkit.cpd, cpdkit.CompositionProjector, cpdkit.Moments\n"
        "print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]


def test_the_kernel_of_a_notebook_reads_no_notebook(root: Path) -> None:
    code = "import sys, cpdkit.runs.page; print('nbformat' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]  # seconds for each of them


@pytest.mark.parametrize(
    "code",
    ["cpdkit.extract", "cpdkit.load_encoder('soap')", "cpdkit.load_encoder('zoo/mace-gap-0')"],
)
def test_without_torch_a_sentence_says_what_to_install(
    root: Path, tmp_path: Path, code: str
) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{root}"}
    command = [sys.executable, "-c", f"import cpdkit; {code}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs torch; install it with: pip install 'cpdkit[torch]'" in done.stderr
