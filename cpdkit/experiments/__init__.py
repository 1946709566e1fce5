"""What each chapter of the book measures, how it judges, and what it draws.

One folder per notebook; no folder imports another. ``measure`` computes tidy tables, ``verdict``
turns them into an outcome and a sentence, ``figures`` draws them.
"""
