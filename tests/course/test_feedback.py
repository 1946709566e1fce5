"""What becomes of an answer."""

from __future__ import annotations

import numpy as np
import pytest

from cpdkit.course.feedback import (
    Feedback,
    Wrong,
    check,
    exercise_names,
    many_numbers,
    name_mistake,
    one_number,
)


@pytest.mark.parametrize("name", exercise_names())
def test_without_an_answer_nothing_is_right(name):
    feedback = check(name, None)
    assert not feedback.right
    assert "no answer yet" in feedback.why


def test_feedback_as_text_and_as_markdown():
    assert str(Feedback(True, "as it should be.")) == "Right: as it should be."
    assert Feedback(False, "no.")._repr_markdown_() == "**Not yet**: no."


def test_an_unknown_exercise_is_answered():
    with pytest.raises(ValueError, match="unknown exercise '2,1'; did you mean '2.1'"):
        check("2,1", 0.0)


@pytest.mark.parametrize("name", ["2.99", "99.1", "", 2.1, "../2.1"])
def test_a_name_without_an_exercise_is_refused(name):
    if str(name) not in exercise_names():
        with pytest.raises(ValueError, match="unknown exercise"):
            check(name, None)


@pytest.mark.parametrize("given", [2, 2.0, np.float32(2), np.array([2]), [2.0], np.array([[2]])])
def test_one_number_in_any_dress(given):
    assert one_number(given) == 2.0


@pytest.mark.parametrize("given", [True, [1, 2], "two", {}, np.nan, np.inf])
def test_what_is_not_one_number(given):
    with pytest.raises(Wrong):
        one_number(given)


@pytest.mark.parametrize("given", [[1, 2], (1.0, 2.0), np.array([[1], [2]]), np.array([[1, 2]])])
def test_a_column_may_stand_or_lie(given):
    assert many_numbers(given, (2,)).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("given", "why"),
    [([1, 2, 3], "shape"), ([1, np.nan], "NaN"), ("no", "numbers were expected"), (1, "shape")],
)
def test_what_is_wrong_with_an_array_is_said(given, why):
    with pytest.raises(Wrong, match=why):
        many_numbers(given, (2,))


def test_mistakes_that_lie_close_together_are_told_apart_where_digits_suffice():
    mistakes = {"root forgotten": 1.0, "sign turned": 1.004}
    for given, said in {
        1.004: "sign turned",
        1.0: "root forgotten",
        1.002: "root forgotten Or: sign turned",
    }.items():
        with pytest.raises(Wrong, match=f"^{said}$"):
            name_mistake(given, mistakes, tolerance=0.005)
    name_mistake(1.1, mistakes, tolerance=0.005)
