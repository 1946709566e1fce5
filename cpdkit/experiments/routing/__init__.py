"""Routing: which irreducible representation holds which target (chapter 2)."""
