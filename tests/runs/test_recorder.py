"""The kernel's record of what a run depends on."""

from __future__ import annotations

import gc
import json
import sys
from types import ModuleType

from cpdkit.runs.recorder import _Recorder


class Imports:
    """Garbage whose finalizer loads a module, as those of some libraries do."""

    count = 0

    def __init__(self):
        self.me = self

    def __del__(self):
        Imports.count += 1
        sys.modules[f"late_{Imports.count}"] = ModuleType("late")


def test_a_module_loaded_while_modules_are_listed_does_no_harm(tmp_path, monkeypatch):
    # So many that listing them starts a garbage collection.
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    sys.modules.update({f"many_{k}": ModuleType("many") for k in range(3000)})
    recorder = _Recorder(tmp_path / "record.json")
    for _ in range(20):
        gc.disable()
        try:
            Imports()
        finally:
            gc.enable()
        recorder.write()
    record = json.loads((tmp_path / "record.json").read_text())
    assert "cpdkit.runs.recorder" in record["modules"]
    assert {"cpdkit", "json"} <= set(record["toplevel"])
