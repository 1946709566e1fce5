r"""Irrep routing: the same probe on every degree of every layer, matched for width.

A model whose features are labelled by degree l may keep one kind of information in l=0 and another
in l=1. To compare degrees, each must enter the probe with equally many columns, and with the same
nonlinearity: vectors and tensors enter scalar targets by norms, so scalars are also given with
their squares beside them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cpdkit._arrays import check_same_rows
from cpdkit._checks import check_composition, check_targets
from cpdkit._messages import unknown
from cpdkit.comparisons import paired_difference
from cpdkit.folds import make_folds
from cpdkit.moments.folds import FoldMoments
from cpdkit.probes.equivariant import equivariant_scores
from cpdkit.probes.widths import WIDTHS, channel_draws, partial_scores
from cpdkit.representation import Representation
from cpdkit.scores import summarise

__all__ = ["invariant_inputs", "routing_difference", "routing_index", "routing_scores"]
__all__ += ["vector_scores", "with_vectors"]

_KEYS = ["layer", "name", "irrep", "l", "kind", "matched", "target"]
_VALUES = ["mean", "low", "high", "draw_sd", "fold_values"]
_COLUMNS = [*_KEYS[:-1], "channels", "width", "target", "score", *_VALUES]
_INDEX = ["layer", "name", "irrep", "l", "quantity", "mean", "low", "high", "fold_values"]


def with_vectors(representations: Mapping[str, Representation]) -> dict[str, Representation]:
    """Those that hold some degree l > 0; the others are left out and named in a warning.

    Raises
    ------
    ValueError
        If none does.
    """
    found = {k: r for k, r in representations.items() if any(b.l for b in r.blocks)}
    if not found:
        raise ValueError(
            f"routing compares l=1 with l=0, and none of {', '.join(representations)} has vectors "
            "(l=1); add an equivariant encoder, see `cpdkit encoders`."
        )
    scalar = [name for name in representations if name not in found]
    if scalar:
        warnings.warn(f"left out, without vectors (l=1): {', '.join(scalar)}.", stacklevel=2)
    return found


def invariant_inputs(
    representation: Representation, layer: int, *, pooling: str = "mean"
) -> Iterator[tuple[str, int, str, np.ndarray]]:
    """Each way in which an irrep of a layer can enter a probe of a scalar.

    Yields the irrep, such as ``"1o"``, its degree, the kind and the columns. The kind is
    ``"scalar"`` or ``"scalar and square"`` for l=0, else ``"norm of pooled"`` or ``"pooled norm"``,
    taken atom by atom.
    """
    here = representation.select(layer=layer, pooling=pooling)
    for l, p in dict.fromkeys((block.l, block.p) for block in here.blocks):  # noqa: E741
        part = here.select(l=l, p=p)
        if l == 0:
            yield f"0{p}", 0, "scalar", part.features
            yield f"0{p}", 0, "scalar and square", part.with_squares().features
            continue
        yield f"{l}{p}", l, "norm of pooled", part.features
        if any(b.pooling == "mean_norm" for b in representation.blocks):
            norms = representation.select(layer=layer, l=l, p=p, pooling="mean_norm")
            yield f"{l}{p}", l, "pooled norm", norms.features


def routing_scores(
    representation: Representation,
    composition: Any,
    targets: Any,
    *,
    width: int,
    n_draws: int = 5,
    pooling: str = "mean",
    matchings: Sequence[str] = WIDTHS,
    groups: Sequence[str] | None = None,
    ids: Sequence[object] | None = None,
    folds: str = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Score every layer, irrep and way of entering the probe by ``r2_partial``.

    ``channels`` are those of the block, ``width`` the columns probed: fewer than asked for, with a
    warning, where a block of the representation has fewer. A score is the mean over
    `n_draws` random subsets of columns, fold by fold, and ``draw_sd`` the spread of its mean over
    them, NaN where there is one.
    """
    for name in matchings:
        if name not in WIDTHS:
            raise ValueError(unknown("matching", name, WIDTHS))
    n = len(representation)
    check_same_rows({"composition": composition, "targets": targets, "groups": groups, "ids": ids})
    C, frame = check_composition(composition, n), check_targets(targets, n)
    split = make_folds(
        n, scheme=folds, groups=groups, ids=ids, n_folds=n_folds, repeats=repeats, seed=seed
    )
    every = {
        layer: list(invariant_inputs(representation, layer, pooling=pooling))
        for layer in dict.fromkeys(block.layer for block in representation.blocks)
    }
    width = _at_most(width, [way[-1].shape[1] for ways in every.values() for way in ways])
    rows: list[dict[str, Any]] = []
    for layer, ways in every.items():
        for irrep, degree, kind, features in ways:
            columns = features.shape[1]
            draws = channel_draws(columns, width, n_draws, seed=seed)
            found: dict[str, list[np.ndarray]] = {name: [] for name in matchings}
            for fold in split:
                moments = FoldMoments.of_rows(features, C, frame, fold, targets=list(frame))
                if "all" in found:
                    found["all"].append(partial_scores(moments)[None])
                if "subset" in found:
                    parts = [partial_scores(moments.select(features=draw)) for draw in draws]
                    found["subset"].append(np.stack(parts))
                if "pca" in found:
                    found["pca"].append(partial_scores(moments, components=width)[None])
            for matched, parts in found.items():
                values = np.concatenate(parts, axis=1)  # draws, folds of all repeats, targets
                for t, target in enumerate(frame.columns):
                    rows.append({
                        "layer": layer, "name": representation.select(layer=layer).layers[0],
                        "irrep": irrep, "l": degree, "kind": kind, "matched": matched,
                        "channels": columns, "width": columns if matched == "all" else width,
                        "target": target, "score": "r2_partial",
                        **_over_draws(values[:, :, t], n_folds, level),
                    })  # fmt: skip
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table.attrs = {
        "n": n, "width": width, "n_draws": n_draws, "pooling": pooling, "folds": folds,
        "n_folds": n_folds, "repeats": repeats, "seed": seed, "interval": "corrected-t",
        "level": level,
    }  # fmt: skip
    return table


def vector_scores(
    representation: Representation,
    targets: Any,
    *,
    l: int,  # noqa: E741
    width: int,
    n_draws: int = 5,
    pooling: str = "sum",
    ids: Sequence[object] | None = None,
    groups: Sequence[str] | None = None,
    folds: str = "random",
    n_folds: int = 5,
    repeats: int = 1,
    seed: int = 0,
    level: float = 0.95,
) -> pd.DataFrame:
    """Score every layer and irrep of degree `l` on targets of that degree, by equivariant ridge.

    Columns and width as in `routing_scores`, with the score ``r2_equivariant``.
    """
    options: dict[str, Any] = {
        "ids": ids, "groups": groups, "folds": folds, "n_folds": n_folds,
        "repeats": repeats, "seed": seed, "level": level,
    }  # fmt: skip
    rows: list[dict[str, Any]] = []
    blocks = [b for b in representation.blocks if b.l == l and b.pooling == pooling]
    irreps = dict.fromkeys((b.layer, b.p) for b in blocks)
    width = _at_most(
        width, [sum(b.mul for b in blocks if (b.layer, b.p) == irrep) for irrep in irreps]
    )
    for layer, p in irreps:
        part = representation.select(layer=layer, l=l, p=p, pooling=pooling)
        vectors = part.vectors(l=l, layer=layer)
        channels = vectors.shape[1]
        draws = {
            "all": [np.arange(channels)],
            "subset": channel_draws(channels, width, n_draws, seed=seed),
        }
        for matched, chosen in draws.items():
            tables = [equivariant_scores(vectors[:, draw], targets, **options) for draw in chosen]
            for same in zip(*(table.to_dict("records") for table in tables), strict=True):
                values = np.array([row["fold_values"] for row in same])
                about = {
                    "layer": layer, "name": part.layers[0], "irrep": f"{l}{p}", "l": l,
                    "kind": "component", "matched": matched, "channels": channels,
                    "width": len(chosen[0]), "target": same[0]["target"],
                    "score": "r2_equivariant",
                }  # fmt: skip
                rows.append({**about, **_over_draws(values, n_folds, level)})
    table = pd.DataFrame(rows, columns=_COLUMNS)
    table.attrs = {
        "n": len(representation), "width": width, "n_draws": n_draws, "pooling": pooling,
        "folds": folds, "n_folds": n_folds, "repeats": repeats, "seed": seed,
        "interval": "corrected-t", "level": level,
    }  # fmt: skip
    return table


def routing_index(
    table: pd.DataFrame,
    *,
    vector: str = "mu",
    scalar: str = "gap",
    matched: str = "subset",
    scalars: str = "scalar and square",
    norms: str = "norm of pooled",
) -> pd.DataFrame:
    r"""Routing index: a double difference of scores between degrees and targets.

    With R the score ``r2_partial`` of a target from one degree at equal width, for each l > 0

    .. math:: I_l = \underbrace{R(\text{vector}, l) - R(\text{vector}, 0)}_{\text{vector side}}
                  + \underbrace{R(\text{scalar}, 0) - R(\text{scalar}, l)}_{\text{scalar side}} .

    A degree that is better for every target, or a target that is easier from every degree, adds
    nothing. :math:`I_l > 0` says that degree l favours the norm of the vector and l=0 the scalar,
    relative to each other; routing in the full sense needs both sides above zero. Differences are
    taken on the same folds, and the interval is that of the differences. ``quantity`` is
    ``"index"``, ``"vector side"`` or ``"scalar side"``.
    """
    for column, wanted in (("target", vector), ("target", scalar), ("matched", matched)):
        if wanted not in set(table[column]):
            raise ValueError(unknown(column, wanted, sorted(set(table[column]))))
    if set(table["l"]) == {0}:
        raise ValueError(
            "the index compares l=1 with l=0, and none of the encoders has vectors (l=1); add an "
            "equivariant one, see `cpdkit encoders`."
        )
    for wanted in (scalars, norms):
        if wanted not in set(table["kind"]):
            raise ValueError(unknown("kind", wanted, sorted(set(table["kind"]))))
    chosen = table[(table["matched"] == matched) & table["kind"].isin([scalars, norms])]
    by = [*(["encoder"] if "encoder" in table else []), "layer", "name"]
    rows = []
    for keys, here in chosen.groupby(by, sort=False):
        score = {(r.irrep, r.target): np.asarray(r.fold_values) for r in here.itertuples()}
        degrees = dict(zip(here["irrep"], here["l"], strict=True))
        for irrep, degree in degrees.items():
            if degree == 0 or "0e" not in degrees:
                continue
            vector_side = score[irrep, vector] - score["0e", vector]
            scalar_side = score["0e", scalar] - score[irrep, scalar]
            quantities = {
                "index": vector_side + scalar_side,
                "vector side": vector_side,
                "scalar side": scalar_side,
            }
            for quantity, values in quantities.items():
                about = {"irrep": irrep, "l": degree, "quantity": quantity}
                n_folds, level = table.attrs["n_folds"], table.attrs["level"]
                numbers = summarise(values, n_folds=n_folds, level=level)
                rows.append({**dict(zip(by, keys, strict=True)), **about, **numbers})
    result = pd.DataFrame(rows, columns=[*by[:-2], *_INDEX])
    result.attrs = {**table.attrs, "vector": vector, "scalar": scalar, "matched": matched}
    return result


def routing_difference(trained: pd.DataFrame, untrained: pd.DataFrame) -> pd.DataFrame:
    """What training changed: rows of one table minus the same rows of another, fold by fold.

    ``least`` and ``most`` are the ends of intervals that allow for all layers of a degree
    (Bonferroni), so that more layers are not more chances.
    """
    for key in ("n", "folds", "n_folds", "repeats", "seed", "width"):
        if trained.attrs.get(key) != untrained.attrs.get(key):
            raise ValueError(
                f"the tables differ in {key}: {trained.attrs.get(key)} and "
                f"{untrained.attrs.get(key)}; score both with the same structures and settings."
            )
    keys = [c for c in (*_KEYS, "quantity") if c in trained and c in untrained]
    both = trained.merge(untrained[[*keys, "fold_values"]], on=keys, suffixes=("", "_untrained"))
    if both.empty:
        raise ValueError("the tables have no layer and irrep in common.")
    n_folds, level = trained.attrs["n_folds"], trained.attrs["level"]
    layers = both.groupby("l")["layer"].transform("nunique") if "layer" in both else 1
    values = []
    for a, b, m in zip(
        both["fold_values"], both["fold_values_untrained"], np.broadcast_to(layers, len(both)),
        strict=True,
    ):  # fmt: skip
        one = paired_difference(a, b, n_folds=n_folds, level=level)
        wide = paired_difference(a, b, n_folds=n_folds, level=1 - (1 - level) / m)
        values.append({**one, "least": wide["low"], "most": wide["high"]})
    dropped = ["fold_values_untrained", "fold_values", "mean", "low", "high", "draw_sd"]
    result = both.drop(columns=[c for c in dropped if c in both])
    result = pd.concat([result, pd.DataFrame(values)], axis=1)
    result.attrs = dict(trained.attrs)
    return result


def _at_most(width: int, columns: Sequence[int]) -> int:
    """A width that every block has."""
    if width > min(columns, default=width):
        warnings.warn(
            f"blocks are cut to {min(columns)} columns, not to width={width}: the narrowest has "
            "no more.",
            stacklevel=3,
        )
    return min([width, *columns])


def _over_draws(values: np.ndarray, n_folds: int, level: float) -> dict[str, Any]:
    """Mean over draws, fold by fold, of values (n_draws, n_folds), and the spread of the draws."""
    spread = float(values.mean(axis=1).std(ddof=1)) if len(values) > 1 else np.nan
    return {**summarise(values.mean(axis=0), n_folds=n_folds, level=level), "draw_sd": spread}
