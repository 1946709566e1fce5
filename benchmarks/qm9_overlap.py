"""What it changes to leave out the molecules of QM9 that the zoo was trained on.

    python benchmarks/qm9_overlap.py

Needs CPDKIT_DATA. `r2_partial` of the gap and the dipole from the last layer, with all molecules,
without those shared with xtb9's `train`, and without as many at random (three draws).
"""

from __future__ import annotations

import extract_common as common  # sets one thread before torch is imported
import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem.inchi import MolToInchiKey

import cpdkit
from cpdkit.composition import composition_matrix
from cpdkit.decomposition import cpd

ENCODERS = ("soap", "zoo/painn-gap-0", "zoo/painn-energy-0", "zoo/mace-gap-0", "zoo/schnet-gap-0")


def main() -> None:
    RDLogger.DisableLog("rdApp.*")
    qm9 = cpdkit.load_dataset("qm9", split="probe")
    train = cpdkit.load_dataset("xtb9", split="train")
    seen = {key[:14] for key in train.info["inchikey"]}
    keys = [MolToInchiKey(Chem.MolFromSmiles(smiles))[:14] for smiles in qm9.smiles]
    shared = np.array([key in seen for key in keys])
    kept = int((~shared).sum())
    rng = np.random.default_rng(0)
    cases = {"all": np.arange(len(qm9)), "without shared": np.flatnonzero(~shared)}
    for draw in range(3):
        cases[f"without {draw}"] = np.sort(rng.permutation(len(qm9))[:kept])
    composition, targets = composition_matrix(qm9.atoms), qm9.targets[["gap", "mu"]]
    rows = []
    for name in ENCODERS:
        rep = cpdkit.extract(cpdkit.load_encoder(name), qm9, progress=False)
        values = rep.select(layer=rep.layers[-1]).values
        for case, chosen in cases.items():
            table = cpd(values[chosen], composition[chosen], targets.iloc[chosen], leak=False)
            scores = table[table.score == "r2_partial"].set_index("target")["mean"]
            rows.append({"encoder": name, "molecules": case, **scores.round(4).to_dict()})
    common.report("qm9_overlap", rows, shared=int(shared.sum()), molecules=len(qm9))


if __name__ == "__main__":
    main()
