"""What made the data that the package ships; not part of the package."""
