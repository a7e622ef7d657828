"""Plots of runs, by matplotlib: from plain values to a figure, from a figure to a file.

What is here is imported without matplotlib (the extra `plots`), which is asked for when something
is drawn.
"""
