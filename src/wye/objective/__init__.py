"""The terms of the objective: a file each, which declares and computes one."""

from importlib import import_module
from pkgutil import iter_modules

from wye.objective.term import TERMS, Step, Term, register

__all__ = ["TERMS", "Step", "Term", "register"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
