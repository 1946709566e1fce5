"""From held-out predictions to scores (`sums`), and from scores to tidy rows (`rows`)."""

from cpdkit.scores.rows import Rows, summarise
from cpdkit.scores.sums import NOTHING_LEFT, SCORES, HeldOut, Sums, weighted_total

__all__ = ["NOTHING_LEFT", "SCORES", "HeldOut", "Rows", "Sums", "summarise", "weighted_total"]
