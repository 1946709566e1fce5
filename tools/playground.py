"""Make the table behind the page *Playground*: ``python -m tools.playground``.

Data with a planted share of geometry go through `cpdkit.cpd` for every setting of the sliders.
The same numbers come out each time, but for rounding that differs between processors.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

import cpdkit
from cpdkit._files import replacing

PATH = Path(__file__).parents[1] / "book" / "playground.csv"
NOISE = 0.1  # share of the target's variance that nothing predicts
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8)  # of geometry; composition has the rest
CURVATURES = (0.0, 0.25, 0.5, 0.75, 1.0)  # share of composition's part that is not linear
SETTINGS = list(product(CURVATURES, SHARES))
RARE = (0, 10, 20)  # channels
ROWS = (100, 400, 700, 1000)
PENALTIES = (-6, -4, -2, 0, 2)  # powers of ten, for each training row
PROTOCOLS = {"floor": "sound", "plain": "naive"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.playground", description=__doc__)
    parser.add_argument("--out", type=Path, default=PATH, help="the file (default: %(default)s)")
    with replacing(parser.parse_args().out) as file:
        table().to_csv(file, index=False, float_format="%.3g", lineterminator="\n")


def table() -> pd.DataFrame:
    """Scores of every setting."""
    found = []
    for rows, rare in product(ROWS, RARE):
        found.append(scores(rows, rare, "chosen"))
        found += [scores(rows, rare, how, p) for how, p in product(PROTOCOLS, PENALTIES)]
    return pd.concat(found, ignore_index=True)


def scores(rows: int, rare: int, probe: str, penalty: float | None = None) -> pd.DataFrame:
    """``r2_geom`` and ``r2_partial`` for each curvature and share, and the ``planted`` value.

    That is geometry's part of what least squares on composition leaves: what ``r2_partial`` is of a
    probe that finds geometry and nothing else. Its ``r2_geom`` is the share itself.

    `probe` is ``"chosen"``, ridge as `cpd` has it, or with a penalty of one's own ``"floor"`` or
    ``"plain"``: residuals scaled with or without a floor.
    """
    X, C, targets = planted(rows, rare)
    ridge = "ridge" if penalty is None else Ridge(alpha=10.0**penalty * 0.8 * rows)
    protocol = PROTOCOLS.get(probe, "sound")
    found = cpdkit.cpd(X, C, targets, probe=ridge, protocol=protocol, leak=False)
    about = pd.DataFrame(SETTINGS, columns=["curvature", "share"])
    left = NOISE + about["share"] + about["curvature"] * (1 - NOISE - about["share"])
    about = about.assign(
        rare=rare, rows=rows, probe=probe, penalty=penalty, planted=about["share"] / left
    )
    for score, end in product(("r2_geom", "r2_partial"), ("mean", "low", "high")):
        about[f"{score}_{end}"] = found.loc[found["score"] == score, end].to_numpy()
    return about


def planted(rows: int, rare: int) -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Features, element counts, and a target for each curvature and share of geometry.

    40 channels mix counts, two curved functions of them and four coordinates of geometry, with
    noise. A rare channel is almost constant but for two structures.
    """
    rng = np.random.default_rng(rows)
    pool = np.unique(rng.integers(1, 8, size=(80, 3)), axis=0)
    C = pool[rng.integers(len(pool), size=rows)].astype(float)
    Z = np.column_stack([np.ones(rows), C])
    curved = np.column_stack([C[:, 0] * C[:, 1], C[:, 2] ** 2])
    curved -= Z @ np.linalg.lstsq(Z, curved, rcond=None)[0]
    geometry = rng.normal(size=(rows, 4))
    hidden = np.hstack([_standard(C), _standard(curved), geometry])
    X = hidden @ rng.normal(size=(9, 40)) + 0.3 * rng.normal(size=(rows, 40))
    events = 1e-4 * rng.normal(size=(rows, rare))
    for channel in events.T:
        channel[rng.choice(rows, size=2, replace=False)] = 3.0
    parts = (C.sum(axis=1), _standard(curved).sum(axis=1), geometry.sum(axis=1))
    linear, bent, shape = (_standard(part) for part in parts)
    noise = np.sqrt(NOISE) * _standard(rng.normal(size=rows))
    targets = {
        f"curvature {k}, share {s}": np.sqrt(s) * shape + noise
        + np.sqrt(1 - NOISE - s) * (np.sqrt(1 - k) * linear + np.sqrt(k) * bent)
        for k, s in SETTINGS
    }  # fmt: skip
    return np.hstack([X, events]), C, pd.DataFrame(targets)


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean(axis=0)) / values.std(axis=0)


if __name__ == "__main__":
    main()
