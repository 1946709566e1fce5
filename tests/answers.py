"""Answers that a checker must refuse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cpdkit.course.feedback import check


def refused(name: str, answers: Mapping[str, Any], **data: Any) -> None:
    """Each answer is wrong, and what is said of it holds the words that are its key."""
    for why, answer in answers.items():
        feedback = check(name, answer, **data)
        assert not feedback.right, (why, answer)
        assert why in feedback.why, (why, feedback.why)
    assert "no answer yet" in check(name, None, **data).why
