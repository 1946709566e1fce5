r"""Learning curves of the linear probe: what n structures buy.

Rows are taken in nested subsets, each repeat in its own order, and every subset is treated as
`cpdkit.cpd` treats a training fold: projection, conditioning and the choice of the penalty see its
rows only. All are scored on one test set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from cpdkit._checks import check_composition, check_features, check_groups, check_targets
from cpdkit._messages import unknown
from cpdkit.folds import N_BUCKETS, SCHEMES, hash_buckets
from cpdkit.held_out.moments import held_out_moments
from cpdkit.held_out.protocol import PROTOCOLS
from cpdkit.intervals import bootstrap_weights
from cpdkit.probes.widths import MATCHINGS, channel_draws
from cpdkit.projection.conditioned import DEFAULT_ALPHAS, ConditionedResidual
from cpdkit.scores import NOTHING_LEFT, HeldOut, weighted_total

__all__ = [
    "CURVE_SCORES",
    "LearningCurve",
    "Subsets",
    "isotropic_r2",
    "learning_curve",
    "nested_subsets",
]

CURVE_SCORES = ("r2_partial", "r2_partial_fixed", "r2_geom")
"""Scores of a learning curve; see `LearningCurve.scores`."""


@dataclass(frozen=True, eq=False)
class Subsets:
    """Nested training subsets and the test set they share.

    Attributes
    ----------
    sizes : tuple of int
        Rows of each subset, ascending; the last one is all training rows.
    order : ndarray of int, shape (repeats, n_train)
        Training rows in the order in which each repeat takes them.
    inner : ndarray of int, shape (repeats, n_train)
        Inner fold of each row of `order`, on which the penalty is chosen.
    test : ndarray of int, shape (n_test,)
        Test rows, in no subset.
    """

    sizes: tuple[int, ...]
    order: np.ndarray
    inner: np.ndarray
    test: np.ndarray

    @property
    def repeats(self) -> int:
        """Number of repeats."""
        return len(self.order)


def nested_subsets(
    n: int,
    *,
    ids: Sequence[object] | None = None,
    groups: Sequence[str] | None = None,
    scheme: str = "random",
    smallest: int = 25,
    n_sizes: int = 10,
    repeats: int = 10,
    n_inner: int = 5,
    test_share: float = 0.2,
    seed: int = 0,
) -> Subsets:
    """Draw nested subsets by hashes of row ids.

    Where a row stands depends on its id (with ``scheme="formula"`` the test set and the inner folds
    on its formula) and on `seed` alone: rows that are added later, or the order of the rows, change
    neither the test set nor the order in which the old rows are taken.

    Parameters
    ----------
    n : int
        Number of rows.
    ids : sequence of int or str, shape (n,), optional
        Distinct row ids; by default 0 to ``n - 1``.
    groups : sequence of str, shape (n,), optional
        Formulas; needed for ``scheme="formula"``.
    scheme : {"random", "formula"}
        Whether test rows are drawn one by one or by whole formulas.
    smallest, n_sizes : int
        Size of the smallest subset, and number of sizes, log-spaced up to all training rows.
    repeats : int, default 10
        How many orders of the training rows.
    n_inner : int, default 5
        Inner folds for the choice of the penalty.
    test_share : float, default 0.2
        Share of the hash buckets that become the test set.
    seed : int, default 0
        Of the test set and of the orders.

    Returns
    -------
    Subsets
        Positions of rows.

    Raises
    ------
    ValueError
        If an option is out of range or not known, ids repeat, or there are too few rows.
    """
    if scheme not in SCHEMES:
        raise ValueError(unknown("fold scheme", scheme, SCHEMES))
    if scheme == "formula" and groups is None:
        raise ValueError("scheme='formula' needs groups: the formula of each row (ds.formulas).")
    if not 0 < test_share < 1:
        raise ValueError(f"test_share={test_share!r} must lie between 0 and 1, such as 0.2.")
    if n_inner < 2 or repeats < 1 or n_sizes < 2 or smallest < 2 * n_inner:
        raise ValueError(
            f"n_inner={n_inner} must be at least 2, repeats={repeats} at least 1, n_sizes={n_sizes}"
            f" at least 2 and smallest={smallest} at least twice n_inner."
        )
    names = np.asarray(np.arange(n) if ids is None else ids).astype(str)
    if names.shape != (n,) or len(np.unique(names)) != n:
        raise ValueError(f"ids must be {n} distinct values; got {len(np.unique(names))} of them.")
    formulas = check_groups(groups, n) if scheme == "formula" else None
    buckets = hash_buckets(names if formulas is None else formulas)
    dealt = np.random.default_rng(seed).permutation(N_BUCKETS)
    of_test = dealt[: max(1, round(test_share * N_BUCKETS))]
    is_test = np.isin(buckets, of_test)
    test, train = np.flatnonzero(is_test), np.flatnonzero(~is_test)
    if len(train) <= smallest or len(test) < 2:
        raise ValueError(
            f"{n} rows give {len(train)} training and {len(test)} test rows, too few for subsets "
            f"from smallest={smallest} upwards; give more rows or a smaller smallest."
        )
    sizes = np.unique(np.geomspace(smallest, len(train), n_sizes).round().astype(int))
    order = np.empty((repeats, len(train)), dtype=np.intp)
    for repeat in range(repeats):
        keys = [_hash(seed, repeat, name) for name in names[train]]
        order[repeat] = train[np.argsort(keys, kind="stable")]
    if formulas is None:
        inner = np.tile(np.arange(len(train)) % n_inner, (repeats, 1))
    else:
        fold = np.empty(N_BUCKETS, dtype=np.intp)
        fold[dealt] = np.arange(N_BUCKETS) % n_inner
        inner = fold[buckets[order]]
        if (np.ptp(inner[:, :smallest], axis=1) == 0).any():
            raise ValueError(
                f"the first {smallest} rows of a repeat are of too few formulas to choose a "
                "penalty on formula-disjoint inner folds; use a larger smallest, another seed or "
                "scheme='random'."
            )
    return Subsets(tuple(sizes.tolist()), order, inner, test)


def _hash(seed: int, repeat: int, name: str) -> int:
    digest = hashlib.blake2b(f"{seed}/{repeat}/{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little")


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Squared errors of one representation on the test set, for every repeat and size.

    Attributes
    ----------
    sizes : tuple of int
        Training rows.
    targets : tuple of str
        Names of the targets.
    width : int
        Channels that the probe was given.
    y : ndarray of shape (n_test, n_targets)
        Test targets.
    test : ndarray of int, shape (n_test,)
        Test rows.
    comp, geom, joint : ndarray of shape (repeats, n_sizes, n_test, n_targets)
        Squared errors of least squares on Z, of ridge on X_geom, and of both together.
    alphas : ndarray of shape (repeats, n_sizes, n_targets)
        Penalty per training row chosen for `joint`.
    """

    sizes: tuple[int, ...]
    targets: tuple[str, ...]
    width: int
    y: np.ndarray
    test: np.ndarray
    comp: np.ndarray
    geom: np.ndarray
    joint: np.ndarray
    alphas: np.ndarray

    def scores(self, score: str = "r2_partial", *, weights: np.ndarray | None = None) -> np.ndarray:
        r"""Score every repeat and size.

        ``r2_partial``
            :math:`1 - \mathrm{SSE}_n(Z, X_\text{geom}) / \mathrm{SSE}_n(Z)`, both fitted to the
            same n rows, as in `cpdkit.cpd`: zero is a probe that adds nothing to what the same
            structures tell about composition, at every n.
        ``r2_partial_fixed``
            The same with :math:`\mathrm{SSE}_N(Z)`, least squares on all N training rows, below.
            One yardstick for all sizes, so that one minus it is an error; but learning composition
            counts against every probe, most where there is little to gain.
        ``r2_geom``
            Ridge on X_geom against raw y.

        Parameters
        ----------
        score : str
            One of `CURVE_SCORES`; the first two agree at the last size.
        weights : ndarray of shape (n_draws, n_test), optional
            Weights of the test rows, as for a bootstrap.

        Returns
        -------
        ndarray of shape (repeats, n_sizes, n_targets) or (n_draws, repeats, n_sizes, n_targets)
            NaN for the partial scores where the target is linear in Z.

        Raises
        ------
        ValueError
            If the score is not known.
        """
        if score not in CURVE_SCORES:
            raise ValueError(unknown("score of a learning curve", score, CURVE_SCORES))
        W = np.ones((1, len(self.y))) if weights is None else weights
        spread = weighted_total(self.y, W)[:, None, None]
        if score == "r2_geom":
            values = 1 - _sums(W, self.geom) / spread
        else:
            fixed = score == "r2_partial_fixed"
            left = _sums(W, self.comp[:, -1:] if fixed else self.comp)
            left = np.where(left <= NOTHING_LEFT * spread, np.nan, left)
            values = 1 - _sums(W, self.joint) / left
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

        The training rows as a whole are taken as given: at the last size, where all repeats use
        the same rows, only the test rows vary.

        Parameters
        ----------
        score : str
            One of `CURVE_SCORES`.
        groups : sequence of str, shape (n,), optional
            Formula of every row of the data; whole formulas are then drawn, otherwise single rows.
        n_draws, seed : int
            Bootstrap samples and their seed; the same seed draws the same repeats and rows for
            every representation.

        Returns
        -------
        ndarray of shape (n_draws, n_sizes, n_targets)
            Means over the drawn repeats.
        """
        labels = np.arange(len(self.test)) if groups is None else np.asarray(groups)[self.test]
        weights = bootstrap_weights(labels, n_draws=n_draws, seed=seed)
        repeats = len(self.joint)
        share = np.full(repeats, 1 / repeats)
        drawn = np.random.default_rng([seed, 1]).multinomial(repeats, share, size=n_draws)
        return np.einsum("br,brst->bst", drawn / repeats, self.scores(score, weights=weights))


def _sums(weights: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Weighted sums over test rows, (n_draws, repeats, n_sizes, n_targets)."""
    return np.tensordot(weights, errors, axes=(1, 2))


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

    The last subset is the same rows in every repeat and is fitted once, with the inner folds of the
    first repeat.

    Parameters
    ----------
    features : array of shape (n, d) or Representation
        Pooled features.
    composition : array of shape (n, k) or None
        Nuisance C without intercept; None removes the mean only.
    targets : DataFrame, Series, mapping of columns, or array of shape (n,) or (n, t)
        Numbers to predict.
    subsets : Subsets
        From `nested_subsets`; give the same to all representations that are compared.
    alphas : sequence of float
        Penalties per training row to choose from by inner folds.
    width : int, optional
        Channels to keep, where `matched` is not ``"all"``.
    matched : {"all", "subset", "pca"}
        How representations are brought to one width: not at all; by channels drawn at random, anew
        in each repeat (so the last size differs between repeats, too); or by leading principal
        components of the conditioned residual of all training rows. No target and no test row
        enters these, but more rows than the subset has.
    seed : int, default 0
        Of the drawn channels.

    Returns
    -------
    LearningCurve
        Errors from which every score and its bootstrap follow.

    Raises
    ------
    ValueError
        For bad input as in `cpdkit.cpd`, subsets of other rows, a way of matching that is not
        known, or a width that the features do not have.
    """
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
    comp, geom, joint = np.empty(shape), np.empty(shape), np.empty(shape)
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
            comp[r, s] = (found.y - found.comp) ** 2
            geom[r, s] = (found.y - found.predictions["geom"]) ** 2
            joint[r, s] = (found.y - found.predictions["joint"]) ** 2
    return LearningCurve(
        sizes=subsets.sizes,
        targets=tuple(frame.columns),
        width=part.shape[1],
        y=Y[subsets.test],
        test=subsets.test,
        comp=comp,
        geom=geom,
        joint=joint,
        alphas=chosen,
    )


def isotropic_r2(n: np.ndarray | float, *, channels: int, share: float) -> np.ndarray:
    r"""Expected held-out :math:`R^2` of least squares on isotropic Gaussian features.

    The learning curve of a representation without structure. With intercept, p channels and n
    rows the expected squared error is [1]_

    .. math::

        \sigma^2 \Big(1 + \frac1n\Big) \frac{n - 2}{n - p - 2},

    where :math:`\sigma^2` is what no linear function of the features explains.

    Parameters
    ----------
    n : float or ndarray
        Training rows.
    channels : int
        Number of features p.
    share : float
        :math:`1 - \sigma^2 / \operatorname{var}(y)`, the score with endlessly many rows.

    Returns
    -------
    ndarray of the shape of n
        One minus the expected error over the variance of y; ``-inf`` up to p + 2 rows, where the
        expectation does not exist.

    References
    ----------
    .. [1] C. Stein, Multiple regression, in Contributions to Probability and Statistics (Stanford
       University Press, 1960), p. 424.

    Examples
    --------
    >>> isotropic_r2(np.array([12.0, 40.0, 1e9]), channels=10, share=0.5).round(2)
    array([-inf,  0.3,  0.5])
    """
    n = np.asarray(n, dtype=np.float64)
    free = n - channels - 2
    with np.errstate(divide="ignore"):
        error = (1 - share) * (1 + 1 / n) * (n - 2) / np.maximum(free, 0)
    return np.where(free > 0, 1 - error, -np.inf)[()]


def _narrow(
    X: np.ndarray,
    C: np.ndarray | None,
    subsets: Subsets,
    width: int | None,
    matched: str,
    seed: int,
) -> list[Callable[[], np.ndarray]]:
    """What makes the features of each repeat, or of all of them."""
    if matched not in MATCHINGS:
        raise ValueError(unknown("way to match widths", matched, MATCHINGS))
    if matched == "all":
        return [lambda: X]
    train = np.sort(subsets.order[0])
    if width is None or not 1 <= width <= min(X.shape[1], len(train)):
        raise ValueError(
            f"width={width} must lie between 1 and the {X.shape[1]} channels there are (and the "
            f"{len(train)} training rows)."
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
