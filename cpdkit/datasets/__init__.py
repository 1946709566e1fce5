"""Named data sets and any extended-XYZ file, as structures with targets."""

from __future__ import annotations

from cpdkit.datasets._dataset import AtomsSequence, Dataset, hill_formula

__all__ = ["AtomsSequence", "Dataset", "hill_formula"]
