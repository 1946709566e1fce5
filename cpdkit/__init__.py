"""Composition Projection Decomposition for atomistic models."""

from __future__ import annotations

__version__ = "0.1.0"
