"""Sample efficiency: how many structures a probe needs (chapter 4)."""
