"""What chapter 7 says around its accuracies."""

from __future__ import annotations

import pandas as pd

from cpdkit.experiments.isomers.tables import by_formula, worth


def accuracies(n_pairs: dict[str, int]) -> pd.DataFrame:
    rows = [
        {
            "representation": name, "target": target, "pairs": kind, "from_quantile": quantile,
            "accuracy": 0.8, "low": 0.7, "high": 0.9, "n_pairs": int(n * (1 - quantile)),
            "n_formulas": 133, "n_effective": 34.04,
            "by_formula": 0.6, "by_formula_low": 0.5, "by_formula_high": 0.65,
        }
        for name in ("a", "b") for target, n in n_pairs.items()
        for kind in ("above", "bin") for quantile in (0.0, 0.5)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_what_all_rows_share_is_said_once() -> None:
    said = worth(accuracies({"gap": 3059, "mu": 3059}))
    assert said.startswith("3,059 pairs of 133 formulas. A few")
    assert said.endswith("worth 34 formulas of equal size.")
    differ = worth(accuracies({"gap": 3059, "mu": 3001}))
    assert differ.startswith("3,001 to 3,059 pairs of 133 formulas.")


def test_each_formula_counts_once_over_all_pairs() -> None:
    table = by_formula(accuracies({"gap": 3059, "mu": 3001}))
    assert len(table) == 4
    assert (table[["accuracy", "low", "high"]] == [0.6, 0.5, 0.65]).all(axis=None)
