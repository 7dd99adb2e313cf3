"""The words of the page: sizes of files, and messages of commands as the page says them."""

from pathlib import Path

import pytest

from anchordrug.app.words import in_words_of_page, size_in_words, with_labels, without_folder


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (21, "21 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (44_321, "44 kB"),
        (999_600, "1.0 MB"),
        (12_345_678, "12 MB"),
        (2 * 2**30, "2.1 GB"),
    ],
)
def test_sizes(size, words):
    assert size_in_words(size) == words


def test_a_message_has_labels_and_names_of_files():
    here = Path("/home/a b/campaigns/mine.app")
    said = (
        f"the command line: plates.concentration_um: -3 is not allowed; see {here}/look/library.rejects.csv, "
        "campaigns/mine.app/library/my table.csv or --budget"
    )
    assert in_words_of_page(said, here) == (
        "'Dose': -3 is not allowed; see library.rejects.csv, my table.csv or 'Drugs in total'"
    )


def test_other_words_stay():
    for said in ("a --budget-like word", "my_stock_mm_column", "rounds of wells", "/x/other.app/y.csv"):
        assert with_labels(said) == said
        assert without_folder(said, Path("/x/mine.app")) == said
