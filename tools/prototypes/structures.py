"""Structure types: how a crystal is built from ions and from the distances between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import ase
import numpy as np
from ase.spacegroup import crystal

from cpdkit.datasets.prototypes.ions import IONS

__all__ = ["PROTOTYPES", "Prototype", "distance"]

Random = np.random.Generator


@dataclass(frozen=True)
class Prototype:
    """A structure type.

    Attributes
    ----------
    family : str
        Kind of formula: letters with the charge of each ion follow in `decorations`.
    space_group : int
        Number.
    build : callable
        ``build(symbols, rng)`` gives the primitive cell, ions in the order of the formula.
    """

    family: str
    space_group: int
    build: Callable[[tuple[str, ...], Random], ase.Atoms]


def distance(cation: str, anion: str, neighbours: int) -> float:
    """Distance by Pauling's rule: radii for six neighbours, times a factor for another number."""
    return (IONS[cation].radius + IONS[anion].radius) * (neighbours / 6) ** (1 / 8)


def _near(rng: Random, value: float, spread: float) -> float:
    """A free parameter of a structure type, near its usual value."""
    return float(value * (1 + spread * rng.uniform(-1, 1)))


def _made(
    symbols: tuple[str, ...], basis: list[tuple[float, ...]], group: int, setting: int = 1,
    *, a: float, b: float | None = None, c: float | None = None, gamma: float = 90.0,
) -> ase.Atoms:  # fmt: skip
    cellpar = [a, b or a, c or a, 90, 90, gamma]
    return crystal(
        symbols, basis, spacegroup=group, setting=setting, cellpar=cellpar, primitive_cell=True
    )


def _rocksalt(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    return _made(ions, [(0, 0, 0), (0.5, 0.5, 0.5)], 225, a=2 * distance(*ions, 6))


def _caesium_chloride(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    return _made(ions, [(0, 0, 0), (0.5, 0.5, 0.5)], 221, a=2 / 3**0.5 * distance(*ions, 8))


def _zincblende(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    return _made(ions, [(0, 0, 0), (0.25, 0.25, 0.25)], 216, a=4 / 3**0.5 * distance(*ions, 4))


def _wurtzite(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    a, ratio, u = (
        (8 / 3) ** 0.5 * distance(*ions, 4),
        _near(rng, 1.633, 0.02),
        _near(rng, 0.375, 0.02),
    )
    basis = [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, u)]
    return _made(ions, basis, 186, a=a, c=ratio * a, gamma=120)


def _nickel_arsenide(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    ratio = _near(rng, 1.5, 0.08)
    a = distance(*ions, 6) / (1 / 3 + ratio**2 / 16) ** 0.5
    return _made(ions, [(0, 0, 0), (1 / 3, 2 / 3, 0.25)], 194, a=a, c=ratio * a, gamma=120)


def _litharge(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    ratio, z = _near(rng, 1.26, 0.05), _near(rng, 0.237, 0.04)
    a = distance(*ions, 4) / (0.25 + (z * ratio) ** 2) ** 0.5
    return _made(ions, [(0, 0.5, z), (0, 0, 0)], 129, a=a, c=ratio * a)


def _fluorite(ions: tuple[str, ...], rng: Random, neighbours: int = 8) -> ase.Atoms:
    """Of ``A X2``; antifluorite with anion and cation in each other's place."""
    cation, anion = ions if neighbours == 8 else ions[::-1]
    a = 4 / 3**0.5 * distance(cation, anion, neighbours)
    return _made(ions, [(0, 0, 0), (0.25, 0.25, 0.25)], 225, a=a)


def _rutile(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    ratio, u = _near(rng, 0.65, 0.05), _near(rng, 0.305, 0.01)
    a = distance(*ions, 6) / (2**0.5 * u)
    return _made(ions, [(0, 0, 0), (u, u, 0)], 136, a=a, c=ratio * a)


def _anatase(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    ratio, z = _near(rng, 2.51, 0.04), _near(rng, 0.208, 0.02)
    return _made(
        ions,
        [(0, 0, 0), (0, 0, z)],
        141,
        a=2 * distance(*ions, 6) / 1.02,
        c=ratio * 2 * distance(*ions, 6) / 1.02,
    )


def _cadmium_iodide(ions: tuple[str, ...], rng: Random, inverse: bool = False) -> ase.Atoms:
    ratio, z = _near(rng, 1.6, 0.06), _near(rng, 0.25, 0.08)
    cation, anion = ions[::-1] if inverse else ions
    a = distance(cation, anion, 3 if inverse else 6) / (1 / 3 + (z * ratio) ** 2) ** 0.5
    return _made(ions, [(0, 0, 0), (1 / 3, 2 / 3, z)], 164, a=a, c=ratio * a, gamma=120)


def _molybdenite(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    ratio, z = _near(rng, 3.9, 0.05), _near(rng, 0.621, 0.01)
    a = distance(*ions, 6) / (1 / 3 + ((0.75 - z) * ratio) ** 2) ** 0.5
    return _made(ions, [(1 / 3, 2 / 3, 0.25), (1 / 3, 2 / 3, z)], 194, a=a, c=ratio * a, gamma=120)


def _cuprite(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    a = 4 / 3**0.5 * distance(ions[1], ions[0], 2)
    return _made(ions, [(0, 0, 0), (0.25, 0.25, 0.25)], 224, a=a)


def _edge(big: str, small: str, anion: str) -> float:
    """Edge of a cubic perovskite: the larger of what its two cations ask for."""
    return max(2 * distance(small, anion, 6), 2**0.5 * distance(big, anion, 12))


def _cubic_perovskite(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    return _made(ions, [(0.5, 0.5, 0.5), (0, 0, 0), (0.5, 0, 0)], 221, a=_edge(*ions))


def _tilted_perovskite(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    big, small, anion = ions
    tilt, edge = rng.uniform(0.5, 1.2), 2 * distance(small, anion, 6) * 0.97
    basis = np.array([(0, 0.25, 0), (0, 0, 0.5), (0.5, 0.25, 0), (0.25, 0, 0.75)])
    basis += tilt * np.array(
        [(0.03, 0, -0.007), (0, 0, 0), (-0.015, 0, 0.075), (0.038, 0.04, -0.04)]
    )
    a, c = (_near(rng, 2**0.5 * edge, 0.02) for _ in range(2))
    symbols = (big, small, anion, anion)
    return _made(symbols, [tuple(x) for x in basis], 62, a=a, b=2 * edge, c=c)


def _lithium_niobate(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    big, small, anion = ions
    a = (distance(big, anion, 6) + distance(small, anion, 6)) / 2 / 0.405
    basis = [(0, 0, _near(rng, 0.28, 0.01)), (0, 0, 0), (0.05, 0.343, 0.064)]
    return _made(ions, basis, 161, a=a, c=_near(rng, 2.69, 0.03) * a, gamma=120)


def _spinel(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    tetrahedral, octahedral = distance(ions[0], ions[2], 4), distance(ions[1], ions[2], 6)
    a = 8 / (3 * 3**0.5) * tetrahedral + 8 / 3 * octahedral
    u = 1 / 8 + tetrahedral / (3**0.5 * a)
    return _made(ions, [(1 / 8,) * 3, (0.5,) * 3, (u,) * 3], 227, 2, a=a)


def _ruddlesden_popper(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    big, small, anion = ions
    basis = [
        (0, 0, _near(rng, 0.355, 0.01)),
        (0, 0, 0),
        (0, 0.5, 0),
        (0, 0, _near(rng, 0.157, 0.03)),
    ]
    a = _edge(big, small, anion)
    return _made((big, small, anion, anion), basis, 139, a=a, c=_near(rng, 3.3, 0.03) * a)


def _half_heusler(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    a = 4 / 3**0.5 * (distance(ions[0], ions[2], 4) + distance(ions[1], ions[2], 4)) / 2
    return _made(ions, [(0, 0, 0), (0.5,) * 3, (0.25,) * 3], 216, a=a)


def _matlockite(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    ratio, z = _near(rng, 1.76, 0.05), _near(rng, 0.2, 0.05)
    a = distance(ions[0], ions[1], 4) / (0.25 + (z * ratio) ** 2) ** 0.5
    basis = [(0, 0.5, z), (0, 0, 0), (0, 0.5, _near(rng, 0.65, 0.02))]
    return _made(ions, basis, 129, a=a, c=ratio * a)


def _elpasolite(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    _, first, second, anion = ions
    a = 2 * (distance(first, anion, 6) + distance(second, anion, 6))
    x = distance(first, anion, 6) / a
    return _made(ions, [(0.25,) * 3, (0, 0, 0), (0.5,) * 3, (x, 0, 0)], 225, a=a)


def _corundum(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    a = distance(*ions, 6) / 0.4015
    basis = [(0, 0, _near(rng, 0.352, 0.01)), (_near(rng, 0.306, 0.02), 0, 0.25)]
    return _made(ions, basis, 167, a=a, c=_near(rng, 2.73, 0.03) * a, gamma=120)


def _lanthanum_oxide(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    a = distance(*ions, 7) / 0.635
    basis = [(1 / 3, 2 / 3, _near(rng, 0.245, 0.02)), (0, 0, 0), (1 / 3, 2 / 3, 0.645)]
    return _made(
        (ions[0], ions[1], ions[1]), basis, 164, a=a, c=_near(rng, 1.557, 0.03) * a, gamma=120
    )


def _rhenium_oxide(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    return _made(ions, [(0, 0, 0), (0.5, 0, 0)], 221, a=2 * distance(*ions, 6))


def _bismuth_fluoride(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    a = 4 / 3**0.5 * distance(*ions, 8)
    return _made((ions[0], ions[1], ions[1]), [(0, 0, 0), (0.5,) * 3, (0.25,) * 3], 225, a=a)


def _bismuth_iodide(ions: tuple[str, ...], rng: Random) -> ase.Atoms:
    a = distance(*ions, 6) / 0.408
    basis = [(0, 0, 0.1667), (0.3415, 0.3395, _near(rng, 0.0805, 0.02))]
    return _made(ions, basis, 148, a=a, c=_near(rng, 2.757, 0.03) * a, gamma=120)


PROTOTYPES: Mapping[str, Prototype] = {
    "rocksalt": Prototype("AX", 225, _rocksalt),
    "caesium chloride": Prototype("AX", 221, _caesium_chloride),
    "zincblende": Prototype("AX", 216, _zincblende),
    "wurtzite": Prototype("AX", 186, _wurtzite),
    "nickel arsenide": Prototype("AX", 194, _nickel_arsenide),
    "litharge": Prototype("AX", 129, _litharge),
    "fluorite": Prototype("AX2", 225, _fluorite),
    "rutile": Prototype("AX2", 136, _rutile),
    "anatase": Prototype("AX2", 141, _anatase),
    "cadmium iodide": Prototype("AX2", 164, _cadmium_iodide),
    "molybdenite": Prototype("AX2", 194, _molybdenite),
    "antifluorite": Prototype("XA2", 225, partial(_fluorite, neighbours=4)),
    "cuprite": Prototype("XA2", 224, _cuprite),
    "inverse cadmium iodide": Prototype("XA2", 164, partial(_cadmium_iodide, inverse=True)),
    "cubic perovskite": Prototype("ABX3", 221, _cubic_perovskite),
    "tilted perovskite": Prototype("ABX3", 62, _tilted_perovskite),
    "lithium niobate": Prototype("ABX3", 161, _lithium_niobate),
    "spinel": Prototype("AB2X4", 227, _spinel),
    "Ruddlesden-Popper": Prototype("A2BX4", 139, _ruddlesden_popper),
    "half-Heusler": Prototype("ABX", 216, _half_heusler),
    "matlockite": Prototype("AXY", 129, _matlockite),
    "elpasolite": Prototype("A2BCX6", 225, _elpasolite),
    "corundum": Prototype("A2X3", 167, _corundum),
    "lanthanum oxide": Prototype("A2X3", 164, _lanthanum_oxide),
    "rhenium oxide": Prototype("AX3", 221, _rhenium_oxide),
    "bismuth fluoride": Prototype("AX3", 225, _bismuth_fluoride),
    "bismuth iodide": Prototype("AX3", 148, _bismuth_iodide),
}
"""Structure types by name."""
