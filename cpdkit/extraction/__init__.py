"""From structures to pooled features, batch by batch and shard by shard. Needs torch."""

from cpdkit.extraction.extract import extract
from cpdkit.extraction.several import check_encoders, extract_each

__all__ = ["check_encoders", "extract", "extract_each"]
