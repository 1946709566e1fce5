"""Try the library in environments of their own: the oldest set, the newest, an extra alone.

    python tools/environments.py oldest newest    # as CI does, some minutes
    python tools/environments.py ani soap-oldest  # these extras, each in an empty environment
    python tools/environments.py extras           # every extra

Environments are made by uv, which is fetched where it is missing; where nothing can be fetched this
says so and ends well. The oldest set is what pyproject.toml names as lower bounds.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "_build" / "environments"
TESTS = [
    "tests/composition", "tests/moments", "tests/probes/test_residual.py",
    "tests/projection/test_within.py", "tests/controls", "tests/test_comparisons.py",
    "tests/test_decomposition.py",
    "tests/test_figures.py", "tests/test_folds.py", "tests/test_intervals.py",
    "tests/datasets/test_extxyz.py", "tests/datasets/test_formulas.py", "tests/test_stack.py",
    "tests/test_representation.py", "tests/runs/test_probe.py",
]  # fmt: skip
# What a set of extras has to be able to do, beyond being installed.
ENCODERS = {
    "ani": ["ani2x-aev", "ani2x"],
    "chgnet": ["chgnet"],
    "graphpes": ["painn-untrained", "zoo/schnet-gap-0"],
    "mace": ["mace-untrained", "zoo/mace-gap-0"],
    "pyg": ["visnet-untrained", "zoo/dimenet++-gap-0"],
    "sevennet": ["sevennet-0"],
    "so3lr": ["so3lr"],
    "soap": ["soap"],
    "torch": ["bond-counts", "random"],
}
# Files of others below $CPDKIT_DATA, where that is set.
CHECKPOINTS = ["ani500k_small_CC.model", "MACE_SPICE.model"]
IMPORTS = {
    "bonds": "import cpdkit; cpdkit.composition.composition_matrix("
    "cpdkit.load_dataset('xtb9', n=20), kind='bonds')",
    "dask": "import dask, distributed",
    "data": "import tblite.interface, rdkit",
    "plot": "import cpdkit.figures",
    "run": "from cpdkit.runs import run_notebook",
}
# What both files above know the elements of.
TEN = "import cpdkit; ds = cpdkit.load_dataset('xtb9', n=10, elements=['H', 'C', 'N', 'O'])"


def main(asked: list[str]) -> int:
    """Try each of the sets that are asked for; the status is that of the first to fail."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = list(extras["optional-dependencies"])
    names = [n for name in asked for n in ([*ENCODERS, *IMPORTS] if name == "extras" else [name])]
    allowed = {"oldest", "newest", *known, *(f"{name}-oldest" for name in known)}
    if strange := set(names) - allowed:
        sys.exit(f"unknown: {sorted(strange)}; known: oldest, newest, extras, {', '.join(known)}")
    HOME.mkdir(parents=True, exist_ok=True)
    uv = _uv()
    if uv is None:
        print("skipped: no uv here, and the package registry cannot be reached to fetch it.")
        return 0
    wheel = _wheel(uv)
    failed = [name for name in names if not _tried(uv, wheel, name)]
    print(
        f"{len(names) - len(failed)} passed, {len(failed)} failed"
        + "".join(f"\n  {name}" for name in failed)
    )
    return 1 if failed else 0


def _uv() -> str | None:
    """The program uv: the one that is installed, or one fetched into a folder of its own."""
    own = HOME / "uv" / "bin" / "uv"
    if found := shutil.which("uv") or (own.is_file() and str(own)):
        return found
    venv.create(HOME / "uv", with_pip=True)
    pip = [str(own.with_name("python")), "-m", "pip", "install", "--quiet", "uv"]
    done = subprocess.run(pip, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return None if done.returncode else str(own)


def _wheel(uv: str) -> Path:
    """Built from the source archive, so that both are tried."""
    shutil.rmtree(HOME / "dist", ignore_errors=True)
    _run([uv, "build", "--quiet", "--out-dir", str(HOME / "dist"), str(ROOT)])
    (wheel,) = (HOME / "dist").glob("*.whl")
    return wheel


def _run(command: list[str], **options: object) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    environment |= {"UV_PYTHON_DOWNLOADS": "never", "VIRTUAL_ENV": "", "CPDKIT_CACHE": "off"}
    environment |= {"OMP_NUM_THREADS": "1", **options.pop("env", {})}  # type: ignore[dict-item]
    subprocess.run(command, check=True, env=environment, **options)  # type: ignore[call-overload]


def _tried(uv: str, wheel: Path, name: str) -> bool:
    print(f"--- {name}", flush=True)
    home = HOME / name
    try:
        if name in ("oldest", "newest"):
            _core(uv, wheel, home, oldest=name == "oldest")
        else:
            _extra(uv, wheel, home, name)
    except subprocess.CalledProcessError as error:
        print(f"{name}: {error}")
        return False
    return True


def _environment(uv: str, home: Path, python: str) -> list[str]:
    """An empty environment, and the command that installs into it."""
    shutil.rmtree(home, ignore_errors=True)
    _run([uv, "venv", "--quiet", "--python", python, str(home)])
    python = str(home / "bin" / "python")
    # A build of torch that is on this disk, where there is one, is taken before a larger one.
    links = os.environ.get("PIP_FIND_LINKS")
    return [uv, "pip", "install", "--quiet", "--python", python] + (
        ["--find-links", links] if links else []
    )


def _core(uv: str, wheel: Path, home: Path, *, oldest: bool) -> None:
    """The tests of the method on one set of versions, and the command line in an empty folder."""
    python = sys.executable if oldest else _newest()
    install = _environment(uv, home, python)
    resolution = "lowest-direct" if oldest else "highest"
    wanted = ["--extra", "plot", "--extra", "bonds", "--resolution", resolution]
    _run([*install, "-r", str(ROOT / "pyproject.toml"), *wanted])
    _run([*install, "pytest", "hypothesis", "statsmodels"])
    _run([*install, "--no-deps", str(wheel)])
    print(_versions(home), flush=True)
    # Warnings of other versions are not ours to answer for.
    options = ["-q", "-o", "filterwarnings=default", "-W", "ignore", "-p", "no:cacheprovider"]
    options += ["-o", "pythonpath=tests", "-k", "not (parquet or h5)"]
    _run([str(home / "bin/python"), "-P", "-m", "pytest", *options, *TESTS], cwd=ROOT)
    _without_a_clone(home)


def _newest() -> str:
    """The newest Python that is installed here and starts."""
    homes = sorted(Path.home().glob(".pyenv/versions/3.1[2-9]*/bin/python"), reverse=True)
    for python in [*(f"python3.{minor}" for minor in range(19, 11, -1)), *map(str, homes)]:
        if found := shutil.which(python):
            done = subprocess.run([found, "--version"], capture_output=True)
            if done.returncode == 0:
                return found
    return sys.executable


def _versions(home: Path) -> str:
    code = (
        "import sys; from importlib.metadata import version; print('Python', sys.version.split()[0]"
        ", *(f'{n} {version(n)}' for n in ('numpy', 'scipy', 'pandas', 'scikit-learn', 'ase', "
        "'matplotlib', 'rdkit')), sep=', ')"
    )
    command = [str(home / "bin/python"), "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _without_a_clone(home: Path) -> None:
    """The installed command in an empty folder: lists, and features of one's own."""
    empty = home / "empty"
    empty.mkdir()
    write = (
        "import numpy as np; r = np.random.default_rng(0); "
        "f = np.array(['CH4', 'C2H6O', 'CH2O', 'C3H8'] * 50); "
        "np.savez('a.npz', features=r.normal(size=(200, 5)), formulas=f, y=r.normal(size=200))"
    )
    _run([str(home / "bin/python"), "-c", write], cwd=empty)
    for command in (["list"], ["datasets"], ["probe", "a.npz", "-o", "out"]):
        _run([str(home / "bin/cpdkit"), *command], cwd=empty, stdout=subprocess.DEVNULL)
    if not (empty / "out" / "scores.svg").is_file():
        raise subprocess.CalledProcessError(1, "cpdkit probe -o out")


def _extra(uv: str, wheel: Path, home: Path, name: str) -> None:
    """One extra alone, of its newest or oldest versions; what it is advised for works."""
    install = _environment(uv, home, sys.executable)
    pinned = HOME / "torch.txt"
    lock = (ROOT / "constraints.txt").read_text().splitlines()
    pinned.write_text("\n".join(line for line in lock if line.startswith("torch==")))
    install += ["-c", str(pinned)]  # of torch a build for the processor, where one is at hand
    extra = name.removesuffix("-oldest")
    if extra == name:
        _run([*install, f"cpdkit[{extra}] @ {wheel.as_uri()}"])
    else:
        lowest = ["--extra", extra, "--resolution", "lowest-direct"]
        _run([*install, "-r", str(ROOT / "pyproject.toml"), *lowest])
        _run([*install, "--no-deps", str(wheel)])
    code = IMPORTS.get(extra, TEN)
    encoders = list(ENCODERS.get(extra, []))
    if extra == "mace" and (data := os.environ.get("CPDKIT_DATA")):
        encoders += [f"mace:{Path(data, 'checkpoints', file).resolve()}" for file in CHECKPOINTS]
    for encoder in encoders:
        code += (
            f"\nrep = cpdkit.extract(cpdkit.load_encoder({encoder!r}), ds, progress=False)"
            f"\nprint({encoder!r}, rep.features.shape, f'{{abs(rep.features).mean():.7g}}')"
        )
    folder = home / "empty"
    folder.mkdir()
    _run([str(home / "bin/python"), "-W", "ignore", "-c", code], cwd=folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["oldest", "newest"]))
