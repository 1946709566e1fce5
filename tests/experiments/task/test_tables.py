"""Tables of chapter 5: the networks by name, and differences that are paired fold by fold."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch

import cpdkit
from cpdkit.comparisons import compare, stack
from cpdkit.composition import composition_matrix
from cpdkit.experiments.task import models, tables
from cpdkit.experiments.task.erase import erasures
from cpdkit.experiments.task.readout import readout_directions, without_readout
from cpdkit.experiments.task.verdict import data_diversity, task_or_architecture, untaught
from cpdkit.zoo import load_model

SETTINGS = {"n": 100, "folds": "random", "n_folds": 5, "repeats": 1, "seed": 0, "level": 0.95}


def scores(design, *, at="last epoch", seed=0):
    """Random fold values of ``r2_partial`` and ``r2_geom`` of two targets."""
    rng = np.random.default_rng(seed)
    rows = []
    for (architecture, task, training), target, score in product(
        design, ("gap", "mu"), ("r2_partial", "r2_geom")
    ):
        values = rng.normal(size=5)
        rows.append(
            {
                "architecture": architecture,
                "task": task,
                "seed": training,
                "at": at,
                "features": "last layer",
                "folds": "random",
                "target": target,
                "score": score,
                "mean": values.mean(),
                "fold_values": tuple(values),
            }
        )
    table = pd.DataFrame(rows)
    table.attrs = dict(SETTINGS)
    return table


def cell(table, **chosen):
    for column, value in chosen.items():
        table = table[table[column] == value]
    return table


def test_networks_by_name():
    (early,) = models.trained_here(["painn"], ["gap"], [1], epochs=2)
    assert (early.encoder, early.at) == ("zoo/painn-gap-1@2", "epoch 2")
    last = models.trained_here(["painn", "mace"], ["gap", "untrained"], [0])
    assert [model.encoder for model in last] == [
        "zoo/painn-gap-0", "zoo/painn-untrained-0", "zoo/mace-gap-0", "zoo/mace-untrained-0",
    ]  # fmt: skip
    assert {model.at for model in last} == {"last epoch"}
    (other,) = models.trained_elsewhere(["chgnet"])
    assert (other.architecture, other.task) == ("chgnet", "energy elsewhere")


def test_a_second_seed_is_taken_for_the_tasks_that_have_it(monkeypatch):
    both = [f"{a}-{t}-{s}" for a in ("painn", "mace") for t in ("gap", "untrained") for s in (0, 1)]
    there = [*both, "painn-energy-0", "mace-energy-0", "painn-energy-1"]
    monkeypatch.setattr(models, "model_names", lambda: there)

    def named(seeds):
        every = models.trained_here(["painn", "mace"], ["gap", "energy", "untrained"], seeds)
        return [model.encoder.removeprefix("zoo/") for model in every]

    assert sorted(named([0, 1])) == sorted(set(there) - {"painn-energy-1"})
    assert named([0])[:3] == ["painn-gap-0", "painn-energy-0", "painn-untrained-0"]
    early = models.trained_here(["painn", "mace"], ["gap", "energy"], [0, 1], epochs=2)
    assert "zoo/painn-gap-1@2" in {model.encoder for model in early}
    assert not any("energy-1" in model.encoder for model in early)
    assert "mace-gap-7" in named([0, 7])  # nobody has it: loading says how to train it


def test_at_equal_error_the_worst_model_is_as_it_ended():
    chosen = models.equal_error(["painn", "schnet"], ["gap", "energy"], [0])
    assert chosen.groupby("task", sort=False)["architecture"].agg(list).to_dict() == {
        "gap": ["painn", "schnet"], "energy": ["painn", "schnet"],
    }  # fmt: skip
    assert np.allclose(chosen.groupby("task")["ratio"].apply(lambda r: abs(r - 1).min()), 0)
    taken = models.chosen_models(chosen)
    assert [model.encoder for model in taken] == [f"zoo/{name}" for name in chosen["model"]]


def test_scores_are_those_of_cpd_on_the_last_layer():
    ds = cpdkit.load_dataset("xtb9", n=60, targets=["gap"])
    C = composition_matrix(ds.atoms)
    one = models.trained_here(["schnet"], ["gap"], [0])
    table = models.score_models(one, ds, C, repeats=2)
    last = cpdkit.extract(cpdkit.load_encoder("zoo/schnet-gap-0"), ds).select(layer=-1)
    expected = cpdkit.cpd(last, C, ds.targets, ids=ds.ids, repeats=2, leak=False)
    assert table["mean"].tolist() == expected["mean"].tolist()
    assert set(table["channels"]) == {last.features.shape[1]}
    assert table.attrs["n_folds"] == 5
    assert list(models.score_models([], ds, C)) == list(table)


def test_a_drop_with_one_seed_is_a_comparison():
    """And the interval of several is that of their mean, fold by fold."""
    table = scores(product(["painn", "schnet"], ["gap", "energy", "untrained"], [0]))
    found = tables.drops(table, tasks=["gap", "energy"], target="gap")
    assert found["architecture"].tolist() == ["painn", "painn", "schnet", "schnet"]
    for row in found.itertuples():
        ours = cell(table, architecture=row.architecture, target="gap")
        pair = {task: cell(ours, task=task) for task in ("gap", "energy")}
        expected = compare(pair, score=row.score).iloc[0]
        assert [row.drop, row.low, row.high] == pytest.approx(
            expected[["difference", "low", "high"]].tolist()
        )
    paper = found.set_index(["architecture", "score"])["paper, for gap"]
    assert paper.dropna().to_dict() == {("painn", "r2_geom"): 0.53}

    early = scores(product(["painn"], ["energy", "gap"], [1, 0]), at="epoch 2", seed=1)
    both = tables.drops(early, tasks=["gap", "energy"], target="gap").set_index("score")
    here = cell(early, target="gap", score="r2_partial").set_index(["task", "seed"])["mean"]
    each = [here["gap", seed] - here["energy", seed] for seed in (0, 1)]
    row = both.loc["r2_partial"]
    assert row[["least of seeds", "drop", "most of seeds"]].tolist() == pytest.approx(
        [min(each), np.mean(each), max(each)]
    )
    assert row["seeds"] == 2


def test_published_networks_are_compared_with_the_mean_of_ours():
    ours = scores(product(["painn", "schnet"], ["gap", "energy"], [0]))
    other = scores([("chgnet", "energy elsewhere", 0)], at="published", seed=1)
    table = stack({0: ours, 1: other}, "part")
    found = tables.differences_elsewhere(table).set_index("target")
    assert list(found.index) == ["gap", "mu"]
    assert set(found["beside"]) == {"all"}
    energy = cell(ours, task="energy", target="mu", score="r2_partial")["mean"]
    theirs = cell(other, target="mu", score="r2_partial")["mean"].item()
    assert found.loc["mu", "minus ours"] == pytest.approx(theirs - energy.mean())
    assert tables.differences_elsewhere(ours).empty
    assert "no published network" in data_diversity(found.reset_index(), target="gap").sentence


def test_a_published_network_is_compared_with_ours_of_its_architecture():
    ours = scores(product(["painn", "mace"], ["gap", "energy"], [0, 1]))
    names = ["mace-spice", "so3lr"]
    other = scores([(n, "energy elsewhere", 0) for n in names], at="published", seed=1)
    found = tables.differences_elsewhere(stack({0: ours, 1: other}, "part"))
    assert found.groupby("model")["beside"].unique().map(list).to_dict() == {
        "mace-spice": ["all", "its architecture"], "so3lr": ["all"],
    }  # fmt: skip
    own = found[(found["beside"] == "its architecture") & (found["target"] == "gap")].iloc[0]
    seeds = cell(ours, architecture="mace", task="energy", target="gap", score="r2_partial")
    theirs = cell(other, architecture="mace-spice", target="gap", score="r2_partial")
    assert own["minus ours"] == pytest.approx(theirs["mean"].item() - seeds["mean"].mean())
    seen = found.drop_duplicates(["model", "target"]).set_index(["model", "target"])["seen"]
    assert seen[seen].index.tolist() == [("so3lr", "mu")]


def gains(*planted, beside="its architecture", seen=False):
    """What `tables.differences_elsewhere` gives for published MACE of these differences."""
    rows = [
        (f"mace-{i}", "gap", seen, beside, m, m - 0.05, m + 0.05) for i, m in enumerate(planted)
    ]
    columns = ["model", "target", "seen", "beside", "minus ours", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    ("planted", "outcome"),
    [
        ((0.3, 0.2), "holds"),
        ((0.3, 0.14), "undecided"),  # one of them may be no more than the margin above
        ((0.3, 0.0), "undecided"),  # they disagree
        ((0.0, 0.04), "fails"),
        ((-0.3, 0.0), "fails"),
        ((0.0, 0.06), "undecided"),
    ],
)
def test_diverse_data_are_judged_by_every_published_network(planted, outcome):
    others = gains(-0.5, 0.5, beside="all")
    found = data_diversity(pd.concat([others, gains(*planted)]), target="gap")
    assert found.outcome == outcome
    assert f"mace-0 {planted[0]:+.2f} ({planted[0] - 0.05:+.2f} to" in found.sentence
    assert "all architectures trained here on energies: mace-0 -0.50" in found.sentence
    assert "not the effect of diverse data alone" in found.sentence


def test_diverse_data_are_not_judged_by_who_saw_the_target_or_by_old_records():
    found = data_diversity(gains(0.3, seen=True), target="gap")
    assert (found.outcome, "no published network" in found.sentence) == ("undecided", True)
    old = data_diversity(gains(0.3).drop(columns=["seen", "beside"]), target="gap")
    assert (old.outcome, "lacks seen and beside" in old.sentence) == ("undecided", True)
    assert data_diversity(gains(), target="gap").outcome == "undecided"


def test_shares_of_every_stage_and_of_every_two_arms():
    last = scores(product(["painn", "schnet"], ["gap", "energy", "untrained"], [0]))
    early = scores(product(["painn", "schnet"], ["gap", "energy"], [0, 1]), at="epoch 2", seed=1)
    found = tables.shares(last, early, last.iloc[:0], tasks=["gap", "energy"])
    last_arms = found.loc[found["at"] == "last epoch", "arms"].unique().tolist()
    assert last_arms == ["gap, energy", "gap, untrained", "energy, untrained"]
    assert found.loc[found["at"] == "epoch 2", "arms"].unique().tolist() == ["gap, energy"]
    parts = found[~found["effect"].str.contains(" - ")]
    assert np.allclose(parts.groupby(["target", "at", "arms"])["mean"].sum(), 1)
    assert tables.plain(found, arms="gap, energy")["arms"].nunique() == 1
    old = found.drop(columns=["arms", "features", "folds"])
    assert tables.plain(old, arms="gap, energy").equals(old)


def test_arms_that_one_architecture_lacks_are_not_compared():
    """Who reads a vector has no scalar readout to be removed."""
    table = scores(product(["painn", "schnet"], ["gap", "energy", "dipole"], [0]))
    cut = table[(table["architecture"] != "painn") | (table["task"] != "dipole")]
    cut.attrs = table.attrs
    found = tables.shares(cut, tasks=["gap", "energy", "dipole"])
    assert found["arms"].unique().tolist() == ["gap, energy"]


def test_two_arms_are_compared_by_the_seeds_that_both_have():
    design = product(["painn", "schnet"], ["gap", "energy"], [0, 1])
    dipoles = product(["painn", "schnet"], ["dipole"], [0])
    table = scores([*design, *dipoles])
    found = tables.shares(table, tasks=["gap", "energy", "dipole"])
    seeds = found.groupby("arms")["seeds"].agg(["min", "max"])
    assert seeds.loc["gap, energy"].tolist() == [2, 2]
    assert seeds.loc["gap, dipole"].tolist() == seeds.loc["energy, dipole"].tolist() == [1, 1]
    first = table[table["seed"] == 0]
    alone = tables.shares(first, tasks=["gap", "energy", "dipole"])
    parts = ["arms", "target", "effect", "mean", "low", "high"]
    with_dipole = [t[t["arms"].str.contains("dipole")][parts] for t in (found, alone)]
    pd.testing.assert_frame_equal(*(part.reset_index(drop=True) for part in with_dipole))
    said = task_or_architecture(found, targets=["gap", "mu"]).sentence
    assert "label not seen: energies against dipoles: task " in said
    assert said.count("up to 2 seeds") == 1
    assert "nobody was trained on" not in said  # dipoles are what some were trained on
    assert "seeds" not in task_or_architecture(alone, targets=["gap"]).sentence


def planted(**effects):
    """Five architectures; `effects` of (task, architecture) on the gap for networks that saw it,
    for those that did not, and on the dipole moment."""
    rng = np.random.default_rng(0)
    table = scores(product("abcde", ["gap", "energy", "untrained"], [0]))
    table = table[table["score"] == "r2_partial"]
    values = []
    for row in table.itertuples():
        of_task, of_architecture = effects["mu" if row.target == "mu" else "unseen"]
        mean = of_architecture * "abcde".index(row.architecture) + of_task * (row.task == "energy")
        if row.target == "gap" and row.task == "gap":
            mean += effects["seen"]
        values.append(tuple(mean + 0.01 * rng.normal(size=5) + 0.01 * rng.normal()))
    table["fold_values"] = values
    return tables.shares(table, tasks=["gap", "energy"])


@pytest.mark.parametrize(
    ("effects", "outcome"),
    [
        ({"unseen": (1, 0), "mu": (1, 0), "seen": 0}, "holds"),
        ({"unseen": (0, 1), "mu": (0, 1), "seen": 0}, "fails"),
        ({"unseen": (0, 1), "mu": (0, 1), "seen": 50}, "fails"),  # the label was seen
        ({"unseen": (0, 0), "mu": (0, 0), "seen": 50}, "undecided"),
        ({"unseen": (1, 0), "mu": (0, 1), "seen": 0}, "undecided"),
    ],
)
def test_the_verdict_leaves_out_who_has_seen_the_label(effects, outcome):
    shares = planted(**effects)
    verdict = task_or_architecture(shares, targets=["gap", "mu"])
    assert verdict.outcome == outcome
    assert "label not seen: energies against untrained: task " in verdict.sentence
    assert "on the label: gaps against energies: task " in verdict.sentence
    assert "nobody was trained on: for mu, gaps against energies, " in verdict.sentence
    assert "nobody" not in task_or_architecture(shares, targets=["gap"]).sentence


def test_older_shares_and_missing_arms_are_answered():
    shares = planted(unseen=(1, 0), mu=(1, 0), seen=0)
    old = task_or_architecture(shares.drop(columns="arms"), targets=["gap"])
    assert (old.outcome, "lacks arms" in old.sentence) == ("undecided", True)
    seen = shares[shares["arms"] == "gap, energy"]
    assert "no two kinds" in task_or_architecture(seen, targets=["gap"]).sentence
    asked = ["atomization_energy", "alpha", "u0", "gap", "mu"]
    assert untaught(asked, ["gap", "energy", "untrained"]) == ["alpha", "mu"]
    assert untaught(asked, ["gap", "dipole"]) == ["atomization_energy", "alpha", "u0"]


def test_variants_of_features_and_folds():
    ds = cpdkit.load_dataset("xtb9", n=60, targets=["gap"])
    C = composition_matrix(ds.atoms)
    two = models.trained_here(["schnet"], ["gap", "untrained"], [0])
    options = {"features": models.FEATURES, "folds": ["random", "formula"]}
    table = models.score_models(two, ds, C, **options)
    of = table.groupby(["task", "features", "folds"])["channels"].first()
    assert list(of.index) == [
        ("gap", "last layer", "formula"), ("gap", "last layer", "random"),
        ("gap", "layer before", "random"), ("gap", "readout removed", "random"),
        ("untrained", "last layer", "formula"), ("untrained", "last layer", "random"),
        ("untrained", "layer before", "random"),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="did you mean 'last layer'"):
        models.score_models(two, ds, C, features=["last laye"])


def test_a_readout_does_not_change_off_its_directions():
    ds = cpdkit.load_dataset("xtb9", n=30, targets=["gap"])
    model = load_model("painn-gap-0")
    layer = cpdkit.extract(cpdkit.load_encoder("zoo/painn-gap-0"), ds).select(layer=-1)
    directions = readout_directions(model, ds.atoms)
    assert np.allclose(directions @ directions.T, np.eye(len(directions)))
    kept, n = without_readout(layer, model, ds.atoms)
    assert n == len(directions) < layer.select(l=0).features.shape[1]
    assert kept.shape == layer.features.shape
    scalars = layer.select(l=0).features.astype(float)
    assert np.abs(kept[:, : scalars.shape[1]] @ directions.T).max() < 1e-9 * np.abs(scalars).max()
    along = torch.from_numpy(0.01 * directions[:1].copy()).float()
    rng = np.random.default_rng(0)
    off = rng.normal(size=scalars.shape[1])
    off -= off @ directions.T @ directions
    off = torch.from_numpy(0.01 * off / np.linalg.norm(off)).float()
    h = torch.from_numpy(scalars).float()
    with torch.no_grad():
        read = [model.readout((h + step) / model.unit) for step in (0 * along, along, off)]
    moved = [(after - read[0]).abs().mean() for after in read[1:]]
    assert moved[1] < 0.2 * moved[0]


def test_erasures_need_a_label_and_errors_that_mean_something():
    ds = cpdkit.load_dataset("xtb9", n=40, targets=["gap", "mu"])
    C = composition_matrix(ds.atoms)
    nuisances = {"composition": C, "all": np.hstack([C, C**2])}
    table = erasures(["schnet"], ["gap", "energy"], ds, nuisances)
    assert table["model"].tolist() == ["schnet-gap-0"]
    assert list(table) == [
        "model", "error", "error, composition erased", "error, other directions",
        "change, composition erased", "change, composition of another", "change, other directions",
        "error, all erased", "change, all erased", "change, all of another",
    ]  # fmt: skip
    blind = erasures(["schnet"], ["gap"], ds, nuisances, data="qm9")
    assert not [name for name in blind if name.startswith("error")]
    shared = [name for name in blind if name != "model"]
    assert np.array_equal(blind[shared], table[shared])
    assert list(erasures(["schnet"], ["energy"], ds, nuisances)) == ["model"]
