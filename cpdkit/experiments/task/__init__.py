"""Task or architecture: what decides the score (chapter 5)."""
