"""The commands around notebooks: list, run, record, sweep, report, rerun, compare."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cpdkit._messages import WrongCall, asked
from cpdkit._parser import at_least, pair

__all__ = ["add_commands"]

_PARAMETER = "set a parameter; lists with commas; may be repeated"


def add_commands(command: Callable[..., Callable]) -> None:
    """Add the commands to the parser; `command` adds one and gives back its ``add_argument``."""
    listed = command("list", _list, "list the experiments")
    listed("--json", action="store_true", help="as JSON")

    run = command("run", _run, "run an experiment, or a notebook of your own")
    keep = command("record", _record, "run a notebook and keep its tables in the repository")
    for add, profile in ((run, "default"), (keep, "full")):
        add_notebook(add)
        add("--profile", default=profile, help="a named set of parameters, such as test or full")
    keep("--as", dest="name", help="what the record is called; by default as its data set")
    keep("--cache", action="store_true", help="take features that are kept; the record says which")
    run("-o", "--output", type=Path, help="copy the executed notebook to this file")
    run("--runs-dir", type=Path, help="where runs are kept; _build/runs by default")
    run("--force", action="store_true", help="run even if nothing changed")
    run("--list", action="store_true", help="list the parameters and stop")
    run("--json", action="store_true", help="with --list: as JSON")
    _add_later(command)


def _add_later(command: Callable[..., Callable]) -> None:
    """Add the commands that take many runs, or finished ones."""
    many = command("sweep", _sweep, "run an experiment with many values of its parameters")
    add_notebook(many, "values to try, 0..4 or a,b; a,b;c where values are lists; may be repeated")
    many("-f", "--fixed", action="append", type=pair, default=[], metavar="NAME=VALUE",
         help="a parameter that is the same in all runs")  # fmt: skip
    many("--profile", default="default", help="a named set of parameters, such as test or full")
    many("--workers", type=at_least(1), default=1, metavar="N", help="so many runs at a time")
    many("--scheduler", metavar="tcp://...", help="of a Dask cluster that sees this folder")
    many("--table", default="", metavar="NAME", help="the table to gather, such as ladder")
    many("--runs-dir", type=Path, help="where runs are kept; _build/runs by default")
    many("-o", "--output", type=Path, metavar="FOLDER", help="for the table and the figure")

    page = command("report", _report, "write one HTML page of a run, with everything in it")
    page("run", type=Path, metavar="RUN", help="folder of a run, its manifest or its notebook")
    page("-o", "--output", type=Path, help="report.html in the folder of the run by default")

    again = command("rerun", _rerun, "run a manifest again; say whether the results are the same")
    again("run", type=Path, metavar="MANIFEST", help="manifest.json, or the folder of a run")

    two = command("compare", _compare, "differences of two runs on the same folds")
    two("runs", type=Path, nargs=2, metavar="RUN", help="folder of a run, or its manifest")
    two("--table", default="", metavar="NAME", help="such as ladder; the main one by default")
    two("--all", action="store_true", help="all rows, not only the scores to look at first")
    two("-o", "--output", type=Path, help="write the differences to this CSV file")
    two("--json", action="store_true", help="as JSON")


def add_notebook(add: Callable[..., Any], parameter_help: str = _PARAMETER) -> None:
    """Add the notebook and its parameters to a command."""
    notebook = add("notebook", help="an experiment of `cpdkit list`, or an .ipynb or MyST file")
    notebook.completer = _notebooks
    parameter = add(
        "-p", "--parameter", action="append", type=pair, default=[], metavar="NAME=VALUE",
        help=parameter_help,
    )  # fmt: skip
    parameter.completer = _names


def _notebooks(prefix: str, **_: Any) -> list[str]:
    from cpdkit.runs.shipped import experiments

    return [*experiments(), *map(str, Path().glob(f"{prefix}*.ipynb"))]


def _names(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    from cpdkit.runs.run import notebook_parameters, read_notebook
    from cpdkit.runs.shipped import find_notebook

    notebook = read_notebook(find_notebook(parsed_args.notebook))
    return [f"{name}=" for name in notebook_parameters(notebook)]


def _list(options: argparse.Namespace) -> None:
    from cpdkit.runs.shipped import experiments

    found = experiments().values()
    if options.json:
        print(json.dumps([vars(e) | {"path": str(e.path)} for e in found], indent=1))
        return
    width = max((len(e.name) for e in found), default=0)
    for e in found:
        print(f"{e.number}  {e.name:<{width}}  {e.question or e.title}")


def _run(options: argparse.Namespace) -> None:
    from cpdkit.runs.parameters import check_parameters
    from cpdkit.runs.run import (
        MANIFEST,
        default_runs_dir,
        given_by_data,
        notebook_parameters,
        profile_parameters,
        read_notebook,
        run_notebook,
    )
    from cpdkit.runs.shipped import find_notebook

    with asked():
        path = find_notebook(options.notebook)
        notebook = read_notebook(path)
        declared = notebook_parameters(notebook)
        if options.list:
            _show_parameters(declared, as_json=options.json)
            return
        given = given_parameters(path, options.parameter)
        taken = given_by_data(notebook, given, options.profile)
        check_parameters(declared, profile_parameters(notebook, options.profile) | taken | given)
        runs_dir = options.runs_dir or default_runs_dir()
        _check_output(path, options.output, runs_dir)
    if taken:
        words = {k: v if isinstance(v, str) else ",".join(v) for k, v in taken.items()}
        told = " ".join(f"-p {k}={v!r}" for k, v in words.items())
        print(f"for {given['dataset']}, unless you say otherwise: {told}", file=sys.stderr)
    run = run_notebook(
        path, given, profile=options.profile, runs_dir=runs_dir, force=options.force,
        progress=sys.stderr.isatty(),
    )  # fmt: skip
    executed, manifest = run.notebook, run.directory / MANIFEST
    if options.output is not None:
        executed = _copy(executed, options.output)
        manifest = _copy(manifest, options.output.with_suffix(f".{MANIFEST}"))
    state = f"{run.reason}: ran in {run.manifest['wall_seconds']} s" if run.reason else "unchanged"
    print(f"{state}\n{executed}\n{manifest}")
    if options.output is not None:
        print(f"tables and figures: {run.directory}")


def _show_parameters(declared: Any, *, as_json: bool) -> None:
    if as_json:
        keys = ("name", "type_name", "default", "help")
        rows = [{key: getattr(p, key) for key in keys} for p in declared.values()]
        print(json.dumps(rows, indent=1))
        return
    for p in declared.values():
        print(f"{p.name}: {p.type_name} = {p.default!r}" + (f"  # {p.help}" if p.help else ""))


def _check_output(notebook: Path, output: Path | None, runs_dir: Path) -> None:
    """Refuse, before anything runs, places where nothing can be written or nothing must be."""
    if output is not None and output.is_dir():
        raise WrongCall(f"-o {output} is a folder; give a file, such as {output / notebook.name}.")
    if output is not None and output.exists() and output.samefile(notebook):
        raise WrongCall(f"-o {output} is the notebook itself; give another file.")
    for folder in [runs_dir] if output is None else [runs_dir, output.parent]:
        _check_writable(folder)


def _check_writable(folder: Path) -> None:
    """Make a folder and remove what was made, as a run would do at its end."""
    import tempfile

    made = [p for p in (folder, *folder.parents) if not p.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise WrongCall(f"nothing can be written to {folder}: {error.strerror}.") from error
    finally:
        for path in made:
            if path.is_dir():
                path.rmdir()


def given_parameters(path: Path, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Parameters of the command line, as the notebook declares them."""
    from cpdkit.runs.parameters import parse_parameters
    from cpdkit.runs.run import notebook_aliases, notebook_parameters, read_notebook

    notebook = read_notebook(path)
    return parse_parameters(notebook_parameters(notebook), notebook_aliases(notebook), pairs)


def _copy(source: Path, target: Path) -> Path:
    from cpdkit._files import replacing

    with replacing(target) as file:
        file.write(source.read_bytes())
    return target.resolve()


def _record(options: argparse.Namespace) -> None:
    from cpdkit.runs.record import check_home, record
    from cpdkit.runs.shipped import find_notebook

    with asked():
        check_home()
        path = find_notebook(options.notebook)
        given = given_parameters(path, options.parameter)
    print(record(path, given, profile=options.profile, name=options.name, cache=options.cache))


def _sweep(options: argparse.Namespace) -> None:
    from cpdkit.runs.run import default_runs_dir
    from cpdkit.runs.shipped import find_notebook
    from cpdkit.runs.sweep import sweep, write_sweep

    with asked():
        path = find_notebook(options.notebook)
        if not options.parameter:
            raise WrongCall("nothing is varied; give -p NAME=VALUES, such as -p seed=0..4.")
        varied = dict(options.parameter)
        fixed = given_parameters(path, options.fixed)
        runs_dir = options.runs_dir or default_runs_dir()
        folder = options.output or runs_dir.parent / "sweeps" / f"{path.stem}-{'-'.join(varied)}"
        for place in (runs_dir, folder):
            _check_writable(place)
    done = sweep(
        path, varied, fixed, profile=options.profile, workers=options.workers,
        scheduler=options.scheduler, runs_dir=runs_dir, table=options.table,
    )  # fmt: skip
    print(*write_sweep(done, folder), sep="\n")
    for _, row in done.failed.iterrows():
        what = ", ".join(f"{name}={row[name]}" for name in done.varied)
        print(f"cpdkit: {what} failed: {row['error']} {row['folder']}".rstrip(), file=sys.stderr)
    if len(done.failed):
        raise RuntimeError(
            f"{len(done.failed)} of {len(done.runs)} runs failed; the others are kept. The same "
            "command again runs only these."
        )


def _report(options: argparse.Namespace) -> None:
    from cpdkit.runs.report import write_report

    with asked():
        written = write_report(options.run, options.output)
    print(written)


def _rerun(options: argparse.Namespace) -> None:
    from cpdkit.runs.rerun import rerun
    from cpdkit.runs.tables import find_run

    with asked():
        find_run(options.run)
    done = rerun(options.run, progress=sys.stderr.isatty())
    print(done)
    if not done.identical:
        raise RuntimeError("the results are not those of the manifest.")


def _compare(options: argparse.Namespace) -> None:
    from cpdkit._files import replacing
    from cpdkit.runs.compare import compare_runs, shown

    with asked():
        found = compare_runs(*options.runs, table=options.table, every=options.all)
    if options.output is not None:
        with replacing(options.output) as file:
            found.to_csv(file, index=False)
    print(found.to_json(orient="records", indent=1) if options.json else shown(found))
