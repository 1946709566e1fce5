"""Compile and register the device ``"second"``: a GPU to everything but the numbers.

Registering it changes the whole process, so `on_second_device.py` uses it in one of its own.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import torch
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend
from torch.utils.cpp_extension import include_paths

SOURCE = Path(__file__).with_name("second_device.cpp")


def register(folder: Path) -> torch.device:
    """Build the device in `folder` and make it known to torch."""
    library = folder / "second_device.so"
    command = ["g++", "-std=c++20", "-O0", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    command += [f"-I{path}" for path in include_paths()]
    command += [f"-L{Path(torch.__file__).parent / 'lib'}", "-lc10", "-ltorch_cpu", "-ltorch"]
    subprocess.run(command, check=True)
    torch.ops.load_library(library)
    _setup_privateuseone_for_python_backend("second")
    return torch.device("second")
