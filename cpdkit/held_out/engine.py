"""Which engine predicts held-out rows for which probe."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from cpdkit._messages import unknown
from cpdkit.held_out.moments import held_out_moments
from cpdkit.scores import HeldOut

__all__ = ["engine_for", "regressors"]


def engine_for(probe: str | Any, *, seed: int) -> Callable[..., Iterator[HeldOut]]:
    """What yields held-out predictions of this probe.

    Parameters
    ----------
    probe : {"ridge", "mlp", "trees", "knn", "kernel"} or estimator
        As in `cpdkit.cpd`.
    seed : int
        Of a probe that is given by name.

    Returns
    -------
    callable
        With the arguments ``X, C, Y, folds, protocol=, inputs=`` of
        `cpdkit.held_out.rows.held_out`.

    Raises
    ------
    ValueError
        If there is no probe of that name.
    TypeError
        If `probe` is no regressor.
    """
    if isinstance(probe, str) and probe == "ridge":
        return held_out_moments
    from cpdkit.held_out.estimators import held_out_regressor

    return partial(held_out_regressor, candidates=regressors(probe, seed=seed))


def regressors(probe: str | Any, *, seed: int) -> list[Any]:
    """Regressors that `probe` stands for, of which an inner fold chooses one.

    Raises
    ------
    ValueError, TypeError
        As from `engine_for`.
    """
    from cpdkit.probes.nonlinear import NONLINEAR

    if isinstance(probe, str):
        if probe not in NONLINEAR:
            raise ValueError(unknown("probe", probe, ["ridge", *NONLINEAR]))
        return NONLINEAR[probe](seed)
    if inspect.isclass(probe):
        raise TypeError(f"probe={probe.__name__} is a class; give an object: {probe.__name__}().")
    if not (hasattr(probe, "fit") and hasattr(probe, "predict")):
        raise TypeError(
            f"probe={probe!r} is no regressor: it lacks fit or predict. Give one of "
            f"{', '.join(['ridge', *NONLINEAR])} or a regressor of scikit-learn's kind."
        )
    return [probe]
