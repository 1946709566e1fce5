"""The kernel's record of what a run depends on."""

from __future__ import annotations

import gc
import json
import sys
from types import ModuleType

from cpdkit.runs.key import recorded_dependencies
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


def test_a_package_that_is_installed_meanwhile_is_found(tmp_path, monkeypatch):
    """What is installed is listed once, until a folder of packages changes."""
    record = {"modules": [], "toplevel": ["newcomer"], "read": [], "settings": [], "features": {}}
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(place)
    before = recorded_dependencies(record, work=tmp_path, since=0.0)
    assert before["packages"] == {}
    about = place / "newcomer-2.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: newcomer\nVersion: 2.5\n")
    (about / "top_level.txt").write_text("newcomer\n")
    after = recorded_dependencies(record, work=tmp_path, since=0.0)
    assert after["packages"] == {"newcomer": "2.5"}
