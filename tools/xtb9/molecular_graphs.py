"""Random molecular graphs of a given formula, by a Metropolis chain of edge swaps.

A state is a connected multigraph in which every atom has its valence (C 4, N 3, O 2, F 1, H 1) and
hydrogens are explicit. A move takes two bonds a-b and c-d and makes a-c and b-d of them, which
keeps all valences and so the formula. The chain walks on the penalty of
:mod:`~tools.xtb9.filters` and hands out the states of zero penalty.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator

from rdkit import Chem

from tools.xtb9.filters import liking, penalty

__all__ = ["VALENCE", "iter_graphs", "parse_formula"]

VALENCE = {"C": 4, "N": 3, "O": 2, "F": 1}
_BOND = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}


def parse_formula(formula: str) -> dict[str, int]:
    """Element counts of a formula such as ``"C6H9NO2"``.

    Raises
    ------
    ValueError
        For text that is not a formula of H, C, N, O and F, or one whose valences cannot close.
    """
    if not re.fullmatch(r"(?:(?:[HCNOF])\d*)+", formula):
        raise ValueError(f"expected a formula of H, C, N, O, F such as 'C6H9NO2', got {formula!r}")
    counts: dict[str, int] = {}
    for element, number in re.findall(r"([HCNOF])(\d*)", formula):
        counts[element] = counts.get(element, 0) + int(number or 1)
    heavy = sum(n for e, n in counts.items() if e != "H")
    stubs = sum(VALENCE[e] * n for e, n in counts.items() if e != "H") - counts.get("H", 0)
    if heavy < 1 or stubs % 2 or stubs < 2 * (heavy - 1):
        raise ValueError(f"no closed-shell connected molecule has the formula {formula!r}")
    return counts


def iter_graphs(
    formula: str,
    *,
    seed: int,
    patience: int = 30_000,
    thin: int = 15,
    restart: int = 10,
    temperature: float = 1.0,
) -> Iterator[tuple[str, str]]:
    """Constitutional isomers of `formula`, each once, until no new one turns up.

    Standard InChI merges tautomers, so of each family of tautomers only the first is given.

    Parameters
    ----------
    formula : str
        Such as ``"C6H9NO2"``.
    seed : int
        With `formula`, decides the whole sequence.
    patience : int
        Moves without a new isomer after which the formula counts as exhausted.
    thin : int
        Moves tried between two isomers taken.
    restart : int
        Isomers taken from one chain before a fresh one starts.
    temperature : float
        Of the Metropolis chain, in units of the rule weights.

    Yields
    ------
    smiles : str
        Canonical SMILES without stereochemistry.
    key : str
        Connectivity block (first 14 characters) of the InChIKey.
    """
    counts = parse_formula(formula)
    rng = random.Random(f"xtb9 graphs {seed} {formula}")
    seen: set[str] = set()
    chain = _Chain(counts, rng, temperature)
    idle = wait = taken = 0
    while idle < patience:
        if taken == restart or idle % 2_000 == 1_999:
            chain = _Chain(counts, rng, temperature)
            taken = wait = 0
        chain.step()
        idle += 1
        wait += 1
        if chain.penalty > 0 or wait < thin or not chain.fresh:
            continue
        chain.fresh = False
        smiles = Chem.MolToSmiles(chain.molecule())
        if smiles in seen:
            continue
        # Read back: the key must be that of the text, not of the chain's own atom order.
        key = Chem.MolToInchiKey(Chem.MolFromSmiles(smiles))[:14]
        if key and key not in seen:
            taken += 1
            idle = wait = 0
            yield smiles, key
        seen |= {smiles, key}


class _Chain:
    """One walk over the multigraphs of a formula; hydrogens share the node number `n`."""

    def __init__(self, counts: dict[str, int], rng: random.Random, temperature: float) -> None:
        self.rng = rng
        self.temperature = temperature
        self.elements = [e for e in "CNOF" for _ in range(counts.get(e, 0))]
        self.n = len(self.elements)
        self.atoms = Chem.RWMol()
        for element in self.elements:
            self.atoms.AddAtom(Chem.Atom(element))
        self.edges = self._random_graph(counts.get("H", 0))
        self.bonds = [[0] * self.n for _ in range(self.n)]
        for u, v in self.edges:
            if v < self.n:
                self.bonds[u][v] += 1
                self.bonds[v][u] += 1
        mol = self.molecule()
        self.penalty = penalty(mol)
        self.energy = self.penalty + liking(mol)
        self.fresh = True

    def _random_graph(self, hydrogens: int) -> list[tuple[int, int]]:
        """A random tree of heavy atoms, extra bonds at random, hydrogens on what is free."""
        rng, n = self.rng, self.n
        valence = [VALENCE[e] for e in self.elements]
        extra = (sum(valence) - hydrogens) // 2 - (n - 1)
        while True:
            free = list(valence)
            edges: list[tuple[int, int]] = []
            order = rng.sample(range(n), n)
            order.sort(key=lambda a: valence[a] == 1)  # a leaf can only come last
            for place, a in enumerate(order[1:], 1):
                hosts = [b for b in order[:place] if free[b]]
                if not hosts:
                    break
                b = rng.choice(hosts)
                edges.append((a, b))
                free[a] -= 1
                free[b] -= 1
            for _ in range(extra):
                pairs = [
                    (a, b)
                    for a in range(n)
                    for b in range(a)
                    if free[a] and free[b] and edges.count((a, b)) + edges.count((b, a)) < 3
                ]
                if not pairs:
                    break
                a, b = rng.choice(pairs)
                edges.append((a, b))
                free[a] -= 1
                free[b] -= 1
            if len(edges) == n - 1 + extra:
                return edges + [(a, n) for a in range(n) for _ in range(free[a])]

    def molecule(self) -> Chem.Mol:
        """The present graph as a sanitised RDKit molecule (hydrogens implicit)."""
        mol = Chem.RWMol(self.atoms)
        for a in range(self.n):
            row = self.bonds[a]
            for b in range(a):
                if row[b]:
                    mol.AddBond(a, b, _BOND[row[b]])
        Chem.SanitizeMol(mol)
        return mol

    def step(self) -> None:
        """Try one swap."""
        rng, n = self.rng, self.n
        i, j = rng.randrange(len(self.edges)), rng.randrange(len(self.edges))
        (a, b), (c, d) = self.edges[i], self.edges[j]
        if b == d == n:
            return  # two X-H bonds: nothing new comes of it
        if d != n and (b == n or rng.random() < 0.5):
            c, d = d, c
            if b == n and rng.random() < 0.5:
                c, d = d, c
        # a-b, c-d become a-d, c-b; only b or d can be hydrogen.
        if len({a, b, c, d}) < 4:
            return
        self._add(a, b, -1)
        self._add(c, d, -1)
        self._add(a, d, 1)
        self._add(c, b, 1)
        bound = self.energy - self.temperature * math.log(1.0 - rng.random())
        if self._possible(((a, d), (c, b))):
            mol = self.molecule()
            preference = liking(mol)
            broken = penalty(mol, limit=bound - preference)
            if broken + preference <= bound:
                self.edges[i] = (a, d)
                self.edges[j] = (c, b)
                self.penalty = broken
                self.energy = broken + preference
                self.fresh = True
                return
        self._add(a, b, 1)
        self._add(c, d, 1)
        self._add(a, d, -1)
        self._add(c, b, -1)

    def _add(self, u: int, v: int, count: int) -> None:
        if u < self.n and v < self.n:
            self.bonds[u][v] += count
            self.bonds[v][u] += count

    def _possible(self, changed: tuple[tuple[int, int], ...]) -> bool:
        """No bond beyond triple and one connected piece."""
        n, bonds = self.n, self.bonds
        if any(u < n and v < n and bonds[u][v] > 3 for u, v in changed):
            return False
        reached, stack = {0}, [0]
        while stack:
            row = bonds[stack.pop()]
            for v in range(n):
                if row[v] and v not in reached:
                    reached.add(v)
                    stack.append(v)
        return len(reached) == n
