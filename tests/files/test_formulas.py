"""Text that a spreadsheet would compute is written as text, and read as what it was."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from anchordrug.files.formulas import escaped, unescaped

# What a spreadsheet looks at: the marks of a formula, blanks before them, and the apostrophe of text.
STARTS = "=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20"
TEXTS = st.text(st.sampled_from("'" + STARTS + ' a1"é'), max_size=6)
quick = settings(max_examples=300, deadline=None)


@pytest.mark.parametrize("start", STARTS, ids=ascii)
@pytest.mark.parametrize("rest", ["", "1+1", "cmd|' /C calc'!A0"])
def test_what_starts_like_a_formula_is_marked_as_text(start, rest):
    assert escaped(start + rest) == f"'{start}{rest}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aspirin",
        "3-methyladenine",
        "a=b",
        " =1",
        "'",
        "''",
        "'tis",
        "5'-deoxy",
        "(+)-JQ1",
        "\u2212",
        "µ",
        "1e5",
    ],
)
def test_all_other_text_stays_as_it_is(text):
    assert escaped(text) == unescaped(text) == text


@pytest.mark.parametrize("text", ["'=1", "''=1", "'-", "'''@x"])
def test_apostrophes_before_a_formula_are_told_from_the_mark(text):
    """Written as they are, the first of them would be taken away in reading."""
    assert escaped(text) == "'" + text


@given(text=st.one_of(TEXTS, st.text()))
@example("'=")
@example("''=")
@quick
def test_what_is_written_is_read_again(text):
    assert unescaped(escaped(text)) == text


@given(text=TEXTS)
@quick
def test_nothing_that_is_written_starts_like_a_formula(text):
    assert escaped(text)[:1] not in {*STARTS}


@given(texts=st.sets(TEXTS, min_size=2, max_size=20))
@quick
def test_different_texts_are_written_differently(texts):
    """Ids that are unique stay so."""
    assert len({escaped(text) for text in texts}) == len(texts)


@given(text=TEXTS)
@quick
def test_a_file_that_nobody_escaped_is_read_as_it_stands(text):
    """But for what cannot be told from a mark."""
    assert unescaped(text) in {text, text.removeprefix("'")}
    if not text.startswith("'"):
        assert unescaped(text) == text
