"""Labels of irreps agree with e3nn's own."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpdkit.encoders.irreps import Irreps

terms = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 4), st.sampled_from("eo")), min_size=1, max_size=6
)


@given(terms)
def test_text_round_trip_and_slices_tile_the_columns(parts):
    text = "+".join(f"{mul}x{degree}{p}" for mul, degree, p in parts)
    irreps = Irreps.parse(text)
    assert str(irreps) == text
    assert [(t.mul, t.l, t.p) for t in irreps.terms] == parts
    stop = 0
    for term, part in irreps.slices():
        assert part.start == stop
        assert part.stop - part.start == term.mul * (2 * term.l + 1)
        stop = part.stop
    assert stop == irreps.dim


@settings(deadline=None)  # e3nn is imported in the first example
@given(terms)
def test_slices_equal_those_of_e3nn(parts):
    torch = pytest.importorskip("torch")
    with torch.serialization.safe_globals([slice]):
        o3 = pytest.importorskip("e3nn.o3")
    theirs = o3.Irreps("+".join(f"{mul}x{degree}{p}" for mul, degree, p in parts))
    ours = Irreps.parse(theirs)
    assert [part for _, part in ours.slices()] == theirs.slices()
    assert ours.dim == theirs.dim


@pytest.mark.parametrize("text", ["", "3x", "x1o", "2x1", "2x1o-1x0e", "two x 1o"])
def test_anything_else_is_refused_and_named(text):
    with pytest.raises(ValueError, match="64x1o"):
        Irreps.parse(text)
