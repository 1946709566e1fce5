"""Time the probing engine against one X.T @ X, scikit-learn, matscope and LeaceFitter.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/engine.py core
    ... sklearn | matscope | leace | stream | dask

Each part writes ``benchmarks/results/engine_<part>.json``. Times are processor seconds of this
process, on one thread, because machines are shared; wall times stand beside them. Ratios are
within one run, medians over rounds that interleave what is compared.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from cpdkit import CompositionProjector, cpd
from cpdkit.folds import make_folds
from cpdkit.held_out.moments import held_out_moments
from cpdkit.held_out.rows import Protocol
from cpdkit.moments.accumulate import MomentAccumulator
from cpdkit.moments.folds import FoldMoments
from cpdkit.moments.ridge import FoldRidge, choose_alphas, held_out_sums
from cpdkit.moments.scores import cpd_from_moments
from cpdkit.moments.sources import moments_from_arrays, moments_from_dask

N, D, K, T, FOLDS = 130_000, 512, 5, 12, 5
ALPHAS = tuple(np.logspace(-8, 2, 20))
HOW = Protocol("sound", plain=False, transductive=False, alphas=ALPHAS)
RESULTS = Path(__file__).parent / "results"


def data(n: int = N, d: int = D, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated features that hold composition; targets of both, with noise."""
    rng = np.random.default_rng(seed)
    C = rng.integers(0, 10, (n, K)).astype(np.float64)
    X = rng.standard_normal((n, d))
    X[:, 1:] += 0.5 * X[:, :1]
    X += C @ rng.standard_normal((K, d))
    Y = X[:, :T] + C @ rng.standard_normal((K, T)) + rng.standard_normal((n, T))
    return X, C, Y


def interleaved(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, dict[str, float]]:
    """Median processor and wall seconds of each task, all tasks in every round."""
    cpu = {name: [] for name in tasks}
    wall = {name: [] for name in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            start, begun = time.process_time(), time.perf_counter()
            task()
            cpu[name].append(time.process_time() - start)
            wall[name].append(time.perf_counter() - begun)
    return {
        name: {"cpu_s": float(np.median(cpu[name])), "wall_s": float(np.median(wall[name]))}
        for name in tasks
    }


def write(part: str, result: dict) -> None:
    """Save with what it was run on, and print."""
    result["environment"] = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "machine": platform.machine(),
        "blas": sorted({f"{i['internal_api']} {i['version']}" for i in threadpool_info()}),
        "threads": max((i["num_threads"] for i in threadpool_info()), default=1),
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2)
    (RESULTS / f"engine_{part}.json").write_text(text + "\n")
    print(text)


def fixed(X: np.ndarray, C: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> list:
    """All scores, folds, targets and penalties."""
    folds = FoldMoments.of_rows(X, C, Y, fold)
    sums = []
    for k in range(FOLDS):
        fit = FoldRidge(folds.without([k]))
        for name in ("geom", "full"):
            test, _ = folds.test(k, fit.train)
            sums.append(held_out_sums(fit, fit.weights(name, ALPHAS), test))
    return sums


def nested(X: np.ndarray, C: np.ndarray, Y: np.ndarray, fold: np.ndarray) -> list:
    """All scores, penalties chosen on inner folds."""
    folds = FoldMoments.of_rows(X, C, Y, fold)
    sums = []
    for k, chosen in enumerate(choose_alphas(folds, ALPHAS)):
        fit = FoldRidge(folds.without([k]))
        for name, alpha in chosen.items():
            weights = fit.chosen_weights(name, alpha)[:, None]
            sums.append(held_out_sums(fit, weights, folds.test(k, fit.train)[0]))
    return sums


def core(rounds: int) -> None:
    X, C, Y = data()
    fold = make_folds(N, n_folds=FOLDS)
    ids = np.arange(N)
    formulas = np.array([f"C{a:.0f}H{b:.0f}N{c:.0f}" for a, b, c in C[:, :3] + 1])
    moments = moments_from_arrays(X, C, Y)
    times = interleaved(
        {
            "X.T @ X": lambda: X.T @ X,
            "moments, 5 buckets": lambda: moments_from_arrays(
                X, C, Y, buckets=fold[0], n_buckets=FOLDS
            ),
            "moments, 50 buckets": lambda: moments_from_arrays(X, C, Y, buckets=ids % 50),
            "fixed penalties": lambda: fixed(X, C, Y, fold[0]),
            "nested selection": lambda: nested(X, C, Y, fold[0]),
            "nested, predicting rows": lambda: list(held_out_moments(X, C, Y, fold, protocol=HOW)),
            "one more question (nested, saved moments)": lambda: cpd_from_moments(
                moments, alphas=ALPHAS
            ),
            "cpd(), checks and folds included": lambda: cpd(X, C, Y, leak=False),
            "cpd(), with leak": lambda: cpd(X, C, Y, groups=formulas),
        },
        rounds,
    )
    gram = times["X.T @ X"]["cpu_s"]
    for row in times.values():
        row["ratio"] = row["cpu_s"] / gram
    write("core", {"n": N, "d": D, "targets": T, "alphas": len(ALPHAS), "times": times})


def sklearn_fold(
    X: np.ndarray, C: np.ndarray, Y: np.ndarray, fold: np.ndarray, k: int
) -> dict[str, np.ndarray]:
    """Nested R2 of one outer fold with scikit-learn alone, shape (n_targets,)."""
    from sklearn.linear_model import LinearRegression, Ridge
    from sklearn.metrics import r2_score
    from sklearn.preprocessing import StandardScaler

    def split(train: np.ndarray, test: np.ndarray, project: bool) -> tuple[np.ndarray, np.ndarray]:
        fit, score = X[train], X[test]
        if project:
            ols = LinearRegression().fit(C[train], fit)
            fit, score = fit - ols.predict(C[train]), score - ols.predict(C[test])
        scaler = StandardScaler().fit(fit)  # no column comes near the floors here
        return scaler.transform(fit), scaler.transform(score)

    result = {}
    outer = np.flatnonzero(fold != k)
    test = np.flatnonzero(fold == k)
    for name, project in (("r2_geom", True), ("r2_full", False)):
        error = np.zeros((len(ALPHAS), Y.shape[1]))
        for j in np.unique(fold[outer]):
            train, inner = np.flatnonzero((fold != k) & (fold != j)), np.flatnonzero(fold == j)
            fit, score = split(train, inner, project)
            for i, alpha in enumerate(ALPHAS):
                model = Ridge(alpha=alpha * len(train)).fit(fit, Y[train])
                error[i] += ((model.predict(score) - Y[inner]) ** 2).sum(axis=0)
        best = np.asarray(ALPHAS)[error.argmin(axis=0)]
        fit, score = split(outer, test, project)
        model = Ridge(alpha=best * len(outer)).fit(fit, Y[outer])
        result[name] = r2_score(Y[test], model.predict(score), multioutput="raw_values")
    return result


def sklearn(rounds: int) -> None:
    small = data(10_000, 256)
    fold = make_folds(10_000)[0]
    sums = nested_values(small, fold)
    worst = 0.0
    for k in range(FOLDS):
        for score, values in sklearn_fold(*small, fold, k).items():
            worst = max(worst, float(np.abs(values - sums[score][k]).max()))
    X, C, Y = data()
    fold = make_folds(N)[0]
    times = interleaved({"engine, nested": lambda: nested(X, C, Y, fold)}, max(rounds, 3))
    values = nested_values((X, C, Y), fold)
    start = time.process_time()
    result = sklearn_fold(X, C, Y, fold, 0)
    one = time.process_time() - start
    large = max(float(np.abs(result[s] - values[s][0]).max()) for s in result)
    engine = times["engine, nested"]["cpu_s"]
    write(
        "sklearn",
        {
            "largest difference of R2, n=10000 d=256, all folds": worst,
            "largest difference of R2, n=130000 d=512, fold 0": large,
            "engine, all folds, cpu_s": engine,
            "scikit-learn, one of five outer folds, cpu_s": one,
            "ratio (scikit-learn times five)": FOLDS * one / engine,
        },
    )


def nested_values(arrays: tuple[np.ndarray, ...], fold: np.ndarray) -> dict[str, np.ndarray]:
    """R2 of the engine, (n_folds, n_targets), with the same penalties to choose from."""
    X, C, Y = arrays
    result: dict[str, list[np.ndarray]] = {"r2_geom": [], "r2_full": []}
    for part in held_out_moments(X, C, Y, fold[None], protocol=HOW):
        total = ((part.y - part.y.mean(axis=0)) ** 2).sum(axis=0)
        for score, name in (("r2_geom", "geom"), ("r2_full", "full")):
            error = ((part.y - part.predictions[name]) ** 2).sum(axis=0)
            result[score].append(1 - error / total)
    return {score: np.stack(values) for score, values in result.items()}


def matscope(rounds: int) -> None:
    from matscope.probes import LinearProbe

    X, C, Y = data()
    fold = make_folds(N)[0]
    times = interleaved(
        {
            "LinearProbe, one target and penalty": lambda: LinearProbe(
                task="regression", regularization=ALPHAS[10] * N
            ).fit_evaluate(X, Y[:, 0], cv_folds=FOLDS),
            "engine, all targets and penalties": lambda: fixed(X, C, Y, fold),
        },
        2,
    )
    one, engine = (row["cpu_s"] for row in times.values())
    write(
        "matscope",
        {
            "times": times,
            "note": "LinearProbe on X alone, two fits extrapolated to 12 targets x 20 penalties; "
            "the engine gives all scores of X and X_geom",
            "ratio": one * T * len(ALPHAS) / engine,
        },
    )


def leace(rounds: int) -> None:
    import torch
    from concept_erasure import LeaceFitter

    torch.set_num_threads(1)
    X, C, _ = data()
    x, z = torch.from_numpy(X), torch.from_numpy(C)
    fitted = CompositionProjector().fit(X, composition=C)
    eraser = LeaceFitter.fit(x, z).eraser
    times = interleaved(
        {
            "CompositionProjector, fit": lambda: CompositionProjector().fit(X, composition=C),
            "LeaceFitter, fit": lambda: LeaceFitter.fit(x, z).eraser,
            "CompositionProjector, transform": lambda: fitted.transform(X, composition=C),
            "LeaceFitter, transform": lambda: eraser(x),
        },
        rounds,
    )
    seconds = [row["cpu_s"] for row in times.values()]
    write(
        "leace",
        {
            "times": times,
            "fit ratio": seconds[1] / seconds[0],
            "transform ratio": seconds[3] / seconds[2],
        },
    )


def chunks(n: int, size: int = 50_000) -> Iterator[tuple[np.ndarray, ...]]:
    """Rows made as they are needed."""
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((K, D))
    for start in range(0, n, size):
        rows = min(size, n - start)
        C = rng.integers(0, 10, (rows, K)).astype(np.float64)
        X = rng.standard_normal((rows, D), dtype=np.float32)
        X += (C @ mix).astype(np.float32)
        Y = X[:, :T] + rng.standard_normal((rows, T))
        yield X, C, Y


def stream(rounds: int) -> None:
    result: dict[str, Any] = {}
    seconds: dict[int, float] = {}
    # The short run stands before and after the long one, as the load of the machine may drift.
    for n in (1_000_000, 5_000_000, 1_000_000):
        accumulator = MomentAccumulator()
        making, start = 0.0, time.process_time()
        source = chunks(n)
        while True:
            begun = time.process_time()
            chunk = next(source, None)
            making += time.process_time() - begun
            if chunk is None:
                break
            accumulator.update(*chunk)
        moments = accumulator.result()
        taken = time.process_time() - start - making
        seconds[n] = taken if n not in seconds else (taken + seconds[n]) / 2
        start = time.process_time()
        table = cpd_from_moments(moments, alphas=ALPHAS)
        scoring = time.process_time() - start
        del accumulator, moments
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
        result[f"{n} rows"] = {
            "cpu_s": seconds[n],
            "making the rows, cpu_s": making,
            "table from moments, cpu_s": scoring,
            "peak memory, GiB": peak,
            "r2_full": float(table.set_index("score").loc["r2_full", "mean"].mean()),
        }
        print(result, file=sys.stderr)
    result["ratio of times"] = seconds[5_000_000] / seconds[1_000_000]
    write("stream", result)


def dask(rounds: int) -> None:
    import dask.array as da
    from distributed import Client

    n, size = 600_000, 50_000

    def make(block: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(int(block[0, 0]))
        return rng.standard_normal((len(block), D), dtype=np.float32)

    index = da.arange(n, chunks=size)[:, None]
    X = index.map_blocks(make, chunks=(index.chunks[0], (D,)), dtype=np.float32)
    Y = np.random.default_rng(0).standard_normal((n, T))
    wall: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(max(rounds // 2, 1)):
        for workers in wall:
            with Client(n_workers=workers, threads_per_worker=1, dashboard_address=None) as client:
                client.wait_for_workers(workers)
                moments_from_dask(X[:size], None, Y[:size])  # imports
                start = time.perf_counter()
                moments_from_dask(X, None, Y)
                wall[workers].append(time.perf_counter() - start)
    one, two = np.median(wall[1]), np.median(wall[2])
    write(
        "dask",
        {"rows": n, "one worker, wall_s": one, "two workers, wall_s": two, "ratio": one / two},
    )


if __name__ == "__main__":
    parts = {f.__name__: f for f in (core, sklearn, matscope, leace, stream, dask)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=parts)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if max((i["num_threads"] for i in threadpool_info()), default=1) > 1:
        parser.error("set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1 first")
    parts[given.part](given.rounds)
