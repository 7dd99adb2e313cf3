"""Tables of expression in every kind of file, and tables that are none."""

import gzip

import numpy as np
import pandas as pd
import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.expression_table import read_expression_table
from anchordrug.raw.gctx import write_gctx
from anchordrug.raw.untreated import read_untreated

VALUES = np.array([[9.5, 0.25, 4.0], [8.5, 1.25, 5.0]], np.float32)  # samples x genes
GCT_1_2 = (
    "#1.2\n3\t2\nName\tDescription\tA549_a\tA549_b\n"
    "{0}\t{3}\t9.5\t8.5\n{1}\t{4}\t0.25\t1.25\n{2}\t{5}\t4\t5\n"
)
SYMBOLS = ["TSPAN6", "TNMD", "HLA-A"]
IDS = ["ENSG00000000003.15", "ENSG00000000005.6", "ENSG00000206503.13"]
PROBES = ["7105_at", "64102_at", "3105_at"]
WORDS = ["tetraspanin 6", "tenomodulin", "major histocompatibility complex"]


@pytest.mark.parametrize(
    ("names", "descriptions", "genes"),
    [
        (IDS, SYMBOLS, IDS),  # GTEx, CCLE's RNA-seq
        (PROBES, SYMBOLS, SYMBOLS),  # CCLE's microarrays
        (SYMBOLS, ["na"] * 3, SYMBOLS),  # GSEA
        (SYMBOLS, WORDS, SYMBOLS),
        (["7105", "64102", "3105"], WORDS, ["7105", "64102", "3105"]),
    ],
)
@pytest.mark.parametrize("name", ["e.gct", "e.gct.gz", "e.csv", "e.gctx", "e"])
def test_gct_1_2(tmp_path, name, names, descriptions, genes):
    content = GCT_1_2.format(*names, *descriptions).encode()
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    table = read_untreated(tmp_path / name, ["A549"])
    assert table.columns.tolist() == genes
    np.testing.assert_allclose(table, [VALUES.mean(axis=0)])
    assert table.attrs["samples"] == {"A549": ["A549_a", "A549_b"]}
    assert table.attrs["unit"] == "log2"


@pytest.mark.parametrize("name", ["e.gctx", "e.csv"])
def test_gctx_whose_samples_are_told_by_a_field(tmp_path, name):
    samples = pd.DataFrame({"id": ["x1", "x2"], "cell_iname": ["THP1", "A549"]})
    genes = pd.DataFrame({"id": ["7105", "64102", "3105"], "pr_gene_symbol": SYMBOLS})
    write_gctx(tmp_path / "whole.gctx", VALUES, samples, genes)
    (tmp_path / "whole.gctx").rename(tmp_path / name)
    table = read_untreated(tmp_path / name, ["A549"])
    assert table.columns.tolist() == SYMBOLS
    np.testing.assert_array_equal(table, VALUES[1:])


def write(folder, content, name="u.csv"):
    (folder / name).write_text(content, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("lines", ["", "!DepMap 24Q4\n", "# a, b\n#\n", "sep=,\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_depmap_with_lines_before_it_and_gzip_by_another_name(tmp_path, lines, packed):
    content = f"{lines},TSPAN6 (7105),TNMD (64102),HLA-A (3105)\nA549,9.5,0.25,4\n".encode()
    (tmp_path / "u.csv").write_bytes(gzip.compress(content, mtime=0) if packed else content)
    table = read_untreated(tmp_path / "u.csv", ["A549"])
    assert table.columns.tolist() == ["TSPAN6 (7105)", "TNMD (64102)", "HLA-A (3105)"]
    np.testing.assert_array_equal(table, VALUES[:1])


NO_TABLES = {
    "long": (
        "gene,sample,TPM\nTSPAN6,A549,1\nTNMD,A549,2\nTSPAN6,THP1,3\nTNMD,THP1,4\n",
        "is a long table, one row per gene .column 'gene'. and sample .column 'sample'.; make it wide",
    ),
    "long, of DepMap": (
        "ModelID\tgene_name\texpression\nACH-1\tTSPAN6\t1\nACH-1\tTNMD\t2\nACH-2\tTSPAN6\t3\n"
        "ACH-2\tTNMD\t3\n",
        "is a long table, one row per gene .column 'gene_name'. and sample .column 'ModelID'.",
    ),
    "DESeq2": (
        "gene,baseMean,log2FoldChange,lfcSE,stat,pvalue,padj\nTSPAN6,1,1,1,1,.1,.1\n",
        "is a table of differential expression .log2FoldChange, lfcSE, .*; give the expression of untreated",
    ),
    "limma": (
        "SYMBOL\tlogFC\tAveExpr\tt\tP.Value\tadj.P.Val\nTSPAN6\t1\t1\t1\t.1\t.1\n",
        "is a table of differential expression .logFC",
    ),
    "HTSeq": (
        "TSPAN6\t679\nTNMD\t0\nHLA-A\t5\n",
        "has no header, its first line is 'TSPAN6, 679'; add a line",
    ),
    "STAR": (
        "N_unmapped\t1\t1\t1\nTSPAN6\t2\t2\t2\n",
        "has no header, its first line is 'N_unmapped, 1, 1, 1'",
    ),
    "ranking": ("# a.rnk\nTSPAN6,2.5\nTNMD,-1\n", "has no header, its first line is 'TSPAN6, 2.5'"),
    "series matrix": ('!Series_title\t"x"\n', "is a GEO series matrix"),
}


@pytest.mark.parametrize(("content", "message"), NO_TABLES.values(), ids=NO_TABLES)
def test_tables_that_hold_no_expression_of_samples(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(RawDataError, match=f"u.csv: {message}"):
        read_expression_table(path)


def test_a_cell_line_with_a_number_for_a_name_is_no_missing_header(tmp_path):
    assert read_expression_table(write(tmp_path, "gene,5637\nTSPAN6,1.5\n")).sheet.header == ["gene", "5637"]


def test_replicates_are_no_long_table(tmp_path):
    content = "sample,cell_line,TSPAN6,TNMD\nA549_1,A549,1.5,2\nA549_2,A549,1,2.5\n"
    np.testing.assert_array_equal(read_untreated(write(tmp_path, content), ["A549"]), [[1.25, 2.25]])
