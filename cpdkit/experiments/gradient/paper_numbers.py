"""Which definitions give the numbers that the paper reports?

The paper's text leaves open which definition, conditioning and split its headline numbers rest on.
Here every combination is computed for the nearest encoder we have, and those whose interval holds a
reported value are listed. The paper's models and molecules are others, so a listed combination may
have produced the number, and one that is not listed is excluded for this encoder and data set only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from cpdkit.comparisons import stack
from cpdkit.composition import composition_matrix
from cpdkit.datasets import Dataset
from cpdkit.experiments.gradient.measure import Layer, residual_scores
from cpdkit.experiments.labels import label
from cpdkit.figures import needs
from cpdkit.held_out.protocol import PROTOCOLS

__all__ = ["REPORTED", "Reported", "definitions_of", "near", "settle", "settled_sentences"]
__all__ += ["settled_list"]


@dataclass(frozen=True)
class Reported:
    """A number of the paper, ``r2_geom`` of the HOMO-LUMO gap on QM9."""

    value: float  # as printed
    model: str  # what it was measured on
    encoder: str  # the nearest we have
    probe: str


REPORTED = (
    Reported(0.782, "tensor-product equivariant model", "sevennet-0", "ridge"),
    Reported(-0.792, "ANI-2x", "ani2x-aev", "ridge"),
    Reported(0.784, "ANI-2x", "ani2x-aev", "mlp"),
)
_KEYS = ["composition", "protocol", "score"]
_SETTLED = ["reported", "encoder", "probe", *_KEYS]
_SETTLED += ["mean", "low", "high", "compatible", "above_ceiling"]


def settle(
    layers: Mapping[str, Layer],
    ds: Dataset,
    *,
    target: str,
    probes: Collection[str],
    known: Mapping[tuple[str, ...], pd.DataFrame] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Compute every definition of the reported numbers that is not `known`, and compare.

    Composition is counts or fractions. Ridge is scored under all protocols, other probes under
    ``sound`` and ``transductive``. Numbers whose encoder or probe was not asked for are left out.
    """
    wanted = [r for r in REPORTED if r.encoder in layers and r.probe in probes]
    matrices = {kind: composition_matrix(ds, kind=kind) for kind in ("counts", "fractions")}
    found = {}
    for encoder, probe in ((r.encoder, r.probe) for r in wanted):
        for kind, matrix in matrices.items():
            for protocol in PROTOCOLS if probe == "ridge" else ("sound", "transductive"):
                key = (encoder, probe, kind, protocol)
                found[key] = (known or {}).get(key)
                if found[key] is None:
                    found[key] = residual_scores(
                        layers[encoder].features, matrix, ds.targets[[target]],
                        protocol=protocol, probe=probe, **settings,
                    )  # fmt: skip
    if not found:
        return pd.DataFrame(columns=_SETTLED)
    grid = stack(found, ["encoder", "probe", "composition", "protocol"])
    return pd.concat([definitions_of(grid, r) for r in wanted], ignore_index=True)[_SETTLED]


def definitions_of(grid: pd.DataFrame, reported: Reported) -> pd.DataFrame:
    """Compare one reported number with every definition that was computed, nearest first.

    ``distance`` is that from the mean; ``compatible`` says that the interval holds the value, and
    ``above_ceiling`` that the value is larger than the upper end of the ceiling of ``r2_geom``, so
    that a residual without composition could not have reached it.
    """
    needs(grid, ["encoder", "probe", *_KEYS, "mean", "low", "high"])
    own = grid[(grid["encoder"] == reported.encoder) & (grid["probe"] == reported.probe)]
    rows = own[own["score"].isin(["r2_geom", "r2_partial"])].dropna(subset=["mean"])
    if rows.empty:
        raise ValueError(
            f"the grid holds no scores of {reported.encoder!r} under {reported.probe!r}; it has "
            f"{sorted(set(zip(grid['encoder'], grid['probe'], strict=True)))}."
        )
    ceiling = own[own["score"] == "ceiling"].groupby(["composition", "protocol"])["high"].max()
    tops = [
        ceiling.get((r.composition, r.protocol), np.nan) if r.score == "r2_geom" else np.nan
        for r in rows.itertuples()
    ]
    return rows.assign(
        reported=reported.value,
        distance=(rows["mean"] - reported.value).abs(),
        compatible=(rows["low"] <= reported.value) & (reported.value <= rows["high"]),
        above_ceiling=reported.value > np.array(tops, dtype=float),
    ).sort_values("distance", ignore_index=True)


def settled_sentences(settled: pd.DataFrame, *, widest: float = 1.0) -> list[str]:
    """What is said of each reported number; intervals over `widest` are counted only."""
    sentences = []
    for value, rows in settled.groupby("reported", sort=False):
        wide = rows["high"] - rows["low"] > widest
        fits = [
            f"{r.score} of {r.mean:.3g} ({r.composition}, {r.protocol})"
            for r in rows[rows["compatible"] & ~wide].itertuples()
        ]
        said = [
            f"compatible with {', '.join(fits)}"
            if fits
            else f"compatible with no definition that is measured to within {widest:g} here"
        ]
        if vague := int((rows["compatible"] & wide).sum()):
            said.append(f"{vague} wider interval(s) hold it too, as they hold almost anything")
        plain = rows[(rows["score"] == "r2_geom") & (rows["protocol"] == "sound")]
        if plain["above_ceiling"].any():
            said.append(
                "scored against the raw target it lies above the ceiling here, which no residual "
                "without composition passes"
            )
        about = f"{label(rows['encoder'].iloc[0])}, {label(rows['probe'].iloc[0])}"
        sentences.append(f"**{value}** ({about}): {'; '.join(said)}.")
    return sentences


def settled_list(settled: pd.DataFrame) -> str:
    """The sentences of :func:`settled_sentences` as a Markdown list."""
    if settled.empty:
        return "The encoders and probes that the paper's numbers belong to were not asked for."
    return "\n".join(f"- {sentence}" for sentence in settled_sentences(settled))


def near(
    ridge: pd.DataFrame,
    probed: pd.DataFrame,
    *,
    target: str,
    value: float = REPORTED[0].value,
    widest: float = 0.3,
    among: Sequence[str] = ("r2_geom", "r2_partial", "r2_full"),
) -> pd.DataFrame:
    """Scores whose interval holds a reported value and is narrow enough to say something."""
    rows = pd.concat([ridge.assign(probe="ridge"), probed[probed["probe"] != "ridge"]])
    rows = rows[(rows["target"] == target) & rows["score"].isin(among)]
    narrow = rows["high"] - rows["low"] < widest
    rows = rows[(rows["low"] <= value) & (rows["high"] >= value) & narrow]
    columns = ["score", "probe", "representation", "mean", "low", "high"]
    return rows.sort_values(["score", "probe"], kind="stable", ignore_index=True)[columns]
