"""Import libraries that hold models, and keep what they change to themselves."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from types import ModuleType

import torch

__all__ = ["require", "seeded", "undo_import_effects"]

# mace sets this at import: every later torch.load of the process would then unpickle.
_FLAG = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


@contextmanager
def undo_import_effects(default_dtype: torch.dtype | None = None) -> Iterator[None]:
    """Undo what importing model libraries changes for the whole process.

    e3nn 0.4.4 reads a table holding slices when it is imported, which safe loading refuses
    unless told; mace turns safe loading off. Both are allowed inside and taken back after, and
    so are warning filters and torch's default dtype, which is `default_dtype` inside. (PyTorch
    Geometric tells torch that its own data classes are safe to load; that stays.)
    """
    flag, dtype = os.environ.get(_FLAG), torch.get_default_dtype()
    told = slice in torch.serialization.get_safe_globals()
    try:
        torch.set_default_dtype(default_dtype or dtype)
        with torch.serialization.safe_globals([slice]), warnings.catch_warnings():
            yield
    finally:
        if told:
            torch.serialization.add_safe_globals([slice])
        torch.set_default_dtype(dtype)
        if flag is None:
            os.environ.pop(_FLAG, None)
        else:
            os.environ[_FLAG] = flag


def require(module: str, *, encoder: str, extra: str) -> ModuleType:
    """Import `module` or say which extra of this package brings it.

    Raises
    ------
    ImportError
        If it, or something it needs, is not installed.
    """
    try:
        # Some libraries print or warn about accelerators they could have used.
        with undo_import_effects(), redirect_stdout(io.StringIO()):
            for said in ("The extensions", "Environment variable TORCH_FORCE"):
                warnings.filterwarnings("ignore", message=said, category=UserWarning)
            return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"encoder {encoder!r} needs {module.partition('.')[0]!r}, which cannot be imported "
            f"({error}); install it with: pip install 'cpdkit[{extra}]'."
        ) from error


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw torch's random numbers from `seed`; the generator outside is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
