"""What there is to know of MACE models before they are loaded."""

from __future__ import annotations

import os

from cpdkit.encoders._info import MPTRJ, RANDOM, UNTRAINED, EncoderInfo

__all__ = ["ABOUT"]

_FAMILY = "MACE, higher-order equivariant message passing, arXiv:2206.07697"
_PACKAGES = ("torch", "vesin", "mace")
_MPTRJ = "MPtrj: relaxations of the Materials Project, PBE and PBE+U"
_ALEXANDRIA = "MPtrj and a part of Alexandria (sAlex), PBE and PBE+U"
_SPICE = "SPICE 1 and others: neutral organic molecules, wB97M-D3"
_ORGANIC = ("H", "C", "N", "O", "F", "P", "S", "Cl", "Br", "I")


def _published(name: str, trained_on: str, first: str, licence: str) -> EncoderInfo:
    def absent() -> str:
        import pooch

        if os.path.isfile(os.path.join(pooch.os_cache("cpdkit"), f"{name}.model")):
            return ""
        return "its file is downloaded when it is loaded for the first time"

    organic = "off23" in name
    return EncoderInfo(
        family=f"{_FAMILY} ({'arXiv:2312.15211' if organic else 'arXiv:2401.00096'})",
        trained_on=trained_on,
        elements=_ORGANIC if organic else MPTRJ,
        layers={"interaction_1": first, "interaction_2": first.partition("+")[0]},
        weights="downloaded once from github.com/ACEsuit, checked by SHA-256",
        licence=licence,
        packages=(*_PACKAGES, "pooch"),
        extra="mace",
        absent=absent,
    )


_CHOICES = {
    "mace-mp-0-small": (_MPTRJ, "128x0e", "MIT"),
    "mace-mp-0-medium": (_MPTRJ, "128x0e+128x1o", "MIT"),
    "mace-mp-0-large": (_MPTRJ, "128x0e+128x1o+128x2e", "MIT"),
    "mace-mpa-0-medium": (_ALEXANDRIA, "128x0e+128x1o", "MIT"),
    "mace-off23-small": (_SPICE, "96x0e", "ASL (academic use)"),
    "mace-off23-medium": (_SPICE, "128x0e+128x1o", "ASL (academic use)"),
    "mace-off23-large": (_SPICE, "192x0e+192x1o+192x2e", "ASL (academic use)"),
}

ABOUT = {name: _published(name, *rest) for name, rest in _CHOICES.items()} | {
    "mace-untrained": EncoderInfo(
        family=_FAMILY,
        trained_on=UNTRAINED,
        layers={"interaction_1": "32x0e+32x1o", "interaction_2": "32x0e"},
        parameters=85_488,
        weights=RANDOM,
        licence="MIT",
        packages=_PACKAGES,
        extra="mace",
    ),
    "mace:": EncoderInfo(
        family=_FAMILY,
        trained_on="what its author says",
        elements=(),
        weights="in the file that the name gives: mace:FILE",
        licence="what its author says",
        packages=_PACKAGES,
        extra="mace",
    ),
}
