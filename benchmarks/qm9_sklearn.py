"""Scores of three published networks on QM9's probe set, and what scikit-learn says of them.

    python benchmarks/qm9_sklearn.py

Needs CPDKIT_DATA. The other side is tests/reference.py, written from the text of the method page
and not from the library. Molecules with an element that a network was not trained on are left out.
Exits with 1 where a score of a fold differs by more than 1e-6.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import extract_common as common  # sets one thread before torch is imported
import numpy as np

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.folds import make_folds

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import reference

ENCODERS = ["mace-ani-cc", "mace-spice", "so3lr"]
TARGETS = ["gap", "mu"]
SCORES = ["r2_comp", "r2_full", "r2_geom", "ceiling", "r2_partial"]


def main() -> None:
    qm9 = cpdkit.load_dataset("qm9", split="probe", targets=TARGETS)
    rows = []
    for name in ENCODERS:
        encoder = cpdkit.load_encoder(name)
        known = encoder.trained_elements or encoder.elements
        ds = qm9.select([set(a.numbers.tolist()) <= known for a in qm9.atoms])
        C = composition_matrix(ds)
        rep = cpdkit.extract(encoder, ds, progress=False).select(layer=-1)
        X = np.asarray(rep.features, dtype=float)
        for scheme in ("random", "formula"):
            given = {"groups": ds.formulas, "ids": ds.ids, "folds": scheme, "seed": 0}
            fold = make_folds(len(ds), scheme=scheme, groups=ds.formulas, ids=ds.ids, seed=0)[0]
            table = cpdkit.cpd(rep, C, ds.targets, leak=False, **given)
            for target in TARGETS:
                start = time.process_time()
                theirs = reference.cpd(X, C, ds.targets[target].to_numpy(), fold)
                spent = time.process_time() - start
                here = table[table["target"] == target].set_index("score")
                ours = np.array([here["fold_values"][score] for score in SCORES])
                apart = float(np.abs(ours - [theirs[score] for score in SCORES]).max())
                about = {"encoder": name, "molecules": len(ds), "folds": scheme, "target": target}
                rows.append(
                    about
                    | {score: here["mean"][score] for score in ("r2_geom", "r2_partial")}
                    | {"worst_difference": apart, "sklearn_seconds": round(spent, 1)}
                )
    worst = float(np.max([row["worst_difference"] for row in rows]))
    common.report("qm9_sklearn", rows, worst_difference=worst)
    print(f"largest difference {worst:.2g}")
    sys.exit(not worst <= 1e-6)  # a score that is missing is no agreement either


if __name__ == "__main__":
    main()
