"""What every part of a recipe is made of: the base of its settings, and kinds of numbers."""

from __future__ import annotations

import ast
import contextlib
import inspect
import textwrap
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError


class Settings(BaseModel):
    """Base of every part of a recipe: unknown keys are refused, values don't change.

    The text under a field is what it means, in `docs/recipes.md`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def known(cls) -> list[str]:
        """What may be written here, short forms included."""
        return list(cls.model_fields)

    @classmethod
    def meanings(cls) -> dict[str, str]:
        """The text under each field.

        Read when it is asked for: pydantic would read it at each import, a fifth of the time that
        `wye list` takes.
        """
        found: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            if not issubclass(base, Settings):
                continue
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0]
            assert isinstance(body, ast.ClassDef)
            for field, text in pairwise(body.body):
                match field, text:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(meaning))),
                    ):
                        found[name] = inspect.cleandoc(meaning)
        return found


def _number(value: Any) -> Any:
    # Python counts true as 1, and a person who writes it means something else.
    if isinstance(value, bool):
        raise PydanticCustomError("float_type", "it should be a number")
    return value


def _whole(value: Any) -> Any:
    """Refuse true and false, and read 1e3, which YAML takes for text."""
    if isinstance(value, bool):
        raise PydanticCustomError("int_type", "it should be a whole number")
    if isinstance(value, str) and "e" in value.lower():
        with contextlib.suppress(ValueError, OverflowError):
            return int(float(value)) if float(value).is_integer() else value
    return value


# The checks above come last in each: bounds that follow them are left out of the JSON schema.
NUMBER = BeforeValidator(_number)
WHOLE = BeforeValidator(_whole)

Number = Annotated[float, Field(allow_inf_nan=False), NUMBER]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False), NUMBER]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), NUMBER]
Fraction = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), NUMBER]

Count = Annotated[int, Field(gt=0, le=1_000_000), WHOLE]
Rest = Annotated[int, Field(ge=0, le=1_000_000), WHOLE]
ImageSize = Annotated[int, Field(ge=4, le=1024), WHOLE]
Seed = Annotated[int, Field(ge=0, lt=2**63), WHOLE]
