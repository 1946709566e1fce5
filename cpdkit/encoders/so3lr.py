"""SO3LR: an equivariant transformer with long-range forces, pretrained on molecules.

Kabylda et al., J. Am. Chem. Soc. 2025, doi:10.1021/jacs.5c09558: some four million molecules and
complexes, neutral and charged, PBE0 with many-body dispersion. The weights (MIT) come with the
package `so3krates-torch`, a pickled module that is not unpickled here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from cpdkit.encoders._base import Encoder, Layer
from cpdkit.encoders._graph import Batch, Graph, collate
from cpdkit.encoders._hooks import capture
from cpdkit.encoders._info import EncoderInfo
from cpdkit.encoders._optional import require, undo_import_effects
from cpdkit.encoders.mace_file import read_inert, tensors

__all__ = ["ABOUT", "SO3LR"]

ABOUT = {
    "so3lr": EncoderInfo(
        family="SO3krates (equivariant transformer) with long range, doi:10.1021/jacs.5c09558",
        trained_on="forces, dipole moments and Hirshfeld ratios of 4 million molecules, PBE0+MBD",
        elements=("H", "C", "N", "O", "F", "P", "S", "Cl"),
        layers={f"interaction_{i}": "128x0e+1x1o+1x2e+1x3o+1x4e" for i in (1, 2, 3)},
        parameters=529_852,
        weights="in the package so3krates-torch 0.2.1",
        licence="MIT",
        packages=("torch", "vesin", "so3krates_torch"),
        extra="so3lr",
    )
}

# SHA-256 of the model in the wheel of so3krates-torch 0.2.1.
_SHA256 = "b5145564911ff983ed076ccb2bca5ce63454b74c9c8291092695463f1e6732be"
# Settings that the module keeps under another name than its constructor takes.
_KEPT_AS = {
    "avg_num_neighbors": "avg_num_neighbors_param",
    "cutoff_fn": "cutoff_fn_name",
    "activation_fn": "activation_fn_name",
    "energy_activation_fn": "energy_activation_fn_name",
}


def _build(path: Path, models: Any) -> Any:
    """The model in `path`, built by its library in double precision."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != _SHA256:
        raise ValueError(
            f"{path} has SHA-256 {found}, expected {_SHA256}; reinstall so3krates-torch==0.2.1."
        )
    record = read_inert(path)
    settings: dict[str, Any] = {"dtype": torch.float64}
    for cls in (models.So3krates, models.SO3LR):
        for name in signature(cls).parameters:
            kept = _KEPT_AS.get(name, name)
            if name != "dtype" and kept in record.__dict__:
                settings[name] = record.__dict__[kept]
    with undo_import_effects(torch.float64):
        model = models.SO3LR(**settings)
    model.load_state_dict(tensors(record))
    return model


def _into_e3nn_order(harmonics: Any) -> torch.Tensor:
    """Matrix that takes the model's components of all degrees to e3nn's, shape (dim, dim).

    The model orders components by m about the z axis, (y, z, x) for l=1. Those of e3nn are the
    same functions about the y axis: of (z, x, y) in place of (x, y, z).
    """
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 3, dtype=torch.float64, generator=generator)
    matrix = torch.linalg.lstsq(harmonics(points), harmonics(points[:, [2, 0, 1]])).solution
    return torch.where(matrix.abs() < 1e-12, 0.0, matrix)


class SO3LR(Encoder):
    """Node features of SO3LR after each of its three layers.

    Layers are called ``"interaction_1"`` and so on: 128 scalars and one feature of every degree
    from 1 to 4, with components in e3nn's order. Elements are those it was trained on, which its
    weights tell: the scale of an element's energy stayed at one for all others. Structures are
    taken as neutral and without unpaired electrons.

    Parameters
    ----------
    dtype : {"float32", "float64"}
        Precision.

    Raises
    ------
    ImportError
        If so3krates-torch is not installed.
    ValueError
        If the model in the installed package is not the one this was written for.
    """

    libraries = ("so3krates-torch", "vesin")

    def __init__(self, *, dtype: str = "float32") -> None:
        try:
            package = require("so3krates_torch", encoder="so3lr", extra="so3lr")
        except ImportError as error:
            raise ImportError(
                f"{error} Where other models are installed: pip install --no-deps "
                "so3krates-torch==0.2.1 (it asks for a torch-geometric that it does not use)."
            ) from error
        models = require("so3krates_torch.modules.models", encoder="so3lr", extra="so3lr")
        model = _build(Path(package.__path__[0], "pretrained", "so3lr", "so3lr.model"), models)
        scales = model.atomic_energy_output_block.energy_scales.weight.flatten()
        irreps = [f"{model.num_features}x0e", *(f"1x{d}{'eo'[d % 2]}" for d in model.degrees)]
        blocks = [f"euclidean_transformers.{k}" for k in range(model.num_layers)]
        super().__init__(
            name="so3lr",
            model=model,
            layers=[Layer(f"interaction_{k}", "+".join(irreps)) for k in range(1, len(blocks) + 1)],
            elements=(torch.nonzero(scales != 1).flatten() + 1).tolist(),
            cutoff=float(model.r_max),
            dtype=dtype,
        )
        self._blocks = blocks
        self._order = _into_e3nn_order(model.spherical_harmonics)

    def _read(self, _inputs: Any, output: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        scalars, others = output
        return torch.cat([scalars, others @ self._order.to(others)], dim=1)

    def inputs(self, graphs: Sequence[Graph], *, far: bool = False) -> dict[str, torch.Tensor]:
        """What the model's own forward pass takes; with `far`, all pairs of a molecule."""
        batch = collate(graphs, dtype=self.dtype, device=self.device)
        return self._data(batch, far=far)

    def _data(self, batch: Batch, *, far: bool) -> dict[str, torch.Tensor]:
        ends = batch.positions[batch.edges[1]] - batch.positions[batch.edges[0]]
        pairs = batch.edges.new_zeros((2, 0))
        if far:
            same = batch.structure[:, None] == batch.structure[None, :]
            pairs = same.fill_diagonal_(False).nonzero().T
        zero = batch.positions.new_zeros(len(batch))
        return {
            "positions": batch.positions,
            "atomic_numbers": batch.numbers,
            "node_attrs": torch.nn.functional.one_hot(
                batch.numbers - 1, self.model.num_elements
            ).to(self.dtype),
            "edge_index": batch.edges,
            "shifts": batch.vectors - ends,
            "edge_index_lr": pairs,
            "shifts_lr": batch.positions.new_zeros((pairs.shape[1], 3)),
            "cell": batch.cells.reshape(-1, 3),
            "total_charge": zero,
            "total_spin": zero,
            "head": batch.n_atoms.new_zeros(len(batch)),
            "batch": batch.structure,
            "ptr": torch.cat([batch.n_atoms.new_zeros(1), batch.n_atoms.cumsum(0)]),
        }

    @torch.no_grad()
    def forward(self, graphs: Sequence[Graph]) -> list[torch.Tensor]:
        """See :meth:`Encoder.forward`."""
        with capture(self.model, self._blocks, read=self._read) as features:
            self.model.get_representation(self.inputs(graphs), compute_force=False)
        return features

    @torch.no_grad()
    def energy(self, graphs: Sequence[Graph]) -> torch.Tensor:
        """The model's own energies of molecules in eV, shape (n_graphs,).

        Raises
        ------
        ValueError
            If a structure is periodic: its long-range part would need another graph.
        """
        if any(graph.pbc.any() for graph in graphs):
            raise ValueError("energies of 'so3lr' are for molecules; a structure is periodic.")
        return self.model(self.inputs(graphs, far=True), compute_force=False)["energy"]
