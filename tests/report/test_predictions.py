"""What a report reads of a table of predictions equals what the table says, however the file is cut."""

import numpy as np
import pytest

from anchordrug.errors import TableError
from anchordrug.report.predictions import STRONGEST, read_predictions, responses_of
from tests.report.made_up import gene_names, made_up_predictions, write_predictions


@pytest.fixture
def table():
    return made_up_predictions(12, 30)


@pytest.mark.parametrize("rows_a_group", [7, 30, 100, 2**20])
def test_counts_and_strongest_genes_are_those_of_the_table(table, tmp_path, rows_a_group):
    path = write_predictions(table, tmp_path / "t.parquet", rows_a_group)
    found = read_predictions(path, gene_names(table))
    assert found.score == "z"
    for place, (drug, own) in enumerate(table.groupby("drug_id")):
        row = found.drugs.iloc[place]
        assert (row["drug_id"], row["evidence"]) == (drug, own["evidence"].iloc[0])
        assert row["confidence"] == own["confidence"].iloc[0]
        for direction, ascending in (("up", False), ("down", True)):
            changed = own[own["label"] == direction].sort_values("z", ascending=ascending).head(STRONGEST)
            assert getattr(found.responses, direction)[place] == (own["label"] == direction).sum()
            strongest = getattr(found.responses, f"strongest_{direction}")
            named = [found.genes[gene] for gene in strongest.genes[place] if gene >= 0]
            assert named == changed["gene"].tolist()
            np.testing.assert_array_equal(strongest.scores[place][: len(named)], changed["z"])
    rows = np.array([0, 5, 11])
    np.testing.assert_array_equal(
        found.scores_of(rows), table["z"].to_numpy().reshape(12, 30)[rows].astype(np.float32)
    )


def test_without_z_the_probabilities_tell_what_is_strongest(table, tmp_path):
    path = write_predictions(table.assign(z=np.float32(np.nan)), tmp_path / "t.parquet", 100)
    found = read_predictions(path, gene_names(table))
    assert found.score == "p(up) - p(down)"
    first = table.head(30)
    up = first[first["label"] == "up"]
    best = up.loc[(up["p_up"] - up["p_down"]).idxmax(), "gene"]
    assert found.genes[found.responses.strongest_up.genes[0, 0]] == best


def test_genes_that_were_not_measured_have_not_changed():
    found = responses_of(np.array([[-1, 2, 1, 0]]), np.array([[np.nan, 3, 0, -2]], np.float32))
    assert (found.up.tolist(), found.down.tolist(), found.changed.tolist()) == ([1], [1], [2])
    assert found.strongest_up.genes.tolist() == [[1, -1, -1, -1]]


def test_another_table_is_refused(table, tmp_path):
    genes = gene_names(table)
    (tmp_path / "text.parquet").write_text("no parquet at all")
    for name, other in {
        "wide": table.rename(columns={"gene": "other"}),
        "cut": table.iloc[:-1],
        "sorted": table.sort_values("gene"),
        "empty": table.iloc[:0],
    }.items():
        path = write_predictions(other, tmp_path / f"{name}.parquet")
        with pytest.raises(TableError, match=r"parquet: is not a table of every drug and gene of a target"):
            read_predictions(path, genes)
    with pytest.raises(TableError, match=r"parquet: is not a table of every drug and gene of a target"):
        read_predictions(tmp_path / "text.parquet", genes)
