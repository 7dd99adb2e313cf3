"""Connectivity scores against a walk down the list gene by gene, gseapy, and counted permutations."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from anchordrug.prediction.connectivity import Signature, expected_change, false_discovery_rate, score

quick = settings(max_examples=80, deadline=None)
# Many of them equal, many 0; or all different.
COARSE = st.integers(-3, 3).map(float)
FINE = st.integers(-5000, 5000).map(lambda value: value / 1024)


def signature(genes, up, down, values=None):
    if values is None:
        values = np.zeros(genes)
        values[list(up)], values[list(down)] = 1, -1
    return Signature(np.asarray(values, float), np.array(up, np.int64), np.array(down, np.int64))


def scores_of(responses, asked, permutations=0, seed=0, reverse=False):
    return score(np.atleast_2d(np.asarray(responses, float)), asked, permutations, seed, reverse=reverse)


def extremes_by_walk(response, genes):
    """Highest and lowest point of the running sum of Subramanian et al. 2005, weight 1, in exact arithmetic.

    Down the list of genes by response, equal ones as they stand: up by the gene's share of the set's absolute
    responses if it is in the set, else down by one over the number of genes outside of it.
    """
    weight = [abs(Fraction(value)) for value in response]
    total, outside = sum(weight[gene] for gene in genes), len(response) - len(genes)
    running = high = low = Fraction(0)
    for gene in sorted(range(len(response)), key=lambda gene: -response[gene]):
        running += weight[gene] / total if gene in genes else Fraction(-1, outside)
        high, low = max(high, running), min(low, running)
    return high, low


def enrichment_by_walk(response, genes):
    # A set of genes that do not respond stands nowhere in the list.
    if not genes or not any(response[gene] for gene in genes):
        return 0.0
    high, low = extremes_by_walk(response, genes)
    return float(high if high >= -low else low)


def connectivity_by_walk(response, up, down):
    """The weighted connectivity score of Subramanian et al. 2017."""
    above, below = enrichment_by_walk(response, up), enrichment_by_walk(response, down)
    if not down:
        return above
    if not up:
        return -below
    return (above - below) / 2 if np.sign(above) != np.sign(below) else 0.0


def is_clear(response, *sets):
    """Whether no running sum rises as high as it falls: such a set counts as being at the top either way."""
    responding = (genes for genes in sets if any(response[gene] for gene in genes))
    return all(sum(extremes_by_walk(response, genes)) for genes in responding)


@st.composite
def problems(draw, values, sides=("up", "down", "both")):
    """A response and the genes of a signature that go up and down."""
    response = draw(st.lists(values, min_size=3, max_size=14))
    order = draw(st.permutations(range(len(response))))
    side = draw(st.sampled_from(sides))
    # At most a third of the list each, so that some gene is always outside.
    first = draw(st.integers(1, max(1, len(order) // 3)))
    second = draw(st.integers(1, max(1, len(order) // 3)))
    up, down = order[:first], order[first : first + second]
    return response, (up if side != "down" else []), (down if side != "up" else [])


@given(problem=st.one_of(problems(COARSE), problems(FINE)))
@settings(max_examples=300, deadline=None)
def test_connectivity_is_that_of_the_walk_down_the_list(problem):
    response, up, down = problem
    found = scores_of(response, signature(len(response), up, down)).connectivity
    np.testing.assert_allclose(found, [connectivity_by_walk(response, up, down)], atol=1e-12)


@given(response=st.lists(COARSE, min_size=2, max_size=8), side=st.sampled_from(["up", "down"]))
@quick
def test_a_signature_of_all_genes_is_at_no_end(response, side):
    """Nothing is left outside to fall by: the sum rises to 1, or nothing responds; no division by 0."""
    up, down = (range(len(response)), []) if side == "up" else ([], range(len(response)))
    found = scores_of(response, signature(len(response), up, down)).connectivity[0]
    assert found == pytest.approx((1 if side == "up" else -1) * any(response))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("seed", range(5))
def test_enrichment_is_that_of_gseapy(seed):
    gseapy = pytest.importorskip("gseapy")
    rng = np.random.default_rng(seed)
    response = rng.normal(size=120)
    names = [f"G{gene}" for gene in range(120)]
    # Towards one end, so that sets of both signs are seen, and anywhere.
    sets = {
        "top": rng.permutation(np.argsort(-response)[:40])[:15],
        "bottom": rng.permutation(np.argsort(response)[:40])[:15],
        "any": rng.permutation(120)[:20],
        "one": rng.permutation(120)[:1],
    }
    found = gseapy.prerank(
        pd.Series(response, names),
        {name: [names[gene] for gene in genes] for name, genes in sets.items()},
        weight=1,
        min_size=1,
        max_size=100,
        permutation_num=5,
        outdir=None,
        threads=1,
    ).res2d.set_index("Term")["ES"]
    for name, genes in sets.items():
        ours = scores_of(response, signature(120, genes, [])).connectivity[0]
        assert ours == pytest.approx(float(found[name]), abs=1e-9), name
    assert found["top"] > 0.3
    assert found["bottom"] < -0.3


def test_the_signature_itself_scores_one_its_reverse_minus_one():
    response = np.array([3.0, 2, 1, 0.5, -0.5, -1, -2, -3])
    perfect = signature(8, [0, 1], [6, 7])
    assert scores_of(response, perfect).connectivity == pytest.approx([1])
    assert scores_of(-response, perfect).connectivity == pytest.approx([-1])
    assert scores_of(response, signature(8, [0, 1], [6, 7], response)).cosine == pytest.approx([1])


@pytest.mark.parametrize(("up", "down"), [([0, 1], [2, 3]), ([2, 3], [0, 1]), ([6, 7], [4, 5])])
def test_connectivity_is_0_where_both_sides_lie_at_the_same_end(up, down):
    response = [4.0, 3, 2, 1, -1, -2, -3, -4]
    assert scores_of(response, signature(8, up, down)).connectivity.tolist() == [0]
    # Though each side alone is far from the middle.
    assert abs(scores_of(response, signature(8, up, [])).connectivity[0]) > 0.3
    assert abs(scores_of(response, signature(8, [], down)).connectivity[0]) > 0.3


def test_a_side_alone_is_its_enrichment_and_down_genes_count_the_other_way():
    response = [4.0, 3, 2, 1, -1, -2, -3, -4]
    assert scores_of(response, signature(8, [0, 1], [])).connectivity == pytest.approx([1])
    assert scores_of(response, signature(8, [], [0, 1])).connectivity == pytest.approx([-1])
    assert scores_of(response, signature(8, [], [6, 7])).connectivity == pytest.approx([1])


def test_strong_responses_weigh_more_than_weak_ones():
    """The set's strong gene stands at the top and its weak one at the bottom: unweighted they cancel."""
    response = np.array([5.0, 1, 0.9, 0.8, -0.7, -0.6, -0.1])
    strong = scores_of(response, signature(7, [0, 6], [])).connectivity[0]
    assert strong == pytest.approx(5 / 5.1)
    response[[0, 6]] = 1.1, -5
    assert scores_of(response, signature(7, [0, 6], [])).connectivity[0] == pytest.approx(-5 / 6.1)


@given(
    response=st.lists(COARSE.filter(bool), min_size=4, max_size=10, unique=True),
    zeros=st.integers(0, 6),
    seed=st.integers(0, 1000),
)
@quick
def test_the_order_of_genes_without_response_does_not_matter(response, zeros, seed):
    """They are tied in the list; where they stand in the model's file says nothing of the drug."""
    rng = np.random.default_rng(seed)
    whole = np.array([*response, *[0.0] * zeros])
    genes = rng.permutation(len(whole))
    up, down = genes[:2], genes[2:4]
    order = rng.permutation(len(whole))
    moved = np.argsort(order)
    one = scores_of(whole, signature(len(whole), up, down))
    other = scores_of(whole[order], signature(len(whole), moved[up], moved[down]))
    np.testing.assert_allclose(other.connectivity, one.connectivity, atol=1e-12)
    np.testing.assert_allclose(other.cosine, one.cosine, atol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(("up", "down"), [([0, 3], [1]), ([0, 3], []), ([], [5])])
def test_a_drug_that_does_nothing_scores_nothing(up, down, reverse):
    scores = scores_of(np.zeros(8), signature(8, up, down), 30, reverse=reverse)
    assert (scores.connectivity.tolist(), scores.cosine.tolist()) == ([0], [0])
    assert (scores.p_connectivity.tolist(), scores.p_cosine.tolist()) == ([1], [1])


def test_of_a_side_that_does_not_respond_only_the_other_counts():
    response = [4.0, 3, 0, 0, 0, -2, -3]
    assert scores_of(response, signature(7, [2, 3], [5, 6])).connectivity == pytest.approx([0.5])
    assert scores_of(response, signature(7, [0, 1], [2, 3])).connectivity == pytest.approx([0.5])


@given(
    response=st.lists(FINE.filter(bool), min_size=4, max_size=14, unique=True),
    seed=st.integers(0, 1000),
    one_sided=st.booleans(),
)
@quick
def test_the_opposite_response_has_the_opposite_scores(response, seed, one_sided):
    genes = np.random.default_rng(seed).permutation(len(response))
    cut = max(1, len(response) // 4)
    up, down = genes[:cut].tolist(), genes[cut : 2 * cut].tolist()
    assume(is_clear(response, up, down))
    asked = signature(len(response), up, [] if one_sided else down)
    one, other = scores_of(response, asked), scores_of(np.negative(response), asked)
    np.testing.assert_allclose(other.connectivity, -one.connectivity, atol=1e-12)
    np.testing.assert_allclose(other.cosine, -one.cosine, atol=1e-12)


def random_problem(seed, drugs=12, genes=30):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=genes)
    order = np.argsort(values)
    return rng.normal(size=(drugs, genes)), signature(genes, order[-6:], order[:7], values)


@pytest.mark.parametrize("seed", range(3))
def test_to_reverse_a_signature_is_to_mimic_its_opposite(seed):
    responses, asked = random_problem(seed)
    opposite = Signature(-asked.values, asked.down, asked.up)
    one = scores_of(responses, asked, 50, seed, reverse=True)
    other = scores_of(responses, opposite, 50, seed, reverse=False)
    np.testing.assert_array_equal(other.connectivity, -one.connectivity)
    np.testing.assert_array_equal(other.p_connectivity, one.p_connectivity)
    np.testing.assert_allclose(other.cosine, -one.cosine, atol=1e-14)
    np.testing.assert_array_equal(other.p_cosine, one.p_cosine)


def cosine_by_loop(response, values):
    inner = sum(a * b for a, b in zip(response, values, strict=True))
    norms = sum(a * a for a in response) * sum(b * b for b in values)
    return inner / norms**0.5


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_p_value_counts_the_permutations_that_score_as_extremely(seed, reverse):
    permutations = 40
    responses, asked = random_problem(seed, drugs=6, genes=16)
    found = scores_of(responses, asked, permutations, seed, reverse)
    # The same draws: gene g of the signature stands for gene order[g].
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(16) for _ in range(permutations)]
    sign = -1 if reverse else 1
    for drug, response in enumerate(responses.tolist()):
        as_extreme = np.zeros(2)
        for order in orders:
            up, down = order[asked.up].tolist(), order[asked.down].tolist()
            connectivity = connectivity_by_walk(response, up, down)
            values = [asked.values[np.flatnonzero(order == gene)[0]] for gene in range(16)]
            as_extreme[0] += sign * connectivity >= sign * found.connectivity[drug] - 1e-9
            as_extreme[1] += sign * cosine_by_loop(response, values) >= sign * found.cosine[drug] - 1e-9
        assert found.p_connectivity[drug] == (as_extreme[0] + 1) / (permutations + 1)
        assert found.p_cosine[drug] == (as_extreme[1] + 1) / (permutations + 1)
        assert found.cosine[drug] == pytest.approx(cosine_by_loop(response, asked.values))


def test_p_values_of_drugs_that_have_nothing_to_do_with_a_signature_are_uniform():
    responses, asked = random_problem(1, drugs=1500, genes=60)
    scores = scores_of(responses, asked, 199, 2)
    for level in (0.05, 0.1, 0.2):
        deviation = 4 * (level * (1 - level) / len(responses)) ** 0.5
        assert (scores.p_cosine <= level).mean() == pytest.approx(level, abs=deviation)
        assert (scores.p_connectivity <= level).mean() == pytest.approx(level, abs=deviation)
    assert np.mean(scores.p_cosine) == pytest.approx(0.5, abs=4 * (1 / 12 / len(responses)) ** 0.5)
    # Where both sides lie at one end the score is 0 like that of many permutations: never too small.
    for level in (0.5, 0.8):
        assert (scores.p_connectivity <= level).mean() < level + 4 * (0.25 / len(responses)) ** 0.5


def test_a_planted_signature_has_the_smallest_p_value_there_is_and_none_is_0():
    rng = np.random.default_rng(0)
    values = rng.normal(size=50)
    order = np.argsort(values)
    asked = signature(50, order[-8:], order[:8], values)
    responses = np.stack([values, -values]) + rng.normal(scale=0.3, size=(2, 50))
    for reverse, planted in ((False, 0), (True, 1)):
        scores = scores_of(responses, asked, 99, 0, reverse)
        for p in (scores.p_connectivity, scores.p_cosine):
            assert p[planted] == 0.01
            # One-sided: what is opposite is as unlike as can be.
            assert p[1 - planted] == 1


def test_scores_of_a_drug_do_not_depend_on_the_other_drugs():
    """Libraries are scored in blocks, which must not show."""
    responses, asked = random_problem(3)
    whole = scores_of(responses, asked, 60, 5)
    backwards = scores_of(responses[::-1], asked, 60, 5)
    for drug, response in enumerate(responses):
        alone = scores_of(response, asked, 60, 5)
        for one, place in ((alone, 0), (backwards, len(responses) - 1 - drug)):
            assert one.connectivity[place] == whole.connectivity[drug]
            assert one.p_connectivity[place] == whole.p_connectivity[drug]
            assert one.cosine[place] == pytest.approx(whole.cosine[drug], abs=1e-14)
            assert one.p_cosine[place] == whole.p_cosine[drug]
    nothing = scores_of(responses[:0], asked, 60, 5)
    assert {len(values) for values in vars(nothing).values()} == {0}


def test_seeds_change_p_values_and_nothing_else():
    responses, asked = random_problem(4)
    one, again, other = (scores_of(responses, asked, 60, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.p_cosine, again.p_cosine)
    np.testing.assert_array_equal(one.p_connectivity, again.p_connectivity)
    assert (one.p_cosine != other.p_cosine).any()
    assert (one.p_connectivity != other.p_connectivity).any()
    np.testing.assert_array_equal(one.connectivity, other.connectivity)


P_VALUES = st.lists(st.integers(1, 20).map(lambda count: count / 20), min_size=1, max_size=40)


@given(p=P_VALUES)
@quick
def test_false_discovery_rates_are_those_of_scipy(p):
    found = false_discovery_rate(np.array(p))
    np.testing.assert_allclose(found, false_discovery_control(p, method="bh"), rtol=1e-12)


@given(p=P_VALUES, seed=st.integers(0, 100))
@quick
def test_false_discovery_rates_rise_with_p_whatever_the_order(p, seed):
    p = np.array(p)
    found = false_discovery_rate(p)
    order = np.argsort(p, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert (found >= p - 1e-15).all()
    assert (found <= 1).all()
    # Equal ones stay equal.
    assert len(set(zip(p, found, strict=True))) == len(set(p))
    moved = np.random.default_rng(seed).permutation(len(p))
    np.testing.assert_array_equal(false_discovery_rate(p[moved]), found[moved])


@given(seed=st.integers(0, 1000))
@quick
def test_expected_change_by_loop(seed):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([1, 1, 1], (3, 4)).astype(np.float32)
    z = rng.normal(size=(3, 4)).astype(np.float32)
    with_z, without = expected_change(probabilities, z), expected_change(probabilities, None)
    assert with_z.dtype == without.dtype == np.float64
    for drug in range(3):
        for gene in range(4):
            down, none, up = (float(one) for one in probabilities[drug, gene])
            assert with_z[drug, gene] == pytest.approx(float(z[drug, gene]) * (1 - none))
            assert without[drug, gene] == pytest.approx(up - down)


def test_a_gene_that_surely_stays_as_it_is_is_expected_to_do_nothing():
    surely_none = np.array([[[0, 1, 0]]], np.float32)
    assert expected_change(surely_none, np.array([[3.5]], np.float32)).tolist() == [[0]]
    assert expected_change(surely_none, None).tolist() == [[0]]
