"""Exercises: right answers pass, typical mistakes are named, and nothing is hard-coded."""

from __future__ import annotations

import pytest

from cpdkit.exercises import EXERCISES, Feedback, check


@pytest.mark.parametrize("name", EXERCISES)
def test_without_an_answer_nothing_is_right(name):
    feedback = check(name, None)
    assert not feedback.right and "no answer yet" in feedback.why


def test_feedback_as_text_and_as_markdown():
    assert str(Feedback(True, "as it should be.")) == "Right: as it should be."
    assert Feedback(False, "no.")._repr_markdown_() == "**Not yet**: no."


def test_an_unknown_exercise_is_answered():
    with pytest.raises(ValueError, match="unknown exercise '3,1'; did you mean '3.1'"):
        check("3,1", 0.0)
