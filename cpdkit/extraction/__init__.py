"""From structures to pooled features, batch by batch and shard by shard. Needs torch."""

from cpdkit.extraction.extract import check_encoders, extract

__all__ = ["check_encoders", "extract"]
