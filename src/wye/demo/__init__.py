"""A page in a browser, and an address for programs, that show what a run makes of an image."""

from wye.demo.server import DemoServer, is_loopback
from wye.demo.show import Show, examples_of, neighbours_of

__all__ = ["DemoServer", "Show", "examples_of", "is_loopback", "neighbours_of"]
