"""From structures to pooled features, batch by batch and shard by shard. Needs torch."""

from cpdkit.extraction.extract import extract

__all__ = ["extract"]
