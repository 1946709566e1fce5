"""A figure that shows itself in any notebook viewer, whatever plotting backend is chosen."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.figure import Figure

__all__ = ["Picture"]


@dataclass(frozen=True)
class Picture:
    """A figure as the last value of a cell: SVG, or its description where no image is shown."""

    figure: Figure
    alt: str

    def __repr__(self) -> str:
        return self.alt

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        buffer = io.StringIO()
        with matplotlib.rc_context({"svg.hashsalt": "cpdkit", "svg.fonttype": "path"}):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None})
        return {"image/svg+xml": buffer.getvalue(), "text/plain": self.alt}
