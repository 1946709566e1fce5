"""From held-out predictions to scores (`sums`), and from scores to tidy rows (`rows`)."""

from cpdkit.scores.rows import Rows as Rows
from cpdkit.scores.rows import summarise as summarise
from cpdkit.scores.sums import NOTHING_LEFT as NOTHING_LEFT
from cpdkit.scores.sums import SCORES
from cpdkit.scores.sums import HeldOut as HeldOut
from cpdkit.scores.sums import Sums as Sums
from cpdkit.scores.sums import weighted_total as weighted_total

__all__ = ["SCORES"]
