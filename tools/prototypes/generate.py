"""Which crystals there are, and how each is made from its own seed."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from zlib import crc32

import ase
import numpy as np
from ase.neighborlist import neighbor_list

from cpdkit.datasets.prototypes.ions import IONS, charges_of
from cpdkit.datasets.prototypes.read import STEP
from tools.prototypes.ewald import ewald_energy
from tools.prototypes.structures import PROTOTYPES

__all__ = [
    "Crystal",
    "arrays",
    "conformers",
    "decorations",
    "make",
    "manifest",
    "parents",
    "plan",
    "probe_rows",
    "conformer_rows",
]

_FAMILIES = {
    "AX": ("+1 -1", "+2 -2", "+3 -3"),
    "AX2": ("+2 -1", "+4 -2"),
    "XA2": ("-2 +1",),
    "ABX3": ("+1 +2 -1", "+2 +4 -2", "+3 +3 -2", "+1 +5 -2"),
    "AB2X4": ("+2 +3 -2",),
    "A2BX4": ("+1 +2 -1", "+2 +4 -2"),
    "ABX": ("+1 +2 -3",),
    "AXY": ("+2 -1 -1",),
    "A2BCX6": ("+1 +1 +3 -1", "+2 +3 +5 -2"),
    "A2X3": ("+3 -2",),
    "AX3": ("+3 -1",),
}
"""Charges of the ions of each kind of formula, in the order in which a structure takes them."""

_FORMULAS = {
    "AX": 82, "AX2": 60, "XA2": 24, "ABX3": 60, "AB2X4": 36, "A2BX4": 36, "ABX": 36, "AXY": 27,
    "A2BCX6": 36, "A2X3": 28, "AX3": 28,
}  # fmt: skip
_POLYMORPHS = 3  # structure types a formula has at most
_PEROVSKITES = ("ABX3", "A2BX4", "A2BCX6")
_PARENTS, _GEOMETRIES = 80, 9


@dataclass(frozen=True)
class Crystal:
    """One row: structure type and ions, and what is done to the cell."""

    prototype: str
    ions: tuple[str, ...]

    @property
    def name(self) -> str:
        """Such as ``"rocksalt/NaCl"``."""
        return f"{self.prototype}/{''.join(self.ions)}"

    def random(self, seed: int, *more: int) -> np.random.Generator:
        """Numbers of this row alone, so that it does not matter which others are made."""
        return np.random.default_rng([seed, crc32(self.name.encode()), *more])


def decorations(family: str) -> Iterator[tuple[str, ...]]:
    """All neutral choices of ions that a kind of formula allows."""
    for charges in _FAMILIES[family]:
        kinds = [[s for s, ion in IONS.items() if ion.charge == int(c)] for c in charges.split()]
        for ions in product(*kinds):
            if len(set(ions)) == len(ions) and _fits(family, ions):
                yield ions


def _fits(family: str, ions: tuple[str, ...]) -> bool:
    radius = [IONS[ion].radius for ion in ions]
    if family == "XA2":
        return True
    if family == "AXY":  # the smaller anion lies in the layer of squares
        return radius[1] < radius[2]
    if family == "AB2X4":
        return max(radius[:2]) <= 1.0
    if family in _PEROVSKITES:
        middle, anion = float(np.mean(radius[1:-1])), radius[-1]
        return 0.78 <= (radius[0] + anion) / (2**0.5 * (middle + anion)) <= 1.12
    return 0.2 <= radius[0] / radius[-1] <= 1.3


def _order(seed: int, text: str) -> int:
    return crc32(f"{seed}|{text}".encode())


def plan(seed: int = 0) -> list[Crystal]:
    """The crystals of ``probe``: formulas drawn for each kind, each in up to three types."""
    found = []
    for family, n in _FORMULAS.items():
        types = [name for name, p in PROTOTYPES.items() if p.family == family]
        for ions in sorted(decorations(family), key=lambda i: _order(seed, "".join(i)))[:n]:
            formula = "".join(ions)
            allowed = [t for t in types if t != "litharge" or IONS[ions[0]].charge == 2]
            drawn = sorted(allowed, key=lambda t: _order(seed, f"{t}|{formula}"))
            found += [Crystal(name, ions) for name in drawn[:_POLYMORPHS]]
    return sorted(found, key=lambda c: (list(PROTOTYPES).index(c.prototype), c.name))


def make(crystal: Crystal, seed: int = 0) -> tuple[ase.Atoms, bool]:
    """A crystal of ``probe``, and whether its cell is strained against its symmetry."""
    rng = crystal.random(seed)
    atoms = PROTOTYPES[crystal.prototype].build(crystal.ions, rng)
    scale, strained = float(np.exp(0.02 * rng.standard_normal())), bool(rng.random() < 0.5)
    deformation = scale * np.eye(3) + strained * _strain(rng, 0.012)
    return _deformed(atoms, deformation), strained


def _strain(rng: np.random.Generator, size: float) -> np.ndarray:
    noise = size * rng.standard_normal((3, 3))
    return (noise + noise.T) / 2


def _deformed(atoms: ase.Atoms, deformation: np.ndarray) -> ase.Atoms:
    return ase.Atoms(
        numbers=atoms.numbers, scaled_positions=atoms.get_scaled_positions(),
        cell=atoms.cell.array @ deformation, pbc=True,
    )  # fmt: skip


def conformers(crystal: Crystal, seed: int = 0) -> list[tuple[ase.Atoms, str]]:
    """Nine geometries of a crystal: as in ``probe``, strained, displaced, and in larger cells."""
    start, _ = make(crystal, seed)
    found = [(start, "start")]
    rng = crystal.random(seed, 1)
    for _ in range(3):
        found.append((_deformed(start, np.eye(3) + _strain(rng, 0.02)), "strained"))
    double = start.repeat((2, 1, 1))
    for kind, of, times in (("displaced", start, 3), ("displaced supercell", double, 1)):
        for _ in range(times):
            moved = of.copy()
            moved.positions += 0.06 * rng.standard_normal((len(of), 3))
            found.append((moved, kind))
    return [*found, (double, "supercell")]


def parents(crystals: list[Crystal], seed: int = 0) -> list[Crystal]:
    """Crystals that get geometries: small cells that are not strained against their symmetry."""
    known = [
        c for c in crystals if len(PROTOTYPES[c.prototype].build(c.ions, c.random(seed))) <= 10
    ]
    plain = [c for c in known if not make(c, seed)[1]]
    chosen = sorted(plain, key=lambda c: _order(seed, f"parent|{c.name}"))[:_PARENTS]
    return sorted(chosen, key=plain.index)


def arrays(rows: list[tuple[str, ase.Atoms, dict[str, object]]]) -> dict[str, np.ndarray]:
    """What is stored of structures: whole steps of length, and labels of the rounded geometry."""
    frames = [_rounded(atoms) for _, atoms, _ in rows]
    labels = [(_energy(a), _nearest(a)) for a in frames]
    return {
        "ids": np.array([name for name, _, _ in rows]),
        "n_atoms": np.array([len(a) for a in frames], dtype=np.int16),
        "numbers": np.concatenate([a.numbers for a in frames]).astype(np.uint8),
        "positions": np.concatenate([_steps(a.positions) for a in frames]),
        "cells": np.array([_steps(a.cell.array) for a in frames]),
        "ewald_energy": np.array([energy for energy, _ in labels]),
        "nearest_distance": np.array([nearest for _, nearest in labels]),
        **{key: np.array([about[key] for _, _, about in rows]) for key in rows[0][2]},
    }


def _steps(values: np.ndarray) -> np.ndarray:
    return np.rint(values / STEP).astype(np.int32)


def _rounded(atoms: ase.Atoms) -> ase.Atoms:
    return ase.Atoms(
        numbers=atoms.numbers, positions=_steps(atoms.positions) * STEP,
        cell=_steps(atoms.cell.array) * STEP, pbc=True,
    )  # fmt: skip


def _energy(atoms: ase.Atoms) -> float:
    return ewald_energy(atoms, charges_of(atoms.numbers)) / len(atoms)


def _nearest(atoms: ase.Atoms) -> float:
    return float(neighbor_list("d", atoms, 6.0).min())


def probe_rows(crystals: list[Crystal], seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of ``probe``."""
    rows = []
    for crystal in crystals:
        atoms, strained = make(crystal, seed)
        about = {"prototype": crystal.prototype, "strained": strained}
        rows.append((crystal.name, atoms, about))
    return arrays(rows)


def conformer_rows(crystals: list[Crystal], seed: int = 0) -> dict[str, np.ndarray]:
    """Arrays of ``conformers``."""
    rows = []
    for crystal in crystals:
        for i, (atoms, kind) in enumerate(conformers(crystal, seed)):
            about = {"prototype": crystal.prototype, "parent": crystal.name, "geometry": kind}
            rows.append((f"{crystal.name}/{i}", atoms, about))
    return arrays(rows)


def manifest(files: dict[str, bytes], seed: int) -> dict[str, object]:
    """Seed, versions and checksums."""
    return {
        "seed": seed,
        "versions": {
            "python": platform.python_version(),
            "ase": ase.__version__,
            "numpy": np.__version__,
        },
        "sha256": {name: sha256(data).hexdigest() for name, data in files.items()},
    }
