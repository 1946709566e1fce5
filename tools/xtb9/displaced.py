"""Energies and forces of relaxed and displaced geometries: ``python -m tools.xtb9.displaced``.

Of every molecule of ``train`` the stored geometry and two displaced ones. The file is too large to
travel with the library; :mod:`cpdkit.zoo.displaced` reads it from the folder of the zoo.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import covalent_radii
from ase.units import Bohr, Hartree
from tblite.exceptions import TBLiteRuntimeError

from cpdkit._files import replacing
from cpdkit.datasets import load_dataset
from cpdkit.zoo.displaced import FILE
from tools.xtb9.chunks import collect
from tools.xtb9.conformers import displacement
from tools.xtb9.labels import singlepoint
from tools.xtb9.splits import molecule_seed

__all__ = ["main", "rows", "springs"]

PER_MOLECULE = 2  # displaced geometries beside the relaxed one
MAX_ENERGY = 0.06  # eV per atom, in springs; about twice that in GFN2-xTB
STIFFNESS, DECAY = 40.0, 4.0  # eV/Angstrom^2 at the length of a bond, and how fast it falls
FLOOR = 3.0  # eV/Angstrom^2: softer modes move as if this stiff
CHUNK = 50  # molecules


def springs(numbers: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Force constants and modes of a spring between every two atoms, without overall motion.

    A spring's constant falls exponentially with its length in units of the sum of covalent radii:
    stretches are stiffer than bends and these than torsions, without a Hessian.

    Parameters
    ----------
    numbers, positions : ndarray
        Atomic numbers, and coordinates in Angstrom.

    Returns
    -------
    constants : ndarray, shape (3 n_atoms - 6,)
        eV/Angstrom^2, ascending.
    modes : ndarray, shape (3 n_atoms - 6, n_atoms, 3)
        Orthonormal.
    """
    n = len(numbers)
    apart = positions[:, None] - positions
    distance = np.linalg.norm(apart, axis=-1) + np.eye(n)
    bond = covalent_radii[numbers][:, None] + covalent_radii[numbers]
    constant = STIFFNESS * np.exp(-DECAY * (distance / bond - 1)) * (1 - np.eye(n))
    along = apart / distance[..., None]
    blocks = -constant[..., None, None] * along[..., :, None] * along[..., None, :]
    blocks[np.arange(n), np.arange(n)] = -blocks.sum(axis=1)
    values, vectors = np.linalg.eigh(blocks.swapaxes(1, 2).reshape(3 * n, 3 * n))
    return values[6:], vectors[:, 6:].T.reshape(-1, n, 3)


def rows(row: int, key: str, numbers: np.ndarray, positions: np.ndarray) -> list[dict[str, Any]]:
    """The relaxed geometry of a molecule and its displaced ones.

    Parameters
    ----------
    row : int
        Of the molecule in ``train``.
    key : str
        Its InChIKey, which seeds the displacements.
    numbers, positions : ndarray
        Atomic numbers, and coordinates in Angstrom.

    Returns
    -------
    list of dict
        The relaxed geometry first; one whose energy does not converge is left out.
    """
    rng = np.random.default_rng(molecule_seed(0, "displaced " + key))
    modes = springs(numbers, positions)
    moves = [np.zeros(positions.shape, np.float32)]
    for _ in range(PER_MOLECULE):
        energy = MAX_ENERGY * len(numbers) * rng.random()
        moves.append(displacement(*modes, energy, rng, floor=FLOOR).astype(np.float32))
    found = []
    for move in moves:
        try:
            result = singlepoint(numbers, positions + move)
        except TBLiteRuntimeError:
            continue
        found.append(
            {
                "row": row,
                "numbers": numbers,
                "positions": move,
                "energy": result.get("energy") * Hartree,
                "forces": (-result.get("gradient") * Hartree / Bohr).astype(np.float32),
            }
        )
    return found


def main(argv: list[str] | None = None) -> None:
    """Parse the arguments and make the file."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.xtb9.displaced",
        description=(
            "Energies and forces (GFN2-xTB) of the molecules that the zoo is trained on, relaxed "
            "and displaced: 61,500 geometries, some 17 minutes of one core, 20 MB. A run that was "
            "stopped continues. Needs tblite."
        ),
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="directory, as CPDKIT_ZOO names it"
    )
    parser.add_argument("--n", type=int, metavar="N", help="molecules (default: all of train)")
    parser.add_argument("--processes", type=int, default=1, metavar="P", help="worker processes")
    args = parser.parse_args(argv)
    train = load_dataset("xtb9", split="train")
    n = len(train) if args.n is None else args.n
    if not 1 <= n <= len(train) or args.processes < 1:
        parser.error(f"--n must lie between 1 and {len(train)}, --processes be at least 1")
    keys = train.info["inchikey"].tolist()
    jobs = [
        partial(rows, i, keys[i], train.atoms[i].numbers, train.atoms[i].positions)
        for i in range(n)
    ]
    chunks = args.out / "chunks" / f"displaced-{n}"  # another number has another last chunk
    columns, _ = collect(chunks, jobs, n, size=CHUNK, processes=args.processes)
    with replacing(args.out / FILE) as file:
        np.savez_compressed(
            file,
            row=columns["row"].astype(np.int32),
            displacement=columns["positions"],
            energy=columns["energy"],
            forces=columns["forces"],
        )
    made, wanted = len(columns["row"]), n * (1 + PER_MOLECULE)
    print(f"{args.out / FILE}: {made:,} of {wanted:,} geometries (the others do not converge)")


if __name__ == "__main__":
    main()
