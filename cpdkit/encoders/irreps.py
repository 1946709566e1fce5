"""Irreducible representations of O(3) as labels, without torch.

Encoders take their irreps from the model's own ``e3nn.o3.Irreps``; this class only carries the
string through the parts of the library that do not know torch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Irrep", "Irreps"]

_TERM = re.compile(r"(?:(\d+)x)?(\d+)([eo])")


@dataclass(frozen=True)
class Irrep:
    """`mul` copies of the irrep of degree `l` and parity `p` (``"e"`` or ``"o"``)."""

    mul: int
    l: int  # noqa: E741 - the field's own symbol
    p: str

    @property
    def dim(self) -> int:
        """Number of components, ``mul * (2 l + 1)``."""
        return self.mul * (2 * self.l + 1)

    def __str__(self) -> str:
        return f"{self.mul}x{self.l}{self.p}"


@dataclass(frozen=True)
class Irreps:
    """An ordered direct sum of irreps; components of one term are stored copy by copy.

    Examples
    --------
    >>> irreps = Irreps.parse("2x0e+1x1o")
    >>> irreps.dim, [(str(term), part.start, part.stop) for term, part in irreps.slices()]
    (5, [('2x0e', 0, 2), ('1x1o', 2, 5)])
    """

    terms: tuple[Irrep, ...]

    @classmethod
    def parse(cls, text: object) -> Irreps:
        """Read e3nn's notation, such as ``"128x0e + 64x1o"`` (or an ``e3nn.o3.Irreps``).

        Raises
        ------
        ValueError
            If `text` is not a sum of terms like ``64x1o``.
        """
        terms = []
        for piece in str(text).replace(" ", "").split("+"):
            match = _TERM.fullmatch(piece)
            if match is None:
                raise ValueError(f"{piece!r} in irreps {str(text)!r} is not of the form '64x1o'.")
            terms.append(Irrep(int(match[1] or 1), int(match[2]), match[3]))
        return cls(tuple(terms))

    @property
    def dim(self) -> int:
        """Number of components of the whole sum."""
        return sum(term.dim for term in self.terms)

    def slices(self) -> list[tuple[Irrep, slice]]:
        """Each term with the columns it occupies."""
        result, start = [], 0
        for term in self.terms:
            result.append((term, slice(start, start + term.dim)))
            start += term.dim
        return result

    def __str__(self) -> str:
        return "+".join(map(str, self.terms))
