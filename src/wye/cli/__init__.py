"""The command `wye`."""

from wye.cli.app import main

__all__ = ["main"]
