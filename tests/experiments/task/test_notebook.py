"""Chapter 5 runs on data without its tasks' labels, and its verdict follows from its table."""

from __future__ import annotations

import nbformat
import numpy as np
import pandas as pd
import pytest
from paths import ROOT

from cpdkit.experiments.task.tables import plain
from cpdkit.experiments.task.verdict import task_or_architecture
from cpdkit.runs.run import run_notebook

NOTEBOOK = ROOT / "notebooks" / "05_task_or_architecture.ipynb"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return run_notebook(
        NOTEBOOK, profile="test", runs_dir=tmp_path_factory.mktemp("runs"), progress=False
    )


def test_shares_add_up_and_decide(run):
    shares = pd.read_csv(run.directory / "05_shares.csv")
    parts = shares[~shares.effect.str.contains(" - ")]
    sums = parts.groupby(["target", "at", "features", "folds", "arms"])["mean"].sum()
    assert np.allclose(sums, 1.0)
    assert set(shares["arms"]) == {"gap, energy", "gap, untrained", "energy, untrained"}
    assert set(shares["features"]) == {"last layer", "layer before", "readout removed"}
    assert set(shares["folds"]) == {"random", "formula"}
    assert set(parts[parts["at"] == "epoch 2"].effect) == {
        "architecture", "task", "interaction", "seed",
    }  # fmt: skip
    verdict = pd.read_csv(run.directory / "05_verdict.csv").iloc[0]
    again = task_or_architecture(shares, targets=["gap", "mu"])
    assert (verdict.outcome, verdict.sentence) == (again.outcome, again.sentence)
    assert verdict.outcome == "undecided"  # of two architectures
    assert verdict.outcome == (run.directory / "05_outcome.txt").read_text()


def test_scores_are_complete_and_erasure_says_something(run):
    scores = pd.read_csv(run.directory / "05_scores.csv")
    partial = plain(scores[scores.score == "r2_partial"])
    assert partial.groupby(["architecture", "task", "at", "target"]).size().max() == 1
    assert set(partial["at"]) == {"last epoch", "equal error"}
    # 2 architectures x (2 tasks + untrained) + 2 x 2 at equal error, two targets
    assert len(partial) == 2 * (6 + 4)
    gap = partial[(partial.target == "gap") & (partial["at"] == "last epoch")]
    means = gap.pivot(index="architecture", columns="task", values="mean")
    assert (means["gap"] > means["untrained"]).all()
    seeds = pd.read_csv(run.directory / "05_seeds.csv").query("score == 'r2_partial'")
    assert seeds.groupby(["architecture", "task", "target"])["mean"].nunique().eq(2).all()
    drops = pd.read_csv(run.directory / "05_drop.csv").set_index(["at", "architecture", "score"])
    early = drops.loc[("epoch 2", "painn", "r2_partial")]
    there = seeds[(seeds.architecture == "painn") & (seeds.target == "gap")]
    there = there.pivot(index="seed", columns="task", values="mean")
    each = there["gap"] - there["energy"]
    found = early[["least of seeds", "drop", "most of seeds"]].tolist()
    assert found == pytest.approx([each.min(), each.mean(), each.max()], abs=1e-6)
    erasure = pd.read_csv(run.directory / "05_erasure.csv").set_index("model")
    assert (erasure["change, composition erased"] > 0).all()
    text = nbformat.read(run.notebook, as_version=4)
    assert "Claim 5 is undecided" in str(text.cells[-1].outputs)
