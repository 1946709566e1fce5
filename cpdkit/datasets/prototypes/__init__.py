"""prototypes: ionic crystals of common structure types, made by rule, with exact targets.

:func:`cpdkit.datasets.prototypes.read.load` reads what is shipped. ``python -m tools.prototypes``
makes it again.
"""

from __future__ import annotations
