"""The engine's page shows the figures that were measured."""

from __future__ import annotations

import subprocess
import sys

from paths import ROOT


def test_tables_in_the_book_are_those_of_the_results():
    command = [sys.executable, str(ROOT / "benchmarks" / "tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
