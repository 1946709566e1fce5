"""What a chemist would say for the names that parameters and tables use.

Tables on disk keep the names; figures, shown tables and shown sentences get labels. A name that
is not known here stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

__all__ = ["arms_in_words", "header", "in_words", "label", "labelled"]

_ARCHITECTURES = {
    "mace": "MACE",
    "painn": "PaiNN",
    "schnet": "SchNet",
    "visnet": "ViSNet",
    "dimenet++": "DimeNet++",
}
_ENCODERS = {
    "ani2x": "ANI-2x network",
    "ani2x-aev": "ANI-2x descriptor (AEV)",
    "soap": "SOAP descriptor",
    "chgnet": "CHGNet",
    "sevennet-0": "SevenNet-0",
    "sevennet-l3i5": "SevenNet-l3i5",
    "bond-counts": "near-pair counts",
    "so3lr": "SO3LR",
    "mace-ani-cc": "MACE-ANI-CC",
    "mace-spice": "MACE-SPICE",
    "random": "random features",
    **{
        f"mace-{family}-{size}": f"MACE-{family.upper()} ({size})"
        for family in ("mp-0", "mpa-0", "off23")
        for size in ("small", "medium", "large")
    },
}
_TASKS = {
    "gap": "trained on the gap",
    "energy": "trained on energies",
    "dipole": "trained on dipole moments",
    "forces": "trained on energies and forces",
    "qm9_homo": "trained on HOMO energies of QM9",
    "qm9_energy": "trained on energies of QM9",
    "energy elsewhere": "trained on energies elsewhere",
    "untrained": "untrained",
}
_ARMS = {
    "gap": "gaps",
    "energy": "energies",
    "dipole": "dipoles",
    "forces": "energies and forces",
    "qm9_homo": "HOMO energies of QM9",
    "qm9_energy": "energies of QM9",
}
_TARGETS = {
    "gap": "HOMO-LUMO gap",
    "homo": "HOMO energy",
    "lumo": "LUMO energy",
    "gap_gfn1": "HOMO-LUMO gap, GFN1-xTB",
    "homo_gfn1": "HOMO energy, GFN1-xTB",
    "lumo_gfn1": "LUMO energy, GFN1-xTB",
    "energy": "total energy",
    "atomization_energy": "atomization energy",
    "u0": "internal energy U₀",
    "u298": "internal energy at 298 K",
    "h298": "enthalpy at 298 K",
    "g298": "free energy at 298 K",
    "zpve": "zero-point energy",
    "cv": "heat capacity",
    "mu": "dipole moment",
    "alpha": "polarizability",
    "r2": "electronic extent ⟨r²⟩",
    "A": "rotational constant A",
    "B": "rotational constant B",
    "C": "rotational constant C",
    "dipole": "dipole vector",
    "quadrupole": "quadrupole tensor",
    "heavy_atoms": "heavy atoms",
    "mean_Z": "mean atomic number",
    "x_H": "share of hydrogen",
    "log_N": "log of the number of atoms",
    "ewald_energy": "electrostatic energy",
    "volume_per_atom": "volume per atom",
    "density": "density",
    "nearest_distance": "nearest distance",
    "packing_fraction": "packing fraction",
    "formation_energy_per_atom": "formation energy",
    "band_gap": "band gap",
}
_REMOVED = {
    "counts": "element counts",
    "fractions": "element fractions",
    "bonds": "bond counts",
    "morgan": "Morgan counts",
    "coordination": "coordination numbers",
    "prototype": "structure type",
}
_PROBES = {
    "mlp": "neural network",
    "trees": "boosted trees",
    "strong trees": "boosted trees as by default",
    "knn": "nearest neighbours",
    "kernel": "kernel ridge",
}
_DATASETS = {
    "qm9": "QM9",
    "qm9-trained-on-qm9": "QM9, networks trained on QM9",
    "prototypes": "Ionic crystals of ours",
    "materials-project": "2,000 Materials Project crystals",
    "materials-project-all": "All 19,618 Materials Project crystals of at most 20 atoms",
}
_HEADERS = {
    "r2": "R²",
    "r2_partial": "R²partial",
    "r2_partial_fixed": "R²partial against one yardstick",
    "r2_geom": "R²geom",
    "r2_comp": "R²comp",
    "r2_full": "R²full",
    "r2_leak": "R²leak",
    "r2_composition": "R² of composition",
    "r2_bonds": "R² of bond counts",
    "mae_bonds": "mean absolute error of bond counts",
    "mae": "mean absolute error",
    "mae on the card": "error on the card",
    "validation_mae": "validation error (eV)",
    "level": "level (eV)",
    "std": "standard deviation",
    "rho": "rank correlation",
    "p": "p-value",
    "p_between": "p-value, between",
    "p_within": "p-value, within",
    "n_pairs": "pairs",
    "n_formulas": "formulas",
    "n_effective": "worth so many equal formulas",
    "accuracy": "pairs in order",
    "by_formula": "pairs in order, mean of formulas",
    "low": "from",
    "high": "to",
    "l": "degree",
    "name": "layer",
    "matched": "channels",
    "of": "correlated with the score",
    "excess": "need over noise",
    "subset": "random subset",
    "pca": "principal components",
    "above_ceiling": "above the ceiling",
    "minus control": "minus the control's",
    "a": "one",
    "b": "other",
    "random": "random",  # of folds; the encoder is meant nowhere in a header
}
_UNITS = {
    "Debye": "D", "Angstrom": "Å", "Angstrom^3": "Å³", "Bohr^2": "bohr²", "Bohr^3": "bohr³",
    "g/cm^3": "g/cm³", "cal/mol/K": "cal/(mol K)",
}  # fmt: skip

_NETWORK = (
    r"(?:zoo/)?(?P<architecture>" + "|".join(map(re.escape, _ARCHITECTURES)) + ")"
    rf"-(?P<task>{'|'.join(_TASKS)})(?:-(?P<seed>\d+))?(?:@(?P<epochs>\d+(?:\.\d+)?))?"
)
_LAYER = r"(?P<layer>(?:[a-z]+_\d+|aev|output))"
_WITH_LAYER = re.compile(rf"(?P<name>.+) / {_LAYER}")
_NO_WORDS = ("random",)  # also a word of English
_IN_TEXT = re.compile(
    rf"(?<![\w/+-])(?P<name>{_NETWORK}|"
    + "|".join(re.escape(n) for n in sorted(_ENCODERS, key=len)[::-1] if n not in _NO_WORDS)
    + rf")(?: / {_LAYER})?(?![\w/+-])"
)
_OWN_FILE = re.compile(r"[^\s=]*/([\w-]+)\.py(?=:)")
_FOLDER = re.compile(r"(?<==)[^\[\],=]*/(?=[^\[\],=/]+[\],])")  # of a file in an option
_LAYER_IN_TEXT = re.compile(r"\b(block|conv|hidden|interaction)_(\d+)\b")
_TARGET_IN_TEXT = re.compile(
    r"\b(?:(?P<before>for|of|on) (?P<asked>"
    + "|".join(n for n in _TARGETS if len(n) > 1)
    + r")\b(?! of)|(?P<listed>"
    + "|".join(n for n in _TARGETS if len(n) > 1)
    + r")(?= [+-]\d))",
    re.IGNORECASE,
)


def label(name: str, *, unit: str = "") -> str:
    """What a chemist would say for the name of an encoder, target, rung or probe.

    Examples
    --------
    >>> label("zoo/mace-energy-1@2")
    'MACE, trained on energies, after 2 epochs, seed 1'
    >>> label("zoo/painn-gap-1"), label("visnet-dipole-0")
    ('PaiNN, trained on the gap, seed 1', 'ViSNet, trained on dipole moments')
    >>> label("ani2x / hidden_3"), label("alpha", unit="Bohr^3")
    ('ANI-2x network, hidden 3', 'polarizability (bohr³)')
    >>> label("/home/me/my_module.py:make_encoder[weights=/home/me/w.pt]")
    'my_module:make_encoder[weights=w.pt]'
    """
    if unit:
        return f"{label(name)} ({_UNITS.get(unit, unit)})"
    parts = _WITH_LAYER.fullmatch(name)
    if parts:
        return f"{label(parts['name'])}, {parts['layer'].replace('_', ' ')}"
    network = re.fullmatch(_NETWORK, name)
    if network:
        words = [_ARCHITECTURES[network["architecture"]], _TASKS[network["task"]]]
        return ", ".join([*words, *_training(network)])
    for known in (_ENCODERS, _ARCHITECTURES, _TARGETS, _REMOVED, _PROBES, _DATASETS):
        if name in known:
            return known[name]
    return _without_folders(name)


def arms_in_words(arms: str) -> str:
    """What two kinds of networks were trained on, of their tasks with a comma between.

    Examples
    --------
    >>> arms_in_words("energy, untrained")
    'energies against untrained'
    """
    return " against ".join(_ARMS.get(task, task) for task in arms.split(", "))


def header(name: Any) -> Any:
    """What the header of a shown column, or a cell that holds a name alone, says.

    Examples
    --------
    >>> header("r2_partial"), header("left_out"), header("mlp"), header("for qm9_homo")
    ('R²partial', 'left out', 'neural network', 'trained on HOMO energies of QM9')
    """
    if not isinstance(name, str):
        return name
    if name.startswith("for "):
        return _TASKS.get(name.removeprefix("for "), name)
    known = _HEADERS.get(name) or label(name)
    return known.replace("_", " ") if re.fullmatch(r"\w+", known) else known


def _without_folders(text: str) -> str:
    return _FOLDER.sub("", _OWN_FILE.sub(r"\1", text))


def _training(network: re.Match[str]) -> list[str]:
    epochs, seed = network["epochs"], network["seed"]
    words = [f"after {epochs} epoch" + ("" if epochs == "1" else "s")] if epochs else []
    return [*words, *([f"seed {seed}"] if seed not in (None, "0") else [])]


COLUMNS: Mapping[str, Callable[[str], str]] = {
    **dict.fromkeys(("representation", "encoder", "model", "a", "b", "untrained"), label),
    **dict.fromkeys(("architecture", "target", "removed", "baseline"), label),
    "task": lambda name: _TASKS.get(name, name),
    "name": lambda name: _LAYER_IN_TEXT.sub(r"\1 \2", name),
}
"""How :func:`labelled` names what is in a column."""


def labelled(table: pd.DataFrame, *, units: Mapping[str, str] | None = None) -> pd.DataFrame:
    """A copy of a table with labels in place of names, and units behind those of targets."""
    table = table.copy()
    for column, name in COLUMNS.items():
        if column in table:
            table[column] = [name(v) if isinstance(v, str) else v for v in table[column]]
    if units and "target" in table:
        by_label = {label(target): label(target, unit=unit) for target, unit in units.items()}
        table["target"] = [by_label.get(v, v) for v in table["target"]]
    return table


def in_words(sentence: str) -> str:
    """A sentence of a verdict with labels in place of names.

    Encoders are renamed where they stand alone, targets after *for*, *of* and *on* and before a
    number with a sign.

    Examples
    --------
    >>> in_words("soap scores 0.40 for gap, zoo/painn-gap-0 / block_3 0.51.")
    'The SOAP descriptor scores 0.40 for the gap, PaiNN trained on the gap (block 3) 0.51.'
    """
    text = _TARGET_IN_TEXT.sub(_say_target, sentence)
    text = _IN_TEXT.sub(_say_encoder, _without_folders(text))
    return _LAYER_IN_TEXT.sub(r"\1 \2", text)


def _say_target(match: re.Match[str]) -> str:
    name = match["asked"] or match["listed"]
    word = "gap" if name == "gap" else _TARGETS.get(name, name)
    return f"{match['before']} the {word}" if match["asked"] else word


def _say_encoder(match: re.Match[str]) -> str:
    if match["architecture"]:
        architecture, task = _ARCHITECTURES[match["architecture"]], _TASKS[match["task"]]
        words = [task, architecture] if task == "untrained" else [architecture, task]
        said = " ".join([*words, *(f"({word})" for word in _training(match))])
    else:
        said = _ENCODERS[match["name"]]
        said = f"the {said}" if said.endswith(("descriptor", "network", "(AEV)")) else said
    if match["layer"]:
        said += f" ({match['layer'].replace('_', ' ')})"
    first = match.start() == 0 or match.string[: match.start()].endswith(". ")
    return said[0].upper() + said[1:] if first else said
