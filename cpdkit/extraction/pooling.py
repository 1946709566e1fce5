"""From features of atoms to features of structures."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from cpdkit._messages import unknown
from cpdkit.encoders._base import Layer
from cpdkit.representation import Block

__all__ = ["POOLINGS", "blocks_of", "parse_poolings", "pool"]

POOLINGS = ("mean", "sum", "element_mean", "mean_norm")


def parse_poolings(pooling: str | Sequence[str]) -> tuple[str, ...]:
    """Names of poolings as a tuple; raise ValueError for unknown, repeated or no names."""
    if isinstance(pooling, (set, frozenset)):
        raise ValueError(f"pooling decides the order of columns; give a list, not {pooling!r}.")
    names = (pooling,) if isinstance(pooling, str) else tuple(pooling)
    for name in names:
        if name not in POOLINGS:
            raise ValueError(unknown("pooling", name, POOLINGS))
    if not names or len(set(names)) != len(names):
        raise ValueError(f"pooling needs one or more different names; got {names}.")
    return names


def blocks_of(
    layers: Sequence[Layer], poolings: Sequence[str], elements: Sequence[int]
) -> tuple[Block, ...]:
    """Blocks of the pooled features: pooling by pooling, layer by layer, term by term.

    Parameters
    ----------
    layers : sequence of Layer
        What the encoder returns.
    poolings : sequence of str
        Of :data:`POOLINGS`.
    elements : sequence of int
        Atomic numbers in the data, for ``"element_mean"``.
    """
    blocks: list[Block] = []
    start = 0
    for pooling in poolings:
        for index, layer in enumerate(layers):
            owners = layer.owners or (None,) * len(layer.irreps.terms)
            for term, owner in zip(layer.irreps.terms, owners, strict=True):
                norm = pooling == "mean_norm" and term.l > 0
                if pooling == "mean_norm" and not norm and "mean" in poolings:
                    continue  # scalars are there already
                of: Sequence[int | None] = [owner]
                if pooling == "element_mean":
                    of = [z for z in elements if owner in (None, z)]
                for element in of:
                    blocks.append(
                        Block(
                            layer=index,
                            name=layer.name,
                            l=term.l,
                            p=term.p,
                            mul=term.mul,
                            pooling=pooling,
                            start=start,
                            element=element,
                            kind="norm" if norm else "component",
                        )
                    )
                    start = blocks[-1].columns.stop
    return tuple(blocks)


def pool(
    features: Sequence[torch.Tensor],
    layers: Sequence[Layer],
    numbers: torch.Tensor,
    n_atoms: torch.Tensor,
    poolings: Sequence[str],
    elements: Sequence[int],
) -> torch.Tensor:
    """Pool the atoms of a batch; columns as :func:`blocks_of` says.

    Sums run in the precision of the features, over the atoms of a structure in their order;
    means are divided in double precision.

    Parameters
    ----------
    features : sequence of Tensor, each (total_atoms, layer.irreps.dim)
        Of the encoder.
    layers : sequence of Layer
        Of the encoder.
    numbers : Tensor of int64, shape (total_atoms,)
        Atomic numbers; only ``"element_mean"`` looks at them.
    n_atoms : Tensor of int64, shape (n_structures,)
        Atoms of each structure.
    poolings, elements
        As in :func:`blocks_of`.

    Returns
    -------
    Tensor of float64, shape (n_structures, n_columns)
    """
    owner = torch.repeat_interleave(n_atoms)
    parts: list[torch.Tensor] = []

    def add_up(values: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
        index = owner if rows is None else owner[rows]
        values = values if rows is None else values[rows]
        total = values.new_zeros((len(n_atoms), values.shape[1])).index_add_(0, index, values)
        return total.double()

    sums = None
    if "mean" in poolings or "sum" in poolings:
        sums = [add_up(feature) for feature in features]
    for pooling in poolings:
        if pooling in ("mean", "sum") and sums is not None:
            parts += [s / n_atoms[:, None] for s in sums] if pooling == "mean" else sums
        elif pooling == "mean_norm":
            for feature, layer in zip(features, layers, strict=True):
                for term, columns in layer.irreps.slices():
                    values = feature[:, columns]
                    if term.l > 0:
                        values = values.reshape(len(values), term.mul, -1).norm(dim=2)
                    elif "mean" in poolings:
                        continue
                    parts.append(add_up(values) / n_atoms[:, None])
        elif pooling == "element_mean":
            rows = {z: (numbers == z).nonzero().flatten() for z in elements}
            counts = {z: torch.bincount(owner[r], minlength=len(n_atoms)) for z, r in rows.items()}
            for feature, layer in zip(features, layers, strict=True):
                owners = layer.owners or (None,) * len(layer.irreps.terms)
                for (_, columns), of in zip(layer.irreps.slices(), owners, strict=True):
                    for z in elements:
                        if of in (None, z):
                            total = add_up(feature[:, columns], rows[z])
                            parts.append(total / counts[z].clamp(min=1)[:, None])
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
