"""anchordrug pack: files in the releases' own layouts become bundles that anchordrug curate reads."""

import gzip
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from anchordrug.errors import OutputError, RawDataError, SettingsError
from anchordrug.raw.bundle import find_bundle
from anchordrug.raw.expression import read_expression
from anchordrug.raw.ontology import read_annotation
from anchordrug.raw.published import published_in
from anchordrug.raw.tables import read_compounds
from anchordrug.release.layouts import RELEASES
from anchordrug.release.manifest import published_of
from tests.conftest import DEMO, ROOT, run_cli, small_params, write_params
from tests.raw.test_gene_ontology import write_gaf, write_obo
from tests.terminal import Terminal

GO = {"evidence": ["IDA"], "aspects": ["P", "F", "C"], "min_genes": 2, "max_genes": 100}


def demo(pattern):
    return next(DEMO.glob(pattern))


def write_common(folder):
    """Write what all releases share, and return the demo's cell lines."""
    genes = pd.read_csv(demo("geneinfo*"), sep="\t", dtype=str)
    expression = pd.read_csv(demo("basal_expression*"), index_col=0)
    lines = expression.index.tolist()
    columns = ["OLDNAME (1)"] + [
        f"{gene} ({number})" for number, gene in zip(genes["gene_id"], genes["gene_symbol"], strict=True)
    ]
    columns[1] = f"OTHER ({genes['gene_id'][0]})"  # the id counts, not the name
    values = np.random.default_rng(0).random((len(lines) + 2, len(columns))).round(3)
    models = [f"ACH-{k:06d}" for k in range(len(lines) + 2)]
    pd.DataFrame(values, models, columns).to_csv(folder / "OmicsExpressionProteinCodingGenesTPMLogp1.csv")
    stripped = [line.replace("-", "").upper() for line in lines] + ["ELSEWHERE", "ELSEWHERE"]
    pd.DataFrame(
        {
            "ModelID": models,
            "CellLineName": stripped,
            "StrippedCellLineName": ["X1", *stripped[1:]],
            "CCLEName": [f"{lines[0]}_CCLE"] + [""] * (len(lines) + 1),
        }
    ).to_csv(folder / "Model.csv", index=False)
    write_obo(folder / "go-basic.obo", {1: {}, 2: {"is_a": [1]}, 3: {"is_a": [1]}})
    symbols = genes["gene_symbol"].tolist()
    rows = [("PREVIOUS" if k == 1 else gene, 2 + k % 2, "IDA", "") for k, gene in enumerate(symbols)]
    write_gaf(folder / "goa_human.gaf", rows)
    with gzip.open(folder / "goa_human.gaf.gz", "wt") as file:
        file.write((folder / "goa_human.gaf").read_text())
    (folder / "hgnc_complete_set.txt").write_text(
        f"symbol\talias_symbol\tprev_symbol\n{symbols[1]}\t\tPREVIOUS\n", encoding="utf-8"
    )
    compounds = pd.read_csv(demo("compoundinfo*"), sep="\t")
    bare = compounds.loc[compounds["moa"].isna() & compounds["cmap_name"].notna(), "cmap_name"].iloc[0]
    (folder / "repurposing_drugs_20200324.txt").write_text(
        "!a comment\n!another\npert_iname\tclinical_phase\tmoa\ttarget\n"
        f"{bare.upper()}\tLaunched\tsome inhibitor|other inhibitor\tT1|T2\n",
        encoding="utf-8",
    )
    return lines, bare


def packed_text(path, table):
    with gzip.open(path, "wt", encoding="utf-8") as file:
        table.to_csv(file, sep="\t", index=False)


def pack(folder, release, out=None):
    """Run the command with the files of `folder`."""
    files = ("--downloads", folder / "downloads", "--params", folder / "params.yaml")
    return run_cli("pack", release, *files, "--out", folder / (out or f"bundles/{release}"))


def write_release(folder, name):
    """Write the downloads of a release into `folder`; return what `write_common` does."""
    downloads, release = folder / "downloads", RELEASES[name]
    downloads.mkdir()
    lines, bare = write_common(downloads)
    (folder / "params.yaml").write_text(yaml.safe_dump({"mirror": None, "go": GO}), encoding="utf-8")
    signatures = pd.read_csv(demo("siginfo*"), sep="\t", dtype=str, keep_default_na=False)
    matrix = demo("*.gctx").read_bytes()
    if name == "lincs2020":
        for pattern in ("siginfo*", "compoundinfo*", "geneinfo*"):
            shutil.copy(demo(pattern), downloads)
        (downloads / release.matrix).write_bytes(matrix)
        cells = pd.DataFrame(
            {"cell_iname": lines, "ccle_name": [f"{lines[0]}_CCLE"] + [""] * (len(lines) - 1)}
        )
        cells.to_csv(downloads / release.cells, sep="\t", index=False)
    else:
        older = {"cell_iname": "cell_id", "cc_q75": "distil_cc_q75"}
        table = signatures.drop(columns=["is_gold"]).rename(columns=older)
        known = ["distil_cc_q75", "pct_self_rank_q25"]
        packed_text(downloads / release.signatures, table.drop(columns=known))
        packed_text(downloads / release.quality, table[["sig_id", *known]].sample(frac=1, random_state=0))
        compounds = pd.read_csv(demo("compoundinfo*"), sep="\t", dtype=str)
        compounds = compounds.rename(columns={"cmap_name": "pert_iname"}).drop(columns=["moa", "target"])
        packed_text(downloads / release.compounds, compounds.drop_duplicates("pert_id"))
        genes = pd.read_csv(demo("geneinfo*"), sep="\t", dtype=str)
        older = {"gene_id": "pr_gene_id", "gene_symbol": "pr_gene_symbol"}
        packed_text(downloads / release.genes, genes.rename(columns=older))
        (downloads / release.matrix).write_bytes(gzip.compress(matrix, mtime=0))
        packed_text(downloads / release.cells, pd.DataFrame({"cell_id": lines}))
    return lines, bare


@pytest.fixture(scope="module", params=["lincs2020", "gse70138"])
def packed(request, tmp_path_factory):
    """A folder like sources/lincs/pipeline in which the command has run."""
    folder = tmp_path_factory.mktemp(request.param)
    lines, bare = write_release(folder, request.param)
    result = pack(folder, request.param)
    assert result.exit_code == 0, (result.output, result.exception)
    return folder / "bundles" / request.param, lines, bare, result.output


def test_the_bundle_curates_to_what_the_demo_gives(packed, tmp_path):
    bundle, _, _, _ = packed
    # A damaged value outside the panel does no harm.
    shutil.copy(demo("gene_panel*"), bundle)
    params = small_params()
    params["raw"]["dir"] = str(bundle)
    write_params(tmp_path, params)
    result = run_cli("curate", folder=tmp_path)
    assert result.exit_code == 0, (result.output, result.exception)
    funnel = pd.read_csv(tmp_path / "tables/curated/funnel.csv").set_index("step")
    assert funnel["kept"].loc["all z-scores finite"] > 200
    if "lincs2020" in str(bundle):
        write_params(tmp_path, small_params())
        shutil.move(tmp_path / "tables", tmp_path / "packed")
        assert run_cli("curate", folder=tmp_path).exit_code == 0
        one, other = (
            pd.read_parquet(tmp_path / name / "curated/responses.parquet") for name in ("packed", "tables")
        )
        pairs = [set(zip(table["drug_id"], table["cell_line"], strict=True)) for table in (one, other)]
        assert pairs[0] == pairs[1]


def test_expression_goes_by_the_names_of_the_release(packed):
    bundle, lines, _, said = packed
    names, genes, values = read_expression(find_bundle(bundle).expression)
    if "lincs2020" in str(bundle):
        assert names == [*lines, "ELSEWHERE"]
        assert f"{len(lines) + 1} cell lines with expression, {len(lines)} of them" in said
    else:  # without CCLE names the first is not recognised
        assert names == ["X1", *lines[1:], "ELSEWHERE"]
    symbols = pd.read_csv(demo("geneinfo*"), sep="\t", dtype=str)["gene_symbol"].tolist()
    assert genes == ["OLDNAME", *symbols]
    assert np.isfinite(values).all()
    assert "left out, because a model of the same name came before: ACH-" in said


def test_terms_are_gene_sets_with_propagated_members(packed):
    bundle, _, _, _ = packed
    genes, terms, annotation = read_annotation(find_bundle(bundle).annotation)
    symbols = pd.read_csv(demo("geneinfo*"), sep="\t", dtype=str)["gene_symbol"].tolist()
    members = {term: set(np.array(genes)[annotation[:, k] == 1]) for k, term in enumerate(terms)}
    sets = {f"GO:{2 + k:07d}": set(symbols[k::2]) for k in (0, 1)} | {"GO:0000001": set(symbols)}
    assert members == {term: who for term, who in sets.items() if 2 <= len(who) <= 100}


def test_mechanisms_come_from_the_hub_where_the_release_has_none(packed):
    bundle, _, bare, said = packed
    compounds = read_compounds(find_bundle(bundle).compoundinfo)
    row = compounds[compounds["name"] == bare].iloc[0]
    assert (row["moa"], row["target"]) == ("other inhibitor|some inhibitor", "T1|T2")
    assert "from the Repurposing Hub" in said


def test_the_sources_are_listed(packed):
    bundle, _, _, _ = packed
    sources = json.loads((bundle / "SOURCES.json").read_text())
    assert sources["go"] == GO
    assert {one["file"] for one in sources["files"]} >= {"Model.csv", "go-basic.obo"}
    assert all(len(one["sha256"]) == 64 for one in sources["files"])


def test_sources_and_licences_come_from_the_manifest_beside_the_params(packed, tmp_path):
    bundle, _, _, said = packed
    assert "manifest.yaml: no such file, so the bundle names no sources and licences" in said
    assert published_in(bundle) == []
    # All files of a release are in the manifest that comes with the project.
    manifest = ROOT / "sources/lincs/pipeline/manifest.yaml"
    names = RELEASES["lincs2020"].files()
    found = published_of(manifest, names)
    assert len(found) == len(names)
    assert all(entry["name"] and entry["licence"] and entry["url"] for entry in found)
    folder = bundle.parent.parent
    shutil.copyfile(manifest, folder / "manifest.yaml")
    assert pack(folder, bundle.name).exit_code == 0
    (folder / "manifest.yaml").unlink()
    told = published_in(bundle)
    assert told
    assert all(entry in published_of(manifest, RELEASES[bundle.name].files()) for entry in told)


def test_packing_again_replaces_a_bundle_and_nothing_else(packed):
    bundle, _, _, _ = packed
    folder = bundle.parent.parent
    before = sorted(path.name for path in bundle.iterdir())
    other = bundle.parent / f".partial-.partial-of-{bundle.name}-x"  # another bundle's, which may be running
    for left in (f".partial-{bundle.name}", f".partial-.partial-{bundle.name}-killed_1", other.name):
        (bundle.parent / left).mkdir()
    (bundle / "of mine.txt").write_text("x")
    assert pack(folder, bundle.name).exit_code == 0
    assert {path.name for path in bundle.iterdir()} == set(before) - {
        path.name for path in DEMO.glob("gene_panel*")
    }
    assert {path.name for path in bundle.parent.iterdir()} == {bundle.name, other.name}
    other.rmdir()
    error = pack(folder, bundle.name, "downloads").exception
    assert isinstance(error, OutputError)
    assert "would be replaced" in str(error)
    assert (folder / "downloads/Model.csv").exists()
    (folder / "thesis").mkdir()
    error = pack(folder, bundle.name, "thesis").exception
    assert isinstance(error, SettingsError)
    assert "was not created by" in str(error)
    (folder / "thesis").rmdir()
    # A file that is damaged leaves the bundle as it was.
    model = folder / "downloads/Model.csv"
    content = model.read_bytes()
    model.write_text("nothing\n")
    try:
        assert isinstance(pack(folder, bundle.name).exception, RawDataError)
    finally:
        model.write_bytes(content)
    assert (bundle / "SOURCES.json").exists()
    assert [path.name for path in bundle.parent.iterdir()] == [bundle.name]


def test_what_is_missing_is_named_with_the_command_that_fetches_it(tmp_path):
    (tmp_path / "params.yaml").write_text(yaml.safe_dump({"mirror": None, "go": GO}), encoding="utf-8")
    error = pack(tmp_path, "lincs2020").exception
    assert isinstance(error, RawDataError)
    assert "pack@lincs2020" in str(error)
    # Without options, the files are in the current folder.
    with Terminal(tmp_path) as terminal:
        assert f"{tmp_path}/{terminal.run('pack', 'lincs2020').error}" == str(error)
    error = pack(tmp_path, "lincs2O20").exception
    assert isinstance(error, SettingsError)
    assert "did you mean" in str(error)
    wrong = {"mirror": None, "go": GO | {"aspects": ["X"]}}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(wrong), encoding="utf-8")
    assert isinstance(pack(tmp_path, "lincs2020").exception, SettingsError)
    assert not (tmp_path / "bundles").exists()


def test_a_bomb_in_place_of_the_matrix_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("anchordrug.raw.unpacked.UNPACKED_BYTES", 2**20)
    write_release(tmp_path, "gse70138")
    matrix = tmp_path / "downloads" / RELEASES["gse70138"].matrix
    matrix.write_bytes(gzip.compress(bytes(2**22), mtime=0))
    error = pack(tmp_path, "gse70138").exception
    assert isinstance(error, RawDataError)
    assert f"{matrix}: unpacks to more than 200 times its size" in str(error)
    assert not (tmp_path / "bundles/gse70138").exists()
