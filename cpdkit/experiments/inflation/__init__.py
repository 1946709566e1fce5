"""Inflation: nonlinear probes find composition again (chapter 3)."""
