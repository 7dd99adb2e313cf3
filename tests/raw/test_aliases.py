"""Gene symbols that changed their name or spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.raw.aliases import resolve


@pytest.mark.parametrize(
    ("wanted", "available", "found"),
    [
        (["TP53"], ["TP53", "MYC"], {"TP53": "TP53"}),
        (["CIAO3"], ["NARFL"], {"CIAO3": "NARFL"}),
        (["NARFL"], ["CIAO3"], {"NARFL": "CIAO3"}),
        (["HLA-DMA"], ["HLA.DMA"], {"HLA-DMA": "HLA.DMA"}),
        (["HLA.DMA"], ["HLA-DMA"], {"HLA.DMA": "HLA-DMA"}),
        (["SIMX"], ["SIMY"], {}),
        (["CIAO3"], ["NARFL", "CIAO3"], {"CIAO3": "CIAO3"}),
        (["CIAO3", "NARFL"], ["NARFL"], {"NARFL": "NARFL"}),
        (["HLA-DMA", "HLA_DMA", "HLA.DMA"], ["HLA.DMA"], {"HLA.DMA": "HLA.DMA"}),
        (["HLA-DMA", "HLA:DMA"], ["HLA.DMA"], {}),
        (["HLA.DMA"], ["HLA-DMA", "HLA:DMA"], {}),
        (["TP53", "TP53"], ["TP53"], {"TP53": "TP53"}),
        ([], [], {}),
    ],
)
def test_resolve(wanted, available, found):
    assert resolve(wanted, available) == found


symbols = st.lists(
    st.sampled_from(["CIAO3", "NARFL", "HLA-DMA", "HLA.DMA", "HLA:DMA", "SQOR", "SQRDL", "SIMX"])
)


@given(symbols, symbols)
def test_no_name_is_given_twice_and_the_same_name_always_wins(wanted, available):
    found = resolve(wanted, available)
    assert len(set(found.values())) == len(found)
    assert set(found.values()) <= set(available)
    assert list(found) == [symbol for symbol in dict.fromkeys(wanted) if symbol in found]
    assert all(found[symbol] == symbol for symbol in set(wanted) & set(available))
