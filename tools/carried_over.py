"""Make again what the records of chapter 8 say of molecules, from what is recorded of these today.

    python tools/carried_over.py

Needed after chapter 1, 2, 3, 4 or 7 is recorded: whether a claim carries over to crystals depends
on its outcome on molecules. Nothing else of the records changes.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cpdkit.experiments.crystals.verdict import CLAIMS, RECORDED, carried_over, carries_over
from cpdkit.experiments.verdict import Verdict
from cpdkit.runs.record import recorded_outcomes

HOME = Path(__file__).parents[1] / "cpdkit/recorded_data/08_crystals"


def again(judged: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Tables of a record by file name, from its judged claims."""
    verdicts = {
        row["claim"]: Verdict(row["claim"], row["outcome"], row["sentence"])
        for _, row in judged.iterrows()
    }
    here = {name: verdicts[claim] for name, claim in CLAIMS.items() if claim in verdicts}
    carried = carried_over(here, {name: recorded_outcomes(name) for name in CLAIMS})
    found = carries_over(carried)
    verdict = {"claim": found.claim, "outcome": found.outcome, "sentence": found.sentence}
    return {"08_carried.csv": carried, "08_verdict.csv": pd.DataFrame([verdict])}


if __name__ == "__main__":
    for dataset in RECORDED:
        for name, table in again(pd.read_csv(HOME / dataset / "08_judged.csv")).items():
            table.to_csv(HOME / dataset / name, index=False)
