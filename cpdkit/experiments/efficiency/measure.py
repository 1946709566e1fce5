r"""Learning curves of the linear probe: what n structures buy.

Rows are taken in nested subsets, each repeat in its own order, and every subset is treated as
`cpdkit.cpd` treats a training fold: projection, conditioning and the choice of the penalty see its
rows only. All are scored on one test set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from cpdkit._arrays import check_same_rows
from cpdkit._checks import check_composition, check_features, check_targets
from cpdkit._messages import unknown
from cpdkit.experiments.efficiency.subsets import Subsets
from cpdkit.held_out.moments import held_out_moments
from cpdkit.held_out.protocol import PROTOCOLS
from cpdkit.intervals import bootstrap_weights
from cpdkit.probes.widths import WIDTHS, channel_draws
from cpdkit.projection.conditioned import DEFAULT_ALPHAS, ConditionedResidual
from cpdkit.projection.linear import CompositionProjector
from cpdkit.scores import NOTHING_LEFT, HeldOut

__all__ = ["CURVE_SCORES", "LearningCurve", "isotropic_r2", "learning_curve", "learning_curves"]
__all__ += ["unstructured_curves"]

CURVE_SCORES = ("r2_partial", "r2_partial_fixed", "r2_geom")
"""Scores of a learning curve; see `LearningCurve.scores`."""


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Squared errors of one representation on the test set, for every repeat and size.

    Those of least squares on Z (`comp`), ridge on X_geom (`geom`) and both together (`joint`) have
    the shape (repeats, n_sizes, n_test, n_targets); NaN marks test rows that are set aside, since
    the subset lacks an element of theirs.
    """

    sizes: tuple[int, ...]  # training rows
    targets: tuple[str, ...]
    width: int  # channels that the probe was given
    y: np.ndarray  # test targets, (n_test, n_targets)
    test: np.ndarray  # test rows
    comp: np.ndarray
    geom: np.ndarray
    joint: np.ndarray
    alphas: np.ndarray  # penalty per training row chosen for `joint`, (repeats, n_sizes, n_targets)

    def scores(self, score: str = "r2_partial", *, weights: np.ndarray | None = None) -> np.ndarray:
        r"""Score every repeat and size, shape (repeats, n_sizes, n_targets).

        ``r2_partial`` is :math:`1 - \mathrm{SSE}_n(Z, X_\text{geom}) / \mathrm{SSE}_n(Z)`, both
        fitted to the same n rows: zero is a probe that adds nothing to what the same structures
        tell about composition, at every n. ``r2_partial_fixed`` has :math:`\mathrm{SSE}_N(Z)`,
        least squares on all N training rows, below: one yardstick for all sizes, so that one minus
        it is an error, but learning composition counts against every probe. ``r2_geom`` is ridge on
        X_geom against raw y. Rows of `weights`, one weight per test row, add a leading axis.
        """
        if score not in CURVE_SCORES:
            raise ValueError(unknown("score of a learning curve", score, CURVE_SCORES))
        W = np.ones((1, len(self.y))) if weights is None else weights
        known = ~np.isnan(self.joint)

        def sums(errors: np.ndarray) -> np.ndarray:  # draws, repeats, sizes, targets
            return np.tensordot(W, np.where(known, errors, 0.0), axes=(1, 2))

        y = self.y - self.y.mean(axis=0)
        with np.errstate(invalid="ignore"):  # where no test row is known there is no score
            spread = sums(y**2) - sums(y) ** 2 / sums(np.ones_like(y))
        if score == "r2_geom":  # of one known row there is no spread either
            values = 1 - sums(self.geom) / np.where(
                spread > NOTHING_LEFT * sums(y**2), spread, np.nan
            )
        else:
            fixed = score == "r2_partial_fixed"
            left = sums(self.comp[:, -1:] if fixed else self.comp)
            left = np.where(left > NOTHING_LEFT * spread, left, np.nan)
            values = 1 - sums(self.joint) / left
        return values[0] if weights is None else values

    def draws(
        self,
        score: str = "r2_partial",
        *,
        groups: Sequence[str] | None = None,
        n_draws: int = 500,
        seed: int = 0,
    ) -> np.ndarray:
        """Bootstrap the mean curve: repeats and test rows are both drawn with replacement.

        Test rows are drawn by `groups`. The training rows as a whole are taken as given: at the
        last size, where all repeats use the same rows, only the test rows vary.
        """
        labels = np.arange(len(self.test)) if groups is None else np.asarray(groups)[self.test]
        weights = bootstrap_weights(labels, n_draws=n_draws, seed=seed)
        repeats = len(self.joint)
        share = np.full(repeats, 1 / repeats)
        drawn = np.random.default_rng([seed, 1]).multinomial(repeats, share, size=n_draws)
        return np.einsum("br,brst->bst", drawn / repeats, self.scores(score, weights=weights))


def learning_curve(
    features: Any,
    composition: Any,
    targets: Any,
    subsets: Subsets,
    *,
    alphas: Sequence[float] = DEFAULT_ALPHAS,
    width: int | None = None,
    matched: str = "all",
    seed: int = 0,
) -> LearningCurve:
    """Fit the sound probe of `cpdkit.cpd` to every subset and score it on the test set.

    Unless channels are drawn, the last subset is the same rows in every repeat and is fitted once,
    with the inner folds of the first repeat.
    """
    check_same_rows({"features": features, "composition": composition, "targets": targets})
    X = check_features(features)
    C = check_composition(composition, len(X))
    frame = check_targets(targets, len(X))
    Y = frame.to_numpy()
    if subsets.order.shape[1] + len(subsets.test) != len(X):
        raise ValueError(
            f"subsets are of {subsets.order.shape[1] + len(subsets.test)} rows, but features have "
            f"{len(X)}; make them with nested_subsets({len(X)})."
        )
    constant = np.ptp(Y[subsets.test], axis=0) == 0
    if constant.any():
        raise ValueError(
            f"targets {list(frame.columns[constant])} are constant on the test rows, where R2 is "
            "undefined; use more structures or another seed."
        )
    narrowed = _narrow(X, C, subsets, width, matched, seed)
    shape = (subsets.repeats, len(subsets.sizes), len(subsets.test), Y.shape[1])
    comp, geom, joint = np.full((3, *shape), np.nan)
    chosen = np.empty((*shape[:2], shape[3]))
    drawn = len(narrowed) > 1
    for r in range(subsets.repeats):
        part = narrowed[r if drawn else 0]()
        for s, size in enumerate(subsets.sizes):
            if size == subsets.sizes[-1] and r > 0 and not drawn:
                for errors in (comp, geom, joint, chosen):
                    errors[r, s] = errors[0, s]
                continue
            rows, inner = subsets.order[r, :size], subsets.inner[r, :size]
            found = _held_out(part, C, Y, rows, inner, subsets.test, alphas)
            chosen[r, s] = found.alphas["joint"]
            known = found.rows - len(rows)  # test rows follow the subset
            comp[r, s, known] = (found.y - found.comp) ** 2
            geom[r, s, known] = (found.y - found.predictions["geom"]) ** 2
            joint[r, s, known] = (found.y - found.predictions["joint"]) ** 2
    return LearningCurve(
        subsets.sizes, tuple(frame.columns), part.shape[1], y=Y[subsets.test], test=subsets.test,
        comp=comp, geom=geom, joint=joint, alphas=chosen,
    )  # fmt: skip


def learning_curves(
    features: Mapping[str, Any],
    composition: Any,
    targets: Any,
    subsets: Subsets,
    *,
    width: int,
    matched: Sequence[str],
    seed: int,
) -> dict[tuple[str, str], LearningCurve]:
    """Curves of every representation with all channels and in each way of matching widths."""
    return {
        (name, how): learning_curve(
            X, composition, targets, subsets, width=width, matched=how, seed=seed
        )
        for name, X in features.items()
        for how in ("all", *matched)
    }


def isotropic_r2(n: np.ndarray | float, *, channels: int, share: float) -> np.ndarray:
    r"""Expected held-out :math:`R^2` of least squares on isotropic Gaussian features.

    The learning curve of a representation without structure. With intercept, p channels and n rows
    the expected squared error is [1]_

    .. math::

        \sigma^2 \Big(1 + \frac1n\Big) \frac{n - 2}{n - p - 2},

    where :math:`\sigma^2` is what no linear function of the features explains. Up to p + 2 rows the
    expectation does not exist, and :math:`R^2` is ``-inf``.

    .. [1] C. Stein, Multiple regression, in Contributions to Probability and Statistics (Stanford
       University Press, 1960), p. 424.
    """
    n = np.asarray(n, dtype=np.float64)
    free = n - channels - 2
    with np.errstate(divide="ignore"):
        error = (1 - share) * (1 + 1 / n) * (n - 2) / np.maximum(free, 0)
    return np.where(free > 0, 1 - error, -np.inf)[()]


def unstructured_curves(
    composition: Any,
    target: Any,
    subsets: Subsets,
    *,
    width: int,
    shares: Sequence[float],
    draws: int,
    seed: int,
) -> dict[tuple[float, int], LearningCurve]:
    """Curves of features that differ in signal to noise alone, by share and draw.

    Isotropic Gaussian features, one direction of which explains a share of what composition leaves
    of the target. They go through the same probe on the same subsets as every representation.
    """
    frame = check_targets(target, len(target))
    C = check_composition(composition, len(frame))
    y = frame.to_numpy()[:, :1]
    left = CompositionProjector().fit_transform(y, composition=C)[:, 0]
    left = (left - left.mean()) / left.std()
    found = {}
    for share in shares:
        for draw in range(draws):
            rng = np.random.default_rng([seed, draw, round(1e6 * share)])
            X = rng.normal(size=(len(left), width))
            X[:, 0] = np.sqrt(share) * left + np.sqrt(1 - share) * X[:, 0]
            turn = np.linalg.qr(rng.normal(size=(width, width)))[0]
            found[share, draw] = learning_curve(X @ turn, C, frame.iloc[:, :1], subsets)
    return found


def _narrow(
    X: np.ndarray,
    C: np.ndarray | None,
    subsets: Subsets,
    width: int | None,
    matched: str,
    seed: int,
) -> list[Callable[[], np.ndarray]]:
    """What makes the features of each repeat, or of all of them."""
    if matched not in WIDTHS:
        raise ValueError(unknown("way to match widths", matched, WIDTHS))
    if matched == "all":
        return [lambda: X]
    train = np.sort(subsets.order[0])
    most = min(X.shape[1], len(train)) if matched == "pca" else X.shape[1]
    if width is None or not 1 <= width <= most:
        raise ValueError(
            f"width={width} must lie between 1 and the {X.shape[1]} channels there are (with "
            f"'pca' also the {len(train)} training rows)."
        )
    if matched == "subset":
        sets = channel_draws(X.shape[1], width, subsets.repeats, seed=seed)
        return [lambda columns=columns: X[:, columns] for columns in sets]  # type: ignore[misc]
    residual = ConditionedResidual().fit(X[train], composition=None if C is None else C[train])
    conditioned = residual.transform(X, composition=C)
    pca = PCA(n_components=width, svd_solver="covariance_eigh").fit(conditioned[train])
    return [lambda: pca.transform(conditioned)]


def _held_out(
    X: np.ndarray,
    C: np.ndarray | None,
    Y: np.ndarray,
    rows: np.ndarray,
    inner: np.ndarray,
    test: np.ndarray,
    alphas: Sequence[float],
) -> HeldOut:
    """The test rows as one more fold beside the inner folds of the subset."""
    every = np.concatenate([rows, test])
    label = int(inner.max()) + 1
    fold = np.concatenate([inner, np.full(len(test), label)])[None]
    nuisance = None if C is None else C[every]
    sound = replace(PROTOCOLS["sound"], alphas=tuple(alphas))
    (part,) = held_out_moments(
        X[every], nuisance, Y[every], fold, protocol=sound, inputs=("joint",), only=label
    )
    return part
