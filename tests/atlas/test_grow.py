"""The atlas with additions, worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from anchordrug.atlas.grow import grow, responses_table
from anchordrug.errors import TableError
from tests.atlas.additions_made import GENES, KEYS, addition_of, curated_atlas


def rows(growth):
    """(drug_id, cell line, origin, z) of every response, in order."""
    table = responses_table(growth.atlas)
    key = table[["drug_id", "cell_line", "origin"]].itertuples(index=False, name=None)
    return [(*names, *z.tolist()) for names, z in zip(key, growth.atlas.z, strict=True)]


def test_without_additions_the_atlas_is_the_curated_one():
    curated, growth = curated_atlas(), grow(curated_atlas(), [])
    np.testing.assert_array_equal(growth.atlas.z, curated.z)
    pd.testing.assert_frame_equal(responses_table(growth.atlas), responses_table(curated))
    pd.testing.assert_frame_equal(growth.atlas.drugs, curated.drugs)
    assert growth.atlas.cell_lines == curated.cell_lines
    assert growth.expression.empty


def test_a_known_compound_is_the_atlas_drug_and_a_new_one_takes_its_place_in_order():
    growth = grow(curated_atlas(), [addition_of("lab", {"X": "A", "D3": "C"}, [("X", "NEW"), ("D3", "L1")])])
    assert growth.atlas.drugs["drug_id"].tolist() == ["D2", "D3", "D4"]
    assert growth.atlas.drugs["inchikey"].tolist() == [KEYS["A"], KEYS["C"], KEYS["B"]]
    assert growth.atlas.cell_lines == ["L1", "L2", "NEW"]
    assert rows(growth) == [
        ("D2", "L1", "release", 0, 1, 2),
        ("D2", "L2", "release", 3, 4, 5),
        ("D2", "NEW", "lab", 100, 101, 102),
        ("D3", "L1", "lab", 103, 104, 105),
        ("D4", "L2", "release", 6, 7, 8),
    ]
    table = growth.atlas.experiments
    assert table["assay"].tolist() == ["L1000", "L1000", "RNA counts", "RNA counts", "L1000"]
    assert table["dose_um"].tolist() == [10, 10, 1, 1, 10]
    assert table["time_h"].tolist() == [24, 24, 6, 6, 24]
    assert table["replicates"].tolist() == [3, 1, 2, 2, 2]


def test_what_the_release_has_measured_stays_and_the_first_addition_goes_before_the_second():
    first = addition_of("a", {"X": "A"}, [("X", "L1"), ("X", "NEW")])
    second = addition_of("b", {"Y": "A"}, [("Y", "NEW")], first=200)
    growth = grow(curated_atlas(), [first, second])
    assert growth.repeated == {"a": 1, "b": 1}
    assert ("D2", "L1", "release", 0, 1, 2) in rows(growth)
    assert ("D2", "NEW", "a", 103, 104, 105) in rows(growth)
    assert len(rows(growth)) == 4


def test_two_additions_share_a_new_compound_under_the_first_name():
    first = addition_of("a", {"X": "C"}, [("X", "L1")])
    second = addition_of("b", {"Y": "C"}, [("Y", "L2")])
    growth = grow(curated_atlas(), [first, second])
    assert growth.atlas.drugs["drug_id"].tolist() == ["D2", "D4", "X"]
    assert [row[:3] for row in rows(growth) if row[0] == "X"] == [("X", "L1", "a"), ("X", "L2", "b")]


def test_genes_of_both_are_kept_and_missing_ones_are_not_a_number():
    growth = grow(
        curated_atlas(), [addition_of("lab", {"X": "C"}, [("X", "L1")], genes=["FOS", "EGFR", "JUN"])]
    )
    assert growth.atlas.genes == GENES
    np.testing.assert_array_equal(growth.atlas.z[-1], np.array([102, np.nan, 100], np.float32))


@pytest.mark.parametrize("taken", ["D2", "D7"])
def test_an_id_of_another_compound_is_an_error_with_a_remedy(taken):
    with pytest.raises(
        TableError, match=rf"addition lab: 1 drug_id is taken by other compounds .*\({taken}\); give"
    ):
        grow(curated_atlas(), [addition_of("lab", {taken: "C"}, [(taken, "NEW")])])


def test_an_addition_of_other_genes_is_an_error_with_a_remedy():
    addition = addition_of("lab", {"X": "C"}, [("X", "NEW")], genes=["EGFR", "KRAS", "TP53"])
    with pytest.raises(TableError, match="addition lab: none of its 3 genes is a gene of the atlas; remove"):
        grow(curated_atlas(), [addition])


def test_a_line_has_the_untreated_expression_of_the_first_addition_that_describes_it():
    def described(value, line):
        return pd.DataFrame([[value] * 2], index=[line], columns=["G1", "G2"])

    additions = [
        addition_of(name, {"X": "C"}, [("X", f"N{name}")], expression=described(value, line))
        for name, value, line in (("a", 1.0, "N2"), ("b", 2.0, "N1"), ("c", 3.0, "N2"))
    ]
    odd = addition_of("d", {"X": "C"}, [("X", "N4")], expression=pd.DataFrame([[1.0]], ["N4"], ["G1"]))
    with pytest.raises(TableError, match="addition d: its untreated expression has other genes"):
        grow(curated_atlas(), [*additions, odd])
    expression = grow(curated_atlas(), additions).expression
    assert expression.index.tolist() == ["N1", "N2"]
    assert expression["G1"].tolist() == [2.0, 1.0]
