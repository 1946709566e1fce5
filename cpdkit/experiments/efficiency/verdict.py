"""Claim 4: do linearly disentangled representations need fewer samples?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from cpdkit.comparisons import LEAST_RANKED, rank_correlation
from cpdkit.experiments.verdict import VERBS, Verdict, decide, lacks, with_interval
from cpdkit.figures import needs

__all__ = ["efficiency_correlations", "fewer_than_unstructured", "in_one_line"]
__all__ += ["sample_efficiency"]

CLAIM = "Linearly disentangled representations need fewer samples."

_MATCHED = {"subset": "channels drawn at random", "pca": "principal components"}


def efficiency_correlations(needed: pd.DataFrame, *, level: float = 0.95) -> pd.DataFrame:
    """Correlate, over representations, structures needed with the final score.

    ``of`` says what is correlated: the ``need``, or its ``excess``, the need divided by that of
    unstructured features with the same score and as many channels (both cut to the sizes tried).
    Where fewer structures suffice than the smallest subset has, a representation ranks first; where
    more are needed than there are, it ranks last; those without a final score above zero are
    ``left_out``. There is no excess without ``unstructured`` needs.
    """
    keys = ["width", "target", "criterion"]
    needs(needed, ["representation", *keys, "final", "needed", "bound"])
    rows = []
    for key, part in needed.groupby(keys, sort=False):
        n = part["needed"].mask(part["bound"] == "below", -np.inf)
        n = n.mask(part["bound"] == "above", np.inf)
        sides = {"need": n}
        if "unstructured" in part and part["unstructured"].notna().any():
            ends = part["smallest"], part["largest"]
            sides["excess"] = n.clip(*ends) / part["unstructured"].clip(*ends)
        for of, values in sides.items():
            x, y = part["final"].to_numpy(), values.to_numpy(dtype=float)
            found = rank_correlation(x, y, level=level)
            about = dict(zip(keys, key, strict=True)) | {"of": of}
            rows.append({**about, **asdict(found), "left_out": len(part) - found.n})
    return pd.DataFrame(rows).rename(columns={"n": "models"})


def sample_efficiency(
    untaught: pd.DataFrame,
    *,
    target: str,
    criterion: str = "50% of final",
    every: pd.DataFrame | None = None,
    other_folds: Mapping[str, pd.DataFrame] | None = None,
) -> Verdict:
    """Judge claim 4 by correlations over representations not trained on the target.

    The claim expects that the higher the final score, the fewer structures are needed, also beside
    what signal to noise alone asks for. It **holds** if the rank correlation of score and need lies
    surely below zero with all channels and with equally many drawn at random, and with these that
    of score and excess lies below too. It **fails** if that of score and need lies surely above
    zero with channels drawn at random and not below with all. Otherwise it is **undecided**.
    Principal components, scaled to equal spread, have no structure left: they are told, and decide
    nothing. `every` holds the correlations over all representations, to be told beside; so is what
    comes of `other_folds`.
    """
    missing = lacks(untaught, ["width", "target", "criterion", "of", "rho", "low", "high"])
    if missing:
        return Verdict(CLAIM, "undecided", f"Claim 4 is not judged here: {missing}.")
    rows = _of(untaught, target, criterion).set_index(["of", "width"])
    needed = [("need", "all"), ("need", "subset"), ("excess", "subset")]
    if not set(needed) <= set(rows.index):
        told = "all channels and with equally many drawn at random"
        why = f"{criterion!r} of {target!r} is not there with {told}"
        return Verdict(CLAIM, "undecided", f"Claim 4 is undecided here: {why}.")
    own, drawn, excess = (rows.loc[key] for key in needed)
    fewest = min(own, drawn, excess, key=lambda row: row["models"])
    if fewest["models"] < LEAST_RANKED:
        why = f"representations with a final score above zero that were not trained on {target}: "
        why += f"{fewest['models']}; a ranking takes at least {LEAST_RANKED}, so add encoders"
        return Verdict(CLAIM, "undecided", f"Claim 4 is undecided here: {why}.")
    outcome, below = _outcome(own, drawn, excess), own["high"] < 0 and drawn["high"] < 0
    if outcome == "holds":
        reason = "the higher the score, the fewer structures were needed, fewer than signal to "
        reason += "noise alone asks for"
    elif outcome == "fails":
        reason = "the higher the score, the more structures were needed"
    elif np.isnan([own["low"], drawn["low"], excess["low"]]).any():
        reason = "needs that are all alike, or all outside the sizes, cannot be ranked"
    elif below:
        reason = "a high score and a small need go together, but signal to noise alone may do it"
    elif own["high"] < 0:
        reason = "a high score and a small need go together, but not at equal width"
    elif drawn["high"] < 0:
        reason = "a high score and a small need go together only at equal width"
    else:
        reason = "not every interval excludes zero"
    sentence = (
        f"Claim 4 {VERBS[outcome]} here: {reason}. Over {own['models']} representations that were "
        f"not trained on {target} the rank correlation between their final score for {target} and "
        f"the structures needed for {criterion.replace('of final', 'of it')} is {_rho(own)}; "
        f"{_rho(drawn)} with {_MATCHED['subset']}, where that of the score and the need divided by "
        f"what unstructured features need is {_rho(excess)}."
    )
    if ("need", "pca") in rows.index:
        told = _rho(rows.loc[("need", "pca")])
        sentence += f" With {_MATCHED['pca']}, where signal to noise alone decides: {told}."
    if every is not None:
        told = _told(_of(every, target, criterion))
        sentence += f" With the networks trained on {target}: {told}."
    for kind, table in (other_folds or {}).items():
        here = _of(table, target, criterion).set_index(["of", "width"])
        if set(needed) <= set(here.index):
            judged = [here.loc[key] for key in needed]
            told = f"{VERBS[_outcome(*judged)]}: {_rho(judged[0])}, at equal width "
            sentence += f" With {kind} folds it {told}{_rho(judged[1])}."
    return Verdict(CLAIM, outcome, sentence)


def _outcome(own: pd.Series, drawn: pd.Series, excess: pd.Series) -> str:
    below = own["high"] < 0 and drawn["high"] < 0
    return decide(
        holds=bool(below and excess["high"] < 0),
        fails=bool(drawn["low"] > 0 and not own["high"] < 0),
    )


def fewer_than_unstructured(table: pd.DataFrame) -> str:
    """How many representations need fewer structures than features without structure would."""
    fewer = table["needed"].fillna(table["smallest"]) < table["unstructured"]
    count = int(fewer[table["bound"] != "above"].sum())
    return f"Fewer structures than unstructured features need: {count} of {len(table)}."


def in_one_line(
    verdict: Verdict, correlations: pd.DataFrame, *, target: str, criterion: str
) -> str:
    """The outcome with the correlations it rests on."""
    told = _told(_of(correlations, target, criterion))
    return f"Claim 4: {verdict.outcome}; rank correlation of score and need for {target}: {told}."


def _of(correlations: pd.DataFrame, target: str, criterion: str) -> pd.DataFrame:
    asked = (correlations["target"] == target) & (correlations["criterion"] == criterion)
    return correlations[asked]


def _told(rows: pd.DataFrame) -> str:
    if "of" in rows:
        rows = rows[rows["of"] == "need"]
    return ", ".join(f"{row['width']} {_rho(row)}" for _, row in rows.iterrows())


def _rho(row: pd.Series) -> str:
    return with_interval(row, "rho", style="signed")
