"""Scores of chapter 3: of models, and of representations that hold no geometry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from cpdkit.comparisons import stack
from cpdkit.controls import control_scores
from cpdkit.experiments.inflation.planted import RARE, SMOOTH, NoGeometry, PlantedQuestions
from cpdkit.experiments.inflation.remedies import minus_control, scores_after_removal
from cpdkit.probes.nonlinear import NONLINEAR, boosted_trees, kernel, mlp
from cpdkit.projection.flexible import BasisProjector, CrossFittedResidual
from cpdkit.projection.linear import CompositionProjector
from cpdkit.projection.within import WithinGroups
from cpdkit.representation import Representation

__all__ = [
    "QUESTIONS",
    "fixed_probes",
    "inflation_scores",
    "model_scores",
    "planted_minus_control",
    "probe_settings",
    "remedy_scores",
    "scores_by_width",
    "trees_on_components",
    "unprojected_score",
    "varying_channels",
]

QUESTIONS = {
    "linear target, raw": ("linear", "r2_geom", 0.0),
    "curved target, both sides": ("curved", "r2_partial", 0.0),
    "planted target, both sides": ("planted", "r2_partial", 0.5),
}
"""What is asked after a removal: column of the targets, score, and what is true."""

_RARE_WITHIN = "rare events, within formulas"
_MOST_COMPONENTS = 64
_MODEL_SCORES = {
    "r2_geom": "r2_geom",
    "ceiling": "ceiling",
    "crossing": "crossing",
    "r2_partial": "r2_partial",
    "control": "control",
    "corrected": "minus control",
}


def probe_settings(*, n_trees: int, seed: int) -> dict[str, Any]:
    """The probes by name; trees and neural network are small, so that wide features are cheap."""
    return {name: name for name in ("ridge", *NONLINEAR)} | {
        "trees": boosted_trees(n_trees=n_trees, learning_rate=0.3, max_leaf_nodes=8, seed=seed),
        "mlp": mlp(hidden=(64,), seed=seed),
    }


def fixed_probes(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Ridge, neural network, trees, and a kernel whose penalty and width are not chosen."""
    chosen = {name: settings[name] for name in ("ridge", "mlp", "trees")}
    return {**chosen, "kernel": kernel(alpha=1e-3, width=1.0)}


def varying_channels(rep: Representation) -> np.ndarray:
    """Channels of the last layer that are not constant, shape (n, d)."""
    last = np.asarray(rep.select(layer=-1).features, dtype=float)
    return last[:, last.std(axis=0) > 0]


def inflation_scores(
    features: Mapping[str, np.ndarray],
    composition: np.ndarray,
    formulas: Sequence[str],
    *,
    probes: Mapping[str, Any],
    folds: Sequence[str],
    seed: int,
) -> pd.DataFrame:
    """Scores of compositional targets for every representation, probe and kind of folds.

    Parameters
    ----------
    features : mapping of representation to ndarray of shape (n, d)
        What is probed.
    composition, formulas
        As in `cpdkit.controls.control_scores`.
    probes : mapping of name to probe
        As in `cpdkit.cpd`.
    folds : sequence of str
        Kinds of folds.
    seed : int
        Of folds and probes.

    Returns
    -------
    DataFrame
        Of `control_scores`, with the columns ``representation``, ``probe`` and ``folds``.
    """
    found = {
        (name, probe, kind): control_scores(
            X, composition, formulas, probe=model, folds=kind, seed=seed
        )
        for name, X in features.items()
        for probe, model in probes.items()
        for kind in folds
    }
    return stack(found, ["representation", "probe", "folds"])


def scores_by_width(
    empty: NoGeometry, *, widths: Sequence[int], probes: Mapping[str, Any], seed: int
) -> pd.DataFrame:
    """Scores of the control, whose truth is 0, against the number of channels.

    Parameters
    ----------
    empty : NoGeometry
        Of `without_geometry`.
    widths : sequence of int
        Numbers of channels.
    probes : mapping of name to probe
        As in `cpdkit.cpd`.
    seed : int
        Of folds and probes.

    Returns
    -------
    DataFrame
        Columns ``planted, probe, width, target, score, mean, low, high``: functions of composition
        and rare events after a linear projection with random folds, and rare events within
        formulas, on both sides, with formula folds and a noisy control.
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
            found[_RARE_WITHIN, probe, width] = rows
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
    control: str,
    trees: Any,
    folds: str,
    seed: int,
) -> pd.DataFrame:
    """Scores of trees on channels, and on principal components, which mix rare with common ones.

    Parameters
    ----------
    features, composition, formulas, folds, seed
        As in `inflation_scores`, with one kind of folds.
    control : str
        The compositional target.
    trees : estimator
        The probe.

    Returns
    -------
    DataFrame
        Columns ``representation, channels, components, variance kept, input`` (``"trees"`` or
        ``"trees on components"``), ``mean, low, high``.
    """
    found = {}
    for name, X in features.items():
        n_components = min(_MOST_COMPONENTS, *X.shape)
        pca = PCA(n_components, svd_solver="full").fit(X)
        kept = round(float(pca.explained_variance_ratio_.sum()), 4)
        for label, part in {"trees": X, "trees on components": pca.transform(X)}.items():
            scores = control_scores(
                part, composition, formulas, targets=[control], probe=trees, folds=folds, seed=seed
            )
            key = (name, X.shape[1], n_components, kept, label)
            found[key] = scores.query("score == 'r2_geom'")
    columns = ["representation", "channels", "components", "variance kept", "input"]
    return stack(found, columns)[[*columns, "mean", "low", "high"]]


def remedy_scores(
    planted: PlantedQuestions, *, probes: Mapping[str, Any], folds: Sequence[str], seed: int
) -> pd.DataFrame:
    """What six removals leave to each probe, for the three questions.

    Parameters
    ----------
    planted : PlantedQuestions
        Features and targets.
    probes : mapping of name to probe
        As in `cpdkit.cpd`.
    folds : sequence of str
        Kinds of folds.
    seed : int
        Of folds, forests and probes.

    Returns
    -------
    DataFrame
        Of `remedies.scores_after_removal`, with the columns ``folds``, ``remedy``, ``question`` and
        ``truth``.
    """
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
    """Scores of the planted targets, plain and with the control subtracted.

    Parameters
    ----------
    planted, probes, folds, seed
        As in `remedy_scores`.

    Returns
    -------
    DataFrame
        Columns ``folds, target, truth, probe, plain, minus control``.
    """
    rows = []
    for kind in folds:
        for target, share in {"curved": 0.0, "planted": 0.5}.items():
            for probe, model in probes.items():
                scores = minus_control(
                    planted.features, planted.composition, planted.targets[[target]],
                    probe=model, groups=planted.formulas, folds=kind, seed=seed,
                ).set_index("score")["mean"]  # fmt: skip
                row = {"folds": kind, "target": target}
                row["truth"] = round(share * scores["ceiling"], 2)
                row |= {"probe": probe, "plain": scores["r2_geom"]}
                rows.append(row | {"minus control": scores["corrected"]})
    return pd.DataFrame(rows)


def model_scores(
    features: Mapping[str, np.ndarray],
    composition: np.ndarray,
    targets: pd.DataFrame,
    formulas: Sequence[str],
    *,
    probes: Mapping[str, Any],
    folds: str,
    seed: int,
) -> pd.DataFrame:
    """Scores of one target as reported, minus its control, and within formulas.

    Parameters
    ----------
    features, composition, formulas, probes, folds, seed
        As in `inflation_scores`, with one kind of folds.
    targets : DataFrame of shape (n, 1)
        The target.

    Returns
    -------
    DataFrame
        Columns ``representation, probe, score, target, mean, low, high`` and ``n_used``, how many
        rows have a companion of their formula in their fold.
    """
    options: dict[str, Any] = {"groups": formulas, "folds": folds, "seed": seed}
    found = {}
    for name, X in features.items():
        for probe, model in probes.items():
            given = (X, composition, targets)
            plain = minus_control(*given, probe=model, **options)
            plain = plain.set_index("score").loc[list(_MODEL_SCORES)].rename(_MODEL_SCORES)
            within = scores_after_removal(*given, remover=WithinGroups(), probe=model, **options)
            within = within[within["score"] == "r2_partial"].assign(score="within formulas")
            rows = pd.concat([plain.reset_index(), within])
            found[name, probe] = rows.assign(n_used=within["n_used"].iloc[0])
    columns = ["representation", "probe", "score", "target", "mean", "low", "high", "n_used"]
    return stack(found, ["representation", "probe"])[columns]
