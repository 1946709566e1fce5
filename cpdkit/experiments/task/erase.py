"""Erase, then predict: does a trained readout use what a probe can find?

Accessibility is not use. After amnesic probing (Elazar et al., TACL 9, 160, 2021) a property is
removed from the representation and the model's own readout, unchanged, predicts from the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
import torch
from scipy.stats import special_ortho_group

from cpdkit.datasets import Dataset
from cpdkit.datasets._dataset import AtomsSequence
from cpdkit.encoders._graph import collate
from cpdkit.folds import make_folds
from cpdkit.projection.linear import CompositionProjector
from cpdkit.zoo import TASKS, load_model
from cpdkit.zoo.model import ZooModel, length

__all__ = ["Erased", "erase_then_predict", "erasures"]


@dataclass(frozen=True)
class Erased:
    """Predictions of every molecule while it was held out, shape (n_molecules,) each.

    The control erases what belongs to another molecule: the same directions, but nothing to do with
    this one. The rotation turns what is erased into directions drawn at random: as large a change
    that has nothing to do with composition.
    """

    before: np.ndarray
    after: np.ndarray
    control: np.ndarray
    rotated: np.ndarray
    rank: int  # directions of composition that were erased, without the mean


@torch.no_grad()
def erase_then_predict(
    model: ZooModel,
    atoms: AtomsSequence,
    composition: np.ndarray,
    folds: np.ndarray,
    *,
    batch_size: int = 32,
    seed: int = 0,
) -> Erased:
    r"""Predict with composition projected out of the scalars that the readout sees.

    With :math:`\bar h_m` the mean of the last layer's scalars over the atoms of molecule m, the map
    :math:`\bar h \approx \bar h_0 + (C - \bar C) B` is fitted on the other folds, and :math:`(C_m -
    \bar C) B` is subtracted from every atom of m: the pooled scalars then are the residual of CPD
    plus a constant. The readout and its composition offsets stay as they are.
    """
    n = len(atoms)
    composition, folds = np.asarray(composition, dtype=float), np.asarray(folds)
    if len(composition) != n or folds.shape != (n,):
        raise ValueError(
            f"{n} molecules need {n} rows of composition and {n} folds; got {len(composition)} and "
            f"{folds.shape}."
        )
    if len(np.unique(folds)) < 2:
        raise ValueError("at least two folds are needed, or nothing is held out.")
    encoder = model.encoder
    batches = []
    for start in range(0, n, batch_size):
        rows = range(start, min(start + batch_size, n))
        graphs = [encoder.graph(atoms[row]) for row in rows]
        batch = collate(graphs, dtype=encoder.dtype, device=encoder.device)
        batches.append((*model.parts(batch), batch))
    pooled = np.concatenate([model.pool(h, b).cpu().numpy() for h, _, b in batches]).astype(float)

    shift = np.empty_like(pooled)
    rank = 0
    for fold in np.unique(folds):
        test = folds == fold
        projector = CompositionProjector().fit(pooled[~test], composition=composition[~test])
        shift[test] = projector.explained(composition[test]) - projector.mean_
        rank = max(rank, projector.rank_ - 1)
    rng = np.random.default_rng(seed)
    strange = rng.permutation(n)
    rotation = special_ortho_group.rvs(pooled.shape[1], random_state=rng)

    def predict(change: np.ndarray) -> np.ndarray:
        parts, start = [], 0
        for scalars, vectors, batch in batches:
            own = torch.from_numpy(change[start : start + len(batch)]).to(scalars)
            parts.append(model.read(scalars - own[batch.structure], vectors, batch).cpu().numpy())
            start += len(batch)
        return length(np.concatenate(parts))

    return Erased(
        before=predict(np.zeros_like(shift)),
        after=predict(shift),
        control=predict(shift[strange]),
        rotated=predict(shift @ rotation),
        rank=rank,
    )


def erasures(
    architectures: Sequence[str],
    tasks: Sequence[str],
    ds: Dataset,
    nuisances: Mapping[str, np.ndarray],
    *,
    training: int = 0,
    data: str = "xtb9",
    seed: int = 0,
) -> pd.DataFrame:
    """Mean absolute errors of each network, and changes of its predictions by erasing.

    `data` is the data set that `ds` is of: errors are told of networks that learned its labels.
    Other directions stand beside the first of the `nuisances` only.
    """
    fold = make_folds(len(ds), scheme="random", ids=ds.ids, seed=seed)[0]
    rows = []
    for architecture, task in product(architectures, tasks):
        if TASKS[task].target not in ds.targets:
            continue
        name = f"{architecture}-{task}-{training}"
        model, truth = load_model(name), ds.targets[TASKS[task].target].to_numpy()
        row: dict[str, str | float] = {"model": name}
        for i, (what, nuisance) in enumerate(nuisances.items()):
            found = erase_then_predict(model, ds.atoms, nuisance, fold)
            erased = {f"{what} erased": found.after}
            another = {f"{what} of another": found.control}
            turned = {"other directions": found.rotated} if i == 0 else {}
            if TASKS[task].data == data:
                row["error"] = np.abs(found.before - truth).mean()
                for how, predicted in (erased | turned).items():
                    row[f"error, {how}"] = np.abs(predicted - truth).mean()
            for how, predicted in (erased | another | turned).items():
                row[f"change, {how}"] = np.abs(predicted - found.before).mean()
        rows.append(row)
    return pd.DataFrame(rows, columns=None if rows else ["model"])
