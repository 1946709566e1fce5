"""Change the method one expression at a time, and see whether its tests notice.

    python -m tools.mutants                              # a sample of every core file, an hour
    python -m tools.mutants cpdkit/scores/sums.py --sample 0  # every mutant of one file

Which tests run a line is measured first, with coverage; a mutant meets those tests only, the quick
ones first, in a process of its own and in a copy of the tree. Mutants that no test notices are
printed, and written to a table beside all others.
"""

from __future__ import annotations

import argparse
import ast
import csv
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parent.parent
CORE = [
    "cpdkit/folds.py", "cpdkit/decomposition.py", "cpdkit/intervals.py", "cpdkit/comparisons.py",
    "cpdkit/_checks.py", "cpdkit/_arrays.py", "cpdkit/probes/ridge.py",
    "cpdkit/probes/residual.py",
    *(f"cpdkit/{room}" for room in ("scores", "projection", "held_out", "moments", "composition")),
]  # fmt: skip
TESTS = [
    "tests/test_arrays.py", "tests/test_comparisons.py", "tests/test_decomposition.py",
    "tests/test_folds.py", "tests/test_intervals.py", "tests/test_odd_inputs.py",
    "tests/test_options.py", "tests/projection", "tests/held_out", "tests/moments",
    "tests/probes/test_residual.py", "tests/probes/test_nonlinear.py", "tests/composition",
    "tests/experiments/inflation/test_remedies.py", "tests/experiments/efficiency/test_verdict.py",
    *CORE,
]  # fmt: skip
PYTEST = [
    "-q", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning",
    "-k", "not coverage_on_planted_data",  # a minute, and too wide to notice anything
]  # fmt: skip
MOST_SECONDS = 60.0  # of tests for one mutant, by what they took when nothing was wrong

_COMPARED = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_COMPUTED = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
# What is said in an error, and where a warning points to, is not the method.
_WORDS = (ast.JoinedStr, ast.Raise)
_INERT = {"stacklevel", "strict"}


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """What an expression or statement may be mistaken for."""
    new = deepcopy(node)
    if isinstance(new, ast.Compare):
        for i, operator in enumerate(new.ops):
            for other in _COMPARED[type(operator)]:
                new.ops[i] = other()
                yield new
            new.ops[i] = operator
    elif isinstance(new, ast.BinOp | ast.AugAssign) and type(new.op) in _COMPUTED:
        new.op = _COMPUTED[type(new.op)]()
        yield new
    elif isinstance(new, ast.BoolOp):
        new.op = ast.Or() if isinstance(new.op, ast.And) else ast.And()
        yield new
    elif isinstance(new, ast.UnaryOp):
        yield new.operand
    elif isinstance(new, ast.Constant) and isinstance(new.value, bool):
        yield ast.Constant(not new.value)
    elif isinstance(new, ast.Constant) and isinstance(new.value, int | float):
        yield ast.Constant(new.value + 1 if isinstance(new.value, int) else new.value * 10 or 1.0)
    elif isinstance(new, ast.If | ast.IfExp) and not isinstance(new.test, ast.Compare | ast.BoolOp):
        new.test = ast.UnaryOp(ast.Not(), new.test)
        yield new
    elif isinstance(new, ast.Call):
        for i, keyword in enumerate(keywords := new.keywords):
            if keyword.arg and keyword.arg not in _INERT:
                new.keywords = keywords[:i] + keywords[i + 1 :]
                yield new
    elif isinstance(new, ast.Expr) and isinstance(new.value, ast.Call):
        yield ast.Pass()


def mutants(source: str) -> Iterator[tuple[range, str, str]]:
    """Lines that decide which tests run, what is changed in words, and the changed source."""
    tree = ast.parse(source)
    for node, lines, put in _places(tree, range(1, 1)):
        for new in variants(node):
            put(new)
            yield lines, f"{_short(node)} -> {_short(new)}", ast.unparse(tree)
        put(node)


def _places(parent: ast.AST, lines: range) -> Iterator[tuple[ast.AST, range, Callable]]:
    """Every node below that is computed with, and how to put another in its place."""
    for name, value in ast.iter_fields(parent):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for i, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or isinstance(child, _WORDS):
                continue
            if isinstance(child, ast.keyword) and child.arg in _INERT:
                continue
            own = lines
            if isinstance(child, ast.FunctionDef):
                own = range(child.body[0].lineno, (child.end_lineno or 0) + 1)
            elif isinstance(child, ast.stmt) and not isinstance(child, ast.ClassDef):
                below = getattr(child, "body", None)
                end = below[0].lineno if below else (child.end_lineno or 0) + 1
                own = range(child.lineno, max(end, child.lineno + 1))
            if name == "defaults" or name == "kw_defaults":
                own = lines

            def put(new: ast.AST, name: str = name, i: int = i, value: object = value) -> None:
                if isinstance(value, list):
                    value[i] = new
                else:
                    setattr(parent, name, new)

            yield child, own, put
            yield from _places(child, own)


def _short(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:110]


def copied(tree: Path) -> None:
    """Copy the tree, so that mutants spoil nothing."""
    left = shutil.ignore_patterns(".*", "_build", "__pycache__", "recorded_data", "*.egg-info")
    shutil.copytree(ROOT, tree, ignore=left)


def measure(tree: Path) -> None:
    """Write down the seconds of every test, which lines it ran, and what all of them import."""
    code = (
        "import json, sys, pytest\n"
        "class Times:\n"
        "    def __init__(self): self.took = {}\n"
        "    def pytest_runtest_logreport(self, report):\n"
        "        t = self.took; t[report.nodeid] = t.get(report.nodeid, 0) + report.duration\n"
        "times = Times()\n"
        "code = pytest.main(sys.argv[1:], plugins=[times])\n"
        "others = [n for n, m in list(sys.modules.items()) if getattr(m, '__spec__', None)\n"
        "          and 'site-packages' in (getattr(m, '__file__', None) or '')]\n"
        "json.dump([times.took, others], open('times.json', 'w'))\n"
        "sys.exit(code)"
    )
    options = ["--cov=cpdkit", "--cov-context=test", "--cov-report="]
    command = [sys.executable, "-c", code, *PYTEST, *options, *TESTS]
    subprocess.run(command, cwd=tree, env=_environment(tree), check=True)


def measured(tree: Path) -> tuple[dict[str, float], coverage.CoverageData]:
    """Seconds of every test, and which tests ran which lines; imports what the tests import."""
    took, others = json.loads((tree / "times.json").read_text())
    for name in others:
        if not name.startswith(("_pytest", "pytest", "pluggy")):
            with suppress(ImportError):
                importlib.import_module(name)
    if any(name.partition(".")[0] == "cpdkit" for name in sys.modules):
        raise RuntimeError("cpdkit is imported already; run this as python -m tools.mutants.")
    data = coverage.CoverageData(str(tree / ".coverage"))
    data.read()
    return took, data


def _environment(tree: Path) -> dict[str, str]:
    path = os.pathsep.join([str(tree), str(tree / "tests")])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "CPDKIT_CACHE": "off"}


def tests_of(
    lines: range, file: Path, took: dict[str, float], data: coverage.CoverageData
) -> list[str]:
    """Tests that run one of these lines, or else the file; the quick ones, in order."""
    ran = data.contexts_by_lineno(str(file))
    names = {c.partition("|")[0] for line in lines for c in ran.get(line, [])} - {""}
    if not names:
        names = {c.partition("|")[0] for contexts in ran.values() for c in contexts} - {""}
    chosen, total = [], 0.0
    for name in sorted(names & took.keys(), key=lambda name: took[name]):
        total += took[name]
        if total > MOST_SECONDS:
            break
        chosen.append(name)
    return chosen


def caught(tree: Path, tests: list[str], seconds: float) -> bool:
    """Whether a test fails, or does not end, in a process of its own."""
    child = os.fork()  # numpy, pandas and the rest are imported already, the library is not
    if child == 0:
        code = 1
        try:
            os.setsid()
            os.chdir(tree)
            os.environ.update(_environment(tree))
            nothing = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(nothing, stream)
            sys.dont_write_bytecode = True
            sys.path[:] = [str(tree), str(tree / "tests"), *(p for p in sys.path if p != str(ROOT))]
            import pytest

            code = int(pytest.main([*PYTEST, "-x", *tests]))
        finally:
            os._exit(code)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def main(given: list[str]) -> int:
    """Print the share of mutants caught, file by file, and those that were not."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="*", default=CORE)
    parser.add_argument("--sample", type=int, default=12, help="mutants of a file; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="a table of an earlier run: those that were not caught")
    parser.add_argument("--home", help="folder to work in, which holds what was measured before")
    parser.add_argument("--out", default="_build/mutants.csv")
    asked = parser.parse_args(given)
    again = _survivors(Path(asked.only)) if asked.only else None
    home = Path(asked.home or tempfile.mkdtemp(prefix="mutants-")).resolve()
    tree = home / "tree"
    try:
        if not (tree / "times.json").exists():
            copied(tree)
            measure(tree)
        took, data = measured(tree)
        if caught(tree, (quick := sorted(took, key=lambda name: took[name])[:300]), 600):
            raise RuntimeError(f"tests fail where nothing is changed, some of {quick[:3]} ...")
        with Path(asked.out).open("w", newline="") as stream:
            table = csv.writer(stream)
            table.writerow(["file", "number", "line", "change", "caught", "tests", "seconds"])
            totals = [0, 0]
            for path in _python_files(tree, asked.files):
                file = str(path.relative_to(tree))
                made = list(mutants(path.read_text()))
                numbers = random.Random(f"{asked.seed} {file}").sample(
                    range(len(made)), min(asked.sample or len(made), len(made))
                )
                if again is not None:
                    numbers = [i for i, m in enumerate(made) if (file, str(i), m[1]) in again]
                found = 0
                for number in sorted(numbers):
                    lines, change, mutated = made[number]
                    tests = tests_of(lines, path, took, data)
                    limit = 30 + 6 * sum(took[test] for test in tests)
                    began = time.monotonic()
                    with _written(path, mutated):
                        noticed = bool(tests) and caught(tree, tests, limit)
                    found += noticed
                    spent = f"{time.monotonic() - began:.1f}"
                    table.writerow([file, number, lines.start, change, noticed, len(tests), spent])
                    stream.flush()
                    if not noticed:
                        print(f"  {file}:{lines.start}: {change}", flush=True)
                totals = [totals[0] + len(numbers), totals[1] + found]
                if numbers:
                    print(f"{file}: {found} of {len(numbers)} caught", flush=True)
        print(f"all: {totals[1]} of {totals[0]} caught")
    finally:
        if not asked.home:
            shutil.rmtree(home, ignore_errors=True)
    return 0


def _python_files(tree: Path, names: list[str]) -> list[Path]:
    return [p for name in names for p in (sorted((tree / name).rglob("*.py")) or [tree / name])]


@contextmanager
def _written(file: Path, source: str) -> Iterator[None]:
    """Another content of a file, for a while; nothing compiled of it is kept."""
    before = file.read_text()
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*"):
        compiled.unlink()
    file.write_text(source)
    try:
        yield
    finally:
        file.write_text(before)


def _survivors(table: Path) -> set[tuple[str, str, str]]:
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {(r["file"], r["number"], r["change"]) for r in rows if r["caught"] == "False"}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
