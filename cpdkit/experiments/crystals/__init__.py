"""Crystals: the questions of the other chapters, asked of crystals (chapter 8).

The one room that may use those of other chapters: it measures nothing that they do not.
"""
