"""Every reader of a file from outside tells in one short line that names it what is wrong with it."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from anchordrug.errors import AnchorDrugError
from anchordrug.raw.csv_matrix import read_csv_matrix
from anchordrug.raw.gct import open_gct
from anchordrug.raw.gene_sets import read_gene_sets
from anchordrug.raw.hgnc import read_other_names
from anchordrug.raw.molecules import open_compounds
from anchordrug.raw.ontology import associations
from anchordrug.raw.sheet import read_sheet
from anchordrug.raw.tables import read_compounds, read_genes, read_signatures

LONG = "x" * 200_000  # more than a field of Python's CSV reader may have
DIGITS = "9" * 5_000  # more than Python makes a whole number of
HOSTILE = "\x1b[2J\x9b\u202e"


def gct(path: Path) -> None:
    with open_gct(path):
        pass


def compounds(path: Path) -> None:
    with open_compounds(path) as file:
        list(file.rows)


def matrix(path: Path) -> None:
    read_csv_matrix(path, "gene", "term")


READERS: tuple[Callable, ...] = (
    *(gct, compounds, matrix, read_sheet, read_gene_sets, associations, read_other_names),
    *(read_signatures, read_compounds, read_genes),
)
TEXTS = {
    "a long field": f"{LONG},{LONG}\n{LONG}\n",
    "a long field below": f"gene,a\nx,1\ny,{LONG}\n",
    "a long field with tabs": f"{LONG}\t{LONG}\n{LONG}\n",
    "an open quotation mark": f'"{LONG}',
    "counts of 5,000 digits": f"#1.3\n{DIGITS}\t{DIGITS}\t{DIGITS}\t{DIGITS}\nid\n",
    "cells of 5,000 digits": f"gene,a\nx,{DIGITS}\ny,-{DIGITS}\n",
    "cells that a terminal obeys": f"gene{HOSTILE},a{HOSTILE}\nx{HOSTILE},{HOSTILE}\ny,1,2,{HOSTILE}\n",
    "the same with tabs": f"gene{HOSTILE}\ta{HOSTILE}\nx{HOSTILE}\t{HOSTILE}\ny\t1\t2\t{HOSTILE}\n",
    "many columns": ",".join(f"column{number}" for number in range(1_000)) + "\n1\n",
}


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__name__)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_text_is_read_or_refused_in_one_short_line(tmp_path, reader, text):
    path = tmp_path / "h.csv"
    path.write_text(text, encoding="utf-8")
    told = f"{path}: is read"
    try:
        reader(path)
    except AnchorDrugError as error:
        told = str(error)
    assert told.startswith(f"{path}: ")
    assert len(told) < 460
    assert told.isprintable()


SIGNATURES = "sig_id\tpert_id\tcell_iname\tpert_idose\tpert_itime\n"
BOMBS = {
    gct: "#1.3\n1\t1\t0\t0\n" + "x" * 2**22,
    compounds: "smiles,id\n" + "x" * 2**22,
    matrix: "gene,a\n" + "x" * 2**22,
    read_sheet: "gene,a\n" + "x" * 2**22,
    read_gene_sets: "\n" * 2**22,
    associations: "!\n" * 2**21,
    read_other_names: "symbol\tprev_symbol\talias_symbol\n" + "x" * 2**22,
    # Below the header, another library reads them.
    read_signatures: SIGNATURES + "a\tb\tA549\t10 uM\t24 h\n" * 2**18,
}


@pytest.mark.parametrize(("reader", "text"), BOMBS.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_a_bomb_of_gzip_is_refused(tmp_path, monkeypatch, reader, text):
    monkeypatch.setattr("anchordrug.raw.unpacked.UNPACKED_BYTES", 2**20)
    path = tmp_path / "h.csv.gz"
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    with pytest.raises(AnchorDrugError, match=r"h\.csv\.gz: unpacks to more than 200 times its size"):
        reader(path)
