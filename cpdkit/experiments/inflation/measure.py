"""Scores of chapter 3: of models, and of representations that hold no geometry."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from cpdkit.comparisons import stack
from cpdkit.controls import LINEAR_IN_FRACTIONS, LINEAR_TARGETS, control_scores
from cpdkit.datasets import Dataset
from cpdkit.experiments.inflation.planted import RARE, SMOOTH, NoGeometry, PlantedQuestions
from cpdkit.experiments.inflation.remedies import minus_control, scores_after_removal
from cpdkit.experiments.inflation.verdict import STRONG
from cpdkit.probes.nonlinear import NONLINEAR, boosted_trees, kernel, mlp
from cpdkit.projection.flexible import BasisProjector, CrossFittedResidual
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups
from cpdkit.representation import Representation

__all__ = ["QUESTIONS", "fixed_probes", "inflation_scores", "judged_controls", "model_scores"]
__all__ += ["planted_minus_control", "probe_settings", "remedy_scores", "scores_by_width"]
__all__ += ["strong_scores", "trees_on_components", "unprojected_score", "varying_channels"]

QUESTIONS = {
    "linear target, raw": ("linear", "r2_geom", 0.0),
    "curved target, both sides": ("curved", "r2_partial", 0.0),
    "planted target, both sides": ("planted", "r2_partial", 0.5),
}
"""What is asked after a removal: column of the targets, score, and what is true."""

_MOST_COMPONENTS = 64
_MODEL_SCORES = ["r2_geom", "ceiling", "crossing", "r2_partial", "control", "corrected"]


def probe_settings(*, n_trees: int, seed: int) -> dict[str, Any]:
    """The probes by name; trees and neural network are small, so that wide features are cheap."""
    return {name: name for name in ("ridge", *NONLINEAR)} | {
        "trees": boosted_trees(n_trees=n_trees, learning_rate=0.3, max_leaf_nodes=8, seed=seed),
        "mlp": mlp(hidden=(64,), seed=seed),
    }


def fixed_probes(settings: Mapping[str, Any], *, asked: Collection[str]) -> dict[str, Any]:
    """Ridge and trees; if asked, a neural network and a kernel of one penalty and width."""
    fixed = {**settings, "kernel": kernel(alpha=1e-3, width=1.0)}
    wanted = {"ridge", "trees", *asked}
    return {name: fixed[name] for name in ("ridge", "mlp", "trees", "kernel") if name in wanted}


def varying_channels(rep: Representation) -> np.ndarray:
    """Channels of the last layer that are not constant, shape (n, d)."""
    last = np.asarray(rep.select(layer=-1).features, dtype=float)
    return last[:, last.std(axis=0) > 0]


def inflation_scores(
    features: Mapping[str, np.ndarray],
    composition: np.ndarray,
    formulas: Sequence[str],
    *,
    ids: Sequence[object] | None = None,
    probes: Mapping[str, Any],
    folds: Sequence[str],
    seed: int,
) -> pd.DataFrame:
    """Scores of compositional targets for every representation, probe and kind of folds."""
    found = {
        (name, probe, kind): control_scores(
            X, composition, formulas, ids=ids, probe=model, folds=kind, seed=seed
        )
        for name, X in features.items()
        for probe, model in probes.items()
        for kind in folds
    }
    return stack(found, ["representation", "probe", "folds"])


def judged_controls(control: str, ds: Dataset) -> list[str]:
    """Targets that are linear in what is removed, so that a sound score is 0; `control` first.

    Of molecules those linear in counts. Of crystals, whose fractions are removed, the mean atomic
    number alone: the fraction of hydrogen is zero in most. Another `control` is not judged.
    """
    linear = LINEAR_IN_FRACTIONS[:1] if ds.atoms.periodic.any() else LINEAR_TARGETS
    if control not in linear:
        warnings.warn(
            f"control={control!r} is not linear in what is removed, so a sound score of it need "
            f"not be 0; judged are {', '.join(linear)}.",
            stacklevel=2,
        )
    return sorted(linear, key=lambda name: name != control)


def strong_scores(
    features: Mapping[str, np.ndarray],
    composition: np.ndarray,
    formulas: Sequence[str],
    *,
    ids: Sequence[object] | None = None,
    controls: Sequence[str],
    n_trees: int,
    folds: Sequence[str],
    seed: int,
) -> pd.DataFrame:
    """Scores of trees as strong as scikit-learn's default: 100 of 31 leaves, learning rate 0.1.

    By the first of `folds` of all `controls`, by the others of the first of them alone, as these
    trees take long.
    """
    trees = boosted_trees(n_trees=n_trees, learning_rate=0.1, max_leaf_nodes=31, seed=seed)
    found = {}
    for name, X in features.items():
        for kind in folds:
            scores = control_scores(
                X, composition, formulas, targets=controls if kind == folds[0] else controls[:1],
                ids=ids, probe=trees, folds=kind, seed=seed,
            )  # fmt: skip
            found[name, STRONG, kind] = scores[scores["score"].isin(["r2_geom", "crossing"])]
    return stack(found, ["representation", "probe", "folds"])


def scores_by_width(
    empty: NoGeometry, *, widths: Sequence[int], probes: Mapping[str, Any], seed: int
) -> pd.DataFrame:
    """Scores of the control, whose truth is 0, against the number of channels.

    Functions of composition and rare events are scored after a linear projection with random folds,
    and rare events within formulas, on both sides, with formula folds and a noisy control.
    """
    found = {
        (name, probe, width): control_scores(
            empty.features(width)[name], empty.composition, empty.formulas,
            targets=[empty.name], probe=model, seed=seed,
        ).query("score == 'r2_geom'")
        for name in (SMOOTH, RARE)
        for width in widths
        for probe, model in probes.items()
    }  # fmt: skip
    noisy = empty.control / empty.control.std() + 0.3 * empty.noise[0]
    for width in widths:
        within = scores_after_removal(
            empty.coins[:, :width], empty.composition, noisy, remover=WithinGroups(),
            probe=probes, folds="formula", groups=empty.formulas, seed=seed,
        )  # fmt: skip
        for probe, rows in within.query("score == 'r2_partial'").groupby("probe", sort=False):
            found["rare events, within formulas", probe, width] = rows
    columns = ["planted", "probe", "width", "target", "score", "mean", "low", "high"]
    return stack(found, ["planted", "probe", "width"])[columns]


def unprojected_score(empty: NoGeometry, *, probe: Any, seed: int) -> float:
    """R2 of the control from all coins, before any projection."""
    scores = control_scores(
        empty.coins, None, empty.formulas, targets=[empty.name], probe=probe, seed=seed
    )
    return float(scores.set_index("score")["mean"]["r2_geom"])


def trees_on_components(
    features: Mapping[str, np.ndarray],
    composition: np.ndarray,
    formulas: Sequence[str],
    *,
    ids: Sequence[object] | None = None,
    control: str,
    trees: Any,
    folds: str,
    seed: int,
) -> pd.DataFrame:
    """Scores of trees on channels, and on principal components, which mix rare with common ones."""
    found = {}
    for name, X in features.items():
        n_components = min(_MOST_COMPONENTS, *X.shape)
        pca = PCA(n_components, svd_solver="full").fit(X)
        kept = round(float(pca.explained_variance_ratio_.sum()), 4)
        for label, part in {"trees": X, "trees on components": pca.transform(X)}.items():
            scores = control_scores(
                part, composition, formulas, targets=[control], ids=ids,
                probe=trees, folds=folds, seed=seed,
            )  # fmt: skip
            key = (name, X.shape[1], n_components, kept, label)
            found[key] = scores.query("score == 'r2_geom'")
    columns = ["representation", "channels", "components", "variance kept", "input"]
    return stack(found, columns)[[*columns, "mean", "low", "high"]]


def remedy_scores(
    planted: PlantedQuestions, *, probes: Mapping[str, Any], folds: Sequence[str], seed: int
) -> pd.DataFrame:
    """What six removals leave to each probe, for the three questions."""
    found = {}
    for kind in folds:
        removers = {
            "linear": CompositionProjector(),
            "degree 2": BasisProjector(degree=2),
            "degree 3": BasisProjector(degree=3),
            "splines": BasisProjector(basis="spline"),
            "forest": CrossFittedResidual(scheme=kind, seed=seed),
            "formula means": WithinGroups(),
        }
        for remedy, remover in removers.items():
            scores = scores_after_removal(
                planted.features, planted.composition, planted.targets, remover=remover,
                probe=probes, groups=planted.formulas, folds=kind, seed=seed,
            )  # fmt: skip
            for question, (target, score, truth) in QUESTIONS.items():
                asked = (scores["target"] == target) & (scores["score"] == score)
                found[kind, remedy, question, truth] = scores[asked]
    return stack(found, ["folds", "remedy", "question", "truth"])


def planted_minus_control(
    planted: PlantedQuestions, *, probes: Mapping[str, Any], folds: Sequence[str], seed: int
) -> pd.DataFrame:
    """Scores of the planted targets, plain and with the control subtracted."""
    rows = []
    for kind in folds:
        for target, share in {"curved": 0.0, "planted": 0.5}.items():
            for probe, model in probes.items():
                scores = minus_control(
                    planted.features, planted.composition, planted.targets[[target]],
                    probe=model, groups=planted.formulas, folds=kind, seed=seed,
                ).set_index("score")["mean"]  # fmt: skip
                truth = round(share * scores["ceiling"], 2)
                rows.append((kind, target, truth, probe, scores["r2_geom"], scores["corrected"]))
    columns = ["folds", "target", "truth", "probe", "plain", "minus control"]
    return pd.DataFrame(rows, columns=columns)


def model_scores(
    features: Mapping[str, np.ndarray],
    composition: np.ndarray,
    targets: pd.DataFrame,
    formulas: Sequence[str],
    *,
    ids: Sequence[object] | None = None,
    probes: Mapping[str, Any],
    folds: str,
    seed: int,
) -> pd.DataFrame:
    """Scores of one target as reported, minus its control, and within formulas.

    ``n_used`` rows have a companion of their formula in their fold.
    """
    options: dict[str, Any] = {"groups": formulas, "ids": ids, "folds": folds, "seed": seed}
    found = {}
    for name, X in features.items():
        for probe, model in probes.items():
            given = (X, composition, targets)
            plain = minus_control(*given, probe=model, **options)
            plain = plain.set_index("score").loc[_MODEL_SCORES]
            plain = plain.rename({"corrected": "minus control"})
            within = scores_after_removal(*given, remover=WithinGroups(), probe=model, **options)
            within = within[within["score"] == "r2_partial"].assign(score="within formulas")
            rows = pd.concat([plain.reset_index(), within])
            found[name, probe] = rows.assign(n_used=within["n_used"].iloc[0])
    columns = ["representation", "probe", "score", "target", "mean", "low", "high", "n_used"]
    return stack(found, ["representation", "probe"])[columns]
