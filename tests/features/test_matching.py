"""Quantile matching: only the order of genes counts, and the distribution becomes the reference's."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anchordrug.errors import RawDataError
from anchordrug.features.matching import quantile_match

GENES = [f"SIMG{number}" for number in range(12)]
REFERENCE = pd.DataFrame(
    np.random.default_rng(0).gamma(4, 2, (5, len(GENES))), [f"SIM{line}" for line in "ABCDE"], GENES
)

profiles = st.lists(st.integers(-50, 50), min_size=len(GENES), max_size=len(GENES)).map(
    lambda values: pd.Series(values, GENES, dtype=float)
)
found_genes = st.sets(st.sampled_from(GENES), min_size=6).map(sorted)


def test_by_hand():
    reference = pd.DataFrame([[1, 2, 3, 10], [3, 4, 9, 20.0]], ["SIMA", "SIMB"], list("abcd"))
    matched = quantile_match(pd.Series({"c": -5.0, "a": 70.0, "b": 0.0, "unknown": 1.0}), reference)
    # Sorted and averaged over a, b and c: 2, 3, 6; d is missing: the median of 10 and 20.
    assert matched.values.tolist() == [6, 3, 2, 15]
    assert matched.values.dtype == np.float32
    assert matched.missing == ["d"]
    reference.loc["SIMC"] = [1, 1, 1, 100]
    assert quantile_match(pd.Series({"c": -5.0, "a": 70.0, "b": 0.0}), reference).values[3] == 20


def test_ties_share_the_mean():
    reference = pd.DataFrame([[1, 2, 6, 10.0]], ["SIMA"], list("abcd"))
    assert quantile_match(pd.Series({"a": 5, "b": 0, "c": 5, "d": 9}), reference).values.tolist() == [
        4,
        1,
        4,
        10,
    ]
    assert quantile_match(pd.Series(7.0, list("abcd")), reference).values.tolist() == [4.75] * 4


def test_nan_is_missing():
    profile = pd.Series(np.arange(12.0), GENES).mask(lambda values: values == 3)
    assert quantile_match(profile, REFERENCE).missing == ["SIMG3"]


@given(
    profiles, found_genes, st.lists(st.integers(1, 1000), min_size=101, max_size=101), st.floats(-1e6, 1e6)
)
def test_a_strictly_increasing_transformation_changes_nothing(profile, genes, steps, start):
    curve = start + np.cumsum(np.array(steps, dtype=float))
    profile = profile[genes]
    transformed = pd.Series(curve[profile.astype(int) + 50], genes)
    plain, curved = quantile_match(profile, REFERENCE), quantile_match(transformed, REFERENCE)
    np.testing.assert_array_equal(plain.values, curved.values)
    assert plain.missing == curved.missing == [gene for gene in GENES if gene not in genes]


@given(profiles, found_genes, st.randoms(use_true_random=False))
def test_the_order_of_genes_does_not_matter(profile, genes, random):
    shuffled = random.sample(genes, len(genes))
    np.testing.assert_array_equal(
        quantile_match(profile[genes], REFERENCE).values, quantile_match(profile[shuffled], REFERENCE).values
    )


@given(profiles, found_genes)
def test_order_and_sum_are_kept(profile, genes):
    matched = pd.Series(quantile_match(profile[genes], REFERENCE).values, GENES)[genes].to_numpy()
    given_values = profile[genes].to_numpy()
    assert (np.diff(matched[np.argsort(given_values, kind="stable")]) >= 0).all()
    targets = np.sort(REFERENCE[genes].to_numpy(), axis=1).mean(axis=0)
    assert matched.sum() == pytest.approx(targets.sum(), rel=1e-5)
    for one, other in zip(given_values, matched, strict=True):
        assert np.ptp(matched[given_values == one]) == 0, other


@pytest.mark.parametrize("kept", [300, 200])
def test_a_reference_line_comes_back_near_its_own_values(kept):
    rng = np.random.default_rng(1)
    genes = [f"SIMG{number}" for number in range(300)]
    means = rng.gamma(4, 2, 300)
    reference = pd.DataFrame(means + rng.normal(0, 1, (8, 300)), columns=genes)
    matched = quantile_match(reference.iloc[3].iloc[:kept], reference)
    error = np.abs(matched.values[:kept] - reference.iloc[3].to_numpy()[:kept])
    assert np.median(error) < 0.15
    assert np.corrcoef(matched.values, means)[0, 1] > 0.9


@pytest.mark.real
def test_real_lines_come_back(lincs):
    from anchordrug.raw.expression import read_expression

    lines, genes, expression = read_expression(lincs / "basal_expression_n164x978.csv.gz")
    reference = pd.DataFrame(expression, lines, genes)
    matched = quantile_match(reference.iloc[0], reference.iloc[1:])
    assert np.median(np.abs(matched.values - expression[0])) < 0.3


def test_too_few_genes():
    with pytest.raises(
        RawDataError, match=r"holds 5 of the 12 genes of the atlas, less than half \(missing: SIMG5"
    ):
        quantile_match(pd.Series(1.0, GENES[:5]), REFERENCE)
    quantile_match(pd.Series(1.0, GENES[:6]), REFERENCE)


def test_a_gene_twice():
    with pytest.raises(RawDataError, match="gene 'SIMG0' is in it twice"):
        quantile_match(pd.Series(1.0, [*GENES, "SIMG0"]), REFERENCE)
