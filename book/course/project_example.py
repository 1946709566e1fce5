"""Compute the numbers of the three graded examples of the project.

    python project_example.py

About five minutes on a free core; needs ``pip install 'cpdkit[graphpes,ani,bonds]'``.
"""

from __future__ import annotations

import cpdkit
from cpdkit.comparisons import compare, stack
from cpdkit.composition import composition_matrix
from cpdkit.composition.bonds import bond_counts
from cpdkit.controls import null_scores
from cpdkit.probes.nonlinear import boosted_trees

ds = cpdkit.load_dataset("xtb9", split="probe", n=1000, seed=0)
gap = ds.targets[["gap"]]
removed = {"composition": composition_matrix(ds), "bonds": composition_matrix(ds, kind="bonds")}
networks = ["schnet-gap-0"]
for family in ("schnet", "painn"):
    networks += [f"{family}-{n}" for n in ("energy-0", "energy-1", "untrained-0")]


def last_scalars(name):
    """Scalars of the last layer, shape (1000, channels)."""
    rep = cpdkit.extract(cpdkit.load_encoder(name), ds, progress=False)
    return rep.select(layer=-1, l=0).features


features = {name: last_scalars(f"zoo/{name}") for name in networks}
features |= {"bond counts": bond_counts(ds).to_numpy(), "ani2x-aev": last_scalars("ani2x-aev")}


def score(name, *, what="composition", **options):
    """All scores of the gap, with composition or bonds removed."""
    X, Z = features[name], removed[what]
    return cpdkit.cpd(X, Z, gap, groups=ds.formulas, leak=False, **options)


def show(table, *columns):
    """Print some columns of a table, with its intervals."""
    print(table[[*columns, "low", "high"]].round(2).to_string(index=False), end="\n\n")


for family in ("schnet", "painn"):
    asked = [f"{family}-energy-0", f"{family}-untrained-0", "bond counts"]
    seeds = [f"{family}-energy-0", f"{family}-energy-1"]
    for what in removed:
        for folds in ("random", "formula"):
            print(f"{family}, {what} removed, {folds} folds")
            tables = {n: score(n, what=what, folds=folds, repeats=5) for n in [*asked, seeds[1]]}
            scores = stack(tables).query("score == 'r2_partial'")
            show(scores, "representation", "mean")
            compared = asked if what == "composition" else asked[:2]  # bonds leave no bond counts
            show(compare({n: tables[n] for n in compared}), "a", "b", "p_holm", "difference")
            show(compare({n: tables[n] for n in seeds}), "a", "b", "p_holm", "difference")

print("chance")
nulls = null_scores(features["schnet-energy-0"], removed["composition"], gap, groups=ds.formulas)
show(nulls, "null", "p", "mean")

print("the third example")
trees = boosted_trees(n_trees=30, learning_rate=0.3, max_leaf_nodes=8)
of_trees = {n: score(n, probe=trees) for n in ("ani2x-aev", "schnet-gap-0")}
of_ridge = {"schnet-gap-0, ridge": score("schnet-gap-0")}
show(stack(of_trees | of_ridge), "representation", "score", "mean")
