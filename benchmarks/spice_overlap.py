"""How many molecules of QM9 are among the small molecules of SPICE, at least.

    python benchmarks/spice_overlap.py

Needs CPDKIT_DATA. Compares first blocks of InChIKeys, of QM9 and of SPICE's 374 monomers
(des_monomers.smi: openforcefield/qca-dataset-submission, 2021-11-15-QMDataset-DES-monomers-single-
points). SPICE's 14,600 molecules of PubChem are not compared, so these are lower bounds.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem.inchi import MolToInchiKey
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

import cpdkit

HERE = Path(__file__).parent


def main() -> None:
    RDLogger.DisableLog("rdApp.*")
    monomers = [Chem.MolFromSmiles(s) for s in (HERE / "des_monomers.smi").read_text().split()]
    keys = {MolToInchiKey(mol)[:14] for mol in monomers}
    formulas = {"".join(sorted(CalcMolFormula(mol))) for mol in monomers}
    result = {"monomers": len(monomers), "different": len(keys)}
    for split in ("probe", "train"):
        ds = cpdkit.load_dataset("qm9", split=split)
        same = [("".join(sorted(f)) in formulas) for f in ds.formulas]  # most need no key
        found = [MolToInchiKey(Chem.MolFromSmiles(s))[:14] for s in np.array(ds.smiles)[same]]
        result[split] = {"molecules": len(ds), "shared": sum(key in keys for key in found)}
    text = json.dumps(result | {"time": time.strftime("%Y-%m-%d %H:%M:%S")}, indent=1)
    (HERE / "results" / "spice_overlap.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
