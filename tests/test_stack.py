"""One table of several."""

from __future__ import annotations

import pandas as pd
import pytest

from cpdkit.comparisons import stack


def test_stacked_tables_come_back_by_their_key() -> None:
    tables = {("a", 1): pd.DataFrame({"x": [1, 2]}), ("b", 1): pd.DataFrame({"x": [3]})}
    tables["a", 1].attrs = {"n": 5}
    by_pair = stack(tables, ["name", "seed"])
    assert by_pair.attrs == {"n": 5}
    assert list(by_pair.index) == [0, 1, 2]
    assert list(by_pair.columns) == ["x", "name", "seed"]
    for (name, _), table in tables.items():
        assert by_pair[by_pair["name"] == name]["x"].tolist() == table["x"].tolist()
    alone = stack({"b": pd.DataFrame({"x": [3]})})
    assert alone.to_dict("list") == {"x": [3], "representation": ["b"]}


def test_nothing_cannot_be_stacked() -> None:
    with pytest.raises(ValueError, match="no table to stack"):
        stack({})
