"""Command line of the xtb9 generator: ``python -m tools.xtb9 --help``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# One thread per process, before anything numerical is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments and run the generator."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.xtb9",
        description=(
            "Make the xtb9 data set: random small organic molecules of H, C, N, O, F with up to "
            "nine heavy atoms, relaxed and labelled with GFN2-xTB. The same seed and numbers give "
            "the same molecules whatever the number of processes. A run that was stopped "
            "continues when started again with the same arguments. Needs rdkit, tblite and ase; "
            "allow about 0.15 s of one core per molecule."
        ),
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="directory for the splits, the manifest and the chunks of the run",
    )
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument(
        "--split",
        choices=["probe", "train", "conformers", "all"],
        default="all",
        help="what to make now; conformers needs probe (default: %(default)s)",
    )
    parser.add_argument(
        "--n-probe",
        type=int,
        default=4200,
        metavar="N",
        help="molecules in probe (default: %(default)s)",
    )
    parser.add_argument(
        "--n-train",
        type=int,
        default=20500,
        metavar="N",
        help="molecules in train (default: %(default)s)",
    )
    parser.add_argument(
        "--n-conformers",
        type=int,
        default=320,
        metavar="N",
        help="molecules of probe that get ten geometries (default: %(default)s)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="P",
        help="worker processes, one thread each (default: %(default)s)",
    )
    args = parser.parse_args(argv)
    for name in ("n_probe", "n_train", "n_conformers", "processes"):
        if getattr(args, name) < 1:
            parser.error(f"--{name.replace('_', '-')} must be at least 1")

    from tools.xtb9.generate import Settings, generate

    settings = Settings(args.seed, args.n_probe, args.n_train, args.n_conformers)
    splits = ("probe", "conformers", "train") if args.split == "all" else (args.split,)
    generate(args.out, settings, splits=splits, processes=args.processes)


if __name__ == "__main__":
    main()
