"""Functions by the name of their module: ``package.module:function`` or ``file.py:function``."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from cpdkit._messages import unknown

__all__ = ["imported", "is_outside"]

_OUTSIDE = re.compile(r"(?P<module>(?:[^:]+\.py)|(?:[A-Za-z_][\w.]*)):(?P<name>[A-Za-z_]\w*)")


def is_outside(name: str) -> bool:
    """Whether a name is of the form ``MODULE:FUNCTION``."""
    return _OUTSIDE.fullmatch(name) is not None


def imported(name: str) -> Any:
    """What ``MODULE:FUNCTION`` names; the module may be a file, which is then imported.

    Raises
    ------
    ModuleNotFoundError
        If there is no such module.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the module has nothing of that name, or another module of the file's name is loaded.
    """
    module_name, _, attribute = name.rpartition(":")
    beside = Path(f"{module_name}.py")  # Python looks there only if it was started in a certain way
    if module_name.endswith(".py"):
        module = _from_file(Path(module_name).resolve())
    elif "." not in module_name and beside.is_file() and find_spec(module_name) is None:
        module = _from_file(beside.resolve())
    else:
        module = import_module(module_name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        own = [n for n, value in vars(module).items() if callable(value) and n[0] != "_"]
        raise ValueError(unknown(f"function of {module_name}:", attribute, own)) from None


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"no module at {path}.")
    # Under its own name: weights may have been pickled with it, and others beside it import it.
    loaded = sys.modules.get(path.stem)
    if loaded is not None:
        if Path(getattr(loaded, "__file__", None) or "").resolve() == path:
            return loaded
        raise ValueError(f"{path} cannot be imported: a module {path.stem!r} is loaded; rename it.")
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be imported as a Python module.")
    module = module_from_spec(spec)
    sys.path.append(str(path.parent))
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module
