"""Whether this installation can do what the course asks: versions, data, time of a small run."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

__all__ = ["Finding", "examine"]

_SLOW = 30.0  # s; some 50 times what a laptop takes
_OPEN = ("jupyterlab", "notebook", "nbclassic", "ipykernel")  # any; VS Code needs the last alone
_MORE = {
    "lessons 3 to 5": (("torch", "graph_pes", "torchani", "rdkit"), "plot,graphpes,ani,bonds"),
    "cpdkit run and cpdkit grade": (("papermill", "IPython"), "run"),
}


@dataclass(frozen=True)
class Finding:
    """A sentence, and whether lessons 1 and 2 can do with what it says."""

    text: str
    well: bool = True

    def __str__(self) -> str:
        return f"{'ok' if self.well else '!!'}  {self.text}"


def examine() -> list[Finding]:
    """Look at Python, packages, data, machine, and the time of a small run.

    Returns
    -------
    list of Finding
        Each prints as a line; ``!!`` marks what must be mended. What is merely absent, such as
        torch, is said and is well.
    """
    return [*_versions(), *_tools(), *_machine(), *_data(), *_small_run()]


def _versions() -> Iterator[Finding]:
    try:
        own, python = metadata.version("cpdkit"), metadata.metadata("cpdkit")["Requires-Python"]
    except metadata.PackageNotFoundError:
        yield Finding("cpdkit is not installed; the page Install of the book says how.", False)
        return
    well = platform.python_version() in SpecifierSet(python)
    wanted = "" if well else f"; cpdkit needs {python}"
    yield Finding(f"Python {platform.python_version()}{wanted}.", well)
    wrong = list(_other_versions())
    if wrong:
        yield Finding(
            f"cpdkit {own} wants {', '.join(wrong)}; an environment of its own brings them, "
            "as the page Install of the book says.",
            False,
        )
    else:
        yield Finding(f"cpdkit {own} and the packages it needs, at versions that it works with.")


def _other_versions() -> Iterator[str]:
    """Packages for computing and drawing that are absent or of another version."""
    for line in metadata.requires("cpdkit") or []:
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": "plot"}):
            continue
        try:
            there = metadata.version(needed.name)
        except metadata.PackageNotFoundError:
            yield f"{needed.name} (there is none)"
            continue
        if there not in needed.specifier:
            yield f"{needed.name}{needed.specifier} (there is {there})"


def _tools() -> Iterator[Finding]:
    there = [name for name in _OPEN if find_spec(name) is not None]
    yield Finding(
        f"notebooks can be opened: {there[0]}."
        if there
        else "nothing here opens notebooks; pip install jupyterlab, or use VS Code with ipykernel."
    )
    for what, (names, extras) in _MORE.items():
        absent = [name for name in names if find_spec(name) is None]
        yield Finding(
            f"{what} would also need {', '.join(absent)}: pip install 'cpdkit[{extras}]'."
            if absent
            else f"what {what} need is here."
        )


def _machine() -> Iterator[Finding]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = f", {size / 1e9:.0f} GB of memory"
    yield Finding(f"{platform.system()}, {cores} cores{memory}.")


def _data() -> Iterator[Finding]:
    from cpdkit.course import load_table
    from cpdkit.datasets import load_dataset

    try:
        table, molecules = load_table(), load_dataset("xtb9")
    except (OSError, ValueError) as error:
        yield Finding(f"the data are damaged: {error}", False)
        return
    yield Finding(
        f"the table of lessons 1 and 2 ({len(table):,} molecules) and the data set xtb9 "
        f"({len(molecules):,} molecules) can be read."
    )


def _small_run() -> Iterator[Finding]:
    from cpdkit import cpd
    from cpdkit.course import load_table

    try:
        table = load_table()
        started = time.perf_counter()
        scores = cpd(
            table.features["trained"], table.counts.to_numpy(float), table.molecules[["gap"]],
            groups=table.molecules["formula"], seed=0,
        ).set_index("score")  # fmt: skip
        seconds = time.perf_counter() - started
    except Exception as error:  # whatever it is, it is what the lecturer has to know
        yield Finding(f"a small run failed: {type(error).__name__}: {error}", False)
        return
    share = scores.loc["r2_partial", "mean"]
    right = 0.9 < share < 1
    yield Finding(
        f"a small run took {seconds:.1f} s"
        + (f", which is slow: more than {_SLOW:g} s" if seconds > _SLOW else "")
        + f"; its result is {share:.2f}"
        + ("." if right else ", but should lie between 0.9 and 1."),
        right and seconds <= _SLOW,
    )
