"""xtb9: small organic molecules of H, C, N, O and F with GFN2-xTB labels, shipped in the package.

:func:`cpdkit.datasets.xtb9.read.load` reads the shipped splits and needs neither RDKit nor tblite.
``python -m tools.xtb9 --help`` makes the data set again, or a larger one.
"""

from __future__ import annotations
