"""Labels: what is known has a word of its own, what is not known stays."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cpdkit.datasets import load_dataset
from cpdkit.encoders import encoder_names
from cpdkit.experiments.labels import in_words, label, labelled
from cpdkit.zoo import model_names


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("zoo/painn-gap-0", "PaiNN, trained on the gap"),
        ("zoo/painn-untrained-0", "PaiNN, untrained"),
        ("painn-untrained", "PaiNN, untrained"),
        ("dimenet++-energy-0@0.25", "DimeNet++, trained on energies, after 0.25 epochs"),
        ("zoo/mace-energy-0@2", "MACE, trained on energies, after 2 epochs"),
        ("zoo/painn-gap-1", "PaiNN, trained on the gap, seed 1"),
        ("zoo/painn-gap-0 / block_3", "PaiNN, trained on the gap, block 3"),
        ("ani2x-aev", "ANI-2x descriptor (AEV)"),
        ("bond-counts", "near-pair counts"),
        ("mace-off23-small", "MACE-OFF23 (small)"),
        ("painn", "PaiNN"),
        ("r2", "electronic extent ⟨r²⟩"),
        ("bandgap", "bandgap"),
    ],
)
def test_labels(name: str, expected: str) -> None:
    assert label(name) == expected


def test_units_follow_targets() -> None:
    assert label("gap", unit="eV") == "HOMO-LUMO gap (eV)"
    assert label("bandgap", unit="Ha") == "bandgap (Ha)"


def test_no_two_names_share_a_label() -> None:
    """Else a table or a figure would put two things into one row."""
    encoders = [name for name in encoder_names() if not name.endswith(("-untrained", ":", "/"))]
    names = [*encoders, *(f"zoo/{name}" for name in model_names())]
    names += [*load_dataset("xtb9", n=1).targets.columns, "u0", "zpve"]
    known = [label(name) for name in names]
    assert len(set(known)) == len(names)
    assert [n for n, said in zip(names, known, strict=True) if n == said] == []


def test_a_labelled_table_keeps_all_but_its_names() -> None:
    table = pd.DataFrame(
        {
            "representation": ["soap", "mine"],
            "name": ["block_1", ""],
            "target": "mu",
            "task": "gap",
            "mean": [0.1, 0.2],
        },
        index=[3, 5],
    )
    table.attrs = {"n": 7}
    shown = labelled(table, units={"mu": "D"})
    assert shown["representation"].tolist() == ["SOAP descriptor", "mine"]
    assert shown["name"].tolist() == ["block 1", ""]
    assert set(shown["target"]) == {"dipole moment (D)"}
    assert set(shown["task"]) == {"trained on the gap"}
    assert shown.attrs == table.attrs
    assert shown.index.equals(table.index)
    assert shown["mean"].equals(table["mean"])
    assert table["target"].tolist() == ["mu", "mu"]


def test_a_sentence_names_what_a_chemist_would() -> None:
    said = in_words(
        "For gap, 3 of 9: soap, zoo/mace-energy-0@2 and zoo/painn-untrained-0 / block_3 +0.1 "
        "(interaction_2). zoo/painn-gap-1 is trained on gap; mu +3%, alpha -1%."
    )
    assert said == (
        "For the gap, 3 of 9: the SOAP descriptor, MACE trained on energies (after 2 epochs) and "
        "untrained PaiNN (block 3) +0.1 (interaction 2). PaiNN trained on the gap (seed 1) is "
        "trained on the gap; dipole moment +3%, polarizability -1%."
    )


@given(st.text("abcdefghijklmnop .,;()0123456789", max_size=60))
def test_other_text_stays(text: str) -> None:
    assert in_words(f"x {text}") == f"x {text}" or any(
        word in text for word in ("gap", "homo", "soap", "alpha")
    )


def test_words_are_said_once() -> None:
    sentence = "soap scores 0.40 for gap, zoo/painn-gap-0 0.51; drawn at random."
    assert in_words(in_words(sentence)) == in_words(sentence)
