"""The gradient: is geometry linearly accessible, and in which representation (chapter 1)."""
