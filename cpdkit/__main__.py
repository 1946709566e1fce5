"""``python -m cpdkit`` is the command ``cpdkit``."""

from __future__ import annotations

import sys

from cpdkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
