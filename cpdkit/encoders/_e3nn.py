"""What models built on e3nn have in common."""

from __future__ import annotations

import re

import torch

__all__ = ["restore_couplings"]

_W3J = re.compile(r"_w3j_(\d+)_(\d+)_(\d+)$")


def restore_couplings(model: torch.nn.Module) -> None:
    """Replace the Wigner 3j buffers of `model` by exact ones, in the buffers' dtype and sign.

    e3nn stores them with the weights, so a float32 checkpoint leaves them rounded after a cast
    to float64, and features then turn with rotations to 1e-8 only.

    Raises
    ------
    ValueError
        If a stored coefficient is not the coefficient of its name.
    """
    from e3nn.o3 import wigner_3j

    for name, buffer in model.named_buffers():
        match = _W3J.search(name)
        if match is None:
            continue
        degrees = [int(part) for part in match.groups()]
        exact = wigner_3j(*degrees, dtype=torch.float64).to(buffer)
        if torch.allclose(-exact, buffer, atol=1e-6):
            exact = -exact  # e3nn 0.5 changed the sign of some; the weights belong to those stored
        if not torch.allclose(exact, buffer, atol=1e-6):
            raise ValueError(f"buffer {name!r} does not hold the Wigner 3j symbol of its name.")
        buffer.copy_(exact)
