r"""Projection, conditioning and ridge from moments alone: the engine behind `cpd`.

Equal to the plain reference (`cpdkit.held_out.rows`) to rounding. With the training scatter S of
[C, X, Y], the residual has scatter :math:`S_{XX} - S_{XC} S_{CC}^{+} S_{CX}`; one orthogonal
reduction of the conditioned residual scatter to tridiagonal form serves every penalty and target,
and the squared error on any other rows is a quadratic form in their moments.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal, lapack, solve_triangular

from cpdkit._checks import CONSTANT
from cpdkit.folds import nested_choice
from cpdkit.moments.folds import FoldMoments, constant_columns
from cpdkit.moments.moments import Pooled
from cpdkit.projection.conditioned import SPECTRUM_FLOOR, floored_scale
from cpdkit.projection.factors import minimum_norm, ranked_cholesky
from cpdkit.projection.rank import RANK_TOLERANCE, differs
from cpdkit.scores import Sums

__all__ = ["FoldRidge", "ShiftedSolves", "choose_alphas", "held_out_sums", "regress_out"]

Alphas = dict[str, np.ndarray]

# A spread below this share of the mean is rounding.
_CONSTANT = 1e-12


class ShiftedSolves:
    r"""Ridge weights for many penalties from a scatter matrix.

    Solves :math:`(G + \max(\alpha n, 10^{-10} \lambda) I) W = F` [1]_, with :math:`\lambda` the
    largest eigenvalue of G, after one reduction :math:`G = Q T Q^\top` to tridiagonal T, a third of
    the work of an eigendecomposition.

    Parameters
    ----------
    gram : ndarray of shape (d, d)
        Scatter of the conditioned training features.
    load : ndarray of shape (d, t)
        Their cross products with the targets.
    n : int
        Training rows.

    References
    ----------
    .. [1] L. Elden, Algorithms for the regularization of ill-conditioned least squares problems,
       BIT 17, 134 (1977).
    """

    def __init__(self, gram: np.ndarray, load: np.ndarray, n: int) -> None:
        self.n = n
        d = len(gram)
        if d < 3:  # LAPACK's wrappers take no empty reflectors
            values, vectors = np.linalg.eigh(gram)
            self._vectors: np.ndarray | None = vectors
            self._diagonal, self._beside = np.maximum(values, 0.0), np.zeros(max(d - 1, 0))
            largest = values[-1]
        else:
            self._vectors = None
            reduced, self._diagonal, self._beside, self._tau, _ = lapack.dsytrd(
                gram, lower=1, lwork=64 * d
            )
            self._reflectors = np.asfortranarray(reduced[1:, :-1])
            # All of them: LAPACK's search for one alone fails where eigenvalues crowd or are tiny.
            both = self._diagonal, self._beside
            largest = eigvalsh_tridiagonal(*both, lapack_driver="sterf", check_finite=False)[-1]
        # One at least: where G is zero so is F, and any penalty gives the weights zero.
        self._floor = SPECTRUM_FLOOR * largest if largest > 0 else 1.0
        self._load = self._rotate(load, transpose=True)

    def weights(self, alphas: Sequence[float]) -> np.ndarray:
        """Solve for each penalty.

        Parameters
        ----------
        alphas : sequence of float
            Penalties per row.

        Returns
        -------
        ndarray of shape (n_features, n_alphas, n_targets)
            Weights.

        Raises
        ------
        ValueError
            If rounding of the moments outweighs a penalty.
        """
        d, t = self._load.shape
        solved = np.empty((d, len(alphas), t))
        for i, alpha in enumerate(alphas):
            diagonal = self._diagonal + max(alpha * self.n, self._floor)
            if d == 1:
                info = int(diagonal[0] <= 0)
                solved[:, i] = self._load / np.where(diagonal > 0, diagonal, 1)[:, None]
            else:
                *_, solved[:, i], info = lapack.dptsv(diagonal, self._beside, self._load)
            if info:
                raise ValueError(
                    f"rounding of these moments outweighs alpha={alpha:g}: the scatter of the "
                    "features is not positive; accumulate them again, or use larger penalties."
                )
        return self._rotate(solved.reshape(d, -1)).reshape(d, len(alphas), t)

    def _rotate(self, columns: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Q or its transpose times `columns`."""
        if self._vectors is not None:
            return (self._vectors.T if transpose else self._vectors) @ columns
        rotated = np.array(columns, order="F")
        trans = "T" if transpose else "N"
        work = 64 * columns.shape[1] + 64 * 65
        rotated[1:], _, info = lapack.dormqr(
            "L", trans, self._reflectors, self._tau, rotated[1:], lwork=work
        )
        if info:
            raise RuntimeError(f"LAPACK dormqr failed with info={info}.")
        return rotated


class FoldRidge:
    """Everything fitted on one set of training rows, for all penalties and targets at once.

    Parameters
    ----------
    train : Pooled
        Moments of the training rows.
    n_full : int, optional
        Of how many targets, from the first, the probe of X itself is fitted too; all by default.

    Attributes
    ----------
    comp : ndarray of shape (n_composition, n_targets)
        Least-squares weights of the centred targets on centred C.
    rank : int
        Rank of Z, intercept included.
    """

    def __init__(self, train: Pooled, *, n_full: int | None = None) -> None:
        self.train = train
        n_targets = train.scatter[train.y].shape[0]
        self.n_full = n_targets if n_full is None else n_full
        basis, halves = regress_out(train)
        x, y = train.x, train.y
        half_x, half_y = halves[:, : train.n_features], halves[:, train.n_features :]
        variance = np.diag(train.scatter)[x] / train.n
        self.rank = 1 + len(halves)
        self.comp = basis @ half_y
        self._removed = basis @ half_x  # coefficients of X on C
        residual = train.scatter[x, x] - half_x.T @ half_x
        self._geom, self._geom_scale = _path(
            residual, train.scatter[x, y] - half_x.T @ half_y, variance, train.n
        )
        if self.n_full:
            self._full, self._full_scale = _path(
                train.scatter[x, x], train.scatter[x, y][:, : self.n_full], variance, train.n
            )

    def unseen(self, C: np.ndarray) -> np.ndarray:
        """Find rows to set aside, as `cpdkit.CompositionProjector.unseen`.

        Parameters
        ----------
        C : ndarray of shape (n, n_composition)
            Nuisance of any rows.

        Returns
        -------
        ndarray of bool, shape (n,)
        """
        constant = np.flatnonzero(constant_columns(self.train))
        return np.any(differs(C[:, constant], self.train.mean[constant]), axis=1)

    def weights(self, probe: str, alphas: Sequence[float]) -> np.ndarray:
        """Give weights on centred [C, X], the projection folded in.

        Parameters
        ----------
        probe : {"geom", "full"}
            Ridge on X_geom or on X. The joint model of Z and X_geom has the weights of ``"geom"``
            plus `comp` (Frisch-Waugh-Lovell).
        alphas : sequence of float
            Penalties per training row.

        Returns
        -------
        ndarray of shape (n_composition + n_features, n_alphas, n_targets)
            Weights; of ``"full"`` for the first `n_full` targets.
        """
        path, scale = (
            (self._full, self._full_scale) if probe == "full" else (self._geom, self._geom_scale)
        )
        on_x = path.weights(alphas) / scale[:, None, None]
        k, t = len(self.comp), on_x.shape[2]
        on_c = np.zeros((k, len(alphas), t))
        if probe != "full" and k:
            on_c = -(self._removed @ on_x.reshape(len(on_x), -1)).reshape(on_c.shape)
        return np.concatenate([on_c, on_x])

    def chosen_weights(self, probe: str, alphas: np.ndarray) -> np.ndarray:
        """Give weights on centred [C, X] where each target has its own penalty.

        Parameters
        ----------
        probe : {"geom", "joint", "full"}
            As in `weights`; ``"joint"`` is read as ``"geom"``.
        alphas : ndarray of shape (n_targets,)
            Penalties per training row.

        Returns
        -------
        ndarray of shape (n_composition + n_features, n_targets)
            Weights.
        """
        unique, inverse = np.unique(alphas, return_inverse=True)
        return self.weights(probe, unique.tolist())[:, inverse, np.arange(len(alphas))]


def _path(
    gram: np.ndarray, load: np.ndarray, variance: np.ndarray, n: int
) -> tuple[ShiftedSolves, np.ndarray]:
    scale = floored_scale(np.diag(gram) / n, variance)
    return ShiftedSolves(gram / scale / scale[:, None], load / scale[:, None], n), scale


def regress_out(train: Pooled) -> tuple[np.ndarray, np.ndarray]:
    """Regress [X, Y] on C, with the rank of `CompositionProjector`.

    Parameters
    ----------
    train : Pooled
        Moments of the training rows.

    Returns
    -------
    basis : ndarray of shape (k, rank)
        Coefficients are ``basis @ halves``.
    halves : ndarray of shape (rank, n_features + n_targets)
        What C explains of the scatter of [X, Y] is ``halves.T @ halves``.

    Raises
    ------
    ValueError
        If a column of C varies by less of its size than moments resolve.
    """
    c, k = train.c, train.n_composition
    S = train.scatter[c, c]
    norm = np.sqrt(np.diag(S))
    raw = np.sqrt(np.diag(S) + train.n * train.mean[c] ** 2)
    far = (norm <= RANK_TOLERANCE * raw) & (norm > CONSTANT * raw)
    if far.any():
        raise ValueError(
            f"composition varies by only {(norm / raw)[far][0]:.1g} of its size in column "
            f"{np.flatnonzero(far)[0]}, which moments cannot resolve; subtract an offset from it."
        )
    varies = np.flatnonzero(~constant_columns(train))
    if len(varies) == 0:
        return np.zeros((k, 0)), np.zeros((0, len(train.mean) - k))
    scaled = S[np.ix_(varies, varies)] / norm[varies] / norm[varies][:, None]
    lower, order = ranked_cholesky(scaled)
    order, rank = varies[order], lower.shape[1]
    kept = order[:rank]
    halves = solve_triangular(lower[:rank], train.scatter[kept, k:] / norm[kept, None], lower=True)
    basis = np.zeros((k, rank))
    basis[order] = minimum_norm(lower) / norm[order, None]
    return basis, halves


def held_out_sums(fit: FoldRidge, weights: np.ndarray, test: Pooled) -> Sums:
    """Evaluate weights on held-out rows that are known by their moments.

    Parameters
    ----------
    fit : FoldRidge
        Fitted on the training rows.
    weights : ndarray of shape (n_composition + n_features, n_alphas, n_targets)
        As from `FoldRidge.weights`, for all targets or the first of them.
    test : Pooled
        Moments of the held-out rows.

    Returns
    -------
    Sums
        `geom` and `joint` are of these weights, alone and with the least squares on Z added, of
        shape (n_alphas, n_targets); `full` is NaN. Where a target is constant, `total` is NaN.
    """
    shape = weights.shape[1:]
    k = test.n_composition
    flat = weights.reshape(len(weights), -1)
    shift = test.mean - fit.train.mean
    n, S, inside = test.n, test.scatter, len(weights)
    y = slice(inside, inside + shape[1])
    least = fit.comp[:, : shape[1]]

    total = np.diag(S)[y].copy()
    yy = total + n * shift[y] ** 2
    # Least squares on Z.
    comp_mean = shift[:k] @ least
    comp_cross = S[:, :k] @ least
    comp_spread = (least * comp_cross[:k]).sum(axis=0)
    comp_squared = comp_spread + n * comp_mean**2
    comp_y = np.diag(comp_cross[y]) + n * comp_mean * shift[y]
    comp_error = yy - 2 * comp_y + comp_squared
    # The probe.
    cross = S[:inside, :inside] @ flat
    mean = (shift[:inside] @ flat).reshape(shape)
    spread = (flat * cross[:inside]).sum(axis=0).reshape(shape)
    squared = spread + n * mean**2
    with_y = np.einsum("ti,iat->at", S[y, :inside], weights) + n * mean * shift[y]
    both = np.einsum("ct,cat->at", least, cross[:k].reshape(k, *shape))
    with_comp = both + n * mean * comp_mean
    variances = spread * comp_spread
    size = np.maximum(np.abs(test.mean[y]), np.abs(fit.train.mean[y]))
    joint = comp_error - 2 * (with_y - with_comp) + squared
    return Sums(
        total=np.where(total <= n * (_CONSTANT * size) ** 2, np.nan, total),
        comp=comp_error,
        comp_squared=comp_squared,
        geom=yy - 2 * with_y + squared,
        joint=joint,
        full=np.full(shape, np.nan),
        correlation=np.divide(both**2, variances, out=np.zeros(shape), where=variances > 0),
    )


def choose_alphas(
    folds: FoldMoments,
    alphas: Sequence[float],
    *,
    n_full: int | None = None,
    outer: int | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> list[Alphas]:
    """Choose for every outer fold, probe and target the penalty with least inner squared error.

    Parameters
    ----------
    folds : FoldMoments
        Moments by fold.
    alphas : sequence of float
        Penalties per training row.
    n_full : int, optional
        As in `FoldRidge`.
    outer : int, optional
        As in `cpdkit.folds.nested_choice`.
    progress : callable, optional
        Wraps the loop over pairs of folds.

    Returns
    -------
    list of dict of str to ndarray of shape (n_targets,)
        Chosen penalties of ``"geom"``, ``"joint"`` and, of shape (n_full,), ``"full"``, fold by
        fold.

    Raises
    ------
    ValueError
        As from `cpdkit.folds.nested_choice`, where there are several penalties.
    """
    n, t = folds.n_folds, len(folds.moments.targets)
    of_x = t if n_full is None else n_full
    if len(alphas) == 1:
        sizes = {"geom": t, "joint": t} | ({"full": of_x} if of_x else {})
        return [{k: np.full(size, float(alphas[0])) for k, size in sizes.items()}] * n

    def fit(left_out: tuple[int, int]) -> tuple[FoldRidge, np.ndarray, np.ndarray | None]:
        ridge = FoldRidge(folds.without(left_out), n_full=of_x)
        raw = ridge.weights("full", alphas) if of_x else None
        return ridge, ridge.weights("geom", alphas), raw

    def error(
        model: tuple[FoldRidge, np.ndarray, np.ndarray | None], inner: int
    ) -> dict[str, np.ndarray]:
        ridge, weights, raw = model
        test, _ = folds.test(inner, ridge.train)
        if test.n == 0:
            return {}
        sums = held_out_sums(ridge, weights, test)
        errors = {"geom": sums.geom, "joint": sums.joint}
        return errors if raw is None else errors | {"full": held_out_sums(ridge, raw, test).geom}

    grid = np.asarray(alphas)
    chosen = nested_choice(n, fit, error, outer=outer, progress=progress)
    return [{name: grid[best] for name, best in by_name.items()} for by_name in chosen]
