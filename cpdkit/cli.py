"""The command ``cpdkit``: list what there is, run notebooks, build the book."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cpdkit
from cpdkit._messages import WrongCall, asked, missing, unknown
from cpdkit._options import check_seed
from cpdkit._parser import Parser, at_least, complete, joined
from cpdkit.runs.commands import add_commands

__all__ = ["main"]

_PROBE = """\
Scores of arrays of your own, with and without what composition decides. No model is needed.
"""
_ARRAYS = """\
FILE has one row for each structure. To write one:

    import numpy as np
    formulas = np.array(["CH4", "C2H6O", ...], dtype=str)    # n formulas
    np.savez("arrays.npz", features=X, formulas=formulas,    # X: numbers, (n, d)
             gap=y)                                          # a target, n numbers; others likewise

.npz, .h5  arrays 'features'; 'formulas', or 'composition' of (n, k) numbers, or both; perhaps
           'groups' (what formula folds keep together) and 'ids' (what random folds are drawn
           from). 'targets' of (n, t) with 'target_names', and every other array, are targets.
.csv, .parquet
           columns feature_0, feature_1, ...; formula, or composition_H, composition_C, ...;
           perhaps group and id. Every other column is a target.
.npy       features alone: --formulas and --targets then name the files of the rest.

exit status: 0; 1 if the file cannot be read or nothing computed from it; 2 if the call is wrong.
"""


_EXAMPLES = """\
examples:
  cpdkit list                                           the experiments
  cpdkit run gradient --list                            what can be changed
  cpdkit run gradient -p dataset=mine.xyz -p targets=energy -o mine.ipynb
  cpdkit probe arrays.npz                               features of your own

exit status: 0; 1 if something failed; 2 if the call is wrong; 130 after Ctrl-C.
completion in bash and zsh: eval "$(register-python-argcomplete cpdkit)"
"""


def _parser() -> Parser:
    parser = Parser(
        prog="cpdkit",
        description="What atomistic models know about molecules beyond their composition.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cpdkit {cpdkit.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, action: Callable, help: str, of: Any = commands) -> Callable:
        added = of.add_parser(name, help=help)
        added.set_defaults(action=action)
        return added.add_argument

    add_commands(command)
    as_json = "as JSON"
    book = command("book", _book, "run what changed and build the book")
    book("root", type=Path, nargs="?", default=Path("."), help="the repository")
    _add_probe(commands)
    _add_course(command)
    command("datasets", _datasets, "list the data sets")(
        "--json", action="store_true", help=as_json
    )
    encoders = command("encoders", _encoders, "say what there is to know of the encoders")
    encoders(
        "name", nargs="*", help="these alone, as loaded; options in brackets: soap[compression=mu2]"
    )
    encoders("--json", action="store_true", help=as_json)

    kept = command("cache", _cache, "say where features are kept, or clear them")
    kept("what", nargs="?", choices=["clear"], help="remove all that is kept")
    kept("--json", action="store_true", help=as_json)

    zoo = commands.add_parser("zoo", help="list the models of the zoo, or train one")
    actions = zoo.add_subparsers(title="actions", metavar="ACTION", required=True)
    listed = command("list", _zoo_list, "list the models with their errors", of=actions)
    listed("--json", action="store_true", help=as_json)
    train = command("train", _zoo_train, "train a model; go on where one was stopped", of=actions)
    untrained = command(
        "untrained", _zoo_untrained, "write weights as they are before training", of=actions
    )
    train("architecture", help="mace, painn, schnet, dimenet++ or visnet")
    train("task", help="gap, energy, dipole or forces; of QM9 qm9_homo or qm9_energy")
    train("--epochs", type=int, help="passes over the molecules")
    train("--stop-after", type=float, metavar="EPOCH", help="write weights of this epoch and stop")
    train("--learning-rate", type=float, help="peak of the schedule")
    train("--device", default="cpu", help="cpu or cuda")
    untrained("architecture", nargs="*", help="all five by default")
    for add in (train, untrained):
        add("--seed", type=int, default=0, help="of weights and order of the data")
        add("--directory", type=Path, help="in place of $CPDKIT_ZOO or the cache")
    return parser


def _add_probe(commands: Any) -> None:
    probe = commands.add_parser(
        "probe", help="score arrays of your own", description=_PROBE, epilog=_ARRAYS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    probe.set_defaults(action=_probe)
    add = probe.add_argument
    add("file", type=Path, metavar="FILE", help=".npz, .csv, .parquet, .h5 or .npy; see below")
    add("--targets", metavar="NAMES|FILE", help="targets by name, with commas; or a file of them")
    add("--formulas", type=Path, metavar="FILE", help="where they stand: .npy, .csv or .txt")
    add("--folds", choices=("random", "formula"), default="random", help="who is tested on whom")
    add("--n-folds", type=at_least(3), default=5, metavar="N", help="5 by default")
    add(
        "--repeats", type=at_least(1), default=1, metavar="N",
        help="deal the folds anew so often; means get steadier, intervals too narrow",
    )  # fmt: skip
    add("--seed", type=at_least(0), default=0, metavar="N", help="of folds and probe")
    add(
        "--probe", choices=("ridge", "mlp", "trees", "knn", "kernel"), default="ridge",
        help="what reads targets from features; ridge by default",
    )  # fmt: skip
    add("-o", "--output", type=Path, metavar="FOLDER", help="write scores.csv and scores.svg there")
    add("--json", action="store_true", help="as JSON")


def _add_course(command: Callable) -> None:
    command("doctor", _doctor, "say whether all is well: versions, data, time of a small run")
    add = command("grade", _grade, "grade a folder of submitted lessons")
    add("folder", type=Path, help="with notebooks, in folders of any depth")
    add("--lesson", type=Path, help="the lesson's notebook, such as the one for instructors")
    add(
        "-o", "--output", type=Path, default=Path("grades.csv"), help="table; grades.csv by default"
    )
    add("--seconds", type=at_least(1), default=300, help="time for each; 300 by default")
    add("--megabytes", type=at_least(1), default=4000, help="memory for each; 4000 by default")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        In place of ``sys.argv[1:]``.

    Returns
    -------
    int
        Exit status: 0, 1 after an error that is told in one sentence, 2 if the call is wrong, 130
        after Ctrl-C.
    """
    parser = _parser()
    complete(parser)
    options = parser.parse_args(joined(sys.argv[1:] if arguments is None else arguments))
    try:
        options.action(options)
    except ModuleNotFoundError as error:
        said = str(error)  # ours, or Python's
        python_says = said.startswith(("No module named", "import of"))
        said = missing(error.name) if python_says else said
        print(f"cpdkit: {said}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read our output has seen enough
        sys.stdout = None  # type: ignore[assignment]
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        print(f"cpdkit: {error}", file=sys.stderr)
        return 2 if isinstance(error, WrongCall) else 1
    except KeyboardInterrupt:
        print("cpdkit: stopped; what was unfinished is not kept.", file=sys.stderr)
        return 130
    return 0


def _book(options: argparse.Namespace) -> None:
    from cpdkit.runs.book import build_book

    print(build_book(options.root))


def _probe(options: argparse.Namespace) -> None:
    from cpdkit.datasets.arrays import ENDINGS, read_arrays
    from cpdkit.runs.probe import as_json, probe_arrays, shown, write

    in_file = options.targets is not None and options.targets.lower().endswith(ENDINGS)
    arrays = read_arrays(
        options.file,
        targets=None if in_file or options.targets is None else options.targets.split(","),
        formulas_file=options.formulas,
        targets_file=options.targets if in_file else None,
    )
    found = probe_arrays(
        arrays, folds=options.folds, n_folds=options.n_folds, repeats=options.repeats,
        seed=options.seed, probe=options.probe,
    )  # fmt: skip
    files = [] if options.output is None else write(found, options.output)
    print(as_json(found) if options.json else shown(found))
    if files and not options.json:
        print("", *files, sep="\n")


def _doctor(options: argparse.Namespace) -> None:
    from cpdkit.runs.doctor import examine

    found = examine()
    print(*found, sep="\n")
    if not all(finding.well for finding in found):
        raise RuntimeError("mend what is marked with !! and ask again.")


def _grade(options: argparse.Namespace) -> None:
    from cpdkit._files import replacing
    from cpdkit.runs.grade import Limits, grade

    limits = Limits(seconds=options.seconds, megabytes=options.megabytes)
    table = grade(options.folder, lesson=options.lesson, limits=limits, told=print)
    with replacing(options.output) as file:
        file.write(table.to_csv(index=False).encode())
    print(options.output)


def _datasets(options: argparse.Namespace) -> None:
    from importlib import import_module

    from cpdkit.datasets import DATASETS, LIVE

    found = {name: list(import_module(home).SPLITS) for name, home in DATASETS.items()}
    if options.json:
        print(json.dumps([{"name": n, "splits": splits} for n, splits in found.items()], indent=1))
        return
    for name, splits in found.items():
        print(f"{name}: splits {', '.join(splits)}")
    print(f"{LIVE}: what its service has today, from Python; needs a key in MP_API_KEY")
    print("PATH: any extended-XYZ file of your own, with named targets; for crystals also a folder")
    print("      of CIF files with properties.csv, or a database of ASE")


def _encoders(options: argparse.Namespace) -> None:
    import warnings

    from cpdkit.encoders import encoder_info, encoder_names

    names = options.name or encoder_names()
    with asked(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what libraries say while they build a model
        found = {name: encoder_info(name, load=bool(options.name)) for name in names}
    if options.json:
        told = [{"name": name} | (info.as_dict() if info else {}) for name, info in found.items()]
        print(json.dumps(told, indent=1))
        return
    for name, info in found.items():
        lines = info.lines() if info else ["nothing is known of it; see register_encoder(info=)"]
        print(name, *lines, sep="\n    ", end="\n\n" if len(found) > 1 else "\n")


def _cache(options: argparse.Namespace) -> None:
    from cpdkit.extraction.kept import KeptFeatures, cache_folder

    folder = cache_folder()
    if folder is None:
        print(json.dumps(None) if options.json else "off: CPDKIT_CACHE says so")
        return
    kept = KeptFeatures(folder)
    if options.what == "clear":
        kept.clear()
    size, entries = kept.about()
    if options.json:
        about = {"folder": str(folder), "bytes": size, "at_most": kept.size, "entries": entries}
        print(json.dumps(about, indent=1))
        return
    print(
        f"{folder}\n{size / 1e6:,.1f} MB of at most {kept.size / 1e6:,.1f} MB, {entries:,} entries"
    )


def _zoo_list(options: argparse.Namespace) -> None:
    from cpdkit.zoo import absent_names, model_names, stopped_names
    from cpdkit.zoo.compare import overview

    table = overview()
    if options.json:
        print(table.to_json(orient="records", indent=1))
        return
    table = table.drop(columns=["architecture", "task", "seed"])
    print(table.round(4).to_string(index=False))
    print("Not trained:", ", ".join(name for name in model_names() if name not in set(table.model)))
    print("Load one with load_encoder('zoo/NAME'); NAME@EPOCH for its weights on the way.")
    if absent := absent_names():
        print("Weights not here:", ", ".join(absent))
        print("A clone of the repository has them: let CPDKIT_ZOO name its cpdkit/zoo/weights.")
    if stopped := stopped_names():
        print("Trainings that were stopped early:", ", ".join(stopped))


def _zoo_train(options: argparse.Namespace) -> None:
    from cpdkit.zoo import Recipe, train
    from cpdkit.zoo.checkpoints import own_directory
    from cpdkit.zoo.fit import check_call

    given = {name: getattr(options, name) for name in ("epochs", "learning_rate")}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if "epochs" in changes:
        before = (epoch for epoch in Recipe().checkpoints if epoch < options.epochs)
        changes["checkpoints"] = tuple(before)
    with asked():
        call: dict[str, Any] = {name: getattr(options, name) for name in ("seed", "device")}
        call |= {"recipe": Recipe(**changes), "stop_after": options.stop_after}
        check_call(options.architecture, options.task, **call)
    home = options.directory or own_directory()
    try:
        card = train(options.architecture, options.task, directory=home, **call)
    except KeyboardInterrupt:
        raise RuntimeError("stopped; give the same command again to go on.") from None
    error = f"MAE {card['probe']['mae']:.3f} {card['unit']}, R2 {card['probe']['r2']:.4f}"
    at = "" if options.stop_after is None else f"@{options.stop_after:g}"
    print(f"zoo/{card['name']}{at}: {error}\n{home}")


def _zoo_untrained(options: argparse.Namespace) -> None:
    from cpdkit.zoo import ARCHITECTURES, write_untrained
    from cpdkit.zoo.checkpoints import own_directory

    home = options.directory or own_directory()
    with asked():
        check_seed(options.seed)
        for name in options.architecture:
            if name not in ARCHITECTURES:
                raise ValueError(unknown("architecture", name, ARCHITECTURES))
    for architecture in options.architecture or ARCHITECTURES:
        card = write_untrained(architecture, seed=options.seed, directory=home)
        print(f"zoo/{card['name']}")
    print(home)
