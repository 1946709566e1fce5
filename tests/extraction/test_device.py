"""`device=`: what leaves the CPU gives the same numbers, and nothing is left behind there.

No machine of ours has a GPU, so the tests compile a device of their own (see
``device/second_device.cpp``): memory and arithmetic are the CPU's, but as with a GPU its tensors
do not mix with those of the CPU.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

pytest.importorskip("torch")

from cpdkit import encoders

SCRIPT = ROOT / "tests" / "device" / "on_second_device.py"
ENCODERS = [
    "ani2x-aev", "bond-counts", "chgnet", "dimenet++-untrained", "mace-untrained", "module",
    "painn-untrained", "random", "schnet-untrained", "sevennet-0", "sevennet-l3i5", "so3lr", "soap",
    "visnet-untrained", "zoo/painn-gap-0",
]  # fmt: skip
WITH_DATA = {"ani2x": "torchani", "mace-ani-cc": "checkpoints", "mace-spice": "checkpoints"}
TRAININGS = ["schnet:gap", "painn:energy", "mace:energy", "visnet:gap", "dimenet++:gap"]
SINGLE = {"chgnet"}  # works in float32 only
MOLECULES_ONLY = {"visnet-untrained"}
WITH_ENERGY = {
    "ani2x", "chgnet", "dimenet++-untrained", "mace-untrained", "painn-untrained",
    "schnet-untrained", "sevennet-0", "sevennet-l3i5", "so3lr", "visnet-untrained",
    "mace-ani-cc", "mace-spice",
}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict:
    if shutil.which("g++") is None:
        pytest.skip("needs g++ to build the device")
    folder = tmp_path_factory.mktemp("device")
    names = [*ENCODERS, "left-behind", *(f"train:{name}" for name in TRAININGS)]
    data = Path(os.environ.get("CPDKIT_DATA") or "nowhere")
    names += [name for name, part in WITH_DATA.items() if (data / part).is_dir()]
    command = [sys.executable, str(SCRIPT), str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "results.json").read_text())


def result(results: dict, name: str) -> dict:
    if name not in results:
        pytest.skip(f"needs $CPDKIT_DATA/{WITH_DATA[name]}")
    assert "error" not in results[name], results[name]["error"]
    return results[name]


@pytest.mark.parametrize("name", [*ENCODERS, *WITH_DATA])
def test_encoders_run_elsewhere_with_equal_results(name, results):
    found = result(results, name)
    tolerance = 1e-6 if name in SINGLE else 1e-12
    assert found["places"] == ["second"]
    expected = {"features"}
    expected |= {"crystals"} if name not in MOLECULES_ONLY else set()
    expected |= {"energy"} if name in WITH_ENERGY else set()
    expected |= {"predicted"} if name.startswith("zoo/") else set()
    assert expected == found.keys() & {"features", "crystals", "energy", "predicted"}
    for what in expected:
        assert found[what] < tolerance
    assert found["computed_again"] == 1, "shards of one device do not serve the other"
    assert found["back"], "features differ after the encoder went to the device and back"


def test_every_encoder_is_tried():
    # MACE of other weights, and families that stand for others
    alike = ("mace-mp", "mace-off", "mace:", "zoo/")
    own = {name for name, builder in encoders._REGISTRY.items() if isinstance(builder, str)}
    left = {name for name in own if not name.startswith(alike)}
    assert left - {"so3lr"} == {*ENCODERS, *WITH_DATA} - {"module", "zoo/painn-gap-0", "so3lr"}


def test_a_tensor_left_on_the_cpu_is_noticed(results):
    assert "all tensors to be on the same device" in results["left-behind"]["error"]


@pytest.mark.parametrize("name", TRAININGS)
def test_trainings_run_elsewhere_with_equal_results(name, results):
    found = result(results, f"train:{name}")
    assert found["places"] == ["second"]
    assert found["weights"] < 1e-3  # float32 over 2 epochs, relative to the largest of a tensor
