"""Drugs of different mechanisms: which groups are reached, and how often."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.acquisition.strategies.groups import chosen, groups_in_turn, pool_of

SEEDS = st.integers(0, 10_000)


@given(
    texts=st.lists(st.sampled_from([None, "A", "B", "A|B", "C", "D"]), min_size=2, max_size=25),
    anchors=st.integers(0, 10),
    share=st.floats(0, 1),
    seed=SEEDS,
)
@settings(max_examples=150, deadline=None)
def test_moa_goes_through_all_groups_before_it_takes_another_of_one(texts, anchors, share, seed):
    drugs = len(texts)
    anchors = np.random.default_rng(seed).permutation(drugs)[: min(anchors, drugs - 1)]
    view = pool_of(drugs, anchors, mechanisms=texts)
    batch = max(1, round(share * len(view.drugs)))
    group = [text or number for number, text in enumerate(texts)]
    assert groups_in_turn(group, anchors.tolist(), chosen("moa", view, batch, seed))


@pytest.mark.parametrize("seed", range(10))
def test_moa_never_takes_two_of_one_mechanism_while_another_is_untouched(seed):
    texts = ["many"] * 30 + ["few"] * 2 + ["one", None, None]
    drugs = chosen("moa", pool_of(35, [], mechanisms=texts), 5, seed)
    assert sorted(texts[drug] or "" for drug in drugs) == ["", "", "few", "many", "one"]


@pytest.mark.parametrize("seed", range(10))
def test_moa_avoids_the_mechanisms_of_anchors_as_long_as_it_can(seed):
    texts = ["A", "A", "A", "B", "B", "C", "C", "C"]
    drugs = chosen("moa", pool_of(8, [0, 1, 3], mechanisms=texts), 4, seed)
    first, *two, last = [texts[drug] for drug in drugs]
    assert first == "C"
    assert sorted(two) == ["B", "C"]
    assert last in "AC"


def test_moa_takes_a_combination_for_a_mechanism_of_its_own():
    texts = ["A", "B", "A|B", "A", "B"]
    for seed in range(10):
        assert chosen("moa", pool_of(5, [0, 1], mechanisms=texts), 1, seed) == [2]


def test_moa_of_unknown_mechanisms_is_any_drug():
    assert len({chosen("moa", pool_of(6, [5]), 1, seed)[0] for seed in range(100)}) == 5


@pytest.mark.parametrize("text", ["0", "None", "nan", " ", "drug 0", "drug 1"])
def test_an_unknown_mechanism_is_never_that_of_another_drug(text):
    for seed in range(20):
        assert set(chosen("moa", pool_of(4, [3], mechanisms=[None, text, text, text]), 1, seed)) == {0}
        assert set(chosen("moa", pool_of(4, [3], mechanisms=[text, None, text, text]), 1, seed)) == {1}


def test_moa_takes_every_group_equally_often_at_every_place():
    texts = ["A"] * 10 + ["B"] * 5 + ["C"] * 2 + ["D", None, None, None, None]
    groups = sorted({text or f"drug {number}" for number, text in enumerate(texts)})
    draws, view = 2000, pool_of(len(texts), [], mechanisms=texts)
    lists = [chosen("moa", view, 3, seed) for seed in range(draws)]
    expected = draws / len(groups)
    for place in range(3):
        counts = Counter(texts[one[place]] or f"drug {one[place]}" for one in lists)
        # Seven degrees of freedom; above 30 once in 10,000.
        assert sum((counts[group] - expected) ** 2 / expected for group in groups) < 30


def test_moa_takes_every_drug_of_a_group_equally_often():
    texts = ["A"] * 6 + ["B"]
    counts = Counter(
        drug
        for seed in range(1800)
        for drug in chosen("moa", pool_of(7, [], mechanisms=texts), 2, seed)
        if drug < 6
    )
    # Five degrees of freedom; above 26 once in 10,000.
    assert sum((counts[drug] - 300) ** 2 / 300 for drug in range(6)) < 26
