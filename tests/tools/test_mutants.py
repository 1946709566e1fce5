"""Mutants are other programs, each changed at one place; what is only said is left alone."""

from __future__ import annotations

import ast

from tools.mutants import mutants

SOURCE = '''
"""Text."""
LIMIT = 0.5

def f(values: list[int], *, level: float = 0.95, plain: bool = False) -> float:
    """Text 3."""
    check(level)
    if not plain and values[0] < LIMIT:
        raise ValueError(f"level {level + 1}")
    return sum(values, start=-2) ** 2
'''

EXPECTED = {
    "0.5 -> 5.0", "0.95 -> 9.5", "False -> True", "check(level) -> pass",
    "not plain and values[0] < LIMIT -> not plain or values[0] < LIMIT", "not plain -> plain",
    "values[0] < LIMIT -> values[0] <= LIMIT", "values[0] < LIMIT -> values[0] >= LIMIT",
    "0 -> 1", "sum(values, start=-2) ** 2 -> sum(values, start=-2) * 2", "2 -> 3", "-2 -> 2",
    "sum(values, start=-2) -> sum(values)",
}  # fmt: skip


def test_each_changes_one_place_of_what_is_computed():
    made = list(mutants(SOURCE))
    assert {change for _, change, _ in made} == EXPECTED
    plain = ast.unparse(ast.parse(SOURCE)).splitlines()
    for lines, _, mutated in made:
        ast.parse(mutated)
        assert sum(a != b for a, b in zip(plain, mutated.splitlines(), strict=True)) == 1
        assert set(lines) <= set(range(1, 12))


def test_a_default_is_tried_by_tests_that_run_the_body():
    lines = {change: lines for lines, change, _ in mutants(SOURCE)}
    assert list(lines["0.95 -> 9.5"]) == [6, 7, 8, 9, 10]
    assert list(lines["not plain -> plain"]) == [8]
