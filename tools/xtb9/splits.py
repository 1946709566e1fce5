"""Which graphs go to which split, in which order."""

from __future__ import annotations

import hashlib
from functools import partial

from cpdkit.datasets.xtb9.formulas import formula_table, interleave, quotas
from tools.xtb9.chunks import ordered
from tools.xtb9.molecular_graphs import iter_graphs

__all__ = ["SPARE", "candidates", "molecule_seed"]

SPARE = 1.12  # candidates per molecule wanted: some do not survive embedding and relaxation
PROBE_SHARE = 6  # one isomer in six goes to probe, if its formula is in train too


def molecule_seed(seed: int, key: str) -> int:
    """A 31-bit seed from the run's seed and a connectivity key."""
    return int.from_bytes(hashlib.sha256(f"{seed} {key}".encode()).digest()[:4], "big") >> 1


def _formula_graphs(
    formula: str, *, seed: int, wanted: dict[str, int]
) -> dict[str, list[tuple[str, str]]]:
    """Isomers of one formula for each split, until both have enough or no more turn up."""
    found: dict[str, list[tuple[str, str]]] = {split: [] for split in wanted}
    for smiles, key in iter_graphs(formula, seed=seed):
        to_probe = "train" not in wanted or molecule_seed(seed, "split " + key) % PROBE_SHARE == 0
        split = "probe" if to_probe else "train"
        if len(found[split]) < wanted[split]:
            found[split].append((smiles, key))
        if all(len(found[s]) == wanted[s] for s in wanted):
            break
    return found


def candidates(
    *, seed: int, n_probe: int, n_train: int, processes: int = 1
) -> dict[str, list[tuple[str, str]]]:
    """(SMILES, connectivity key) of the graphs to relax, for ``probe`` and ``train``, in order."""
    wanted = {
        "probe": quotas("probe", round(n_probe * SPARE)),
        "train": quotas("train", round(n_train * SPARE)),
    }
    names = [row.formula for row in formula_table()]
    jobs = [
        partial(
            _formula_graphs,
            name,
            seed=seed,
            wanted={s: wanted[s][name] for s in wanted if name in wanted[s]},
        )
        for name in names
    ]
    found = dict(zip(names, ordered(jobs, processes, "graphs"), strict=True))
    lists: dict[str, list[tuple[str, str]]] = {}
    for split in wanted:
        counts = {name: len(found[name].get(split, ())) for name in names}
        order = interleave({name: count for name, count in counts.items() if count})
        lists[split] = [found[name][split][rank] for name, rank in order]
    return lists
