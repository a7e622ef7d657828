"""Recipes: the typed description of one run, from a study's row or a file and the overrides."""

from wye.recipe.resolve import recipe_from_row, resolve
from wye.recipe.schema import Recipe

__all__ = ["Recipe", "recipe_from_row", "resolve"]
