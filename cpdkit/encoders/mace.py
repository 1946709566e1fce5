"""MACE: higher-order equivariant message passing.

Batatia et al., NeurIPS 2022, arXiv:2206.07697; foundation models arXiv:2401.00096 (MACE-MP-0)
and arXiv:2312.15211 (MACE-OFF23).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cpdkit._messages import unknown
from cpdkit.encoders._about_mace import ABOUT as ABOUT
from cpdkit.encoders._about_mace import CHECKPOINTS, checkpoint
from cpdkit.encoders._base import Encoder, Layer, parse_elements
from cpdkit.encoders._e3nn import restore_couplings
from cpdkit.encoders._graph import Batch, Graph, collate
from cpdkit.encoders._hooks import capture
from cpdkit.encoders._optional import require, seeded, undo_import_effects
from cpdkit.encoders.mace_file import read_mace

__all__ = ["MACE", "mace_checkpoint", "mace_file", "mace_foundation", "mace_untrained"]

# Key in mace-torch's own table of addresses, and SHA-256 of the published file.
_FOUNDATION = {
    "mace-mp-0-small": (
        "small",
        "2ddb079cee0e131eaaf6912ba581b394551ead283e95c99cfe78c605d10b5736",
    ),
    "mace-mp-0-medium": (
        "medium",
        "01bfe22100139f424713cf921144e5509cbe353d67aa9fa1be9c6e1e0ed35845",
    ),
    "mace-mp-0-large": (
        "large",
        "f80e992b65ab8f88fdf26964511357c022e92704e4d9bcd086652635a8495b32",
    ),
    "mace-mpa-0-medium": (
        "medium-mpa-0",
        "75428afe3a1d7d8062e19bcaabd5c433623cabf308242ec9fb493e38604fb638",
    ),
    "mace-off23-small": (
        "small",
        "165cce4cfec5a34b9c64d4ebf95de15d71106bb584b7291c8470f0749977c46f",
    ),
    "mace-off23-medium": (
        "medium",
        "4842c52ad210d6e1f84d6cf1ffa70fae25a7e0d755ed55cf223f43913f587db7",
    ),
    "mace-off23-large": (
        "large",
        "a29e397dbf3e7a24ac50a9b0dfc919bd5a62efa346f5895a6237b0950c1d76f4",
    ),
}


class MACE(Encoder):
    """Node features of a MACE model after each interaction.

    Layers are called ``"interaction_1"`` and so on, with the irreps of the model's product
    blocks; the last layer of most models has scalars only. Components of l=1 are in e3nn's
    order (x, y, z). Parity is kept by the model.

    Parameters
    ----------
    model : torch.nn.Module
        A ``mace.modules.MACE`` or ``ScaleShiftMACE``.
    name : str
        Name under which results are kept.
    head : str, optional
        For models with several: the head that :meth:`energy` asks. Features are the same for all.
    dtype : {"float32", "float64"}
        Precision.

    Raises
    ------
    ValueError
        If there is no such head.
    """

    libraries = ("mace-torch", "e3nn", "vesin")

    cpu_atoms = 256

    def __init__(
        self, model: Any, *, name: str = "mace", head: str | None = None, dtype: str = "float32"
    ) -> None:
        if head is not None and head not in model.heads:
            raise ValueError(unknown(f"head of {name!r}:", head, model.heads))
        products = [f"products.{i}" for i in range(len(model.products))]
        super().__init__(
            name=name,
            model=model,
            layers=[
                Layer(f"interaction_{i}", str(product.linear.irreps_out))
                for i, product in enumerate(model.products, start=1)
            ],
            elements=model.atomic_numbers.tolist(),
            cutoff=float(model.r_max),
            # Divides messages, and is not among the tensors.
            options={"avg_num_neighbors": [float(i.avg_num_neighbors) for i in model.interactions]},
            dtype=dtype,
        )
        restore_couplings(self.model)
        self._head = head if head is not None or len(model.heads) > 1 else model.heads[0]
        self._products = products
        self._index = torch.full((128,), -1)
        self._index[model.atomic_numbers] = torch.arange(len(model.atomic_numbers))

    def inputs(self, graphs: Sequence[Graph]) -> dict[str, torch.Tensor]:
        """What the model's own forward pass takes."""
        return self._data(collate(graphs, dtype=self.dtype, device=self.device))

    def _data(self, batch: Batch) -> dict[str, torch.Tensor]:
        shifts = batch.vectors - (batch.positions[batch.edges[1]] - batch.positions[batch.edges[0]])
        index = self._index.to(self.device)[batch.numbers]
        return {
            "positions": batch.positions,
            "node_attrs": torch.nn.functional.one_hot(index, len(self.model.atomic_numbers)).to(
                self.dtype
            ),
            "edge_index": batch.edges,
            "shifts": shifts,
            "unit_shifts": batch.shifts,
            "cell": batch.cells.reshape(-1, 3),
            "batch": batch.structure,
            "ptr": torch.cat([batch.n_atoms.new_zeros(1), batch.n_atoms.cumsum(0)]),
            "head": batch.n_atoms.new_full(
                (len(batch),), self.model.heads.index(self._head or self.model.heads[0])
            ),
        }

    def evaluate(self, batch: Batch) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Features and the model's own energies of a batch, differentiable."""
        with capture(self.model, self._products) as features:
            energy = self.model(self._data(batch), compute_force=False)["energy"]
        return features, energy

    @torch.no_grad()
    def _run(self, graphs: Sequence[Graph]) -> tuple[list[torch.Tensor], torch.Tensor]:
        return self.evaluate(collate(graphs, dtype=self.dtype, device=self.device))

    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        return self._run(graphs)[0]

    def energy(self, graphs: Sequence[Graph]) -> torch.Tensor:
        """The model's own energies, shape (n_graphs,), from the pass that gives features.

        In the unit of the data the model was trained on, eV as a rule. Graphs are made by
        ``encoder.graph(atoms)``.

        Raises
        ------
        ValueError
            If the model has several heads, which give different energies, and none was chosen.
        """
        if self._head is None:
            raise ValueError(
                f"{self.name!r} has several heads, whose energies differ; choose one with "
                f"head=, of {', '.join(map(repr, self.model.heads))}."
            )
        return self._run(graphs)[1]


def _library(name: str) -> Any:
    require("mace", encoder=name, extra="mace")
    return require("mace.modules", encoder=name, extra="mace")


def mace_untrained(
    *,
    seed: int = 0,
    hidden_irreps: str = "32x0e+32x1o",
    correlation: int = 2,
    max_ell: int = 3,
    num_interactions: int = 2,
    cutoff: float = 5.0,
    elements: Sequence[int | str] = (1, 6, 7, 8, 9, 16, 17),
    avg_num_neighbors: float = 15.0,
    dtype: str = "float32",
) -> MACE:
    """A MACE of random weights.

    Parameters
    ----------
    seed : int
        Seed of the weights; the same weights in both precisions.
    hidden_irreps, correlation, max_ell, num_interactions
        As in mace-torch.
    cutoff : float
        Angstrom.
    elements : sequence of int or str
        Atomic numbers or symbols to know.
    avg_num_neighbors : float
        Divisor of messages.
    dtype : {"float32", "float64"}
        Precision.
    """
    modules = _library("mace-untrained")
    from e3nn import o3

    numbers = parse_elements(elements)
    block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    # Built in double precision, then cast: one seed, one set of weights.
    with undo_import_effects(torch.float64), seeded(seed):
        model = modules.ScaleShiftMACE(
            r_max=cutoff,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=max_ell,
            interaction_cls=block,
            interaction_cls_first=block,
            num_interactions=num_interactions,
            num_elements=len(numbers),
            hidden_irreps=o3.Irreps(hidden_irreps),
            MLP_irreps=o3.Irreps("16x0e"),
            atomic_energies=np.zeros(len(numbers)),
            avg_num_neighbors=avg_num_neighbors,
            atomic_numbers=numbers,
            correlation=correlation,
            gate=torch.nn.functional.silu,
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
        )
    return MACE(model, name="mace-untrained", dtype=dtype)


def mace_foundation(name: str, *, head: str | None = None, dtype: str = "float32") -> MACE:
    """A published model, downloaded once and checked against its known SHA-256.

    Parameters
    ----------
    name : str
        Such as ``"mace-mp-0-small"``. MACE-OFF23 weights are for academic use only.
    head : str, optional
        As in :class:`MACE`.
    dtype : {"float32", "float64"}
        Precision.

    Raises
    ------
    ValueError
        If the download is not the published file.
    OSError
        If it could not be fetched.
    """
    import pooch

    if name not in _FOUNDATION:
        raise ValueError(unknown("MACE foundation model", name, _FOUNDATION))
    _library(name)
    addresses = require("mace.calculators.foundations_models", encoder=name, extra="mace")
    key, sha256 = _FOUNDATION[name]
    table = addresses.mace_off_urls if "off23" in name else addresses.mace_mp_urls
    # pooch checks the hash of a temporary file and only then moves it to its place.
    try:
        path = pooch.retrieve(
            table[key],
            known_hash=f"sha256:{sha256}",
            fname=f"{name}.model",
            path=pooch.os_cache("cpdkit"),
            progressbar=True,
        )
    except OSError as error:
        raise OSError(
            f"the weights of {name!r} could not be fetched from {table[key]}: {error}. With a file "
            "of them at hand use load_encoder('mace:<file>')."
        ) from error
    return mace_file(path, name=name, head=head, dtype=dtype)


mace_mp_0_small = partial(mace_foundation, "mace-mp-0-small")
mace_mp_0_medium = partial(mace_foundation, "mace-mp-0-medium")
mace_mp_0_large = partial(mace_foundation, "mace-mp-0-large")
mace_mpa_0_medium = partial(mace_foundation, "mace-mpa-0-medium")
mace_off23_small = partial(mace_foundation, "mace-off23-small")
mace_off23_medium = partial(mace_foundation, "mace-off23-medium")
mace_off23_large = partial(mace_foundation, "mace-off23-large")


def mace_checkpoint(name: str, *, dtype: str = "float32") -> MACE:
    """A published model from ``$CPDKIT_DATA/checkpoints``, checked against its known SHA-256.

    Parameters
    ----------
    name : str
        ``"mace-ani-cc"`` (energies of coupled cluster; H, C, N, O) or ``"mace-spice"``.
    dtype : {"float32", "float64"}
        Precision.

    Raises
    ------
    FileNotFoundError
        If its file is not there.
    ValueError
        If the file is another one.
    """
    if name not in CHECKPOINTS:
        raise ValueError(unknown("MACE checkpoint", name, CHECKPOINTS))
    path, expected = checkpoint(name), CHECKPOINTS[name][1]
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise ValueError(
            f"{path} has SHA-256 {found}, expected {expected}, so it is not the published file of "
            f"{name!r}; copy that again, or load this one as 'mace:{path}'."
        )
    return mace_file(str(path), name=name, dtype=dtype)


mace_ani_cc = partial(mace_checkpoint, "mace-ani-cc")
mace_spice = partial(mace_checkpoint, "mace-spice")


def mace_file(
    path: str, *, name: str | None = None, head: str | None = None, dtype: str = "float32"
) -> MACE:
    """A model file written by any mace-torch since 2022, read without unpickling.

    Parameters
    ----------
    path : str
        File written by ``torch.save`` of a MACE or ScaleShiftMACE; or its tensors, with its
        settings beside them. See :func:`cpdkit.encoders.mace_file.read_mace`.
    name : str, optional
        Name of the encoder; ``"mace:"`` and the file's name by default.
    head : str, optional
        As in :class:`MACE`.
    dtype : {"float32", "float64"}
        Precision.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it holds another kind of model, or one that the installed mace-torch cannot build.
    """
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"no MACE model file at {path!r}.")
    model = read_mace(file, _library("mace:"))
    return MACE(model, name=name or f"mace:{file.name}", head=head, dtype=dtype)
