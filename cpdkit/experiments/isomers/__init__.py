"""Isomers: does a residual order molecules of one formula (chapter 7)."""
