"""What there is to know of MACE models before they are loaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from cpdkit.encoders._info import MPTRJ, RANDOM, UNTRAINED, EncoderInfo

__all__ = ["ABOUT", "CHECKPOINTS", "checkpoint"]

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


CHECKPOINTS = {
    "mace-ani-cc": (
        "ani500k_small_CC.model",
        "40bc1105b41ef19496f8e6c875cec5ca21f9eacbb019906b2e1b51ab2949ab52",
    ),
    "mace-spice": (
        "MACE_SPICE.model",
        "ba43f51ff202b77d3cbae8c4fac1172e64b4e5cd564b670af6e1f158b82bd8df",
    ),
}
"""Files that are looked for below ``$CPDKIT_DATA/checkpoints``, and their SHA-256."""


def checkpoint(name: str) -> Path:
    """Path of one of `CHECKPOINTS`.

    Raises
    ------
    FileNotFoundError
        If it is not there.
    """
    file, sha256 = CHECKPOINTS[name]
    data = os.environ.get("CPDKIT_DATA")
    path = Path(data or "$CPDKIT_DATA", "checkpoints", file)
    if data and path.is_file():
        return path
    raise FileNotFoundError(
        f"no file {path}. Set CPDKIT_DATA to a folder and put the file below it; it is that of "
        f"github.com/openmm/openmm-ml, examples/mace, up to February 2024 (SHA-256 {sha256}). With "
        f"the file elsewhere: 'mace:FOLDER/{file}'."
    )


def _of_openmm(name: str, *, paper: str, parameters: int, width: int, **about: Any) -> EncoderInfo:
    def absent() -> str:
        try:
            checkpoint(name)
        except FileNotFoundError as error:
            return str(error)
        return ""

    return EncoderInfo(
        family=f"{_FAMILY} ({paper})",
        layers={f"interaction_{i}": f"{width}x0e" for i in (1, 2)},
        parameters=parameters,
        weights=f"{CHECKPOINTS[name][0]} of openmm-ml, below $CPDKIT_DATA/checkpoints",
        licence="MIT",
        packages=_PACKAGES,
        extra="mace",
        absent=absent,
        **about,
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
    "mace-ani-cc": _of_openmm(
        "mace-ani-cc",
        paper="MACE-ANI-CC, J. Chem. Phys. 159, 044118",
        trained_on="energies of ANI-1ccx: about 500,000 conformations, coupled cluster",
        elements=("H", "C", "N", "O"),
        parameters=196_944,
        width=64,
    ),
    "mace-spice": _of_openmm(
        "mace-spice",
        paper="an example of openmm-ml, 2022",
        trained_on="SPICE: small molecules, dimers, peptides, ions, wB97M-D3; a model of energies",
        elements=(*_ORGANIC, "Li", "Na", "Mg", "K", "Ca"),
        parameters=150_800,
        width=32,
    ),
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
