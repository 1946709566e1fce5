"""A Jupyter kernel that notes what a run depends on.

Started instead of plain ``ipykernel_launcher`` by :mod:`cpdkit.runs.run`. After every cell it
writes which modules of this library are loaded, which other distributions, which files were opened
for reading and which settings were asked of the environment. A cached run stays valid as long as
all of these are unchanged, so that touching one module re-runs only the notebooks that use it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

__all__ = ["RECORD_VARIABLE", "main"]

RECORD_VARIABLE = "CPDKIT_RUN_RECORD"
"""Environment variable with the path of the file to write."""

_SETTINGS = ("CPDKIT_", "TORCHANI_")
# What a run reads does not depend on these.
_NO_SETTINGS = (RECORD_VARIABLE, "CPDKIT_CACHE", "CPDKIT_CACHE_SIZE")


class _Recorder:
    """Collects paths and environment names from the interpreter's own events."""

    def __init__(self, record: Path) -> None:
        self.record = record
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.settings: set[str] = set()

    def audit(self, event: str, arguments: tuple) -> None:
        """An audit hook (PEP 578): every ``open`` of Python code passes here."""
        if event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        path, _, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR)
        (self.written if writes else self.read).add(os.path.abspath(os.fsdecode(path)))

    def watch_environment(self) -> None:
        """Note which of our settings are looked up: their values decide what a run reads."""
        kind = type(os.environ)
        lookup = kind.__getitem__

        def noted(environ: os._Environ, name: str) -> str:
            if isinstance(name, str) and name.startswith(_SETTINGS) and name not in _NO_SETTINGS:
                self.settings.add(name)
            return lookup(environ, name)

        kind.__getitem__ = noted  # type: ignore[method-assign]

    def write(self, *_: object) -> None:
        """Write the record beside its final path, then rename it."""
        # A copy in one step: listing items makes tuples, hence garbage collections, and a finalizer
        # that imports would change what is being listed.
        loaded = sys.modules.copy()
        content = {
            "modules": sorted(
                name
                for name, module in loaded.items()
                if name.partition(".")[0] == "cpdkit" and getattr(module, "__file__", None)
            ),
            "toplevel": sorted({name.partition(".")[0] for name in loaded}),
            "read": sorted(self.read - self.written),
            "settings": sorted(self.settings),
            "features": getattr(loaded.get("cpdkit.extraction.cache"), "used", {}),
        }
        part = self.record.with_suffix(".part")
        part.write_text(json.dumps(content))
        os.replace(part, self.record)


def main() -> None:
    """Start the kernel; the arguments are those of ``ipykernel_launcher``."""
    # Before there is a notebook: progress then comes as text, which the runner can pass on,
    # not as a widget, which a page could only show with scripts from elsewhere.
    import tqdm.auto  # noqa: F401
    from ipykernel.kernelapp import IPKernelApp

    recorder = _Recorder(Path(os.environ[RECORD_VARIABLE]))
    recorder.watch_environment()
    sys.addaudithook(recorder.audit)
    app = IPKernelApp.instance()
    app.initialize()
    shell = app.shell
    if shell is None:
        raise RuntimeError("the kernel has no shell, so nothing can be recorded.")
    shell.events.register("post_run_cell", recorder.write)
    recorder.write()  # a notebook may have no code at all
    app.start()


if __name__ == "__main__":
    main()
