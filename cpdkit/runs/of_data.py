"""What a chapter takes by default where crystals are asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cpdkit.composition import CRYSTAL_LADDER
from cpdkit.datasets import CRYSTALS
from cpdkit.runs.parameters import Parameter

__all__ = ["NOT_OF_CRYSTALS", "defaults_of_data"]

_OF_CRYSTALS: Mapping[str, Any] = {
    "removed": "fractions",
    "ladder": list(CRYSTAL_LADDER),
    "control": "mean_Z",  # linear in fractions
    "encoders": ["chgnet", "painn-untrained", "schnet-untrained"],  # these take every element
}

NOT_OF_CRYSTALS: Mapping[str, str] = {
    "routing": "it asks where a vector is kept, and crystals have no vector to be predicted",
    "geometry": "it removes bonds, and crystals have none",
    "task": "it compares networks of the zoo, and all of these were trained on molecules",
}
"""Chapters on molecules that cannot be asked of crystals, by short name, and why."""


def defaults_of_data(
    chapter: str | None,
    declared: Mapping[str, Parameter],
    profile: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> dict[str, Any]:
    """Values for parameters that are not asked for, where another data set is.

    Parameters
    ----------
    chapter : str or None
        Short name of the notebook.
    declared : mapping of str to Parameter
        Its parameters.
    profile, asked : mapping
        Values of the profile, and values that were given.

    Returns
    -------
    dict
        Targets of the data set, and what is right for crystals where the notebook takes molecules
        by default. Empty where no other data set is asked for, or it is not one of `CRYSTALS`.

    Raises
    ------
    ValueError
        If the chapter cannot be asked of crystals.
    """
    if "dataset" not in declared:
        return {}
    usual = profile.get("dataset", declared["dataset"].default)
    name = asked.get("dataset", usual)
    if not isinstance(name, str) or name not in CRYSTALS or name == usual:
        return {}
    found: dict[str, Any] = {"targets": list(CRYSTALS[name]), "target": CRYSTALS[name][0]}
    if usual not in CRYSTALS:
        if chapter is not None and chapter in NOT_OF_CRYSTALS:
            raise ValueError(
                f"{chapter!r} does not apply to {name!r}: {NOT_OF_CRYSTALS[chapter]}. See what "
                "'crystals' asks in its place."
            )
        found |= _OF_CRYSTALS
    return {k: value for k, value in found.items() if k in declared and k not in asked}
