"""Geometry alone: one molecule, many geometries (chapter 6)."""
