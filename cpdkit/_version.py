"""The version, where everything can read it without importing the package's face."""

__version__ = "0.1.0"
WHEEL = f"cpdkit-{__version__}-py3-none-any.whl"  # as the site offers it
