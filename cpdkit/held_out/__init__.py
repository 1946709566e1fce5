"""Held-out predictions, fold by fold: on rows (the plain reference) and from moments (fast)."""
