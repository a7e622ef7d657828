"""The version, apart from all that imports it."""

__version__ = "0.1.0"
