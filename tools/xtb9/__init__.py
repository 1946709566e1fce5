"""The generator of the embedded data set xtb9: ``python -m tools.xtb9 --help``.

Needs rdkit and tblite. :mod:`cpdkit.datasets.xtb9` reads what it writes.
"""
