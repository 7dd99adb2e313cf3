"""anchordrug rank: a library by how well predicted responses reverse, or mimic, a signature."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from scipy.stats import false_discovery_control

from anchordrug.errors import LibraryError
from anchordrug.prediction.connectivity import Signature, expected_change, score
from anchordrug.prediction.inference import load_onnx, parse
from tests.conftest import run_cli

MODEL, LIBRARY = "models/onnx/SIM-T1.onnx", "tables/atlas/drugs.parquet"
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
FEW = f"drug_id,smiles\na,{ASPIRIN}\nb,CCO\nc,CCN\nd,c1ccccc1\n"
PERMUTATIONS = 40
COLUMNS = [
    *("rank", "drug_id", "name", "connectivity", "p_connectivity", "fdr_connectivity"),
    *("cosine", "p_cosine", "fdr_cosine"),
    *("confidence", "strength", "nearest_drug", "similarity", "source_lines", "evidence"),
]


@pytest.fixture(scope="module")
def library(project, tmp_path_factory):
    """The first drugs of the atlas."""
    path = tmp_path_factory.mktemp("library") / "drugs.parquet"
    pd.read_parquet(project / LIBRARY).iloc[:50].to_parquet(path)
    return path


@pytest.fixture(scope="module")
def predicted(project, library):
    """Ids and predictions of that library, and the model's genes."""
    model = load_onnx(project / MODEL)
    drugs = pd.read_parquet(library)
    parsed = parse(model, drugs["smiles"].tolist())
    assert not parsed.reasons
    return drugs["drug_id"].tolist(), model.predict(parsed.bits, parsed.inchikeys), model.genes


@pytest.fixture
def rank(project, library, tmp_path):
    def run(*options, drugs=library, out="rank.parquet", model=MODEL):
        if "\n" in str(drugs):
            (tmp_path / "drugs.csv").write_text(drugs, encoding="utf-8")
            drugs = tmp_path / "drugs.csv"
        where = ("--model", project / model, "--drugs", drugs, "--out", tmp_path / out)
        return run_cli("rank", *where, "--permutations", PERMUTATIONS, *options), tmp_path / out

    return run


@pytest.fixture
def signature(tmp_path):
    """Writes a table of differential expression."""

    def write(genes, values, name="de.csv", **columns):
        pd.DataFrame({"gene": genes, "stat": values, **columns}).to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


@pytest.fixture
def genes_file(tmp_path):
    def write(name, genes):
        (tmp_path / name).write_text("\n".join(genes) + "\n", encoding="utf-8")
        return tmp_path / name

    return write


def done(outcome):
    """The table of a run that went well."""
    result, out = outcome
    assert result.exit_code == 0, result.exception
    return pd.read_parquet(out)


def complaint(outcome):
    result, out = outcome
    assert isinstance(result.exception, LibraryError), (result.output, result.exception)
    text = str(result.exception)
    assert "\n" not in text
    assert not out.exists()
    return text


def test_a_drug_mimics_its_own_response_best_and_reverses_it_least(rank, signature, predicted, project):
    ids, prediction, genes = predicted
    # The strongest and the weakest of them, among all drugs of the atlas.
    for drug in np.linalg.norm(prediction.z, axis=1).argsort()[[-1, 0]]:
        path = signature(genes, prediction.z[drug])
        alike = done(rank("--signature", path, "--mimic", drugs=project / LIBRARY))
        assert alike["drug_id"].iloc[0] == ids[drug]
        assert alike["cosine"].iloc[0] > 0.9
        assert alike["p_cosine"].iloc[0] == 1 / (PERMUTATIONS + 1)
        reversing = done(rank("--signature", path, drugs=project / LIBRARY))
        assert len(reversing) == len(alike) > 300
        assert reversing["drug_id"].iloc[-1] == ids[drug]
        assert reversing["p_cosine"].iloc[-1] == 1
    # What reverses the opposite is what mimics.
    opposite = done(rank("--signature", signature(genes, -prediction.z[drug])))
    assert opposite["drug_id"].iloc[0] == ids[drug]


@pytest.mark.parametrize("options", [(), ("--mimic",)], ids=["reverse", "mimic"])
def test_every_column_is_what_its_name_says(rank, signature, predicted, project, options):
    ids, prediction, genes = predicted
    rng = np.random.default_rng(0)
    values = rng.normal(size=len(genes))
    # Not all genes of the model, another order, and one that it does not have.
    kept = rng.permutation(len(genes))[:70]
    path = signature([*(genes[gene] for gene in kept), "ELSE"], [*values[kept], 9])
    table = done(rank("--signature", path, "--seed", 3, *options))
    assert table.columns.tolist() == COLUMNS
    assert sorted(table["drug_id"]) == sorted(ids)
    assert table["rank"].tolist() == list(range(1, len(ids) + 1))
    # Best first, by cosine.
    order = table["cosine"] if not options else -table["cosine"]
    assert order.is_monotonic_increasing

    vector = np.zeros(len(genes))
    vector[kept] = values[kept]
    place = np.argsort(vector, kind="stable")
    asked = Signature(vector, place[-(vector > 0).sum() :], place[: (vector < 0).sum()])
    responses = expected_change(prediction.probabilities, prediction.z)
    scores = score(responses, asked, PERMUTATIONS, 3, reverse=not options)
    row = [ids.index(one) for one in table["drug_id"]]
    np.testing.assert_allclose(table["cosine"], scores.cosine[row], atol=1e-6)
    np.testing.assert_allclose(table["connectivity"], scores.connectivity[row], atol=1e-6)
    assert table["connectivity"].abs().max() > 0.2
    np.testing.assert_allclose(table["p_cosine"], scores.p_cosine[row])
    np.testing.assert_allclose(table["p_connectivity"], scores.p_connectivity[row])
    for name in ("cosine", "connectivity"):
        np.testing.assert_allclose(table[f"fdr_{name}"], false_discovery_control(table[f"p_{name}"]))
    # How far to trust a drug's prediction is as predict says.
    of_drug = ["confidence", "strength", "nearest_drug", "similarity", "source_lines", "evidence"]
    other = pd.read_parquet(project / "tables/predictions/SIM-T1.parquet").groupby("drug_id")[of_drug].first()
    pd.testing.assert_frame_equal(
        table.set_index("drug_id")[of_drug], other.loc[table["drug_id"]], check_exact=False, atol=1e-5
    )


def test_formats_agree(rank, signature, predicted):
    _, prediction, genes = predicted
    path = signature(genes, prediction.z[5])
    parquet = done(rank("--signature", path, drugs=FEW))
    result, out = rank("--signature", path, drugs=FEW, out="rank.csv")
    assert result.exit_code == 0
    pd.testing.assert_frame_equal(pd.read_csv(out), parquet, check_dtype=False, atol=1e-6)
    result, out = rank("--signature", path, drugs=FEW, out="rank.arrow")
    assert result.exit_code == 0
    with pa.memory_map(str(out)) as file:
        arrow = pa.ipc.open_file(file).read_all().to_pandas()
    arrow["evidence"] = arrow["evidence"].astype(str)
    pd.testing.assert_frame_equal(arrow, parquet, check_dtype=False)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_same_seed_writes_the_same_bytes_another_one_other_p_values(rank, signature, predicted, suffix):
    _, _, genes = predicted
    path = signature(genes, np.random.default_rng(1).normal(size=len(genes)))
    one, again, other = (
        rank("--signature", path, "--seed", seed, out=f"{name}{suffix}")[1]
        for name, seed in (("one", 4), ("again", 4), ("other", 5))
    )
    assert one.read_bytes() == again.read_bytes()
    read = pd.read_csv if suffix == ".csv" else pd.read_parquet
    one, other = read(one), read(other)
    assert one["drug_id"].tolist() == other["drug_id"].tolist()
    np.testing.assert_array_equal(one["connectivity"], other["connectivity"])
    for name in ("p_cosine", "p_connectivity"):
        assert (one[name] != other[name]).mean() > 0.1


def test_the_block_a_drug_falls_into_does_not_matter(rank, signature, predicted, monkeypatch):
    from anchordrug.prediction import engine as stage

    _, prediction, genes = predicted
    path = signature(genes, prediction.z[5])
    whole = done(rank("--signature", path, drugs=FEW))
    monkeypatch.setattr(stage, "DRUGS_A_BLOCK", 3)
    pd.testing.assert_frame_equal(done(rank("--signature", path, drugs=FEW)), whole, atol=1e-12)


@pytest.mark.parametrize("sides", ["up down", "up", "down"])
def test_gene_lists(rank, genes_file, predicted, sides):
    ids, prediction, genes = predicted
    # A gene that the model does not have is told and left out.
    files = {"up": genes_file("up.txt", [*genes[:6], "ELSE"]), "down": genes_file("down.txt", genes[10:13])}
    options = [word for side in sides.split() for word in (f"--{side}", files[side])]
    result, out = rank(*options, "--mimic")
    table = done((result, out))
    up, down = (
        np.arange(*span) if side in sides else np.arange(0)
        for side, span in (("up", (0, 6)), ("down", (10, 13)))
    )
    assert (f"{files['up']}: the model predicts 6 of 7 genes" in result.output) == ("up" in sides)
    assert (f"{files['down']}: the model predicts 3 of 3 genes" in result.output) == ("down" in sides)
    assert f"mimics {len(up)} up and {len(down)} down genes in SIM-T1" in result.output
    values = np.zeros(len(genes))
    values[up], values[down] = 1, -1
    responses = expected_change(prediction.probabilities, prediction.z)
    scores = score(responses, Signature(values, up, down), PERMUTATIONS, 0, reverse=False)
    row = [ids.index(one) for one in table["drug_id"]]
    np.testing.assert_allclose(table["connectivity"], scores.connectivity[row], atol=1e-6)
    np.testing.assert_allclose(table["cosine"], scores.cosine[row], atol=1e-6)
    np.testing.assert_allclose(table["p_connectivity"], scores.p_connectivity[row])


def test_each_side_holds_the_strongest_genes_that_are_significant(rank, signature, predicted):
    _, _, genes = predicted
    values = np.linspace(-2, 3, len(genes))
    result, _ = rank("--signature", signature(genes, values), drugs=FEW)
    # At most 50 a side.
    assert f"reverses 50 up and {(values < 0).sum()} down genes" in result.output
    significant = np.full(len(genes), 0.2)
    significant[[0, 1, -1, -2, -3]] = 0.01
    path = signature(genes, values, padj=significant)
    result, _ = rank("--signature", path, drugs=FEW)
    assert "reverses 3 up and 2 down genes" in result.output
    assert f"{path}: has {len(genes)} of {len(genes)} genes that the model predicts" in result.output
    # The cosine hears all of them, the connectivity only those.
    table = done(rank("--signature", path, drugs=FEW))
    plain = done(rank("--signature", signature(genes, values), drugs=FEW))
    plain = plain.set_index("drug_id").loc[table["drug_id"]]
    np.testing.assert_allclose(table["cosine"], plain["cosine"], atol=1e-12)
    assert (table["connectivity"].to_numpy() != plain["connectivity"].to_numpy()).any()


def test_a_column_may_be_chosen(rank, signature, predicted):
    ids, prediction, genes = predicted
    path = signature(genes, prediction.z[0], other=prediction.z[1])
    assert done(rank("--signature", path, "--mimic"))["drug_id"].iloc[0] == ids[0]
    assert done(rank("--signature", path, "--mimic", "--column", "other"))["drug_id"].iloc[0] == ids[1]


def test_the_ten_best_are_shown(rank, signature, predicted):
    _, prediction, genes = predicted
    result, out = rank("--signature", signature(genes, prediction.z[5]), "--mimic")
    table = done((result, out))
    lines = result.output.splitlines()
    assert f"{out}: {len(table)} drugs by how well each mimics" in result.output
    for line, row in zip(lines[-10:], table.head(10).to_dict("records"), strict=True):
        called = f"{row['drug_id']} {row['name']}"
        assert line.startswith(f"{row['rank']:>4}  {called:<24.24}  cosine {row['cosine']:+.3f}  ")
        assert line.split()[-1] == f"{row['connectivity']:+.3f}"


def test_a_predictor_without_z_is_ranked_by_its_probabilities(rank, signature, library, mlp_project):
    model = load_onnx(mlp_project / MODEL)
    drugs = pd.read_parquet(library)
    parsed = parse(model, drugs["smiles"].tolist())
    probabilities = model.predict(parsed.bits, parsed.inchikeys).probabilities
    path = signature(model.genes, probabilities[7, :, 2] - probabilities[7, :, 0])
    table = done(rank("--signature", path, "--mimic", model=mlp_project / MODEL))
    assert table["drug_id"].iloc[0] == drugs["drug_id"].iloc[7]
    assert table["cosine"].iloc[0] == pytest.approx(1, abs=1e-6)


def test_rejects_and_duplicates_are_told_as_by_predict(rank, signature, predicted, tmp_path, project):
    _, prediction, genes = predicted
    text = f"id,smiles\na,{ASPIRIN}\nb,C(C\nc,OC(=O)c1ccccc1OC(C)=O\nd,CCO\ne,\n"
    result, out = rank("--signature", signature(genes, prediction.z[5]), drugs=text)
    assert sorted(done((result, out))["drug_id"]) == ["a", "d"]
    rejects, duplicates = (
        out.with_name(f"{out.name}.rejects.csv"),
        out.with_name(f"{out.name}.duplicates.csv"),
    )
    assert f"{rejects}: 2 rows rejected" in result.output
    assert f"{duplicates}: 1 row with the structure of an earlier row" in result.output
    assert pd.read_csv(rejects)["drug_id"].tolist() == ["b", "e"]
    assert pd.read_csv(duplicates)[["drug_id", "same_as"]].to_numpy().tolist() == [["c", "a"]]
    predict = ("predict", "--model", project / MODEL, "--drugs", tmp_path / "drugs.csv")
    assert run_cli(*predict, "--out", tmp_path / "p.parquet").exit_code == 0
    for path in (rejects, duplicates):
        assert path.read_bytes() == (tmp_path / path.name.replace("rank", "p")).read_bytes()
    # Nothing else is left next to the table.
    assert {path.name for path in tmp_path.glob("*rank*")} == {out.name, rejects.name, duplicates.name}


def test_ids_that_a_spreadsheet_would_compute_are_text(rank, signature, predicted):
    _, prediction, genes = predicted
    text = f"id,smiles\n=1+2,{ASPIRIN}\n@b,CCO\n-c,CCN\nd,CCC\n+e,C(C\n"
    path = signature(genes, prediction.z[5])
    result, out = rank("--signature", path, drugs=text, out="rank.csv")
    assert result.exit_code == 0, result.exception
    assert sorted(pd.read_csv(out)["drug_id"]) == ["'-c", "'=1+2", "'@b", "d"]
    assert pd.read_csv(out.with_name(f"{out.name}.rejects.csv"))["drug_id"].tolist() == ["'+e"]
    # Parquet is not a spreadsheet's.
    assert sorted(done(rank("--signature", path, drugs=text))["drug_id"]) == ["-c", "=1+2", "@b", "d"]


def test_a_signature_must_be_given_in_one_way(rank, signature, genes_file, predicted):
    _, prediction, genes = predicted
    path, up = signature(genes, prediction.z[5]), genes_file("up.txt", genes[:5])
    for options in ((), ("--signature", path, "--up", up), ("--signature", path, "--down", up)):
        assert "give either --signature (a table or GCT) or gene lists" in complaint(rank(*options))
    text = complaint(rank("--up", up, "--column", "stat"))
    assert "--column names a column of --signature; gene lists have none" in text


def test_sets_of_a_gmt(rank, genes_file, predicted, tmp_path):
    *_, genes = predicted
    up, down = genes[:7], genes[20:29]
    listed, out = rank("--up", genes_file("up.txt", up), "--down", genes_file("down.txt", down))
    assert listed.exit_code == 0
    expected = pd.read_parquet(out)
    sets = {"OTHER": genes[40:50], "ONE_UP": up, "ONE_DN": down}
    gmt = tmp_path / "sets.gmt"
    gmt.write_text("".join("\t".join([name, "na", *of]) + "\n" for name, of in sets.items()))
    chosen = ("--up", gmt, "--up-set", "ONE_UP", "--down", gmt, "--down-set", "ONE_DN")
    result, out = rank(*chosen, out="by_set.parquet")
    assert result.exit_code == 0
    assert f"{gmt}: the model predicts 7 of 7 genes" in result.output
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected)
    text = complaint(rank("--up", gmt, out="none.parquet"))
    assert text == (
        f"{gmt}: holds 3 gene sets (OTHER, ONE_UP, ONE_DN); name the set that is meant with --up-set or "
        "--down-set"
    )
    text = complaint(rank("--up", genes_file("up.txt", up), "--down-set", "ONE_DN", out="none.parquet"))
    assert text == "--down-set ONE_DN: names a set of a GMT; give the file with --down"


def test_a_ranking_without_header_equals_one_with(rank, signature, predicted, tmp_path):
    *_, genes = predicted
    values = np.linspace(-3, 3, len(genes)).round(3)
    expected = pd.read_parquet(rank("--signature", signature(genes, values))[1])
    pd.DataFrame({"gene": genes, "stat": values}).to_csv(
        tmp_path / "a.rnk", sep="\t", index=False, header=False
    )
    result, out = rank("--signature", tmp_path / "a.rnk", out="rnk.parquet")
    assert "read as a ranking without header" in result.output
    pd.testing.assert_frame_equal(pd.read_parquet(out), expected)


def test_lists_that_cannot_be_used(rank, genes_file, predicted, tmp_path):
    _, _, genes = predicted
    up, down = genes_file("up.txt", genes[:5]), genes_file("down.txt", [*genes[7:9], genes[3]])
    text = complaint(rank("--up", up, "--down", down))
    assert text == f"{up}, {down}: '{genes[3]}' is in both lists; remove it from one"
    unknown = genes_file("unknown.txt", ["ENSG00000141510", "ELSE"])
    text = complaint(rank("--up", up, "--down", unknown))
    assert text.startswith(f"{unknown}: none of its genes is predicted (found ENSG00000141510, ELSE)")
    assert text.endswith("; name genes by HGNC symbol")
    assert complaint(rank("--up", tmp_path / "no.txt")).startswith(f"{tmp_path / 'no.txt'}: no such file; ")
    empty = genes_file("empty.txt", ["# nothing"])
    assert complaint(rank("--up", empty)) == f"{empty}: holds no genes; write one symbol per line"


def test_tables_that_cannot_be_used(rank, signature, predicted, tmp_path):
    _, _, genes = predicted
    few = signature([*genes[:9], "ELSE"], range(1, 11))
    text = complaint(rank("--signature", few))
    assert text.startswith(f"{few}: the model predicts 9 of its 10 genes ({genes[0]}, ")
    assert "and 10 are needed; name genes by HGNC symbol, as the model does (" in text
    # Ten are enough.
    enough = signature(genes[:10], range(1, 11))
    assert rank("--signature", enough, drugs=FEW, out="ten.csv")[0].exit_code == 0
    mixed = np.resize([1.0, -1.0], len(genes))
    for name, values, columns in (("p.csv", mixed, {"padj": 0.5}), ("0.csv", 0.0, {})):
        path = signature(genes, values, name, **columns)
        text = complaint(rank("--signature", path))
        assert text == (f"{path}: no predicted gene changes significantly in it; give gene lists instead")
    expressed = signature(genes, 1.0 + mixed / 2, "expression.csv")
    assert "column 'stat' has almost no negative value" in complaint(rank("--signature", expressed))
    path = signature(genes, 1.0)
    assert complaint(rank("--signature", path, "--column", "stats")).endswith("; did you mean 'stat'?")
    missing = tmp_path / "no.csv"
    assert complaint(rank("--signature", missing)).startswith(f"{missing}: no such file; ")


def test_other_files_that_cannot_be_used(rank, signature, predicted, tmp_path):
    _, prediction, genes = predicted
    path = signature(genes, prediction.z[5])
    assert "no.onnx: no such model" in complaint(rank("--signature", path, model="no.onnx"))
    assert "no.csv: no such file" in complaint(rank("--signature", path, drugs="no.csv"))
    assert "cannot write '.xls' files" in complaint(rank("--signature", path, out="rank.xls"))
    told = "a ranking has no genes; write .csv, .xlsx, .parquet or .arrow instead"
    assert told in complaint(rank("--signature", path, out="rank.h5ad"))
    text = complaint(rank("--signature", path, drugs="id,smiles\na,C(C\n"))
    assert "drugs.csv: none of its 1 structures can be read; see " in text
    assert not list(tmp_path.glob("*.part"))


def test_what_a_run_that_was_cut_has_left_answers_no_other_question(rank, signature, predicted, monkeypatch):
    """It goes on with the same question only: signature, direction and seed are part of it."""
    from anchordrug.prediction import rank as stage

    _, prediction, genes = predicted
    one, other = signature(genes, prediction.z[5]), signature(genes, prediction.z[6], "other.csv")
    questions = [
        ("--signature", one),
        ("--signature", other),
        ("--signature", one, "--mimic"),
        ("--signature", one, "--seed", 1),
    ]
    whole = [done(rank(*asked, out="whole.parquet")) for asked in questions]
    for asked, expected in zip(questions, whole, strict=True):
        with monkeypatch.context() as patch:
            patch.setattr(stage, "write_tables", lambda *_: 1 / 0)
            result, out = rank(*questions[0])
            assert isinstance(result.exception, ZeroDivisionError)
            assert out.with_name("rank.parquet.part").exists()
        result, out = rank(*asked)
        assert ("resuming after" in result.output) == (asked == questions[0])
        pd.testing.assert_frame_equal(done((result, out)), expected)
