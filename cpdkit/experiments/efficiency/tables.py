"""What chapter 4 tabulates of its learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from cpdkit.comparisons import stack
from cpdkit.experiments.efficiency.measure import (
    CURVE_SCORES,
    LearningCurve,
    learning_curves,
    unstructured_curves,
)
from cpdkit.experiments.efficiency.needed import (
    curve_table,
    power_law_table,
    structures_needed,
)
from cpdkit.experiments.efficiency.subsets import Subsets
from cpdkit.experiments.efficiency.verdict import efficiency_correlations
from cpdkit.experiments.verdict import saw_target, with_interval

__all__ = ["CurveTables", "correlations_by_score", "correlations_in_words", "laws_in_words"]
__all__ += ["laws_left_out", "needed_by_criterion", "needed_in_words", "score_curves"]
__all__ += ["unstructured_needs"]
__all__ += ["reference_needs", "untaught", "untaught_on", "with_unstructured"]

_ABOUT = ("representation", "width", "channels")
_LAW_SCORE = "r2_partial_fixed"  # one yardstick for all sizes


class CurveTables(NamedTuple):
    """What learning curves say."""

    curves: pd.DataFrame  # of `needed.curve_table`
    needs: pd.DataFrame  # of `needed.structures_needed`
    laws: pd.DataFrame  # of `needed.power_law_table`, with all channels


def score_curves(
    curves: Mapping[tuple[str, str], LearningCurve],
    *,
    groups: Sequence[str],
    fractions: Sequence[float],
    levels: Sequence[float],
    n_draws: int,
    seed: int,
) -> CurveTables:
    """Tables of all curves and scores, each with ``representation``, ``width`` and ``channels``."""
    tables, needs, laws = {}, {}, {}
    for (name, how), curve in curves.items():
        about = (name, how, curve.width)
        for score in CURVE_SCORES:
            draws = curve.draws(score, groups=groups, n_draws=n_draws, seed=seed)
            tables[*about, score] = curve_table(curve, draws, score=score)
            need = structures_needed(curve, draws, score=score, fractions=fractions, levels=levels)
            needs[score, *about, curve.sizes[0], curve.sizes[-1]] = need
            if how == "all" and score == _LAW_SCORE:
                laws[about] = power_law_table(curve, draws, score=score)
    return CurveTables(
        stack(tables, [*_ABOUT, "score"]),
        stack(needs, ["score", *_ABOUT, "smallest", "largest"]),
        stack(laws, _ABOUT),
    )


def needed_in_words(needed: pd.DataFrame) -> pd.DataFrame:
    """The table with a column ``structures``: how many, with their interval, or a bound."""
    return needed.assign(structures=[_structures(row) for _, row in needed.iterrows()])


def _structures(row: pd.Series) -> str:
    below, above = f"< {row['smallest']}", f"> {row['largest']}"
    if row["bound"] != "exact":
        return {"undefined": "no score", "below": below, "above": above}[row["bound"]]
    low = below if np.isnan(row["low"]) else f"{row['low']:.0f}"
    high = above if np.isnan(row["high"]) else f"{row['high']:.0f}"
    return f"{row['needed']:.0f} ({low} to {high})"


def needed_by_criterion(needed: pd.DataFrame) -> pd.DataFrame:
    """Structures needed in words, a row for each target and representation."""
    keys = ["target", "representation", "criterion"]
    cells = needed_in_words(needed).set_index(keys)["structures"]
    rows, across = (cells.index.droplevel(2).unique(), cells.index.get_level_values(2).unique())
    wide = cells.unstack().reindex(index=rows, columns=across)  # unstack sorts
    return _together(wide.rename_axis(columns=None).reset_index(), "target")


def correlations_by_score(needs: pd.DataFrame) -> pd.DataFrame:
    """Correlations of `verdict.efficiency_correlations` for every score of the curves."""
    groups = needs.groupby("score", sort=False)
    return stack({score: efficiency_correlations(part) for score, part in groups}, "score")


def untaught(needs: pd.DataFrame, target: str) -> pd.DataFrame:
    """Correlations for a target without the networks that were trained on it."""
    part = needs[(needs["score"] == "r2_partial") & (needs["target"] == target)]
    seen = [saw_target(name, target) for name in part["representation"]]
    return efficiency_correlations(part[~np.array(seen, dtype=bool)])


def untaught_on(
    subsets: Subsets,
    features: Mapping[str, Any],
    composition: Any,
    target: pd.DataFrame,
    *,
    width: int,
    shares: Sequence[float],
    fractions: Sequence[float],
    groups: Sequence[str],
    n_draws: int,
    seed: int,
) -> pd.DataFrame:
    """`untaught` on other subsets: all channels, and as many drawn at random as `width`."""
    about: dict[str, Any] = {"width": width, "seed": seed}
    draws: dict[str, Any] = {"groups": groups, "n_draws": n_draws, "seed": seed}
    curves = learning_curves(features, composition, target, subsets, matched=["subset"], **about)
    needs = score_curves(curves, fractions=fractions, levels=[], **draws).needs
    plain = unstructured_curves(composition, target, subsets, shares=shares, draws=1, **about)
    reference = reference_needs(plain, fractions=fractions, **draws)
    return untaught(with_unstructured(needs, reference), str(target.columns[0]))


def correlations_in_words(correlations: pd.DataFrame) -> pd.DataFrame:
    """Correlations with their intervals, those of a criterion and a target together."""
    told = [with_interval(row, "rho", style="signed") for _, row in correlations.iterrows()]
    columns = ["criterion", "target", "of", "width", "rho", "p", "models", "left_out"]
    columns = [column for column in columns if column in correlations]
    return _together(correlations.assign(rho=told)[columns], "criterion", "target")


def reference_needs(
    curves: Mapping[tuple[float, int], LearningCurve],
    *,
    groups: Sequence[str],
    fractions: Sequence[float],
    n_draws: int,
    seed: int,
) -> pd.DataFrame:
    """Structures that features of `measure.unstructured_curves` need, by ``share`` and ``draw``."""
    found = {}
    for (share, draw), curve in curves.items():
        draws = curve.draws(groups=groups, n_draws=n_draws, seed=seed)
        about = (share, draw, curve.width, curve.sizes[0], curve.sizes[-1])
        found[about] = structures_needed(curve, draws, fractions=fractions)
    return stack(found, ["share", "draw", "channels", "smallest", "largest"])


def with_unstructured(needs: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Needs beside ``unstructured``: what features of the same final score need by noise alone.

    Of `reference_needs` with as many channels: the need as a function of the final score that never
    rises (isotonic regression of its logarithm). NaN at own widths and without such a reference.
    """
    unstructured = pd.Series(np.nan, index=needs.index)
    keys = ["target", "criterion", "channels"]
    for key, known in reference[reference["bound"] != "undefined"].groupby(keys):
        need = known["needed"].fillna(known["smallest"].where(known["bound"] == "below"))
        need = need.fillna(known["largest"])
        fit = IsotonicRegression(increasing=False, out_of_bounds="clip")
        fit.fit(known["final"], np.log(need))
        here = (needs[keys] == list(key)).all(axis=1) & needs["final"].notna()
        here &= (needs["score"] == "r2_partial") & (needs["width"] != "all")
        if here.any():
            unstructured[here] = np.exp(fit.predict(needs.loc[here, "final"]))
    return needs.assign(unstructured=unstructured)


def unstructured_needs(needed: pd.DataFrame) -> pd.DataFrame:
    """Needs in words beside what isotropic features would need, rows of one target together."""
    known = needed_in_words(needed[needed["bound"] != "undefined"])
    known = known[known["unstructured"].notna()]
    rounded = known["unstructured"].round()
    return _together(known.assign(unstructured=rounded), "target")


def laws_in_words(laws: pd.DataFrame) -> pd.DataFrame:
    """Limit and exponent of each power law with their intervals."""
    limits = laws.assign(mean=laws["limit"], low=1 - laws["a_high"], high=1 - laws["a_low"])
    exponents = laws.assign(mean=laws["c"], low=laws["c_low"], high=laws["c_high"])
    table = laws.assign(
        limit=[with_interval(row) for _, row in limits.iterrows()],
        exponent=[with_interval(row) for _, row in exponents.iterrows()],
    )
    shown = ["target", "representation", "limit", "exponent", "misfit", "note"]
    return _together(table[shown], "target")


def laws_left_out(laws: pd.DataFrame) -> str:
    """Which curves have no power law and why, in a sentence; empty where all have one."""
    out = laws[laws["limit"].isna()]
    named = [f"{r.representation} for {r.target} ({r.note})" for r in out.itertuples()]
    return f"Without a power law: {'; '.join(named)}." if named else ""


def _together(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Rows of one value together, values in the order in which they first appear."""
    ranks = {c: {v: i for i, v in enumerate(dict.fromkeys(table[c]))} for c in columns}
    return table.sort_values(
        list(columns), key=lambda values: values.map(ranks[str(values.name)]), kind="stable"
    )
