"""A reported number is compatible with a definition whose interval holds it, and only then."""

from __future__ import annotations

import pandas as pd
import pytest

from cpdkit.experiments.gradient.paper_numbers import (
    REPORTED,
    Reported,
    definitions_of,
    settled_sentences,
)


def grid(*rows):
    columns = ["composition", "protocol", "score", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns).assign(encoder="soap", probe="ridge")


NUMBER = Reported(0.5, "some model", "soap", "ridge")


def test_compatible_nearest_and_above_the_ceiling():
    found = definitions_of(
        grid(
            ("counts", "sound", "r2_geom", 0.3, 0.2, 0.4),
            ("counts", "sound", "ceiling", 0.41, 0.37, 0.45),
            ("counts", "sound", "r2_partial", 0.52, 0.48, 0.56),
            ("fractions", "naive", "r2_geom", -4.0, -12.0, 4.0),
            ("fractions", "naive", "ceiling", 0.6, 0.55, 0.65),
        ),
        NUMBER,
    )
    assert found["score"].tolist() == ["r2_partial", "r2_geom", "r2_geom"]
    assert found["compatible"].tolist() == [True, False, True]
    assert found["above_ceiling"].tolist() == [False, True, False]
    assert found["distance"].tolist() == pytest.approx([0.02, 0.2, 4.5])


def test_other_encoders_and_probes_do_not_count():
    table = grid(("counts", "sound", "r2_geom", 0.5, 0.4, 0.6))
    other = table.assign(encoder="chgnet", mean=0.1)
    assert len(definitions_of(pd.concat([table, other]), NUMBER)) == 1
    with pytest.raises(ValueError, match=r"no scores of 'soap' under 'ridge'.*'chgnet'"):
        definitions_of(other, NUMBER)
    with pytest.raises(ValueError, match=r"lacks the columns \['low'\]"):
        definitions_of(table.drop(columns="low"), NUMBER)


def test_the_papers_numbers():
    assert [r.value for r in REPORTED] == [0.782, -0.792, 0.784]


def test_sentences_follow_the_table():
    rows = grid(
        ("counts", "sound", "r2_geom", 0.3, 0.2, 0.4),
        ("counts", "sound", "ceiling", 0.41, 0.37, 0.45),
        ("counts", "sound", "r2_partial", 0.52, 0.48, 0.56),
        ("fractions", "naive", "r2_geom", -4.0, -12.0, 4.0),
    )
    (found,) = settled_sentences(definitions_of(rows, NUMBER))
    assert found.startswith("**0.5** (soap, ridge): compatible with r2_partial of 0.52")
    assert "(counts, sound); 1 wider interval(s)" in found
    assert "above the ceiling" in found

    (other,) = settled_sentences(definitions_of(rows, Reported(0.35, "m", "soap", "ridge")))
    assert "compatible with r2_geom of 0.3 (counts, sound)" in other
    assert "ceiling" not in other
    (none,) = settled_sentences(definitions_of(rows, Reported(9.0, "m", "soap", "ridge")))
    assert "compatible with no definition" in none
    assert "wider" not in none
