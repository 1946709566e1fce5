"""Command line of the generator: ``python -m tools.prototypes --help``."""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import numpy as np

from cpdkit._files import replacing
from tools.prototypes.generate import conformer_rows, manifest, parents, plan, probe_rows


def main(argv: list[str] | None = None) -> None:
    """Write both splits and the manifest."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.prototypes",
        description="Make the data set prototypes: ionic crystals of common structure types with "
        "exact targets. The same seed gives the same crystals. About two minutes of one core.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to write")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    options = parser.parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    crystals = plan(options.seed)
    made = {
        "probe.npz": probe_rows(crystals, options.seed),
        "conformers.npz": conformer_rows(parents(crystals, options.seed), options.seed),
    }
    files = {name: _packed(columns) for name, columns in made.items()}
    about = json.dumps(manifest(files, options.seed), indent=1) + "\n"
    for name, data in {**files, "manifest.json": about.encode()}.items():
        with replacing(options.out / name) as file:
            file.write(data)
        print(f"{options.out / name}: {len(data):,} bytes")


def _packed(columns: dict[str, np.ndarray]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **columns)  # type: ignore[arg-type]
    return file.getvalue()


if __name__ == "__main__":
    main()
