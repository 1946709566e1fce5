"""Makes the data set ``prototypes``: structure types, their decorations, and exact targets."""
