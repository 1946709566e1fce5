"""Settings and data shared by all tests."""

from __future__ import annotations

import os

# One thread each: scores must not depend on the machine, and workers must not fight for cores.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# What is tested is computed: with a cache, features would be compared with themselves.
if os.environ.get("CPDKIT_CACHE", "").lower() != "off":
    os.environ.pop("CPDKIT_CACHE", None)

from pathlib import Path  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402
from paths import ROOT  # noqa: E402

# Machines that run tests are busy: how long an example takes says nothing about it. The same
# examples each time, or one run in twenty fails by chance; HYPOTHESIS_PROFILE=search looks further.
settings.register_profile("cpdkit", deadline=None, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "cpdkit"))

collect_ignore = ["device"]  # run by a test, in processes of their own


@pytest.fixture(autouse=True)
def _warned_anew() -> None:
    """What one test was warned of is no reason to be silent in the next."""
    from cpdkit.held_out.inputs import TOLD

    TOLD.clear()


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


def _data_directory() -> tuple[Path | None, str]:
    """Where the reference data is, or why it is not."""
    value = os.environ.get("CPDKIT_DATA")
    if not value:
        return None, "CPDKIT_DATA is not set; point it to the folder with the reference data"
    if not Path(value).is_dir():
        return None, f"CPDKIT_DATA is {value!r}, which is no directory"
    return Path(value).resolve(), ""


@pytest.fixture(scope="session")
def cpdkit_data() -> Path:
    """The folder with the reference data; the test is skipped where there is none."""
    path, reason = _data_directory()
    if path is None:
        pytest.skip(reason)
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is marked ``cpdkit_data`` where there is none."""
    path, reason = _data_directory()
    if path is None:
        for item in items:
            if item.get_closest_marker("cpdkit_data"):
                item.add_marker(pytest.mark.skip(reason=reason))
