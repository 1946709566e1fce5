"""How often do the intervals of `cpdkit.cpd` hold the truth? Measured on planted data.

    OMP_NUM_THREADS=1 python benchmarks/interval_coverage.py --replicates 200

Every replicate draws new formulas' effects, structures and noise. Two truths are asked for:

expected
    the mean of the score over all replicates: what the protocol gives at this size of data set;
conditional
    the score of the very probes that were fitted, on 20,000 fresh structures: of the same formulas
    for random folds, of new formulas for formula folds.

Writes ``benchmarks/results/interval_coverage.json`` and prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpdkit.folds import make_folds
from cpdkit.held_out.moments import held_out_moments
from cpdkit.moments.ridge import FoldRidge, held_out_sums
from cpdkit.moments.sources import moments_from_arrays
from cpdkit.scores import Rows

SCORES = ("r2_geom", "r2_partial", "r2_full", "r2_comp")
FRESH = 20_000
RESULTS = Path(__file__).parent / "results" / "interval_coverage.json"


@dataclass(frozen=True)
class World:
    """What structures are drawn from."""

    pool: np.ndarray  # (n_formulas, 3) element counts
    weights: np.ndarray  # how common each formula is
    mix: np.ndarray  # how channels hold composition, formula effect and geometry
    effects: np.ndarray  # (n_formulas,) what formulas share beyond what is linear in their counts

    @classmethod
    def draw(cls, rng: np.random.Generator, mix: np.ndarray) -> World:
        pool = np.unique(rng.integers(1, 9, (80, 3)), axis=0)
        weights = 1 / np.arange(1, len(pool) + 1)
        return cls(pool, weights / weights.sum(), mix, rng.normal(size=len(pool)))

    def sample(self, n: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """X, C, y and formula numbers."""
        formula = rng.choice(len(self.pool), n, p=self.weights)
        C = self.pool[formula].astype(float)
        geometry = rng.normal(size=(n, 4))
        shared = 0.7 * self.effects[formula]
        latent = np.column_stack([C, shared, geometry])
        X = latent @ self.mix + 0.5 * rng.normal(size=(n, self.mix.shape[1]))
        y = C @ [0.4, -0.2, 0.1] + shared + geometry @ [1.0, 0.5, 0.0, 0.0]
        return X, C, y + 0.7 * rng.normal(size=n), formula


def fresh_scores(
    X: np.ndarray, C: np.ndarray, y: np.ndarray, fold: np.ndarray, parts: list, fresh: tuple
) -> dict[str, float]:
    """Mean over folds of what the fitted probes score on fresh structures."""
    test = moments_from_arrays(
        *(fresh[i] for i in (0, 1, 2)), n_buckets=1, buckets=np.zeros(len(fresh[2]), dtype=int)
    ).pool()
    by_fold = moments_from_arrays(X, C, y, buckets=fold, n_buckets=fold.max() + 1)
    values: dict[str, list[float]] = {score: [] for score in SCORES}
    for part in parts:
        fit = FoldRidge(by_fold.pool([i for i in range(by_fold.n_buckets) if i != part.fold]))
        sums = {
            name: held_out_sums(fit, fit.chosen_weights(name, alpha)[:, None], test)
            for name, alpha in part.alphas.items()
        }
        total = sums["geom"].total[0]
        values["r2_geom"].append(1 - sums["geom"].geom[0, 0] / total)
        values["r2_full"].append(1 - sums["full"].geom[0, 0] / total)
        values["r2_comp"].append(1 - sums["geom"].comp[0] / total)
        values["r2_partial"].append(1 - sums["joint"].joint[0, 0] / sums["joint"].comp[0])
    return {score: float(np.mean(value)) for score, value in values.items()}


def run(n: int, scheme: str, repeats: int, replicates: int, draws: int) -> list[dict]:
    mix = np.random.default_rng(7).normal(size=(8, 16))
    intervals = ("corrected-t", "cluster-bootstrap")
    found = {score: {key: [] for key in ("mean", "fresh", *intervals)} for score in SCORES}
    for replicate in range(replicates):
        rng = np.random.default_rng([n, replicate])
        world = World.draw(rng, mix)
        X, C, y, formula = world.sample(n, rng)
        groups = formula.astype(str)
        folds = make_folds(n, scheme=scheme, groups=groups, repeats=repeats, seed=replicate)
        parts = list(held_out_moments(X, C, y[:, None], folds))
        other = world if scheme == "random" else World.draw(rng, mix)
        fresh = fresh_scores(
            X, C, y, folds[0], [p for p in parts if p.repeat == 0], other.sample(FRESH, rng)
        )
        for kind in intervals:
            written = Rows.of_predictions(
                parts, n_folds=5, interval=kind, labels=groups, n_draws=draws, seed=replicate
            )
            for score in SCORES:
                row = written.row("y", score, 0)
                found[score][kind].append((row["low"], row["high"]))
                if kind == intervals[0]:
                    found[score]["mean"].append(row["mean"])
                    found[score]["fresh"].append(fresh[score])
    rows = []
    for score, values in found.items():
        truth = np.mean(values["mean"])
        for kind in intervals:
            low, high = np.transpose(values[kind])
            fresh = np.array(values["fresh"])
            rows.append(
                {
                    "n": n,
                    "folds": scheme,
                    "repeats": repeats,
                    "score": score,
                    "interval": kind,
                    "expected": float(((low <= truth) & (truth <= high)).mean()),
                    "conditional": float(((low <= fresh) & (fresh <= high)).mean()),
                    "width": float(np.median(high - low)),
                    "mean": float(truth),
                    "spread": float(np.std(values["mean"], ddof=1)),
                    "fresh_mean": float(fresh.mean()),
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--draws", type=int, default=400)
    given = parser.parse_args()
    rows = []
    for n, deals in ((300, (1, 5)), (800, (1, 3)), (1500, (1, 5))):
        for scheme in ("random", "formula"):
            for repeats in deals:
                rows += run(n, scheme, repeats, given.replicates, given.draws)
                print(f"n={n} {scheme} repeats={repeats} done", flush=True)
    result = {"level": 0.95, "replicates": given.replicates, "draws": given.draws, "rows": rows}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    columns = ("n", "folds", "repeats", "score", "interval", "expected", "conditional", "width")
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for row in rows:
        cells = (f"{row[c]:.2f}" if isinstance(row[c], float) else str(row[c]) for c in columns)
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
