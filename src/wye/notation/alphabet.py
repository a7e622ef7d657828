"""Symbols as registered functions, and the binding of written items to their parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError

from wye.notation.syntax import Item, NotationError, Word, parse
from wye.registry import Registry, suggest
from wye.wording import shown, wording, written

R = TypeVar("R")


@dataclass(frozen=True)
class Parameter:
    """One setting of a symbol: its name, type and default."""

    name: str
    adapter: TypeAdapter[Any] = field(compare=False)
    required: bool
    default: Any


@dataclass(frozen=True)
class Symbol(Generic[R]):
    """A letter of an alphabet: a function whose annotations are the schema of its settings.

    The function's first `given` parameters come from the caller (an input shape, a batch of
    images); the others are written in the line, by position or by name.
    """

    name: str
    function: Callable[..., R]
    parameters: tuple[Parameter, ...]

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @property
    def usage(self) -> str:
        """How it is written, with its defaults: `P(by=2, kind=max)`."""
        settings = ", ".join(
            parameter.name
            if parameter.required
            else f"{parameter.name}={written(parameter.default)}"
            for parameter in self.parameters
        )
        return f"{self.name}({settings})" if settings else self.name


@dataclass(frozen=True)
class Call(Generic[R]):
    """A symbol with the values of its settings; `item` is how it was written."""

    symbol: Symbol[R]
    settings: dict[str, Any]
    item: Item
    text: str = field(compare=False)

    def __call__(self, *given: Any) -> R:
        return self.symbol.function(*given, **self.settings)

    def error(self, problem: str) -> NotationError:
        """An error that points at this item in its line."""
        return NotationError(self.text, self.item.name.start, problem)


class Alphabet(Generic[R]):
    """A set of symbols and the reading of lines written in it.

    Args:
        kind: what a symbol of it is, for messages.
        given: how many leading parameters of each function the caller provides.
    """

    def __init__(self, kind: str, given: int) -> None:
        self.symbols: Registry[Symbol[R]] = Registry(kind)
        self.given = given

    def register(self, name: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
        """Decorator: make the function the meaning of `name`."""

        def enter(function: Callable[..., R]) -> Callable[..., R]:
            hints = get_type_hints(function, include_extras=True)
            parameters = tuple(
                Parameter(
                    name=parameter.name,
                    adapter=TypeAdapter(hints[parameter.name]),
                    required=parameter.default is inspect.Parameter.empty,
                    default=parameter.default,
                )
                for parameter in list(inspect.signature(function).parameters.values())[self.given :]
            )
            self.symbols.register(name)(Symbol(name, function, parameters))
            return function

        return enter

    def read(self, text: str) -> list[Call[R]]:
        """The calls that a line stands for; an empty line stands for none.

        Raises:
            NotationError: syntax, an unknown symbol or option, or a value of the wrong kind.
        """
        if not text.strip():
            return []
        line = parse(text)
        return [self._bind(item, text) for item in line.items]

    def _bind(self, item: Item, text: str) -> Call[R]:
        def fault(at: Word, problem: str) -> NotationError:
            return NotationError(text, at.start, problem)

        name = item.name
        if name.text not in self.symbols:
            known = suggest(name.text, self.symbols)
            raise fault(name, f"no {self.symbols.kind} is called {name.text!r}; {known}")
        symbol = self.symbols[name.text]
        parameters = {parameter.name: parameter for parameter in symbol.parameters}
        words = dict(zip(parameters, item.values, strict=False))
        if len(item.values) > len(parameters):
            extra = item.values[len(parameters)]
            raise fault(extra, f"this value is too many; it is written {symbol.usage}")
        for option, word in item.options:
            if option.text not in parameters:
                none = f"{name.text} has no options"
                known = suggest(option.text, parameters) if parameters else none
                raise fault(option, f"{name.text} has no option {option.text!r}; {known}")
            if option.text in words:
                raise fault(option, f"{option.text!r} is given twice")
            words[option.text] = word
        settings: dict[str, Any] = {}
        for key, parameter in parameters.items():
            if key not in words:
                if parameter.required:
                    raise fault(name, f"{name.text} needs a value for {key!r}: {symbol.usage}")
                settings[key] = parameter.default
                continue
            word = words[key]
            try:
                settings[key] = parameter.adapter.validate_python(word.text)
            except ValidationError as error:
                reason = wording(error.errors(include_url=False)[0])
                problem = f"{shown(word.text)} does not suit {key!r} of {name.text}: {reason}"
                raise fault(word, problem) from None
        return Call(symbol, settings, item, text)
