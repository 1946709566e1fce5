"""Which molecular graphs are chemistry: a penalty of named SMARTS and ring rules.

The rules follow the spirit of the GDB enumerations (Ruddigkeit et al., J. Chem. Inf. Model. 52,
2864, 2012, doi:10.1021/ci300415d): they remove what is too strained or too reactive to be met in
a bottle, and leave the rest alone. Each rule carries one molecule it rejects and one it accepts;
the tests run every pair.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

from rdkit import Chem

__all__ = ["LIKINGS", "RULES", "Rule", "liking", "penalty", "violations"]


@dataclass(frozen=True)
class Rule:
    """One reason to reject a molecule.

    Parameters
    ----------
    name : str
        What is rejected.
    weight : float
        Penalty per match (at most three matches count), in units of the chain's temperature.
    rejects, accepts : str
        SMILES of a molecule that breaks this rule, and of a close relative that does not.
    smarts : str or None
        The pattern, matched on the molecule with RDKit's aromaticity; or
    count : callable or None
        a function from the molecule to the number of violations, where no pattern will do.
    """

    name: str
    weight: float
    rejects: str
    accepts: str
    smarts: str | None = None
    count: Callable[[Chem.Mol], int] | None = field(default=None, compare=False)

    def matches(self, mol: Chem.Mol) -> int:
        """Number of violations in `mol`, at most three."""
        if self.count is not None:
            return min(self.count(mol), 3)
        return len(mol.GetSubstructMatches(_pattern(self.smarts), maxMatches=3))


@cache
def _pattern(smarts: str) -> Chem.Mol:
    return Chem.MolFromSmarts(smarts)


def _anti_bredt(mol: Chem.Mol) -> int:
    """Bridgehead atoms of small bridged rings that carry a double bond (Bredt's rule)."""
    rings = [set(r) for r in mol.GetRingInfo().AtomRings()]
    heads: set[int] = set()
    for i, first in enumerate(rings):
        for second in rings[:i]:
            shared = first & second
            if len(shared) < 3:
                continue
            for a in shared:
                atom = mol.GetAtomWithIdx(a)
                inside = sum(n.GetIdx() in shared for n in atom.GetNeighbors())
                around = sum(n.GetIdx() in first | second for n in atom.GetNeighbors())
                if inside == 1 and around >= 3 and _has_double(atom):
                    heads.add(a)
    return len(heads)


def _strained_fusion(mol: Chem.Mol) -> int:
    """Unsaturated atoms in two rings of which one has three members."""
    rings = mol.GetRingInfo()
    return sum(
        rings.NumAtomRings(a.GetIdx()) > 1
        and 3 in rings.AtomRingSizes(a.GetIdx())
        and _has_double(a)
        for a in mol.GetAtoms()
    )


def _crowded_atom(mol: Chem.Mol) -> int:
    """Atoms in three or more three-membered rings (tetrahedranes, [1.1.1]propellane)."""
    rings = mol.GetRingInfo()
    return sum(
        sum(size == 3 for size in rings.AtomRingSizes(a)) > 2 for a in range(mol.GetNumAtoms())
    )


def _odd_aromatic_ring(mol: Chem.Mol) -> int:
    """Rings of three or four members that RDKit takes for aromatic."""
    rings = mol.GetRingInfo()
    return sum(
        len(bonds) < 5 and all(mol.GetBondWithIdx(b).GetIsAromatic() for b in bonds)
        for bonds in rings.BondRings()
    )


def _many_rings(mol: Chem.Mol) -> int:
    return max(0, mol.GetNumBonds() - mol.GetNumAtoms() + 1 - 4)


def _has_double(atom: Chem.Atom) -> bool:
    return any(b.GetBondType() != Chem.BondType.SINGLE and b.IsInRing() for b in atom.GetBonds())


# Roughly by how often a random graph breaks them, so that the early exit comes early.
RULES: tuple[Rule, ...] = (
    Rule("triple bond in a ring", 4, "C1CCC#CCC1", "C1CCC(C#C)CC1", "*#@*"),
    Rule("allenes, ketenes, cumulenes", 3, "C=C=CC", "C=CC=C", "*=*=*"),
    Rule("oxygen-oxygen bond", 3, "COOC", "COCOC", "[#8]~[#8]"),
    Rule("fluorine on nitrogen or oxygen", 3, "CNF", "CCF", "[#7,#8]F"),
    Rule("nitroso", 3, "CN=O", "CC=O", "[#7]=[OX1]"),
    Rule("N-N-N chain", 3, "CN=NN", "Cn1ccnn1", "[#7;!a]~[#7]~[#7]"),
    Rule("nitrogen-nitrogen single bond", 2, "CNNC", "CC=NNC", "[NX3;!a]-[NX3;!a]"),
    Rule("azo compound", 2, "CN=NC", "CN=CC", "[NX2]=[NX2]"),
    Rule("azine", 2, "CC=NN=CC", "CC=NNC", "[NX2;!a](=C)-[NX2;!a]=C"),
    Rule("hydroxylamine", 2, "CNOC", "CC=NO", "[NX3;!a]-[OX2]"),
    Rule("N-O-N or O-N-O chain", 3, "C=NON=C", "c1nonc1", "[#7,#8;!a]~[#7,#8]~[#7,#8]"),
    Rule(
        "hydroxyl beside oxygen or nitrogen on one carbon",
        2,
        "CC(O)OC",
        "CC(OC)OC",
        "[OX2H][CX4][OX2,NX3]",
    ),
    Rule(
        "amino group beside oxygen or nitrogen on one carbon",
        2,
        "CC(N)OC",
        "CC(N)COC",
        "[NX3;H1,H2;!$(NC=O);!$(NC=N);!$(NC#N);!a][CX4][OX2,NX3;!$(NC=O)]",
    ),
    Rule(
        "fluorine beside oxygen or nitrogen on one carbon",
        2,
        "CC(F)O",
        "FC(F)(F)OC",
        "F[CX4;!$(C(F)(F)F)][#7,#8]",
    ),
    Rule(
        "three heteroatoms on one saturated carbon",
        2,
        "COC(OC)OC",
        "COC(C)OC",
        "[CX4]([#7,#8])([#7,#8])[#7,#8]",
    ),
    Rule("enol", 2, "CC(O)=C", "CC(OC)=C", "[OX2H][CX3;!a]=[CX3]"),
    Rule(
        "primary or secondary enamine",
        2,
        "CC(N)=C",
        "CC(N(C)C)=C",
        "[NX3;H1,H2;!a;!$(NC=[O,N])][CX3]=[CX3;!$(CC=[O,N]);!$(CC#N)]",
    ),
    Rule("imidic acid", 2, "CC(O)=NC", "CC(OC)=NC", "[OX2H][CX3]=[NX2]"),
    Rule("free imine", 1, "CC(C)=N", "CC(N)=N", "[NX2H]=[CX3;!$(C[#7,#8])]"),
    Rule("ynol, ynamine or fluoroalkyne", 3, "CC#CO", "CC#CCO", "[CX2]#[CX2][#7,#8,F]"),
    Rule("cyanate or cyanogen fluoride", 3, "COC#N", "CNC#N", "N#C[#8,F]"),
    Rule("hydrazonitrile", 2, "C=NN(C)C#N", "CN(C)C#N", "N#C[#7;!a]-[#7;!a]"),
    Rule("acid or imidoyl fluoride", 3, "CC(F)=O", "CC(F)=C", "F[CX3]=[#7,#8]"),
    Rule("carbamic or carbonic acid", 2, "CNC(O)=O", "CNC(=O)OC", "[OX2H]C(=O)[OX2,NX3]"),
    Rule(
        "three carbonyl groups in a row",
        2,
        "CC(=O)C(=O)C(C)=O",
        "CC(=O)C(=O)C",
        "[CX3](=O)[CX3](=O)[CX3]=O",
    ),
    Rule("vinylogous polyyne", 2, "C#CC#CC#C", "CC#CC#CC", "*#*-*#*-*#*"),
    Rule("three-membered ring with two heteroatoms", 3, "C1ON1C", "C1CN1C", "[#7,#8]1~[#7,#8]~*1"),
    Rule("double bond in a three-membered ring", 3, "C1=NC1", "C1NC1", "*1=**1"),
    Rule("cyclopropanone and relatives", 2, "O=C1CC1", "O=C1CCC1", "*=C1**1"),
    Rule("cyclobutadiene and relatives", 3, "C1=CC=C1", "C1=CCC1", "*1=**=*1"),
    Rule("heterocyclobutene", 2, "C1=NCC1", "C1=CCC1", "[$([#7,#8]1~*=*~*1),$([#7]1=**~*1)]"),
    Rule("1,2-dicarbonyl in a four-membered ring", 2, "O=C1CCC1=O", "O=C1CCC1", "O=C1**C1=O"),
    Rule("double bond at a bridgehead", 4, "C1CC2=CCC1C2", "C1CCC2=CCCC2C1", count=_anti_bredt),
    Rule(
        "unsaturated atom at the fusion of a three-membered ring",
        3,
        "C1CCC2=C1C2",
        "C1CCC2C1C2",
        count=_strained_fusion,
    ),
    Rule("atom in three three-membered rings", 3, "C12C3C1C23", "C1CC12CC2", count=_crowded_atom),
    Rule(
        "aromatic ring of three or four members",
        3,
        "CC1=NON1",
        "Cc1cc[nH]c1",
        count=_odd_aromatic_ring,
    ),
    Rule("more than four rings", 3, "C12C3C4C1C5C2C3C45", "C12C3C4C1C2C34", count=_many_rings),
)


# What random graphs have too much (positive) or too little of (negative) beside QM9, as log-odds.
# No molecule is rejected for these; they only make the chain visit it less or more often.
LIKINGS: tuple[tuple[str, str, float], ...] = (
    ("atom of a three-membered ring", "[r3]", 0.1),
    ("atom of a four-membered ring", "[r4]", 0.1),
    ("ring fusion or bridgehead", "[x3]", 0.3),
    ("spiro atom", "[x4]", 0.8),
    ("aromatic atom", "a", -0.35),
    ("non-aromatic N-O bond", "[#7;!a]-[#8]", 1.0),
    ("non-aromatic N-N bond", "[#7;!a]-[#7]", 1.0),
    ("non-aromatic C=N bond", "[#6;!a]=[#7]", 0.5),
    ("two heteroatoms on one saturated carbon", "[CX4]([#7,#8])[#7,#8]", 2.0),
    ("heteroatom on C=C", "[CX3;!a](=[CX3])[#7,#8]", 1.0),
    ("hydroxyl or amino group", "[OX2H,NX3H2]", 0.4),
    ("C=C", "[CX3;!a]=[CX3;!a]", 0.6),
    ("triple bond", "C#*", -2.2),
    ("carbonyl", "[CX3]=O", -0.8),
    ("methyl", "[CX4H3]", -0.4),
)


def liking(mol: Chem.Mol) -> float:
    """Sum of the `LIKINGS` of `mol`: an energy, low for graphs to visit often."""
    return sum(
        weight * len(mol.GetSubstructMatches(_pattern(smarts))) for _, smarts, weight in LIKINGS
    )


def penalty(mol: Chem.Mol, *, limit: float = float("inf")) -> float:
    """Sum of the weights of the rules that `mol` breaks; 0 means accepted.

    Stops early, with a value above `limit`, as soon as the sum exceeds it.
    """
    total = 0.0
    for rule in RULES:
        count = rule.matches(mol)
        if count:
            total += rule.weight * count
            if total > limit:
                break
    return total


def violations(mol: Chem.Mol) -> list[str]:
    """Names of the rules that `mol` breaks, in the order of `RULES`."""
    return [rule.name for rule in RULES if rule.matches(mol)]
