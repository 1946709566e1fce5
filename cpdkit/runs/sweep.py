"""``cpdkit sweep``: one experiment with many values of its parameters, on workers of Dask."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from cpdkit._files import replacing
from cpdkit._messages import unknown
from cpdkit.runs.parameters import (
    Parameter,
    absolute_files,
    check_parameters,
    current_names,
    parse_value,
)
from cpdkit.runs.run import (
    NotebookError,
    check_inputs,
    notebook_aliases,
    notebook_parameters,
    profile_parameters,
    read_notebook,
    run_notebook,
)
from cpdkit.runs.tables import find_run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Sweep", "alternatives", "grid", "sweep", "sweep_figure", "write_sweep"]

_RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)")


@dataclass(frozen=True)
class Sweep:
    """What `sweep` leaves.

    Attributes
    ----------
    runs : DataFrame
        A row for each run: what was varied, ``state`` (``"ran"``, ``"unchanged"`` or
        ``"failed"``), ``seconds``, ``outcome`` and ``sentence`` of its verdict, ``folder``, and
        the ``error`` of a failed one.
    table : DataFrame
        The headline tables of all runs, what was varied in front.
    varied : list of str
        Names of the parameters that were varied.
    value : str
        The column of `table` to look at.
    headline : DataFrame
        The rows of `table` to look at.
    """

    runs: pd.DataFrame
    table: pd.DataFrame
    varied: list[str]
    value: str
    headline: pd.DataFrame

    @property
    def failed(self) -> pd.DataFrame:
        """Runs that failed."""
        return self.runs[self.runs["state"] == "failed"]


def alternatives(parameter: Parameter, text: str) -> list[Any]:
    """Values of a parameter to be tried one after the other.

    ``0..4`` are whole numbers with both ends. Commas separate values; where a value is itself a
    list, semicolons do, and ``a,b`` are two lists of one item each.

    Raises
    ------
    ValueError
        If a value is not of the declared type.
    """
    parts: Iterable[str]
    if bounds := _RANGE.fullmatch(text.strip()):
        first, last = int(bounds[1]), int(bounds[2])
        parts = map(str, range(first, last + 1) if first <= last else range(first, last - 1, -1))
    elif ";" in text:
        parts = (part for part in text.split(";") if part.strip())
    else:
        parts = re.split(r",(?![^\[\]]*\])", text)
    try:
        return [parse_value(part.strip(), parameter.type) for part in parts]
    except ValueError as error:
        kind = parameter.type_name
        raise ValueError(f"parameter {parameter.name!r} must be {kind}: {error}") from error


def grid(
    declared: Mapping[str, Parameter],
    varied: Mapping[str, str],
    fixed: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """All combinations of the alternatives of `varied`, each with the values of `fixed`.

    Raises
    ------
    ValueError
        If a name is unknown, given twice, or has a value that cannot be read or comes twice.
    """
    for name in varied:
        if name not in declared:
            raise ValueError(unknown("parameter", name, declared))
        if name in fixed:
            raise ValueError(f"parameter {name!r} is both varied and fixed; give it once.")
    choices = {name: alternatives(declared[name], text) for name, text in varied.items()}
    for name, values in choices.items():
        if len({repr(value) for value in values}) < len(values):
            raise ValueError(f"parameter {name!r} has a value twice: {varied[name]!r}.")
    return [dict(fixed) | dict(zip(choices, p, strict=True)) for p in product(*choices.values())]


def sweep(
    notebook: Path,
    varied: Mapping[str, str],
    fixed: Mapping[str, Any],
    *,
    profile: str = "default",
    workers: int = 2,
    scheduler: str | None = None,
    runs_dir: Path,
    table: str = "",
) -> Sweep:
    """Run a notebook with every combination of values; what is still current is not run again.

    Parameters
    ----------
    notebook : Path
        The notebook.
    varied : mapping of str to str
        Alternatives by parameter: ``0..4``, ``a,b``, or ``a,b;c`` where values are lists.
    fixed : mapping
        Values that all runs have.
    profile : str
        A named set of parameters below these.
    workers : int
        How many runs at a time, each in processes of its own.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers see `runs_dir`; in place of `workers` here.
    runs_dir : Path
        Where runs are kept. A sweep that is given again goes on where it was stopped.
    table : str, optional
        Short name of the table to gather; that of the notebook's headline by default.

    Raises
    ------
    ValueError
        If a parameter or value is wrong; nothing has run then.
    """
    read = read_notebook(notebook)
    declared = notebook_parameters(read)
    varied = current_names(notebook_aliases(read), varied)
    cases = grid(declared, varied, fixed)
    for case in cases:
        asked = check_parameters(declared, profile_parameters(read, profile) | case)
        check_inputs(read, absolute_files(declared, asked))
    found: dict[int, dict[str, Any]] = {}
    clock = time.perf_counter()
    with _client(workers, scheduler) as client:
        for i, result in _finished(client, notebook, cases, profile, runs_dir):
            found[i] = {name: _said(cases[i][name]) for name in varied} | result
            _tell(found[i], list(varied), len(found), len(cases), time.perf_counter() - clock)
    runs = pd.DataFrame([found[i] for i in range(len(cases))])
    return _gathered(runs, list(varied), table)


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    from distributed import Client, LocalCluster

    if scheduler is not None:
        with Client(scheduler, timeout="10s") as client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _finished(
    client: Any, notebook: Path, cases: Sequence[dict], profile: str, runs_dir: Path
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Results as they come, with the number of their case."""
    from distributed import as_completed

    futures = {
        client.submit(_one, str(notebook.resolve()), case, profile, str(runs_dir), pure=False): i
        for i, case in enumerate(cases)
    }
    for future in as_completed(futures):
        try:
            result = future.result()
        except Exception as error:  # a worker died, or cannot import this library
            result = _failure(f"{type(error).__name__}: {error}")
        yield futures[future], result


def _one(notebook: str, parameters: dict, profile: str, runs_dir: str) -> dict[str, Any]:
    """A run on a worker."""
    try:
        run = run_notebook(notebook, parameters, profile=profile, runs_dir=runs_dir, progress=False)
    except NotebookError as error:
        said = [line for line in str(error).splitlines() if line.strip()]
        return _failure(said[-2] if len(said) > 1 else said[0], str(error.notebook.parent))
    except (ValueError, TypeError, OSError) as error:
        return _failure(f"{type(error).__name__}: {error}")
    verdicts = sorted(run.directory.glob("*_verdict.csv"))
    judged = pd.read_csv(verdicts[0]).iloc[0] if verdicts else {}
    return {
        "state": "ran" if run.reason else "unchanged",
        "seconds": run.manifest["wall_seconds"],
        "outcome": judged.get("outcome", ""),
        "sentence": judged.get("sentence", ""),
        "folder": str(run.directory),
        "error": "",
    }


def _failure(error: str, folder: str = "") -> dict[str, Any]:
    nothing = {"seconds": float("nan"), "outcome": "", "sentence": ""}
    return {"state": "failed", **nothing, "folder": folder, "error": error}


def _said(value: Any) -> Any:
    """A value for a cell: lists as they are written on the command line."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else value


def _tell(row: Mapping[str, Any], varied: list[str], done: int, of: int, seconds: float) -> None:
    what = ", ".join(f"{name}={row[name]}" for name in varied)
    left = "" if done == of else f"; about {seconds / done * (of - done) / 60:.0f} min left"
    print(f"{done}/{of} {what}: {row['state']} {row['error']}".rstrip() + left, file=sys.stderr)


def _gathered(runs: pd.DataFrame, varied: list[str], name: str) -> Sweep:
    parts, headlines = [], []
    value = "mean"
    for _, row in runs[runs["state"] != "failed"].iterrows():
        run = find_run(row["folder"])
        head = run.headline
        value = head.value
        table = run.table(name)
        front = {key: row[key] for key in varied}
        columns = [*front, *(c for c in table if c not in front)]
        parts.append(table.assign(**front)[columns])
        headlines.append(head.of(parts[-1]))
    empty = pd.DataFrame(columns=varied)
    return Sweep(
        runs, pd.concat(parts, ignore_index=True) if parts else empty, varied, value,
        pd.concat(headlines, ignore_index=True) if headlines else empty,
    )  # fmt: skip


def write_sweep(done: Sweep, folder: Path) -> list[Path]:
    """Write ``runs.csv``, ``sweep.csv`` and, where there is something to draw, ``sweep.svg``."""
    import matplotlib as mpl

    written = []
    for name, table in (("runs", done.runs), ("sweep", done.table)):
        written.append(folder / f"{name}.csv")
        with replacing(written[-1]) as file:
            table.to_csv(file, index=False)
    if done.value in done.headline and len(done.headline):
        written.append(folder / "sweep.svg")
        with replacing(written[-1]) as file, mpl.rc_context({"svg.hashsalt": "cpdkit"}):
            sweep_figure(done).savefig(file, format="svg", metadata={"Date": None})
    return written


def sweep_figure(done: Sweep) -> Figure:
    """Draw a panel for each target, a row for each run, with intervals where there are any."""
    from cpdkit.experiments.labels import label
    from cpdkit.figures import intervals, legend, levels, looks, named_rows

    table = done.headline.rename(columns={done.value: "mean"})
    for bound in ("low", "high"):
        table[bound] = table[bound] if bound in table else table["mean"]
    row = table[done.varied].astype(str)
    table["run"] = [", ".join(f"{n}={label(v)}" for n, v in r.items()) for _, r in row.iterrows()]
    table["what"] = _apart(table, [*done.varied, "target", "run", "note"])
    targets = levels(table, "target") if "target" in table else [""]
    names, kinds = levels(table, "run", "what")
    figure, axes = named_rows(len(targets), names, row=0.3, rest=1.1, left=2.4)
    styles = looks(kinds)
    for axis, target in zip(axes, targets, strict=True):
        here = table[table["target"] == target] if target else table
        for kind, part in here.groupby("what", sort=False):
            places = [names.index(name) for name in part["run"]]
            intervals(axis, part, places, styles[kind])
        axis.set_title(label(target)).set_parse_math(False)
        axis.set_xlabel(", ".join(levels(table, "score")) if "score" in table else done.value)
    if len(kinds) > 1:
        legend(figure, styles)
    return figure


def _apart(table: pd.DataFrame, known: list[str]) -> list[str]:
    """What tells rows of one run apart, in words: the text columns that vary within a run."""
    from cpdkit.experiments.labels import label

    columns = [
        name
        for name in table.select_dtypes(["object", "string"])
        if name not in known and table.groupby("run")[name].nunique().max() > 1
    ]
    columns = [n for i, n in enumerate(columns) if not _repeats(table, n, columns[:i])]
    return [", ".join(label(str(v)) for v in row) for row in table[columns].itertuples(index=False)]


def _repeats(table: pd.DataFrame, name: str, others: list[str]) -> bool:
    """Whether a column says again what another says."""
    return any(table.groupby(other)[name].nunique().max() == 1 for other in others)
