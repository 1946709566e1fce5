"""One pass answers every question as predicting the rows does, in a pass for each."""

from __future__ import annotations

import numpy as np
import pytest
from toy import planted

import cpdkit
from cpdkit import decomposition
from cpdkit.held_out.one_pass import one_pass


def odd(case):
    """Features, composition, formulas and options of a case that is easily got wrong."""
    data = planted(n=300, seed=4)
    X, C, formulas, options = data.X, data.C, np.array(data.formulas), {}
    if case == "rare element":
        C = np.column_stack([C, np.arange(300) % 100 == 7])
        formulas = np.where(C[:, -1] == 1, np.char.add(formulas, "S"), formulas)
    if case == "rare formulas":  # too few of each to have a mean, so that their rows are left out
        for row in range(40):
            formulas[row] = f"C{50 + row}H"
    if case == "constant columns":
        X, C = np.column_stack([X, np.full(300, 2.5)]), np.column_stack([C, np.full(300, 0.1)])
    if case == "many columns of composition":
        C = np.column_stack([C, np.random.default_rng(0).normal(size=(300, 150))])
    if case == "far from zero":
        X = X + 1e6
    if case == "fractions and repeats":
        C, options = C / C.sum(axis=1, keepdims=True), {"repeats": 2}
    if case == "formula folds":
        options = {"folds": "formula"}
    if case == "no composition":
        C = None
    return X, C, np.column_stack([data.y, data.y**2]), {"groups": formulas, **options}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "case",
    [
        "rare element", "rare formulas", "constant columns", "many columns of composition",
        "far from zero", "fractions and repeats", "formula folds", "no composition",
    ],
)  # fmt: skip
def test_one_pass_gives_the_scores_of_a_pass_for_each_question(monkeypatch, case):
    X, C, Y, options = odd(case)
    answered = []

    def watched(*arguments, **named):
        answered.extend(one_pass(*arguments, **named))
        return answered

    monkeypatch.setattr(decomposition, "one_pass", watched)
    fast = cpdkit.cpd(X, C, Y, **options)
    assert len(answered) == 2
    assert answered[1] is not None  # the formula means
    monkeypatch.setattr(
        decomposition, "one_pass", lambda X, C, asked, *_, **__: [None] * len(asked)
    )
    slow = cpdkit.cpd(X, C, Y, **options)
    for column in ("target", "score", "alphas", "note"):
        assert fast[column].tolist() == slow[column].tolist()
    assert "r2_leak" in set(fast.dropna().score)

    for column in ("mean", "low", "high", "fold_values"):
        np.testing.assert_allclose(
            np.stack(fast[column]), np.stack(slow[column]), rtol=0, atol=1e-10, err_msg=column
        )


def test_what_moments_cannot_resolve_is_predicted_row_by_row(monkeypatch):
    """A target of which composition leaves a billionth, which is rounding in moments."""
    data = planted(n=300)
    y = data.C @ [1.0, 2.0, -1.0] + 1e-4 * data.X[:, 0]
    seen = []
    monkeypatch.setattr(
        decomposition, "one_pass", lambda *a, **k: seen.extend(one_pass(*a, **k)) or seen
    )
    table = cpdkit.cpd(data.X, data.C, y, leak=False).set_index("score")
    assert seen == [None]
    assert table.loc["r2_partial", "mean"] > 0.9
