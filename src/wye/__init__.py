"""Wye: image models with one encoder and two branches, a decoder and a classifier."""

__version__ = "0.1.0"
