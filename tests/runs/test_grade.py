"""Submissions are run apart and judged here; no trick of theirs changes what is judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paths import ROOT

from cpdkit.course.products import student
from cpdkit.runs.answers import answer_expressions, as_json, from_json
from cpdkit.runs.grade import Limits, exercise_data, find_lesson, grade

LESSON = ROOT / "book" / "course" / "1_probes.ipynb"
SOURCE = nbformat.read(LESSON, as_version=4)
EXERCISES = [f"1.{i}" for i in range(1, 6)]


def handed_in(folder: Path, name: str, **lines: str) -> None:
    """A student notebook in which blanks are replaced: ``first`` and ``e1`` to ``e5``."""
    notebook = student(SOURCE)
    number = 0
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []):
            number += 1
            line = lines.get(f"e{number}")
            if line is not None:
                cell.source = cell.source.replace("answer = None", f"answer = {line}")
    if "first" in lines:
        code = textwrap.dedent(lines["first"])
        notebook.cells.insert(6, nbformat.v4.new_code_cell(code))
    (folder / name).parent.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / name)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("submissions")
    good = "r2(y, predicted, test)"
    handed_in(folder, "ada/1_probes.ipynb", e1=good, e3="5 / 7 - 3 / 7", e4="1 / 0")
    handed_in(folder, "blank.ipynb")
    handed_in(
        folder, "cheat.ipynb", e1="0.9", e2="0.5",
        first="""
            import cpdkit.course, cpdkit.course.feedback as f, cpdkit.course.exercises_1 as e
            e.exercise_1_1 = lambda *a, **k: "right"
            check = cpdkit.course.check = f.check = lambda *a, **k: f.Feedback(True, "right")
            y = y * 0
        """,
    )  # fmt: skip
    handed_in(folder, "quits.ipynb", e1=good, e2="__import__('os')._exit(0)")
    handed_in(folder, "large.ipynb", e1="np.ones((50_000, 50_000))", e3="2 / 7")
    handed_in(folder, "object.ipynb", e1="object()", e2="np.array([print], dtype=object)")
    (folder / "damaged.ipynb").write_text("{")
    told: list[str] = []
    found = grade(folder, lesson=LESSON, limits=Limits(megabytes=3000), told=told.append)
    assert len(told) == len(found)
    return found.set_index("submission")


def test_one_row_a_submission_and_one_column_an_exercise(table: pd.DataFrame) -> None:
    assert list(table.columns) == [*EXERCISES, "right", "seconds", "note"]
    assert list(table.index) == sorted(table.index)


def test_right_open_and_failing_answers(table: pd.DataFrame) -> None:
    ada = table.loc["ada/1_probes.ipynb"]
    assert ada[EXERCISES].tolist() == ["right", "no answer", "right", "error", "no answer"]
    assert ada["right"] == 2
    assert "1.4: ZeroDivisionError" in ada["note"]
    assert set(table.loc["blank.ipynb", EXERCISES]) == {"no answer"}


def test_neither_check_nor_checker_nor_data_can_be_faked(table: pd.DataFrame) -> None:
    assert table.loc["cheat.ipynb", ["1.1", "1.2"]].tolist() == ["not yet", "not yet"]
    assert table.loc["cheat.ipynb", "right"] == 0


def test_what_was_handed_in_before_a_process_ended_counts(table: pd.DataFrame) -> None:
    assert table.loc["quits.ipynb", "1.1"] == "right"
    assert table.loc["quits.ipynb", "1.5"] == "no answer"
    assert "could not be run to its end" in table.loc["quits.ipynb", "note"]


def test_memory_is_limited(table: pd.DataFrame) -> None:
    assert table.loc["large.ipynb", ["1.1", "1.3"]].tolist() == ["error", "right"]
    assert "MemoryError" in table.loc["large.ipynb", "note"]


def test_time_is_limited(tmp_path: Path) -> None:
    handed_in(tmp_path, "slow.ipynb", e4="sum(0 for _ in iter(int, 1))")
    (row,) = grade(tmp_path, lesson=LESSON, limits=Limits(seconds=15)).to_dict("records")
    assert row["1.4"] == row["1.5"] == "out of time"
    assert row["note"] == "stopped after 15 s"
    assert row["seconds"] < 60


def test_what_cannot_be_written_down_is_an_error(table: pd.DataFrame) -> None:
    assert table.loc["object.ipynb", ["1.1", "1.2"]].tolist() == ["error", "error"]
    assert "type object cannot be handed in" in table.loc["object.ipynb", "note"]
    assert set(table.loc["damaged.ipynb", EXERCISES]) == {"no answer"}


def test_the_command_writes_the_table(tmp_path: Path) -> None:
    handed_in(tmp_path / "in", "a.ipynb", e3="[2 / 7]")
    command = [
        sys.executable,
        "-m",
        "cpdkit",
        "grade",
        str(tmp_path / "in"),
        "-o",
        "out/grades.csv",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, "--lesson", str(LESSON)],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["a.ipynb: 1 of 5 right.", "out/grades.csv"]
    rows = pd.read_csv(tmp_path / "out/grades.csv", dtype=str)
    assert rows.loc[0, "1.3"] == "right"
    missing = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert missing.returncode == 1
    assert "name it with --lesson FILE" in missing.stderr


def test_a_folder_that_is_none_or_empty_or_mixed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no folder"):
        grade(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError, match="no notebook"):
        grade(tmp_path)
    handed_in(tmp_path, "one.ipynb")
    other = student(SOURCE)
    other.metadata["cpdkit"]["lesson"] = 2
    nbformat.write(other, tmp_path / "two.ipynb")
    with pytest.raises(ValueError, match=r"lessons \[1, 2\] lie together"):
        grade(tmp_path)
    assert find_lesson([tmp_path / "one.ipynb"], root=LESSON.parent) == LESSON


def test_every_exercise_of_the_other_light_lesson_has_its_data() -> None:
    lesson = nbformat.read(LESSON.with_name("2_projection.ipynb"), as_version=4)
    assert list(exercise_data(lesson)) == [f"2.{i}" for i in range(1, 6)]


def test_data_are_those_of_the_lesson() -> None:
    data = exercise_data(SOURCE)
    assert list(data) == EXERCISES
    assert set(data["1.1"]) == {"y", "predicted", "train"}
    assert data["1.3"] == {"formulas": ["C7H12O2"] * 2 + ["C5H8N2O2"] * 2, "y": [4, 6, 5, 9]}


def test_answers_are_found_in_cells() -> None:
    source = 'def f():\n    pass\ncheck("1.1", answer[0], y=y); check("1.2", -x)'
    assert answer_expressions(source) == {"1.1": "answer[0]", "1.2": "-x"}
    assert answer_expressions("%matplotlib inline") == {}
    assert answer_expressions('check(name, 1); other.check("1.1", 2); check("1.3")') == {}


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(values)
def test_plain_answers_come_back_as_they_were(value: object) -> None:
    assert from_json(json.loads(json.dumps(as_json(value)))) == value


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3), np.float32([0.1, np.nan]), np.array(["a", "bc"]), np.ones((0, 3)),
     np.array([True]), np.int64(3)],
)  # fmt: skip
def test_arrays_come_back_bit_by_bit(array: np.ndarray) -> None:
    back = from_json(json.loads(json.dumps(as_json(array))))
    assert back.dtype == array.dtype
    assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")


def test_tables_come_back_as_arrays() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    assert from_json(as_json(frame)).tolist() == [[1.0, 3.0], [2.0, 4.0]]
