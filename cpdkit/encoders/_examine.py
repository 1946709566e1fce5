"""Does a model of the user's do what its labels say? A few passes over the first structures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import ase
import numpy as np
import torch
from scipy.spatial.transform import Rotation

from cpdkit.encoders._base import Encoder
from cpdkit.encoders.irreps import Irrep

__all__ = ["examine"]

_CANDIDATES = 64
_RATTLE = 0.05  # Angstrom; symmetry would hide what is wrong
_TURN = Rotation.from_euler("zyx", [0.7, -1.1, 2.3]).as_matrix()


def examine(encoder: Encoder, structures: Sequence[ase.Atoms]) -> None:
    """Turn small structures and see whether features turn as their irreps say.

    Degrees 0 and 1 are compared by component (degree 1 as x, y, z), higher ones by norm. What a
    layer's largest feature times 1e-3 (1e-6 in double precision) hides passes.

    Parameters
    ----------
    encoder : Encoder
        The encoder.
    structures : sequence of ase.Atoms
        What is going to be encoded; two small ones of the first 64 are tried, their atoms moved
        a little.

    Raises
    ------
    ValueError
        If features do not turn, depend on other structures of a batch, or on chance.

    Warns
    -----
    UserWarning
        If features are zero throughout, do not depend on where atoms are, or have the other parity.
    """
    first = [structures[row] for row in range(min(len(structures), _CANDIDATES))]
    several = [atoms for atoms in first if len(atoms) > 2]
    chosen = sorted(several or first, key=len)[:2]
    rng = np.random.default_rng(0)
    rattled, turned = [atoms.copy() for atoms in chosen], []
    for atoms in rattled:
        atoms.positions += _RATTLE * rng.standard_normal(atoms.positions.shape)
        turned.append(atoms.copy())
        turned[-1].set_cell(atoms.cell.array @ _TURN.T)
        turned[-1].positions = atoms.positions @ _TURN.T
    before = _features(encoder, [rattled])
    after = _features(encoder, [[atoms] for atoms in turned])
    wrong = _wrong(encoder, before, after)
    if wrong and "not finite" not in wrong:
        alone = _features(encoder, [[atoms] for atoms in rattled])
        if not _same(encoder, before, _features(encoder, [rattled])):
            wrong = "features differ from pass to pass: by random numbers, or by what it keeps."
        elif not _same(encoder, before, alone):
            wrong = (
                "features of a structure depend on the others in its batch; batch.structure says "
                "which atoms belong together."
            )
    if wrong:
        raise ValueError(f"encoder {encoder.name!r}: {wrong} check=False leaves this test out.")
    if max(map(len, chosen)) > 1:
        _remark(encoder, before, _features(encoder, [chosen]))
        for atoms in rattled:
            atoms.positions *= -1
            atoms.set_cell(-atoms.cell.array)
        _remark_on_parity(encoder, before, _features(encoder, [rattled]))


def _features(encoder: Encoder, batches: Sequence[Sequence[ase.Atoms]]) -> list[np.ndarray]:
    """Features of each layer, atoms of all batches one after the other."""
    passes = [encoder.forward([encoder.graph(atoms) for atoms in batch]) for batch in batches]
    n_atoms = sum(len(atoms) for batch in batches for atoms in batch)
    layers = [torch.cat(parts).cpu().double().numpy() for parts in zip(*passes, strict=True)]
    for layer, values in zip(encoder.layers, layers, strict=True):
        if values.shape != (n_atoms, layer.irreps.dim):
            flatten = (
                " Flatten the last two axes to (channel, component): a copy's components together."
                if values.ndim == 3
                else ""
            )
            raise ValueError(
                f"encoder {encoder.name!r} gave features of shape {values.shape} for layer "
                f"{layer.name!r}; {(n_atoms, layer.irreps.dim)} were expected for {n_atoms} atoms "
                f"and irreps {layer.irreps}.{flatten}"
            )
    return layers


def _tolerance(encoder: Encoder, values: np.ndarray) -> float:
    """What rounding may change in a part of features, given the largest of the layer."""
    return (1e-6 if encoder.dtype == torch.float64 else 1e-3) * float(np.abs(values).max())


def _same(encoder: Encoder, a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.abs(x - y).max() <= _tolerance(encoder, x) for x, y in zip(a, b, strict=True))


def _wrong(encoder: Encoder, before: list[np.ndarray], after: list[np.ndarray]) -> str:
    """What does not turn as it should, in a sentence; empty if all does."""
    for layer, a, b in zip(encoder.layers, before, after, strict=True):
        finite = np.isfinite(a).all(axis=1)
        if not finite.any():
            return f"layer {layer.name!r} is not finite for any atom; are all weights numbers?"
        if not finite.all():
            continue  # extract names the structure
        for term, columns in layer.irreps.slices():
            x, y = a[:, columns], b[:, columns]
            # Where symmetry or cancellation leaves little, rounding of the whole layer decides.
            within = max(_tolerance(encoder, x), 1e-3 * _tolerance(encoder, a))
            if _apart(_split(x, term), _split(y, term), term.l) > within:
                how = "changes when" if term.l == 0 else "does not turn as its label says when"
                return (
                    f"{term} of layer {layer.name!r} {how} the molecule is turned; "
                    f"{_reason(x, y, term, within)} Compare hooks= with what the module returns."
                )
    return ""


def _split(values: np.ndarray, term: Irrep) -> np.ndarray:
    return values.reshape(len(values), term.mul, 2 * term.l + 1)


def _apart(x: np.ndarray, y: np.ndarray, degree: int) -> float:
    """How far `y` is from `x` turned; both of shape (n_atoms, n_copies, 2 degree + 1)."""
    if degree > 1:
        x, y = (np.linalg.norm(part, axis=2) for part in (x, y))
    elif degree == 1:
        x = x @ _TURN.T
    return float(np.abs(x - y).max())


def _reason(x: np.ndarray, y: np.ndarray, term: Irrep, within: float) -> str:
    """Another reading under which the columns turn, if there is one."""
    size = 2 * term.l + 1
    if term.l == 0:
        if term.mul % 3 == 0:
            for name, shape in (("channels, 3", (-1, 3)), ("3, channels", (3, -1))):
                u, v = (part.reshape(len(part), *shape) for part in (x, y))
                u, v = (u, v) if shape[1] == 3 else (u.swapaxes(1, 2), v.swapaxes(1, 2))
                if _apart(u, v, 1) <= within:
                    return f"these are vectors, (atoms, {name}), and not scalars."
        return (
            "are there vectors or tensors among these scalars, or does the model read positions "
            "or axes of space directly?"
        )
    layouts = {
        "": (_split(x, term), _split(y, term)),
        f"it looks like (atoms, {size}, channels), and each copy's {size} components must stand "
        "together: swap the last two axes before flattening": tuple(
            part.reshape(len(part), size, term.mul).swapaxes(1, 2) for part in (x, y)
        ),
    }
    for advice, (u, v) in layouts.items():
        if term.l > 1:
            if _apart(u, v, term.l) <= within:
                return f"{advice}."
            continue
        for order in permutations(range(3)):
            if _apart(u[..., order], v[..., order], 1) <= within:
                names = ", ".join("xyz"[order.index(k)] for k in range(3))
                reorder = "" if names == "x, y, z" else f"its components stand as {names}"
                return f"{'; '.join(part for part in (advice, reorder) if part)}."
    return "it is of another degree, or its columns are others than the irreps say."


def _remark(encoder: Encoder, rattled: list[np.ndarray], plain: list[np.ndarray]) -> None:
    for layer, values in zip(encoder.layers, rattled, strict=True):
        for term, columns in layer.irreps.slices():
            if not values[:, columns].any():
                warnings.warn(
                    f"encoder {encoder.name!r}: {term} of layer {layer.name!r} is zero for all "
                    "atoms of the first structures; does the model use it?",
                    stacklevel=2,
                )
    layers = zip(rattled, plain, strict=True)
    if all(np.abs(a - b).max() <= 1e-6 * np.abs(a).max() for a, b in layers):
        reach = "no cutoff= was given"
        if encoder.cutoff is not None:
            reach = f"edges reach cutoff={encoder.cutoff:g} Angstrom"
        warnings.warn(
            f"encoder {encoder.name!r}: no feature changes when atoms move, so they hold "
            f"composition and no geometry ({reach}).",
            stacklevel=2,
        )


def _remark_on_parity(
    encoder: Encoder, plain: list[np.ndarray], mirrored: list[np.ndarray]
) -> None:
    """Point out what the other parity would fit; networks without parity fit neither."""
    for layer, values, other in zip(encoder.layers, plain, mirrored, strict=True):
        for term, columns in layer.irreps.slices():
            x, y = values[:, columns], other[:, columns]
            sign, within = (1 if term.p == "e" else -1), _tolerance(encoder, x)
            if np.abs(x).max() > 0 and np.abs(y + sign * x).max() <= within < np.abs(x).max():
                right = replace(term, p="o" if term.p == "e" else "e")
                warnings.warn(
                    f"encoder {encoder.name!r}: {term} of layer {layer.name!r} behaves as {right} "
                    "when the molecule is mirrored at a point; is its parity written wrongly?",
                    stacklevel=2,
                )
