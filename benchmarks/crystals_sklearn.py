"""Scores of two networks on 2,000 Materials Project crystals, and what scikit-learn says of them.

    python benchmarks/crystals_sklearn.py

Needs CPDKIT_DATA. The other side is tests/reference.py: every inner fold is projected, standardised
and fitted again, from the text of the method page and not from the library. Exits with 1 where a
score of a fold differs by more than 1e-6.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import extract_common as common  # sets one thread before torch is imported
import numpy as np

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.experiments.crystals.measure import encoded, last_layers
from cpdkit.folds import make_folds

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import reference

ENCODERS = ["sevennet-0", "chgnet"]
TARGETS = ["band_gap", "formation_energy_per_atom"]
SCORES = ["r2_comp", "r2_full", "r2_geom", "ceiling", "r2_partial"]
N = 2000


def main() -> None:
    ds = cpdkit.load_dataset("materials-project", n=N, seed=0, max_atoms=20, targets=TARGETS)
    C = composition_matrix(ds)
    features = last_layers(encoded(ENCODERS, ds, elements_of=ds))
    rows, worst = [], 0.0
    for scheme in ("random", "formula"):
        given = {"groups": ds.formulas, "ids": ds.ids, "folds": scheme, "seed": 0}
        fold = make_folds(N, scheme=scheme, groups=ds.formulas, ids=ds.ids, seed=0)[0]
        for name, rep in features.items():
            X = np.asarray(rep.features, dtype=float)
            start = time.process_time()
            table = cpdkit.cpd(rep, C, ds.targets, leak=False, **given)
            ours = time.process_time() - start
            for target in TARGETS:
                y = ds.targets[target].to_numpy()
                start = time.process_time()
                theirs = reference.cpd(X, C, y, fold)
                spent = time.process_time() - start
                here = table[table["target"] == target].set_index("score")
                for score in SCORES:
                    apart = np.abs(np.array(here["fold_values"][score]) - theirs[score]).max()
                    worst = max(worst, apart)
                    rows.append(
                        {"folds": scheme, "encoder": name, "target": target, "score": score}
                        | {"mean": here["mean"][score], "apart": apart, "seconds": spent}
                    )
            print(f"{scheme}, {name}: cpd took {ours:.1f} s for both targets", flush=True)
    common.report("crystals_sklearn", rows, crystals=N, columns=C.shape[1], worst=worst)
    print(f"largest difference of any fold: {worst:.1e}")
    sys.exit(int(worst > 1e-6))


if __name__ == "__main__":
    main()
