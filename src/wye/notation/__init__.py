"""Lines of text such as `C'(32) > C(32, k=5)`: parsing, printing and binding to functions."""

from wye.notation.alphabet import Alphabet, Call
from wye.notation.syntax import Item, Line, NotationError, parse

__all__ = ["Alphabet", "Call", "Item", "Line", "NotationError", "parse"]
