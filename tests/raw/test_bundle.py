"""Files found by the release's names."""

import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.bundle import find_bundle, read_panel

NAMES = {
    "matrix": "level5_beta_trt_cp_n2x2.gctx",
    "siginfo": "siginfo_beta.txt",
    "compoundinfo": "compoundinfo_beta.txt",
    "geneinfo": "geneinfo_beta.txt",
    "expression": "basal_expression_n2x2.csv.gz",
    "annotation": "gene_ontology_n2x2.csv",
    "panel": "gene_panel_307.txt",
}


@pytest.fixture
def folder(tmp_path):
    for name in [*NAMES.values(), "README.md", ".gene_ontology-x.gmt"]:
        (tmp_path / name).touch()
    return tmp_path


def test_every_file_is_found(folder):
    bundle = find_bundle(folder)
    assert {role: getattr(bundle, role).name for role in NAMES} == NAMES


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("matrix", "level5_beta_trt_cp_n2x2.gct"),
        ("siginfo", "GSE92742_Broad_LINCS_sig_info.txt"),
        ("compoundinfo", "GSE92742_Broad_LINCS_pert_info.txt.gz"),
        ("geneinfo", "GSE92742_Broad_LINCS_gene_info.txt"),
        ("expression", "basal_expression.csv"),
        ("annotation", "goa_human.gaf.gz"),
        ("annotation", "c5.go.v2024.gmt"),
    ],
)
def test_other_names(folder, role, name):
    (folder / NAMES[role]).rename(folder / name)
    assert getattr(find_bundle(folder), role) == folder / name


@pytest.mark.parametrize("role", NAMES)
def test_a_missing_file(folder, role):
    (folder / NAMES[role]).unlink()
    if role in ("siginfo", "panel", "expression", "annotation"):
        assert getattr(find_bundle(folder), role) is None
    else:
        stem = NAMES[role].partition("_n2x2")[0].partition(".txt")[0]
        with pytest.raises(RawDataError, match=rf"{folder}: no file named {stem}.*\({role}\)"):
            find_bundle(folder)


def test_a_name_that_is_nearly_right(folder):
    (folder / "geneinfo_beta.txt").rename(folder / "gene_info_beta.txt")
    with pytest.raises(RawDataError, match=r"did you mean 'gene_info_beta\.txt'"):
        find_bundle(folder)


def test_two_files_for_one_role(folder):
    (folder / "extra.gmt").touch()
    with pytest.raises(
        RawDataError, match=r"2 files for the annotation: extra.gmt, gene_ontology_n2x2.csv; keep one"
    ):
        find_bundle(folder)


def test_a_missing_folder(tmp_path):
    with pytest.raises(RawDataError, match=r"nowhere: no such folder; set raw\.dir"):
        find_bundle(tmp_path / "nowhere")


def test_panel(tmp_path):
    path = tmp_path / "gene_panel.txt"
    path.write_bytes("\ufeff# the panel\r\nSIMB\r\n\r\n SIMA  # a note\r\n".encode())
    assert read_panel(path) == ["SIMB", "SIMA"]


@pytest.mark.parametrize(
    ("content", "message"),
    [("A\nB\nA\n", "gene 'A' occurs twice, in lines 1 and 3"), ("# none\n", "names no gene")],
)
def test_bad_panel(tmp_path, content, message):
    path = tmp_path / "gene_panel.txt"
    path.write_text(content)
    with pytest.raises(RawDataError, match=message):
        read_panel(path)
