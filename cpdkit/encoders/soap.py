"""SOAP, the classical baseline: smooth overlap of atomic positions.

Bartók et al., Phys. Rev. B 2013, 87, 184115; computed by DScribe (Himanen et al. 2020).
"""

from __future__ import annotations

from collections.abc import Sequence

import ase
import torch
from ase.data import chemical_symbols

from cpdkit.encoders._base import Encoder, Layer, parse_elements
from cpdkit.encoders._graph import build_graph
from cpdkit.encoders._info import EncoderInfo
from cpdkit.encoders._optional import require

__all__ = ["ABOUT", "SOAP"]

ABOUT = {
    "soap": EncoderInfo(
        family="SOAP power spectrum by DScribe, doi:10.1103/PhysRevB.87.184115",
        trained_on="nothing: a descriptor",
        layers={"soap": "2030x0e"},
        parameters=0,
        weights="none",
        licence="Apache-2.0",
        packages=("torch", "vesin", "dscribe"),
        extra="soap",
    )
}


class SOAP(Encoder):
    """Power spectrum of the neighbour density around each atom; one layer ``"soap"``.

    Parameters
    ----------
    elements : sequence of int
        Atomic numbers to tell apart; the number of features grows with their square.
    cutoff : float
        Radius in Angstrom.
    n_max, l_max : int
        Number of radial functions and highest degree.
    sigma : float
        Width of the Gaussians in Angstrom.
    compression : {"off", "mu2", "mu1nu1", "crossover"}
        As in DScribe; ``"mu2"`` does not tell elements apart.
    dtype : {"float32", "float64"}
        Precision of the result; DScribe computes in double.

    Raises
    ------
    ImportError
        If dscribe is not installed.
    """

    libraries = ("dscribe",)

    def __init__(
        self,
        *,
        elements: Sequence[int | str] = (1, 6, 7, 8, 9, 16, 17),
        cutoff: float = 5.0,
        n_max: int = 4,
        l_max: int = 4,
        sigma: float = 0.5,
        compression: str = "off",
        dtype: str = "float32",
    ) -> None:
        descriptors = require("dscribe.descriptors", encoder="soap", extra="soap")
        elements = parse_elements(elements)
        options = {
            "species": [chemical_symbols[z] for z in elements],
            "r_cut": cutoff,
            "n_max": n_max,
            "l_max": l_max,
            "sigma": sigma,
            "compression": {"mode": compression},
        }
        self._of = {
            periodic: descriptors.SOAP(**options, periodic=periodic) for periodic in (False, True)
        }
        width = self._of[False].get_number_of_features()
        super().__init__(
            name="soap",
            model=torch.nn.Module(),
            layers=[Layer("soap", f"{width}x0e")],
            elements=elements,
            cutoff=cutoff,
            options=options,
            dtype=dtype,
        )

    def graph(self, atoms: ase.Atoms) -> ase.Atoms:
        """The structure, its atoms in the cell; refuses coincident atoms as other encoders do."""
        graph = build_graph(atoms, self.cutoff)
        # dscribe sees too few images of atoms outside the cell, and wants a volume of slabs.
        return ase.Atoms(
            numbers=graph.numbers, positions=graph.positions, cell=graph.cell, pbc=graph.pbc
        )

    def forward(self, graphs: Sequence[ase.Atoms]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        parts = [
            torch.from_numpy(self._of[bool(atoms.pbc.any())].create(atoms)) for atoms in graphs
        ]
        return [torch.cat(parts).to(device=self.device, dtype=self.dtype)]
