"""Signatures as programs write them: tables of differential expression, GCT, lists of genes."""

import gzip

import numpy as np
import pandas as pd
import pytest
from openpyxl import Workbook
from scipy.stats import norm

from anchordrug.errors import RawDataError
from anchordrug.raw.signature import on_genes, read_gene_list, read_signature
from tests.raw.anndata_made import write_h5ad


def text_file(folder, content, name="de.csv"):
    data = content.encode()
    (folder / name).write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return folder / name


def complaint(read, *arguments):
    with pytest.raises(RawDataError) as caught:
        read(*arguments)
    text = str(caught.value)
    # One line that starts with the file and ends with what to do about it.
    assert text.startswith(f"{arguments[0]}: ")
    assert "\n" not in text
    return text


# As R, Python and GEO write them: content, the value of each gene, the significant ones. The statistic is
# preferred to the fold change; 0.05 itself is not significant; a gene that could not be tested has no value.
DESEQ2 = """"","baseMean","log2FoldChange","lfcSE","stat","pvalue","padj"
"SIMG1",100.1,2.5,0.5,5,5.7e-07,1e-05
"SIMG2",0,NA,NA,NA,NA,NA
"SIMG3",3.2,-1.5,1.5,-1,0.31,NA
"SIMG4",50,-0.5,0.25,-2,0.045,0.05
"""
DESEQ2_FOUND = {"SIMG1": 5, "SIMG3": -1, "SIMG4": -2}, {"SIMG1"}
STYLES = {
    "DESeq2": (DESEQ2, *DESEQ2_FOUND),
    "DESeq2 by write.table": (
        DESEQ2.replace(",", "\t").replace('""\t', "", 1),
        *DESEQ2_FOUND,
    ),
    "DESeq2 in Europe": (DESEQ2.replace(",", ";").replace(".", ","), *DESEQ2_FOUND),
    "DESeq2, shrunken, which has no stat": (
        "gene,baseMean,log2FoldChange,lfcSE,pvalue,padj\nSIMG1,10,1.5,.1,1e-9,1e-8\nSIMG2,10,-.5,.1,.2,.3\n",
        {"SIMG1": 1.5, "SIMG2": -0.5},
        {"SIMG1"},
    ),
    "pydeseq2": (
        "symbol,baseMean,log2FoldChange,lfcSE,stat,pvalue,padj\nSIMG1,9,1,1,3,.001,.002\nSIMG2,9,1,1,,,\n",
        {"SIMG1": 3},
        {"SIMG1"},
    ),
    "limma": (
        '"","logFC","AveExpr","t","P.Value","adj.P.Val","B"\n'
        '"SIMG1",1.5,7,8.25,1e-06,0.001,5\n"SIMG2",-0.5,7,-1.5,0.1,0.2,-4\n',
        {"SIMG1": 8.25, "SIMG2": -1.5},
        {"SIMG1"},
    ),
    "edgeR": (
        "\tlogFC\tlogCPM\tF\tPValue\tFDR\nSIMG1\t-1.5\t5\t20.5\t1e-05\t0.01\nSIMG2\t0.5\t5\t2\t0.2\t0.3\n",
        {"SIMG1": -norm.isf(5e-6), "SIMG2": norm.isf(0.1)},
        {"SIMG1"},
    ),
    "edgeR with annotation": (
        "ENTREZID,SYMBOL,logFC,logCPM,LR,PValue,FDR\n7157,SIMG1,-1.5,5,20,1e-05,0.01\n,SIMG2,.5,5,2,.2,.3\n",
        {"SIMG1": -norm.isf(5e-6), "SIMG2": norm.isf(0.1)},
        {"SIMG1"},
    ),
    "scanpy": (
        ",names,scores,logfoldchanges,pvals,pvals_adj\n"
        "0,SIMG1,12.5,3.5,1e-30,1e-28\n1,SIMG2,-2,-1,0.04,0.06\n",
        {"SIMG1": 12.5, "SIMG2": -2},
        {"SIMG1"},
    ),
    "scanpy without scores": (
        "group,names,logfoldchanges,pvals,pvals_adj\nB,SIMG1,3.5,1e-30,1e-28\nB,SIMG2,-1,0.04,0.06\n",
        {"SIMG1": 3.5, "SIMG2": -1},
        {"SIMG1"},
    ),
    "Seurat": (
        '"","p_val","avg_log2FC","pct.1","pct.2","p_val_adj"\n"SIMG1",0,1.5,.9,.1,0\n"SIMG2",.9,-.5,.5,.5,1\n',
        {"SIMG1": 1.5, "SIMG2": -0.5},
        {"SIMG1"},
    ),
    "Seurat before version 4": (
        '"","p_val","avg_logFC","pct.1","pct.2","p_val_adj"\n"SIMG1",0,1.5,.9,.1,0\n',
        {"SIMG1": 1.5},
        {"SIMG1"},
    ),
    "GEO2R": (
        '"ID"\t"adj.P.Val"\t"P.Value"\t"t"\t"B"\t"logFC"\t"Gene.symbol"\t"Gene.title"\n'
        '"1007_s_at"\t"0.01"\t"0.001"\t"-6.5"\t"1"\t"-2"\t"SIMG1"\t"a"\n'
        '"1053_at"\t"0.6"\t"0.5"\t"0.5"\t"-4"\t"0.1"\t""\t"b"\n',
        {"SIMG1": -6.5},
        {"SIMG1"},
    ),
    "Ensembl ids before the symbols": (
        "gene_id,gene_name,log2FoldChange,padj\nENSG00000141510.18,SIMG1,2,.01\nENSG00000012048,SIMG2,-1,.2\n",
        {"SIMG1": 2, "SIMG2": -1},
        {"SIMG1"},
    ),
    "symbols that annotation did not find": (
        "symbol,stat,padj\nSIMG1,2,.01\nNA,3,.01\nNA,4,.01\n,5,.01\n",
        {"SIMG1": 2},
        {"SIMG1"},
    ),
    "DESeq2, likelihood ratio": (
        "gene,baseMean,log2FoldChange,lfcSE,stat,pvalue,padj\n"
        "SIMG1,9,-1,.3,13.6,.0002,.001\nSIMG2,9,.3,.3,.8,.4,1\nSIMG3,9,2,.3,7,0,0\n",
        {"SIMG1": -norm.isf(1e-4), "SIMG2": norm.isf(0.2), "SIMG3": norm.isf(1e-4)},
        {"SIMG1", "SIMG3"},
    ),
    "sleuth, Wald": (
        "target_id,gene_name,pval,qval,b,se_b\nENST1,SIMG1,.001,.01,1.5,.4\nENST2,SIMG2,.5,.6,-.2,.4\n",
        {"SIMG1": 1.5, "SIMG2": -0.2},
        {"SIMG1"},
    ),
    "presto, rank sums": (
        "feature,group,avgExpr,logFC,statistic,auc,pval,padj\n"
        "SIMG1,B,2,.8,9000,.9,.002,.01\nSIMG2,B,1,-.4,2500,.3,.04,.06\n",
        {"SIMG1": norm.isf(0.001), "SIMG2": -norm.isf(0.02)},
        {"SIMG1"},
    ),
    "rank sums without raw p-values": (
        "gene,log2FC,U,FDR\nSIMG1,.8,9000,.01\nSIMG2,-.4,2500,.06\n",
        {"SIMG1": 0.8, "SIMG2": -0.4},
        {"SIMG1"},
    ),
    "rows of one gene are averaged": (
        "gene,stat,padj\nSIMG1,2,.5\nSIMG2,1,.5\nSIMG1,-3,.01\nSIMG2,NA,NA\n",
        {"SIMG1": -0.5, "SIMG2": 1},
        {"SIMG1"},
    ),
    "no adjusted p-value": ("gene,t,P.Value\nSIMG1,2,.001\n", {"SIMG1": 2}, None),
    "nothing significant": ("gene,t,FDR\nSIMG1,2,.1\n", {"SIMG1": 2}, set()),
}


@pytest.mark.parametrize(("content", "values", "significant"), STYLES.values(), ids=STYLES)
def test_tables_as_programs_write_them(tmp_path, content, values, significant):
    found = read_signature(text_file(tmp_path, content, "de.txt.gz"))
    assert found == (pytest.approx(values), significant)
    # In the order of the file, by which equal genes of a signature are told apart.
    assert list(found[0]) == list(values)


def test_spreadsheets_and_parquet(tmp_path):
    rows = [["gene", "stat", "padj"], ["SIMG1", 2.5, 0.01], ["SIMG2", -1, None], ["SIMG3", None, None]]
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(tmp_path / "de.xlsx")
    pd.DataFrame(rows[1:], columns=rows[0]).to_parquet(tmp_path / "de.parquet")
    for name in ("de.xlsx", "de.parquet"):
        assert read_signature(tmp_path / name) == ({"SIMG1": 2.5, "SIMG2": -1}, {"SIMG1"})


def test_a_column_may_be_named(tmp_path):
    path = text_file(tmp_path, "gene,stat,padj,my score\nSIMG1,2,.01,7\nSIMG2,3,.2,\n")
    assert read_signature(path) == ({"SIMG1": 2, "SIMG2": 3}, {"SIMG1"})
    assert read_signature(path, "my score") == ({"SIMG1": 7}, {"SIMG1"})
    text = complaint(read_signature, path, "my scores")
    assert "no column 'my scores' (found gene, stat, padj, my score); give one of them with --column" in text
    assert text.endswith("; did you mean 'my score'?")


def test_ids_are_taken_where_there_are_no_symbols(tmp_path):
    """The caller says that none of them is predicted, with the remedy."""
    path = text_file(tmp_path, "gene_id,stat\nENSG00000141510,2\nENSG00000012048,1\n")
    assert list(read_signature(path)[0]) == ["ENSG00000141510", "ENSG00000012048"]


MISTAKES = {
    "no such column": (
        "gene,baseMean,pvalue\nSIMG1,1,.1\n",
        "there is no column of signed changes (expected 'stat' or 'log2FoldChange', found gene, baseMean, "
        "pvalue); add one, or name it with --column",
    ),
    "no genes": ("number,stat\n1,2\n", "no column of gene symbols (found number, stat); name it 'gene'"),
    "text among values": (
        "gene,stat\nSIMG1,2\nSIMG2,high\n",
        "line 3, column 'stat': 'high' is not a number; correct it or remove the row or column",
    ),
    "infinite": ("gene,logFC\nSIMG1,inf\n", "line 2, column 'logFC': 'inf' is not a number; correct it"),
    "text among p-values": (
        "gene,stat,padj\nSIMG1,2,<0.001\n",
        "line 2, column 'padj': '<0.001' is not a number; correct it",
    ),
    "no values": (
        "gene,stat\nSIMG1,NA\nSIMG2,\n",
        "none of its 2 genes has a name and a value; export it again",
    ),
    "no names": ("gene,stat\nNA,1\n,2\n", "none of its 2 genes has a name and a value; export it again"),
    "empty": ("", "is empty; export it again"),
    "no rows": ("gene,stat\n", "has a header but no rows; export it again"),
}


@pytest.mark.parametrize(("content", "message"), MISTAKES.values(), ids=MISTAKES)
def test_tables_that_cannot_be_used(tmp_path, content, message):
    assert message in complaint(read_signature, text_file(tmp_path, content))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("de.csv", None, "no such file; check the name"),
        ("de.gct", None, "no such file; check the name"),
        ("de.csv", b"%PDF-1.4\n", "is a PDF; copy its table into a CSV file"),
        ("de.csv", "gene,stat\nSIMG1,1\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (
            "de.csv",
            gzip.compress(b"gene,stat\nSIMG1,1\n", mtime=0)[:-9],
            "the file is damaged or cut, download it again",
        ),
        ("de.gct", b"gene\tS1\nSIMG1\t1\n", "line 1 is 'gene S1', expected '#1.3'; is it a GCT file?"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert message in complaint(read_signature, tmp_path / name)


GCT_12 = (
    "#1.2\n3\t2\nName\tDescription\tSIG1\tSIG2\nSIMG1\tna\t1.5\t4\nSIMG2\tna\t-666\t5\nSIMG3\tna\t-2\t6\n"
)


def gct_13(field="pr_gene_symbol", symbols=("SIMG1", "SIMG2", "SIMG3")):
    lines = [
        "#1.3\n3\t2\t1\t1",
        f"id\t{field}\tSIG1\tSIG2",
        "pert_id\tna\tdisease\tcontrol",
        *(
            f"{number}\t{symbol}\t{values}"
            for number, symbol, values in zip(
                (7157, 672, 675), symbols, ("1.5\t4", "\t5", "-2\t6"), strict=True
            )
        ),
    ]
    return "\n".join(lines) + "\n"


FIRST, SECOND = {"SIMG1": 1.5, "SIMG3": -2}, {"SIMG1": 4, "SIMG2": 5, "SIMG3": 6}


@pytest.mark.parametrize("name", ["s.gct", "s.gct.gz", "S.GCT"])
@pytest.mark.parametrize(
    "content", [GCT_12, gct_13(), gct_13("gene_symbol")], ids=["1.2", "1.3", "1.3 of 2020"]
)
def test_gct(tmp_path, content, name):
    """The first signature unless another is named; a missing value, -666 or empty, says nothing."""
    path = text_file(tmp_path, content, name)
    assert read_signature(path) == (FIRST, None)
    assert read_signature(path, "SIG2") == (SECOND, None)
    assert read_signature(path, "SIG1") == (FIRST, None)
    text = complaint(read_signature, path, "SIG3")
    assert "no signature 'SIG3' (found SIG1, SIG2); give one of them with --column; did you mean" in text


@pytest.mark.parametrize("symbols_first", [True, False])
def test_gct_whose_symbols_are_ids_or_descriptions(tmp_path, symbols_first):
    rows = [(f"{number}", f"SIMG{number}") for number in range(1, 4)]
    lines = ("\t".join([*(pair[::-1] if symbols_first else pair), pair[0]]) for pair in rows)
    path = text_file(tmp_path, "\n".join(["#1.2", "3\t1", "Name\tDescription\tS1", *lines, ""]), "s.gct")
    assert read_signature(path, genes=GENES)[0] == {"SIMG1": 1, "SIMG2": 2, "SIMG3": 3}


def test_genes_go_by_their_ids_where_those_are_known():
    ids = {"entrez": ["7157", "672", None], "ensembl": ["ENSG00000141510", None, "ENSG00000139618"]}
    genes = ["TP53", "BRCA1", "BRCA2"]
    assert on_genes(["672", "7157", "99"], genes, ids) == {"TP53": "7157", "BRCA1": "672"}
    assert on_genes(["ENSG00000139618.17", "TP53"], genes, ids) == {
        "TP53": "TP53",
        "BRCA2": "ENSG00000139618.17",
    }
    assert on_genes(["672", "7157"], genes) == {}


def test_gct_without_symbols_has_ids(tmp_path):
    path = text_file(tmp_path, gct_13("description"), "s.gct")
    assert read_signature(path)[0] == {"7157": 1.5, "675": -2}


def test_a_symbol_of_gct_that_is_missing_or_stands_for_two_genes(tmp_path):
    path = text_file(tmp_path, gct_13(symbols=("-666", "", "SIMG3")), "s.gct")
    assert read_signature(path)[0] == {"SIMG3": -2}
    path = text_file(tmp_path, gct_13(symbols=("SIMG1", "SIMG2", "SIMG1")), "s.gct")
    assert read_signature(path)[0] == {"SIMG1": -0.25}


GENES = [f"SIMG{number}" for number in range(40)]
RNG = np.random.default_rng(0)
CHANGES = RNG.normal(0, 1, 40)
P = np.clip(RNG.uniform(0, 1, 40), 0.001, 1)


def result_table(folder, **columns):
    table = pd.DataFrame({"gene": GENES, **columns})
    table.to_csv(folder / "de.csv", index=False)
    return folder / "de.csv"


@pytest.mark.parametrize("name", ["stat", "statistic", "F", "LR", "U", "chisq", "z", "score"])
def test_a_statistic_without_direction_gives_way_to_p_with_the_sign_of_the_fold_change(tmp_path, name):
    path = result_table(
        tmp_path, baseMean=CHANGES + 9, log2FoldChange=CHANGES, pvalue=P, **{name: CHANGES**2}
    )
    notes = []
    found, _ = read_signature(path, tell=notes.append)
    np.testing.assert_allclose(list(found.values()), np.sign(CHANGES) * norm.isf(P / 2), rtol=1e-6)
    (note,) = notes
    assert note.startswith(
        (f"column '{name}' has almost no negative value,", f"column '{name}' does not tell whether a gene")
    )
    assert note.endswith("so column 'pvalue' with the sign of column 'log2FoldChange' is used")


def test_a_statistic_whose_sign_is_not_that_of_the_fold_change_is_none(tmp_path):
    path = result_table(tmp_path, logFC=CHANGES, t=-CHANGES, PValue=P)
    notes = []
    np.testing.assert_allclose(
        list(read_signature(path, tell=notes.append)[0].values()),
        np.sign(CHANGES) * norm.isf(P / 2),
        rtol=1e-6,
    )
    assert notes[0].startswith("column 't' has another sign than the fold change, so")
    # Weak genes may differ.
    noisy = np.where(np.abs(CHANGES) < 0.3, -CHANGES, 3 * CHANGES)
    path = result_table(tmp_path, logFC=CHANGES, t=noisy, PValue=P)
    np.testing.assert_allclose(list(read_signature(path)[0].values()), noisy)


@pytest.mark.parametrize(
    ("columns", "place"),
    [
        ({"stat": CHANGES**2, "pvalue": P}, "column 'stat'"),
        ({"value": CHANGES + 9}, "column 'value'"),
        ({"z": np.abs(CHANGES)}, "column 'z'"),
        ({"log2FC": np.abs(CHANGES), "t": np.abs(CHANGES), "pvalue": P}, "column 'log2FC'"),
    ],
    ids=["likelihood ratio", "expression", "absolute z", "genes that go up"],
)
def test_values_of_one_sign_are_no_signature(tmp_path, columns, place):
    text = complaint(read_signature, result_table(tmp_path, **columns))
    assert f": {place} has almost no negative value, but the sign must tell whether a gene goes up" in text
    assert "with --column, or give a list of the genes that go up with --up" in text


def test_a_column_that_is_named_must_tell_the_direction(tmp_path):
    path = result_table(tmp_path, baseMean=CHANGES + 9, log2FoldChange=CHANGES, down=-np.abs(CHANGES))
    assert "column 'baseMean' has almost no negative value" in complaint(read_signature, path, "baseMean")
    assert complaint(read_signature, path, "down").endswith("genes that go down with --down")
    np.testing.assert_allclose(list(read_signature(path, "log2FoldChange")[0].values()), CHANGES)


def test_gct_of_expression_is_no_signature(tmp_path):
    rows = "".join(f"{gene}\tna\t{value}\n" for gene, value in zip(GENES, CHANGES + 9, strict=True))
    path = text_file(tmp_path, f"#1.2\n40\t1\nName\tDescription\tTHP1\n{rows}", "s.gct")
    assert "signature 'THP1' has almost no negative value" in complaint(read_signature, path)


def test_p_of_zero_counts_as_the_smallest_of_the_file(tmp_path):
    rounded = np.where(P < 0.1, 0, P)
    path = result_table(tmp_path, logFC=CHANGES, F=CHANGES**2, PValue=rounded)
    notes = []
    found, _ = read_signature(path, tell=notes.append)
    least = P[P >= 0.1].min()
    np.testing.assert_allclose(
        list(found.values()), np.sign(CHANGES) * norm.isf(np.maximum(P, least) / 2), rtol=1e-6
    )
    zeros = int((P < 0.1).sum())
    assert notes[1].startswith(f"{zeros} of 40 p-values rounded to 0; each counts as {least:.3g}")
    path = result_table(tmp_path, logFC=CHANGES, F=CHANGES**2, PValue=0 * P)
    assert "column 'PValue': no p-value is above 0; export them with more digits" in complaint(
        read_signature, path
    )


@pytest.mark.parametrize("name", ["group", "Cluster", "contrast", "drug"])
def test_several_comparisons_are_not_averaged(tmp_path, name):
    path = text_file(tmp_path, f"{name},gene,stat\nA,SIMG1,2\nB,SIMG2,1\nB,SIMG1,-4\n")
    assert (
        f"column '{name}' has 2 values (A, B), and gene 'SIMG1' is in the rows of several; keep the rows "
        in (complaint(read_signature, path))
    )
    # Markers of two clusters, each gene once; two rows of one gene and drug.
    path = text_file(tmp_path, f"{name},gene,stat\nA,SIMG1,2\nB,SIMG2,1\nB,SIMG2,-4\n")
    assert read_signature(path)[0] == {"SIMG1": 2, "SIMG2": -1.5}


@pytest.mark.parametrize("name", ["F", "LR"])
def test_a_table_without_any_fold_change_names_its_unsigned_statistic(tmp_path, name):
    path = result_table(tmp_path, AveExpr=CHANGES + 9, **{name: CHANGES**2}, PValue=P)
    text = complaint(read_signature, path)
    told = f"column '{name}' does not tell whether a gene goes up or down, and there is no column of signed"
    assert told in text


def test_only_repeats_of_genes_that_are_asked_for_are_told(tmp_path):
    path = text_file(tmp_path, "gene,stat\nSIMG1,2\nNARFL,1\nSIMG1,4\nNARFL,2\n")
    notes = []
    assert read_signature(path, genes=["CIAO3"], tell=notes.append)[0] == {"SIMG1": 3, "NARFL": 1.5}
    assert notes == ["1 genes are in several rows (NARFL); their values are averaged"]
    read_signature(path, genes=["SIMG9"], tell=notes.append)
    assert len(notes) == 1


def test_genes_of_another_age_are_found():
    """NARFL has been CIAO3 since 2019; a model's panel or a signature may be the older one."""
    assert on_genes(["TP53", "NARFL", "ELSE"], ["CIAO3", "EGFR", "TP53"]) == {
        "CIAO3": "NARFL",
        "TP53": "TP53",
    }
    assert on_genes(["CIAO3"], ["NARFL"]) == {"NARFL": "CIAO3"}
    # The same name first: the older one is then another gene's row.
    assert on_genes(["NARFL", "CIAO3"], ["CIAO3"]) == {"CIAO3": "CIAO3"}


@pytest.mark.parametrize(
    "content",
    [
        "SIMG1\nSIMG2\nSIMG3\n",
        "SIMG1\r\nSIMG2\r\n\r\nSIMG3",
        "\ufeffSIMG1, SIMG2,SIMG3\n",
        "SIMG1;SIMG2\tSIMG3",
        "# of a paper\nSIMG1 # the first\n  SIMG2\n#SIMG4\nSIMG3\n",
        "SIMG1\nSIMG2\nSIMG1\nSIMG3\nSIMG2\n",
        '"SIMG1"\n"SIMG2"\n\'SIMG3\'\n',
    ],
)
@pytest.mark.parametrize("name", ["up.txt", "up.grp.gz"])
def test_gene_lists(tmp_path, content, name):
    """In order, each once."""
    assert read_gene_list(text_file(tmp_path, content, name)) == ["SIMG1", "SIMG2", "SIMG3"]


@pytest.mark.parametrize("content", ["", "\n\n", "# SIMG1\n", " ,;\t\n"])
def test_a_list_without_genes(tmp_path, content):
    text = complaint(read_gene_list, text_file(tmp_path, content, "up.txt"))
    assert "holds no genes; write one symbol per line" in text


def test_lists_that_cannot_be_read(tmp_path):
    assert "no such file; check the name" in complaint(read_gene_list, tmp_path / "up.txt")
    (tmp_path / "up.txt").write_bytes("SIMG1\n".encode("utf-16"))
    assert "is UTF-16 text; save it as UTF-8" in complaint(read_gene_list, tmp_path / "up.txt")
    (tmp_path / "up.gz").write_bytes(gzip.compress(b"SIMG1\n", mtime=0)[:-9])
    assert "the file is damaged or cut" in complaint(read_gene_list, tmp_path / "up.gz")


def test_values_are_plain_numbers(tmp_path):
    """They are part of what a run that was cut is known by, as JSON."""
    values, _ = read_signature(text_file(tmp_path, GCT_12, "s.gct"))
    assert {type(value) for value in values.values()} == {float}
    assert {type(name) for name in values} == {str}
    assert np.isfinite(list(values.values())).all()


GMT = "HALLMARK_UP\thttp://x\tSIMG1\tSIMG2\nHALLMARK_DN\thttp://x\tSIMG3\n"


@pytest.mark.parametrize("name", ["sets.gmt", "sets.txt", "sets.gmt.gz"])
def test_a_set_of_a_gmt_by_its_name(tmp_path, name):
    path = text_file(tmp_path, GMT, name)
    assert read_gene_list(path, "HALLMARK_UP") == ["SIMG1", "SIMG2"]
    assert read_gene_list(path, "HALLMARK_DN") == ["SIMG3"]
    assert "holds 2 gene sets (HALLMARK_UP, HALLMARK_DN); name the set" in complaint(read_gene_list, path)
    with pytest.raises(RawDataError, match=r"no gene set 'HALLMARK_U' .*did you mean 'HALLMARK_UP'"):
        read_gene_list(path, "HALLMARK_U")
    assert "is a GMT of gene sets; give it with --up or --down" in complaint(read_signature, path)


@pytest.mark.parametrize(
    "line",
    [
        "A set\tna\tSIMG1\tSIMG2\n",
        "SET\t\tSIMG1\tSIMG2\t\n",
        "SET\tgenes of a paper\tSIMG1,1.0\tSIMG2,0.5\n",  # Enrichr
        "SET\tSET\tSIMG1\tSIMG2\tSIMG1\n",
    ],
)
def test_a_gmt_of_one_set_needs_no_name(tmp_path, line):
    assert read_gene_list(text_file(tmp_path, line, "up.txt")) == ["SIMG1", "SIMG2"]


def test_a_list_in_a_line_is_no_gmt(tmp_path):
    path = text_file(tmp_path, "SIMG1\tSIMG2\tSIMG3\n", "up.txt")
    assert read_gene_list(path) == ["SIMG1", "SIMG2", "SIMG3"]
    with pytest.raises(
        RawDataError, match="is a list of genes, not a GMT file with sets; leave out the name 'x'"
    ):
        read_gene_list(path, "x")


@pytest.mark.parametrize("lines", ["", "# of a paper\n", "#name\tscore\n\n"])
def test_a_ranking_without_header(tmp_path, lines):
    told = []
    path = text_file(tmp_path, f"{lines}SIMG1\t2.5\nSIMG2\t-1\nSIMG3\t0.5\n", "a.rnk")
    assert read_signature(path, tell=told.append) == ({"SIMG1": 2.5, "SIMG2": -1.0, "SIMG3": 0.5}, None)
    assert told == ["its first line has a value, so it is read as a ranking without header: genes and values"]


def test_dates_are_no_genes(tmp_path):
    path = text_file(tmp_path, "gene,stat\nSIMG1,1\n2-Sep,-2\n")
    assert "line 3 is '2-Sep' (was SEPTIN2 or SEPT2)" in complaint(read_signature, path)
    path = text_file(tmp_path, "SIMG1\n1-Mar\n", "up.txt")
    assert "'1-Mar' is '1-Mar' (was MARCHF1" in complaint(read_gene_list, path)


@pytest.mark.parametrize(
    ("name", "gene"),
    [
        ("TSPAN6 (7105)", "TSPAN6"),
        ("TSPAN6|7105", "TSPAN6"),
        ("ENSG00000000003.15_TSPAN6", "TSPAN6"),
        ("Tspan6", "TSPAN6"),
        ("NARFL (64428)", "CIAO3"),
    ],
)
def test_names_beside_an_id_and_in_other_case(name, gene):
    assert on_genes(["x", name], ["CIAO3", "TSPAN6"]) == {gene: name}


def test_a_name_alone_goes_before_one_beside_an_id():
    assert on_genes(["TSPAN6 (7105)", "TSPAN6"], ["TSPAN6"]) == {"TSPAN6": "TSPAN6"}


@pytest.mark.parametrize("name", ["s.csv", "s.gct", "s"])
def test_gct_by_any_name(tmp_path, name):
    content = "#1.2\n3\t1\nName\tDescription\tS\nSIMG1\tna\t1.5\nSIMG2\tna\t-2\nSIMG3\tna\t1\n"
    assert read_signature(text_file(tmp_path, content, name))[0] == {"SIMG1": 1.5, "SIMG2": -2, "SIMG3": 1}


# ---- AnnData ----


@pytest.fixture
def profiles(tmp_path):
    """Three profiles of two drugs, z-scores in a layer."""
    z = np.array([[1.5, -2, 0.5], [-1, 2, 0.25], [3, -3, 1]])
    obs = pd.DataFrame({"drug": ["a", "b", "b"]}, index=["s1", "s2", "s3"])
    var = pd.DataFrame({"gene_symbol": ["G1", "G2", "G3"]}, index=["ENSG00000000001", "ENSG00000000002", "x"])
    return write_h5ad(tmp_path / "a.h5ad", np.ones((3, 3)), obs, var, z=z)


@pytest.mark.parametrize("column", ["s1", "a"])
def test_a_sample_of_anndata_by_its_name_or_drug(profiles, column):
    told = []
    found = read_signature(profiles, column, tell=told.append)
    assert found == ({"G1": 1.5, "G2": -2, "G3": 0.5}, None)
    assert told == ["read z of sample 's1'"]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (None, r"has 3 samples \(s1, s2, s3\); name one of them with --column"),
        ("b", r"has 2 samples of 'b' \(s2, s3\); name one of them with --column"),
        ("s4", r"no sample 's4' \(found a, b\); give one of them with --column"),
    ],
)
def test_a_sample_of_anndata_that_is_unclear(profiles, column, message):
    with pytest.raises(RawDataError, match=message):
        read_signature(profiles, column)
