"""The grammar: exact round trips, and errors that point at the place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wye.network.symbols import SYMBOLS
from wye.notation import NotationError, parse

NAMES = st.sampled_from(["C", "C'", "T", "T'", "L", "L'", "P", "BN", "Resnet18"])
VALUES = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["before", "max", "64x4x4", "true", "1e-3", "gelu"]),
)


@st.composite
def items(draw: st.DrawFn) -> str:
    inner = draw(st.lists(VALUES, max_size=3))
    keys = draw(st.lists(st.sampled_from("kspbx"), unique=True, max_size=3))
    inner += [f"{key}={draw(VALUES)}" for key in keys]
    name = draw(NAMES)
    return f"{name}({', '.join(inner)})" if inner else name


LINES = st.lists(items(), min_size=1, max_size=6).map(" > ".join)


@given(LINES)
def test_text_to_line_to_text_is_exact(text: str) -> None:
    assert str(parse(text)) == text


@given(LINES, st.sampled_from(["", " ", "\t", "  "]))
def test_white_space_does_not_matter(text: str, space: str) -> None:
    loose = text
    for mark in ">(),=":
        loose = loose.replace(mark, f"{space}{mark}{space}")
    assert parse(loose) == parse(text)
    assert str(parse(loose)) == text


@given(st.text() | st.text(alphabet="CLT'’(),=> 0123456789kbn.-_"))
def test_any_text_ends_in_a_line_or_an_error_that_points(text: str) -> None:
    try:
        line = parse(text)
    except NotationError as error:
        assert 0 <= error.position <= len(text)
        _, shown, caret = str(error).rsplit("\n", 2)
        assert caret.index("^") == error.position + 2
        assert len(shown) == len(text) + 2
    else:
        assert parse(str(line)) == line


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("C(32) > > L(2)", 8, "a symbol"),
        ("C(32 > L(2)", 5, "',' or ')'"),
        ("C(32)) > L(2)", 5, "'>' or the end of the line"),
        ("C(k=)", 4, "a value for 'k'"),
        ("C(k=3, 4)", 7, "must come before the options"),
        ("C(k=3, k=4)", 7, "given twice"),
        ("C(32) L(2)", 6, "'>' or the end of the line"),
        ("", 0, "a symbol"),
        ("C(32) > é(2)", 8, "unexpected character"),
    ],
)
def test_errors_say_where_and_what(text: str, position: int, expected: str) -> None:
    with pytest.raises(NotationError) as caught:
        parse(text)
    assert caught.value.position == position
    assert expected in str(caught.value)


def test_typographic_primes_are_primes() -> None:
    assert str(parse("C’(32) > L′(10)")) == "C'(32) > L'(10)"


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("C(32) > Q(3)", "Q", "no symbol is called 'Q'"),
        ("C(32, kernel=3)", "kernel", "C has no option 'kernel'"),
        ("C(32, bn=maybe)", "maybe", "it should be one of no, before"),
        ("C(many)", "many", "'many' does not suit 'n' of C: it should be a whole number"),
        ("D(much)", "much", "it should be a number"),
        ("C(32, bias=maybe)", "maybe", "it should be true or false"),
        ("P(pool)", "pool", "it should be a whole number"),
        ("P(2, kind=mean)", "mean", "it should be max or avg"),
        ("L(n=2, 3)", "3", "must come before the options"),
        ("L(1, no, relu, no, 5)", "5", "too many; it is written L(n, bn=no, act=relu, bias=yes)"),
        ("C(bn=no)", "C", "C(n, k=3, s=1, p=auto, bn=no, act=relu, pool=max, by=2, bias=yes)"),
        ("C(0)", "0", "greater than 0"),
        ("C", "C", "needs a value for 'n'"),
        ("F(3)", "3", "too many"),
        ("C(32, n=3)", "n", "given twice"),
        ("R(4x)", "4x", "sizes such as 64x4x4"),
    ],
)
def test_binding_errors_point_at_the_word(text: str, word: str, expected: str) -> None:
    with pytest.raises(NotationError) as caught:
        SYMBOLS.read(text)
    assert text[caught.value.position :].startswith(word)
    assert expected in str(caught.value)
