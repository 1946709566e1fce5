"""Write the splits that `cpdkit.datasets.xtb9` reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cpdkit.datasets.xtb9.read import STEPS

__all__ = ["write_arrays"]


def write_arrays(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write one split; numbers in `STEPS` are rounded to their step.

    Parameters
    ----------
    path : Path
        Ends in ``.npz``; appears only when complete.
    columns : mapping of str to ndarray
        Floating arrays named in `STEPS`, small non-negative integers, or text.
    """
    packed: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        values = np.asarray(values)
        if values.dtype.kind in "UO":
            text = "\n".join(values.tolist())
            packed[f"{name}|text"] = np.frombuffer(text.encode("ascii"), np.uint8)
        elif values.dtype.kind in "iu":
            if values.size and (values.min() < 0 or values.max() > 65535):
                raise ValueError(f"{name}: integers must lie in 0..65535")
            packed[f"{name}|int"] = _planes(values.astype("<u2"))
        else:
            whole = np.rint(values / STEPS[name]).astype(np.int64)
            zigzag = np.where(whole < 0, -2 * whole - 1, 2 * whole).astype("<u8")
            width = next(w for w in (2, 4, 8) if int(zigzag.max()) < 256**w)
            packed[f"{name}|step"] = _planes(zigzag.astype(f"<u{width}"))
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        np.savez_compressed(file, **packed)  # type: ignore[arg-type]
    os.replace(temporary, path)


def _planes(values: np.ndarray) -> np.ndarray:
    """Byte planes of an unsigned array, shape (n_bytes, *values.shape)."""
    parts = np.ascontiguousarray(values)[..., None].view(np.uint8)
    return np.ascontiguousarray(np.moveaxis(parts, -1, 0))
