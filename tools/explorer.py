"""Make the data behind the page *See the molecules*: ``python -m tools.explorer``.

Three representations of the same molecules, composition removed: each molecule's place on the first
two principal components of the residual, the molecule itself, and its targets.
The same numbers come out each time, but for rounding that differs between processors.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import chemiscope
import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

import cpdkit
from cpdkit._files import replacing
from cpdkit.composition import composition_matrix
from cpdkit.figures import panels
from cpdkit.projection import CompositionProjector, ConditionedResidual
from cpdkit.runs.page import as_svg

BOOK = Path(__file__).parents[1] / "book"
N_MOLECULES = 400
ENCODERS = {
    "soap": "SOAP",
    "sevennet-0": "SevenNet-0",
    "zoo/painn-gap-0": "PaiNN, trained on the gap",
}
NAME = "400 molecules of ours"
LEFT = "left by composition"
TARGETS = {"gap": ("HOMO-LUMO gap", "eV"), "mu": ("dipole moment", "debye")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.explorer", description=__doc__)
    parser.add_argument("--out", type=Path, default=BOOK, help="folder (default: %(default)s)")
    out = parser.parse_args().out
    data = explored()
    with replacing(out / "explorer.json") as file:
        file.write(json.dumps(data, separators=(",", ":")).encode())
    with replacing(out / "explorer.svg") as file:
        file.write(as_svg(still(data)).encode())


def explored(encoders: dict[str, str] = ENCODERS, n: int = N_MOLECULES) -> dict[str, Any]:
    """What chemiscope shows, with the axes of each map in `maps`."""
    ds = cpdkit.load_dataset("xtb9", n=n, seed=0)
    C = composition_matrix(ds)
    properties: dict[str, Any] = {}
    maps: dict[str, dict[str, Any]] = {}
    for name, shown in encoders.items():
        rep = cpdkit.extract(cpdkit.load_encoder(name), ds, progress=False)
        places, share = plane(np.asarray(rep.features, dtype=float), C)
        axes = [f"{shown}: component {k}" for k in (1, 2)]
        properties |= {axis: _property(column) for axis, column in zip(axes, places.T, strict=True)}
        colour = f"{TARGETS['gap'][0]}, {LEFT}"
        maps[shown] = {"axes": axes, "share": round(share, 3), "colour": colour}
    for target, (word, unit) in TARGETS.items():
        y = ds.targets[target].to_numpy()
        left = CompositionProjector().fit_transform(y[:, None], composition=C)[:, 0]
        properties[word] = _property(y, unit)
        properties[f"{word}, {LEFT}"] = _property(left, unit)
    made = chemiscope.create_input(list(ds.atoms), properties=properties, metadata={"name": NAME})
    for structure in made["structures"]:
        structure |= {axis: np.round(structure[axis], 2).tolist() for axis in "xyz"}
    return made | {"maps": maps}


def still(data: dict[str, Any]) -> Figure:
    """The maps side by side, with the colours that they open with."""
    values = {name: about["values"] for name, about in data["properties"].items()}
    figure, axes = panels(len(data["maps"]), width=2.9, height=2.9, sharey=False)
    for axis, (name, known) in zip(axes, data["maps"].items(), strict=True):
        x, y = (values[of] for of in known["axes"])
        colour = np.array(values[known["colour"]])
        most = np.quantile(np.abs(colour), 0.98)
        drawn = axis.scatter(x, y, c=colour, s=9, cmap="viridis", vmin=-most, vmax=most)
        axis.set(title=name, xlabel="component 1 (no unit)")
    axes[0].set_ylabel("component 2 (no unit)")
    figure.colorbar(drawn, ax=axes, label=f"{TARGETS['gap'][0]}, {LEFT} (eV)", extend="both")
    return figure


def plane(X: np.ndarray, C: np.ndarray) -> tuple[np.ndarray, float]:
    """Each row's place on two principal components of the residual, and their share of variance."""
    residual = ConditionedResidual().fit_transform(X, composition=C)
    found = PCA(2, svd_solver="full").fit(residual)
    return found.transform(residual), float(found.explained_variance_ratio_.sum())


def _property(values: np.ndarray, unit: str = "") -> dict[str, Any]:
    about = {"target": "structure", "values": np.round(values, 3).tolist()}
    return about | ({"units": unit} if unit else {})


if __name__ == "__main__":
    main()
