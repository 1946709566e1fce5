"""Beside what pyproject.toml says: the experiments travel in the wheel as cpdkit/notebooks."""

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["cpdkit*"]), "cpdkit.notebooks"])
