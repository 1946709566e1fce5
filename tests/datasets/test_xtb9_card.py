"""The table of the data card is what the data say."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from paths import ROOT

pytest.importorskip("rdkit", reason="the statistics need rdkit")

from cpdkit.datasets import load_dataset
from tools.xtb9.describe import describe, markdown_table

CARD = ROOT / "book" / "data_card.md"


def column(title):
    """Cells of one column of the card's table, by row name."""
    lines = [line for line in CARD.read_text("utf-8").splitlines() if line.startswith("|")]
    head = next(i for i, line in enumerate(lines) if title in line)
    place = [cell.strip() for cell in lines[head].split("|")].index(title)
    cells = {}
    for line in lines[head + 2 :]:
        parts = [cell.strip() for cell in line.split("|")]
        if len(parts) != len(lines[head].split("|")):
            break
        if parts[place]:
            cells[parts[1]] = parts[place]
    return cells


@pytest.mark.parametrize("split", ["probe", "train"])
def test_card_shows_the_statistics_of_the_shipped_data(split):
    assert column(f"xtb9 {split}") == describe(load_dataset("xtb9", split=split))


def test_card_shows_the_statistics_of_qm9():
    try:
        qm9 = load_dataset("qm9", split="probe")
    except (FileNotFoundError, OSError) as error:
        pytest.skip(f"needs CPDKIT_DATA with QM9: {error}")
    assert column("QM9 probe") == describe(qm9)


def test_what_qm9_and_the_training_set_share():
    """180 of 2,938 by the first block of the InChIKey: the card and chapters 4 and 7 say 6 %."""
    from rdkit import Chem
    from rdkit.Chem.inchi import MolToInchiKey

    try:
        qm9 = load_dataset("qm9", split="probe")
    except (FileNotFoundError, OSError) as error:
        pytest.skip(f"needs CPDKIT_DATA with QM9: {error}")
    seen = {key[:14] for key in load_dataset("xtb9", split="train").info["inchikey"]}
    keys = [MolToInchiKey(Chem.MolFromSmiles(smiles))[:14] for smiles in qm9.smiles]
    shared = sum(key in seen for key in keys)
    said = f"Of these {len(qm9):,} molecules {shared} ({shared / len(qm9):.0%}) are also in"
    assert said.replace("%", " %") in CARD.read_text("utf-8")


def test_statistics_of_known_molecules():
    ds = load_dataset("xtb9", split="probe")
    wanted = np.flatnonzero(ds.formulas == "C8H10")[:12]
    out = describe(ds.select(wanted))
    assert out["heavy atoms: mean"] == "8.00"
    assert out["with N / O / F"] == "0 / 0 / 0 %"
    assert out["formulas"] == "1"
    assert out["molecules with nine or more isomers"] == "100 %"
    # Four degrees of unsaturation: rings and double bonds together, so at most four rings.
    assert sum(float(x) for x in out["rings: 0 / 1 / 2 / 3 / 4 or more"][:-2].split(" / ")) > 98


def test_table_leaves_missing_labels_blank():
    probe = load_dataset("xtb9", split="probe", n=20)
    rows = markdown_table({"a": probe, "b": probe}).splitlines()
    assert rows[0] == "| | a | b |"
    assert all(row.count("|") == 4 for row in rows)


def test_data_without_smiles_are_refused():
    from dataclasses import replace

    probe = load_dataset("xtb9", split="probe", n=5)
    with pytest.raises(ValueError, match="no SMILES"):
        describe(replace(probe, smiles=None))


def test_what_leaving_them_out_changes():
    """The card quotes what ``benchmarks/qm9_overlap.py`` measured."""
    results = CARD.parents[1] / "benchmarks" / "results" / "qm9_overlap.json"
    scores = pd.DataFrame(json.loads(results.read_text("utf-8"))["rows"])
    gap = scores.pivot(index="encoder", columns="molecules", values="gap")
    change = gap.drop(columns="all").sub(gap["all"], axis=0).abs().max()
    text = " ".join(CARD.read_text("utf-8").split())
    assert f"by at most {change.pop('without shared'):.2f} for SOAP" in text
    assert f"at random by up to {change.max():.2f}" in text
