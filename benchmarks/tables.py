"""Write the measured tables into the pages of the book; with ``--check`` only compare.

python benchmarks/tables.py [--check]
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
BOOK = ROOT / "book"


def read(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text())


def engine() -> str:
    """Ratios of the engine to other things."""
    core = read("engine_core")["times"]
    lines = ["| what | times one `X.T @ X` |", "|---|---|"]
    for name, row in core.items():
        if name != "X.T @ X":
            lines.append(f"| {name} | {row['ratio']:.2f} |")
    sklearn, matscope = read("engine_sklearn"), read("engine_matscope")
    leace, stream, dask = read("engine_leace"), read("engine_stream"), read("engine_dask")
    agreed = max(value for key, value in sklearn.items() if key.startswith("largest"))
    five = stream["5000000 rows"]
    lines += ["", "| against | measured |", "|---|---|"]
    lines += [
        "| scikit-learn, the same nested protocol (one outer fold, times five) | "
        f"{sklearn['ratio (scikit-learn times five)']:.0f} times as fast; "
        f"R² agree to {agreed:.0e} |",
        "| matscope's `LinearProbe`, same targets and penalties (extrapolated from two fits) | "
        f"{matscope['ratio']:.0f} times as fast |",
        f"| `LeaceFitter`, fitting the projection alone | {leace['fit ratio']:.1f} times as fast |",
        "| streaming 5,000,000 rows of 512 channels | "
        f"{five['cpu_s']:.0f} s, peak memory {five['peak memory, GiB']:.2f} GiB, "
        f"{stream['ratio of times']:.2f} times the time of 1,000,000 |",
        f"| two dask workers against one | {dask['ratio']:.2f} times as fast |",
    ]
    return "\n".join(lines)


def coverage() -> str:
    """Coverage of both intervals."""
    result = read("interval_coverage")
    lines = [
        f"{result['replicates']} data sets per line, so a coverage of 0.95 is known to about "
        f"±{1.96 * (0.95 * 0.05 / result['replicates']) ** 0.5:.2f}.",
        "",
        "| rows | folds | repeats | score | corrected t: expected | conditional | width "
        "| cluster bootstrap: expected | conditional | width |",
        "|" + "---|" * 10,
    ]
    paired: dict[tuple, dict[str, dict]] = {}
    for row in result["rows"]:
        key = (row["n"], row["folds"], row["repeats"], row["score"])
        paired.setdefault(key, {})[row["interval"]] = row
    for (n, folds, repeats, score), both in paired.items():
        if score not in ("r2_geom", "r2_partial"):
            continue
        cells = [
            f"{both[kind][column]:.2f}"
            for kind in ("corrected-t", "cluster-bootstrap")
            for column in ("expected", "conditional", "width")
        ]
        lines.append(f"| {n} | {folds} | {repeats} | `{score}` | {' | '.join(cells)} |")
    return "\n".join(lines)


_IN_SHORT = [
    ("corrected-t", "random", 1),
    ("corrected-t", "random", 3),
    ("corrected-t", "formula", 1),
    ("cluster-bootstrap", "formula", 1),
    ("cluster-bootstrap", "formula", 3),
]


def coverage_in_short() -> str:
    """Coverage with 800 structures, both scores in one cell."""
    lines = [
        "| interval | folds | repeats | the mean over data sets "
        "| what the fitted probes score on fresh structures |",
        "|---|---|---|---|---|",
    ]
    rows = {
        (row["interval"], row["folds"], row["repeats"], row["score"]): row
        for row in read("interval_coverage")["rows"]
        if row["n"] == 800
    }
    for key in _IN_SHORT:
        both = [rows[*key, score] for score in ("r2_geom", "r2_partial")]
        cells = [
            " and ".join(f"{row[column]:.2f}" for row in both)
            for column in ("expected", "conditional")
        ]
        interval, folds, repeats = key
        name = interval.replace("-", " ")
        lines.append(f"| {name} | {folds} | {repeats} | {' | '.join(cells)} |")
    return "\n".join(lines)


def extraction() -> str:
    """Cost of extraction, relative to other ways and sizes."""
    lines = [
        "| encoder | bare pass = 1: best (median) of 7 | graphs, ms per molecule |",
        "|---|---|---|",
    ]
    for row in read("extract_overhead")["rows"]:
        lines.append(
            f"| {row['encoder']} | {row['ratio_of_best']:.2f} ({row['ratio_median']:.2f}) "
            f"| {row['graph_ms']:.2f} |"
        )
    lines += ["", "| against | measured |", "|---|---|"]
    for row in read("extract_mace")["rows"]:
        lines.append(
            f"| `get_descriptors`, MACE {row['model']} | {row['times_faster']:.1f} times as fast; "
            f"features differ by {row['largest_difference']:.0e} |"
        )
    memory = read("extract_memory")["rows"]
    for row in memory:
        if row["molecules"] > 100_000:
            lines.append(
                f"| {row['encoder']}, {row['molecules']:,} molecules against 10,000 | "
                f"{row['peak_ratio']:.2f} times the peak memory ({row['peak_MB']:.0f} MB), "
                f"{row['time_ratio']:.2f} times the time per molecule |"
            )
    workers = read("extract_dask")
    two = next(row for row in workers["rows"] if row["workers"] == 2)
    lines.append(
        f"| two dask workers against one, {two['encoder']}, {workers['about']['molecules']} "
        f"molecules | {two['speedup']:.2f} times as fast, same bits: {two['same_bits']} |"
    )
    for row in read("extract_matscope")["rows"]:
        lines.append(f"| matscope 0.2.0 on CHGNet, {row['matscope']} | {row['outcome']} |")
    return "\n".join(lines)


def verdict_rules() -> str:
    """How often each rule was right on planted truth."""
    lines = [
        "| claim | the claim | planted | right | of draws | undecided | wrong |",
        "|---|---|---|---|---|---|---|",
    ]
    for case in read("verdict_rules")["cases"]:
        said, right = case["outcomes"], case["right"]
        correct = sum(outcome in right for outcome in said)
        open_ = sum(outcome == "undecided" and outcome not in right for outcome in said)
        cells = [
            case["claim"], case["kind"], case["what"], " or ".join(right),
            f"{correct} of {len(said)}", str(open_), str(len(said) - correct - open_),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


PAGES = {
    BOOK / "method.md": {"coverage_in_short": coverage_in_short},
    BOOK / "engine.md": {"engine": engine, "coverage": coverage},
    BOOK / "extraction.md": {"extraction": extraction},
    BOOK / "verdict_rules.md": {"verdict_rules": verdict_rules},
}


def page(path: Path) -> str:
    """The page with its tables as the results have them."""
    text = path.read_text()
    for name, table in PAGES[path].items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise ValueError(f"{path} needs {begin} and {end} once each.")
        pattern = re.escape(begin) + ".*" + re.escape(end)
        text = re.sub(pattern, f"{begin}\n{table()}\n{end}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if a page is out of date")
    given = parser.parse_args()
    for path in PAGES:
        after = page(path)
        if given.check and after != path.read_text():
            raise SystemExit(f"{path} differs: run benchmarks/tables.py")
        path.write_text(after)
