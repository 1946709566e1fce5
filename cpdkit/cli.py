"""The command ``cpdkit``: list what there is, run notebooks, build the book."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cpdkit

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cpdkit",
        description="What atomistic models know about molecules beyond their composition.",
    )
    parser.add_argument("--version", action="version", version=f"cpdkit {cpdkit.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run a notebook with other parameters")
    run.add_argument("notebook", type=Path, help=".ipynb or MyST Markdown notebook")
    run.add_argument(
        "-p",
        "--parameter",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="set a parameter; lists with commas; may be repeated",
    )
    run.add_argument("--profile", default="default", help="a named set of parameters, e.g. test")
    run.add_argument("-o", "--output", type=Path, help="copy the executed notebook to this file")
    run.add_argument(
        "--runs-dir", type=Path, default=Path("_build/runs"), help="where runs are kept"
    )
    run.add_argument("--force", action="store_true", help="run even if nothing changed")
    run.add_argument("--list", action="store_true", help="list the parameters and stop")
    run.set_defaults(action=_run)

    keep = commands.add_parser("record", help="run a notebook and keep its tables in the package")
    keep.add_argument("notebook", type=Path, help="with a parameter named dataset")
    keep.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="set a parameter, as for run",
    )  # fmt: skip
    keep.add_argument("--profile", default="full", help="a named set of parameters")
    keep.set_defaults(action=_record)

    book = commands.add_parser("book", help="run what changed and build the book")
    book.add_argument("root", type=Path, nargs="?", default=Path("."), help="the repository")
    book.set_defaults(action=_book)

    datasets = commands.add_parser("datasets", help="list the data sets")
    datasets.set_defaults(action=_datasets)
    encoders = commands.add_parser("encoders", help="say what there is to know of the encoders")
    encoders.add_argument(
        "name", nargs="*", help="these alone, as loaded; options in brackets: soap[compression=mu2]"
    )
    encoders.add_argument("--json", action="store_true", help="as JSON")
    encoders.set_defaults(action=_encoders)

    zoo = commands.add_parser("zoo", help="list the models of the zoo, or train one")
    actions = zoo.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the models with their errors")
    listing.set_defaults(action=_zoo_list)
    training = actions.add_parser("train", help="train a model; go on where one was stopped")
    training.add_argument("architecture", help="mace, painn, schnet, dimenet++ or visnet")
    training.add_argument("task", help="gap or energy")
    training.add_argument("--seed", type=int, default=0, help="of weights and order of the data")
    training.add_argument("--epochs", type=int, help="passes over the molecules")
    training.add_argument(
        "--stop-after", type=float, metavar="EPOCH", help="write the weights of this epoch and stop"
    )
    training.add_argument("--learning-rate", type=float, help="peak of the schedule")
    training.add_argument("--device", default="cpu", help="cpu or cuda")
    training.add_argument("--directory", type=Path, help="in place of $CPDKIT_ZOO or the cache")
    training.set_defaults(action=_zoo_train)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of ``sys.argv[1:]``.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error that is told in one sentence.
    """
    options = _parser().parse_args(arguments)
    try:
        options.action(options)
    except ModuleNotFoundError as error:
        extra = "book" if options.action is _book else "run"
        print(
            f"cpdkit: this needs {error.name}; install it with: pip install 'cpdkit[{extra}]'",
            file=sys.stderr,
        )
        return 1
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"cpdkit: {error}", file=sys.stderr)
        return 1
    return 0


def _run(options: argparse.Namespace) -> None:
    from cpdkit.runs.run import MANIFEST, notebook_parameters, read_notebook, run_notebook

    if options.list:
        for p in notebook_parameters(read_notebook(options.notebook)).values():
            print(f"{p.name}: {p.type_name} = {p.default!r}" + (f"  # {p.help}" if p.help else ""))
        return
    run = run_notebook(
        options.notebook,
        _given(options),
        profile=options.profile,
        runs_dir=options.runs_dir,
        force=options.force,
    )
    executed, manifest = run.notebook, run.directory / MANIFEST
    if options.output is not None:
        executed = _copy(executed, options.output)
        manifest = _copy(manifest, options.output.with_suffix(f".{MANIFEST}"))
    state = f"{run.reason}: ran in {run.manifest['wall_seconds']} s" if run.reason else "unchanged"
    print(f"{state}\n{executed}\n{manifest}")
    if options.output is not None:
        print(f"tables and figures: {run.directory}")


def _given(options: argparse.Namespace) -> dict[str, object]:
    """Parameters of the command line, as the notebook declares them."""
    from cpdkit.runs.parameters import parse_parameters
    from cpdkit.runs.run import notebook_aliases, notebook_parameters, read_notebook

    notebook = read_notebook(options.notebook)
    declared, aliases = notebook_parameters(notebook), notebook_aliases(notebook)
    return parse_parameters(declared, aliases, options.parameter)


def _record(options: argparse.Namespace) -> None:
    from cpdkit.runs.record import record

    print(record(options.notebook, _given(options), profile=options.profile))


def _copy(source: Path, target: Path) -> Path:
    """Copy beside the final name, then rename: nobody sees half a file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    shutil.copyfile(source, part)
    os.replace(part, target)
    return target.resolve()


def _book(options: argparse.Namespace) -> None:
    from cpdkit.runs.book import build_book

    print(build_book(options.root))


def _datasets(options: argparse.Namespace) -> None:
    from importlib import import_module

    from cpdkit.datasets import DATASETS

    for name, home in DATASETS.items():
        module = import_module(home)
        print(f"{name}: splits {', '.join(module.SPLITS)}")
    print("PATH: any extended-XYZ file of your own, with named targets")


def _encoders(options: argparse.Namespace) -> None:
    import json
    import warnings

    from cpdkit.encoders import encoder_info, encoder_names

    names = options.name or encoder_names()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say while they build a model
        found = {name: encoder_info(name, load=bool(options.name)) for name in names}
    if options.json:
        told = [{"name": name} | (info.as_dict() if info else {}) for name, info in found.items()]
        print(json.dumps(told, indent=1))
        return
    for name, info in found.items():
        lines = info.lines() if info else ["nothing is known of it; see register_encoder(info=)"]
        print(name, *lines, sep="\n    ", end="\n\n" if len(found) > 1 else "\n")


def _zoo_list(options: argparse.Namespace) -> None:
    import pandas as pd

    from cpdkit.zoo import model_names, read_card, stopped_names

    rows = []
    for name in model_names():
        card = read_card(name)
        row = {"model": name, "parameters": f"{card['parameters']:,}", "epochs": card["epochs"]}
        if "probe" in card:
            row["MAE"] = f"{card['probe']['mae']:.3f} {card['unit']}"
            row["R2"] = f"{card['probe']['r2']:.4f}"
            row["R2 of bonds"] = f"{card['baselines']['bonds']['r2']:.4f}"
        rows.append(row)
    print(pd.DataFrame(rows).fillna("").to_string(index=False))
    print("Load one with load_encoder('zoo/NAME'); NAME@EPOCH for its weights on the way.")
    if stopped := stopped_names():
        print("Trainings that were stopped early:", ", ".join(stopped))


def _zoo_train(options: argparse.Namespace) -> None:
    from cpdkit.zoo import Recipe, train
    from cpdkit.zoo.checkpoints import own_directory

    recipe = Recipe()
    if options.epochs is not None:
        kept = tuple(epoch for epoch in recipe.checkpoints if epoch < options.epochs)
        recipe = replace(recipe, epochs=options.epochs, checkpoints=kept)
    if options.learning_rate is not None:
        recipe = replace(recipe, learning_rate=options.learning_rate)
    home = options.directory or own_directory()
    try:
        card = train(
            options.architecture, options.task,
            seed=options.seed, recipe=recipe, directory=home, device=options.device,
            stop_after=options.stop_after,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise RuntimeError("stopped; give the same command again to go on.") from None
    error = f"MAE {card['probe']['mae']:.3f} {card['unit']}, R2 {card['probe']['r2']:.4f}"
    at = "" if options.stop_after is None else f"@{options.stop_after:g}"
    print(f"zoo/{card['name']}{at}: {error}\n{home}")
