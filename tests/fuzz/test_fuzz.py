"""Whatever a file holds, a reader takes it or says in one line what is wrong with it; rows are never lost.

ANCHORDRUG_FUZZ_SECONDS says how long each format is tried, with ever new files; by default it is a few
dozen files, always the same.
"""

import csv
import gzip
import io
import json
import os
import resource
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import hypothesis
import numpy as np
import onnx
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from scipy.sparse import csc_matrix, csr_matrix

from anchordrug.bench.assays.reader import read_assay
from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.bench.settings import read_campaign
from anchordrug.cli.screen import MISTAKE, explained
from anchordrug.files.atomic import PARTIAL
from anchordrug.prediction.inference import load_onnx
from anchordrug.prediction.inspect import run as inspect
from anchordrug.predictors.mlp.files import load_mlp, save_mlp
from anchordrug.predictors.mlp.network import FactorisedMlp, MlpShape
from anchordrug.predictors.response.files import reading
from anchordrug.raw.compounds import read_compounds_for_sale
from anchordrug.raw.gctx import write_gctx
from anchordrug.raw.matrix import open_matrix
from anchordrug.raw.molecules import open_compounds
from anchordrug.raw.ontology import read_annotation
from anchordrug.raw.sheet import read_sheet
from anchordrug.raw.signature import read_gene_list, read_signature
from anchordrug.raw.untreated import read_untreated
from anchordrug.release.manifest import file_of
from anchordrug.settings import read_settings
from tests.conftest import small_params
from tests.fuzz.mutations import TOKENS, mutated
from tests.prediction.small_models import write_model
from tests.raw.anndata_made import write_folder, write_h5ad

SECONDS = float(os.environ.get("ANCHORDRUG_FUZZ_SECONDS", "0"))
EXAMPLES = 100 if SECONDS else 40
MOST_CHARACTERS = 500
# Of memory, and of the clock for the few kB that a file here has.
MOST_BYTES, MOST_SECONDS = 2**30, 20.0


def fuzz(contents: st.SearchStrategy, read: Callable[[object], object]) -> None:
    """Call `read` with drawn contents; it may only succeed, or fail as by a mistake of the user's."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=EXAMPLES,
        derandomize=not SECONDS,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(contents)
    def example(content: object) -> None:
        begun = time.monotonic()
        try:
            read(content)
        except (AssertionError, MemoryError):
            raise
        except Exception as error:
            line, code = explained(error)
            assert code == MISTAKE, line
            assert len(line) <= MOST_CHARACTERS, line
            assert line.isprintable(), line
        assert not SECONDS or time.monotonic() - begun < MOST_SECONDS

    end, number = time.monotonic() + SECONDS, 0
    while True:
        if SECONDS:
            hypothesis.seed(number)(example)
        example()
        number += 1
        if time.monotonic() >= end:
            break
    grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - largest)
    print(f"{number} x {EXAMPLES} files, {grown / 2**20:.0f} MiB")
    assert grown < MOST_BYTES


@pytest.fixture(autouse=True)
def nothing_half_written(tmp_path) -> Iterator[None]:
    yield
    assert not list(tmp_path.rglob(f"{PARTIAL}*"))


class Written:
    """A reader of a path, to be called with contents."""

    def __init__(self, path: Path, read: Callable[[Path], object]) -> None:
        self.path, self.read = path, read

    def __call__(self, content: bytes) -> object:
        self.path.write_bytes(content)
        return self.read(self.path)


def table(rows: Sequence[Sequence[object]], separator: str = ",") -> bytes:
    return ("\n".join(separator.join(map(str, row)) for row in rows) + "\n").encode()


# Text that no separator of ours splits, and no comment.
CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=12)
NUMBER = st.one_of(
    st.floats(), st.integers(), st.sampled_from(["", "NA", "1,5", "-", "1e-5", "0x1", "9" * 5000])
)


@st.composite
def grids(draw: st.DrawFn, header: Sequence[str], separator: str = ",") -> bytes:
    """Draw a table with this header, in another order, perhaps with names left out or twice."""
    names = draw(st.lists(st.sampled_from([*header, "other"]), min_size=1, max_size=len(header) + 2))
    names = draw(st.sampled_from([list(header), names]))
    cells = st.one_of(CELL, NUMBER.map(str))
    width = st.just(len(names)) if draw(st.booleans()) else st.integers(0, len(names) + 2)
    rows = draw(st.lists(width.flatmap(lambda n: st.lists(cells, min_size=n, max_size=n)), max_size=6))
    return table([names, *rows], separator)


def gct(version: str = "#1.3") -> bytes:
    head = [[version], [2, 3, 1, 2], ["id", "symbol", "s1", "s2", "s3"]]
    if version == "#1.2":
        head = [[version], [2, 3], ["Name", "Description", "s1", "s2", "s3"]]
        return table([*head, ["g1", "a", 1, -2.5, 0], ["g2", "b", 3, 4, -666]], "\t")
    fields = [["cell", "na", "A", "B", "C"], ["dose", "na", 1, 2, 3]]
    return table([*head, *fields, ["g1", "a", 1, -2.5, 0], ["g2", "b", 3, 4, -666]], "\t")


def whole_matrix(path: Path) -> None:
    with open_matrix(path) as matrix:
        rows, columns = np.arange(len(matrix.signature_ids)), np.arange(len(matrix.gene_ids))
        seen = sum(len(block) for _, block in matrix.blocks(rows, columns))
        assert seen == len(rows)


@st.composite
def gcts(draw: st.DrawFn) -> bytes:
    """Draw a GCT whose counts may be wrong."""
    counts = draw(st.lists(st.one_of(st.integers(-2, 5), st.integers(), st.just("9" * 5000)), max_size=5))
    version = draw(st.sampled_from(["#1.2", "#1.3", "#1.4", "#1.30"]))
    return table([[version], counts, *draw(st.lists(st.lists(CELL, max_size=6), max_size=6))], "\t")


def test_gct(tmp_path):
    corpus = [gct("#1.2"), gct("#1.3"), gct().replace(b"\n", b"\r\n")]
    fuzz(mutated(corpus) | gcts(), Written(tmp_path / "a.gct", whole_matrix))


def test_gct_of_an_assay(tmp_path):
    def read(path: Path) -> None:
        read_assay(path, {"a", "b"}.__contains__)

    fuzz(mutated([gct("#1.2"), gct("#1.3")]) | gcts(), Written(tmp_path / "a.gct", read))


def test_table_of_an_assay(tmp_path):
    def read(path: Path) -> None:
        read_assay(path, {"a", "b", "TP53", "EGFR"}.__contains__)

    wide = b"gene,P1:A1,P1:A2,P1:B1\na,1,2,3\nb,0,7,5\n"
    long = b"drug,gene,log2FoldChange,pvalue,stat\nD1,a,0.5,0.01,2.5\nD1,b,-1,0.2,-1.3\nD2,a,0,1,0\n"
    corpus = [*SHEETS, wide, long, b"drug\ta\tb\nD1\t1.5\t-2\nD2\t0.1\tNA\n"]
    fuzz(mutated(corpus) | grids(SHEET) | grids(SHEET, "\t"), Written(tmp_path / "a.csv", read))


def test_untreated(tmp_path):
    def read(path: Path) -> None:
        read_untreated(path, ["A549"])

    down = b"gene,A549_1,A549_2\nTP53,3,10\nEGFR,0,12000\nMYC,7,5\n"
    across = b"sample,TP53,EGFR\nA549,1.5,3.25\nMCF7,2,0\n"
    fuzz(mutated([down, across]) | grids(SHEET), Written(tmp_path / "a.csv", read))


def test_gctx(tmp_path):
    names = pd.DataFrame({"id": ["s1", "s2", "s3"], "cell": ["A", "B", None], "dose": [1.0, 2.0, np.nan]})
    path = tmp_path / "a.gctx"
    z = np.array([[1, 2], [3, -666], [5, 6]], np.float32)
    write_gctx(path, z, names, pd.DataFrame({"id": ["g1", "g2"], "symbol": ["a", "b"]}))
    fuzz(mutated([path.read_bytes()]), Written(path, whole_matrix))


def anndata_of(folder: Path, x: object) -> bytes:
    obs = pd.DataFrame({"drug": ["a", "b", "DMSO"], "dose": [1.0, 2.0, np.nan]}, ["s1", "s2", "s3"])
    var = pd.DataFrame({"symbol": ["a", "b"]}, ["g1", "g2"])
    return write_h5ad(folder / "made.h5ad", x, obs, var).read_bytes()


def test_anndata(tmp_path):
    def read(path: Path) -> None:
        read_assay(path, {"a", "b"}.__contains__)

    x = np.array([[1, 2], [0, 3], [5, 6]], np.float32)
    corpus = [anndata_of(tmp_path, values) for values in (x, x - 2.5, csr_matrix(x), csc_matrix(x))]
    fuzz(mutated(corpus), Written(tmp_path / "a.h5ad", read))


def test_folder_of_a_matrix(tmp_path):
    folder = write_folder(tmp_path / "raw", pd.DataFrame([[1, 0], [2, 3]], ["a", "b"], ["A1", "A2"]))
    (folder / "wells.csv").write_text("barcode,well\nA1,A1\nA2,B1\n")
    parts = {path.name: path.read_bytes() for path in folder.iterdir()}

    def read(changed: tuple[str, bytes]) -> None:
        name, content = changed
        (folder / name).write_bytes(content)
        try:
            read_assay(folder, {"a", "b"}.__contains__)
        finally:
            (folder / name).write_bytes(parts[name])

    fuzz(st.one_of([st.tuples(st.just(name), mutated([parts[name]])) for name in sorted(parts)]), read)


SHEET = ["gene", "logFC", "padj"]
SHEETS = [table([SHEET, ["A", 1.5, 0.1], ["B", -2, 0.2]], separator) for separator in (",", ";", "\t")] + [
    b'sep=;\n# a\n"gene";"a;b"\n"A""x";"1,5"\n'
]


def workbook() -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame({"gene": ["A", "B"], "logFC": [1.5, -2], "day": pd.Timestamp("2020-01-01")}).to_excel(
        buffer, index=False
    )
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pd.DataFrame({"gene": ["A", "B"], "logFC": [1.5, -2], "moa": [None, "x"]}).to_parquet(buffer)
    return buffer.getvalue()


@st.composite
def workbooks(draw: st.DrawFn) -> bytes:
    """Draw a workbook, one of whose parts is changed inside of the archive."""
    with zipfile.ZipFile(io.BytesIO(workbook())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = draw(st.sampled_from(sorted(parts)))
    parts[name] = draw(mutated([parts[name]]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return buffer.getvalue()


def sheet_of(path: Path) -> None:
    sheet = read_sheet(path)
    assert len(sheet.header) >= 1
    for column in range(len(sheet.header)):
        assert len(sheet.names(column)) == len(sheet.cells)


def test_sheet(tmp_path):
    corpus = [*SHEETS, gzip.compress(SHEETS[0], mtime=0)]
    fuzz(mutated(corpus) | grids(SHEET) | grids(SHEET, ";"), Written(tmp_path / "a.csv", sheet_of))


def test_workbook(tmp_path):
    fuzz(workbooks() | mutated([workbook()]), Written(tmp_path / "a.xlsx", sheet_of))


def test_parquet(tmp_path):
    fuzz(mutated([parquet()]), Written(tmp_path / "a.parquet", sheet_of))


def test_signature(tmp_path):
    def read(path: Path) -> None:
        read_signature(path)

    fuzz(mutated(SHEETS) | grids(SHEET), Written(tmp_path / "a.csv", read))


ETHANOL = b"""ethanol
  x

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.0000    0.0000    0.0000 C   0  0
    2.0000    0.0000    0.0000 O   0  0
  1  2  1  0
  2  3  1  0
M  END
> <ID>
d1

> <NAME>
spirit

$$$$
"""


def rows_of(path: Path, **columns: str) -> list:
    with open_compounds(path, *columns.values()) as source:
        return list(source.rows)


def test_sdf(tmp_path):
    corpus = [ETHANOL * 2, ETHANOL.replace(b"\n", b"\r\n"), ETHANOL + ETHANOL[:150]]
    fuzz(mutated(corpus), Written(tmp_path / "a.sdf", rows_of))


def test_records_of_an_sdf_are_all_read(tmp_path):
    def read(records: list[bytes]) -> None:
        path = tmp_path / "a.sdf"
        path.write_bytes(b"".join(record + b"$$$$\n" for record in records))
        assert len(rows_of(path)) == len(records)

    record = ETHANOL.removesuffix(b"$$$$\n")
    damaged = mutated([record]).filter(
        lambda data: b"$$$$" not in data and data.strip() and b"M  END" in data
    )
    fuzz(st.lists(damaged.map(lambda data: data.removesuffix(b"\n") + b"\n"), min_size=1, max_size=4), read)


SMILES = [b"CCO d1\nCCN d2\nCC( d3\n", b"smiles\tid\nCCO\td1\nOCC\td2\n", b"id,smiles\nd1,CCO\nd2,\n"]


def test_smiles(tmp_path):
    corpus = [*SMILES, gzip.compress(SMILES[0], mtime=0)]
    fuzz(mutated(corpus), Written(tmp_path / "a.smi", rows_of))
    fuzz(mutated(corpus) | grids(["smiles", "drug_id"]), Written(tmp_path / "a.csv", rows_of))


# A line that starts with # is a comment, a first line that names columns is a header.
WORD = st.text("CNOcn1()=#[]@+-/\\.", min_size=1, max_size=12).filter(lambda word: word[0] != "#")


def test_rows_of_a_list_are_all_read(tmp_path):
    def read(words: list[str]) -> None:
        path = tmp_path / "a.smi"
        path.write_text("".join(f"{word} d{place}\n" for place, word in enumerate(words)), encoding="utf-8")
        assert len(rows_of(path)) == len(words)
        path = tmp_path / "a.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([["drug_id", "smiles"], *([f"d{n}", w] for n, w in enumerate(words))])
        assert len(rows_of(path)) == len(words)

    fuzz(st.lists(WORD, min_size=1, max_size=5), read)


def test_compounds_for_sale(tmp_path):
    header = ["drug_id", "smiles", "name", "price", "moa", "vendor"]
    corpus = [table([header, ["d1", "CCO", "spirit", "1.5", "", "x"], ["d2", "CCN", "", "NA", "a", ""]])]
    fuzz(mutated(corpus) | grids(header), Written(tmp_path / "a.csv", read_compounds_for_sale))


CAMPAIGN = {
    "targets": ["A"],
    "budget": 4,
    "rounds": 2,
    "seed": 0,
    "strategy": "random",
    "stop_below": 0.005,
    "rehearsal": False,
    "constraints": {"include": [], "exclude": [], "cost": None, "per_mechanism": None, "per_scaffold": None},
    "plates": {
        **{"wells": 96, "replicates": 3, "controls": 6, "use_edge": False, "concentration_um": 10.0},
        **{"well_volume_ul": 50, "stock_mm": 10},
    },
}
FILE = {"file": "a.txt", "url": "https://a/b", "size": 1, "checksum": None, "licence": "CC0", "what": "x"}
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | CELL,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELL, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def documents(draw: st.DrawFn, values: dict) -> bytes:
    """Draw YAML in which one value is another one."""
    values = yaml.safe_load(yaml.safe_dump(values))
    place = values
    while True:
        key = draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key] or draw(st.booleans()):
            break
        place = place[key]
    place[key] = draw(JUNK)
    return yaml.safe_dump(values).encode()


def test_settings(tmp_path):
    text = yaml.safe_dump(small_params()).encode()
    fuzz(mutated([text]) | documents(small_params()), Written(tmp_path / "params.yaml", read_settings))


def test_settings_of_a_campaign(tmp_path):
    text = yaml.safe_dump(CAMPAIGN).encode()
    fuzz(mutated([text]) | documents(CAMPAIGN), lambda content: campaign(tmp_path, content))


def campaign(folder: Path, content: bytes) -> None:
    (folder / "campaign.yaml").write_bytes(content)
    read_campaign(folder / "campaign.yaml")


def test_manifest(tmp_path):
    values = {"files": {"a": FILE}}

    def read(path: Path) -> None:
        file_of("a", path)

    corpus = [yaml.safe_dump(values).encode()]
    fuzz(mutated(corpus) | documents(values), Written(tmp_path / "manifest.yaml", read))


PLATE = ["plate", "well_position", "drug_id", "concentration", "cell_line", "unit", "pert_type", "replicate"]


def test_plate_map(tmp_path):
    rows = [["P1", "B02", "d1", 10, "A", "uM", "trt", 1], ["P1", "B03", "DMSO", 0, "A", "uM", "negcon", 1]]
    corpus = [table([PLATE, *rows]), table([PLATE, *rows], "\t")]
    fuzz(mutated(corpus) | grids(PLATE), Written(tmp_path / "map.csv", read_plate_map))


GMT = b"TERM1\thttp://a\tG1\tG2\nTERM2\tna\tG2\tG3\tG4\n"
GAF = (
    b"!gaf-version: 2.2\n"
    b"UniProtKB\tP1\tG1\tinvolved_in\tGO:0000001\tPMID:1\tIDA\t\tP\tname\tsyn\tprotein\ttaxon:9606\t2020\tU\t\t\n"
    b"UniProtKB\tP2\tG2\tNOT|part_of\tGO:0000002\tPMID:1\tIEA\t\tC\tname\tsyn\tprotein\ttaxon:9606\t2020\tU\t\t\n"
)


def annotation(path: Path) -> None:
    genes, terms, matrix = read_annotation(path)
    assert matrix.shape == (len(genes), len(terms))


def test_gmt(tmp_path):
    fuzz(mutated([GMT, GMT.replace(b"\n", b"\r\n")]), Written(tmp_path / "a.gmt", annotation))
    fuzz(mutated([GMT, b"G1\nG2\n# a\n"]), Written(tmp_path / "b.gmt", read_gene_list))


def test_gaf(tmp_path):
    fuzz(mutated([GAF]), Written(tmp_path / "a.gaf", annotation))


def test_annotation(tmp_path):
    corpus = [table([["gene", "T1", "T2"], ["A", 1, 0], ["B", 0, 1]])]
    fuzz(mutated(corpus) | grids(["gene", "T1", "T2"]), Written(tmp_path / "a.csv", annotation))


@st.composite
def cards(draw: st.DrawFn, model: bytes) -> bytes:
    """Draw a model one of whose properties is another text, or whose card has another value."""
    found = onnx.ModelProto.FromString(model)
    entry = draw(st.sampled_from(list(found.metadata_props)))
    if entry.value[:1] in "[{" and draw(st.booleans()):
        value = json.loads(entry.value)
        key = draw(st.sampled_from(sorted(value) if isinstance(value, dict) else range(len(value))))
        value[key] = draw(JUNK)
        entry.value = json.dumps(value)
    else:
        entry.value = draw(mutated([entry.value.encode()])).decode("utf-8", "replace")
    return found.SerializeToString()


def test_card_of_a_model(tmp_path, capsys):
    model = write_model(tmp_path / "a.onnx").read_bytes()

    def read(path: Path) -> None:
        predictor = load_onnx(path)
        _, size = predictor.fingerprint
        predictor.predict(np.zeros((2, size), np.uint8), ["", ""])
        inspect(path)

    fuzz(cards(model) | mutated([model]), Written(tmp_path / "a.onnx", read))


def test_safetensors_of_a_state(tmp_path):
    weights = save({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b.c": np.array([1], np.int64)})

    def read(content: bytes) -> None:
        (tmp_path / "weights.safetensors").write_bytes(content)
        (tmp_path / "model.json").write_text("{}")
        with reading(tmp_path) as (arrays, _):
            assert arrays["a"].shape == (2, 3)

    def header(text: bytes) -> bytes:
        return len(text).to_bytes(8, "little") + text + weights[8 + int.from_bytes(weights[:8], "little") :]

    size = int.from_bytes(weights[:8], "little")
    fuzz(mutated([weights]) | mutated([weights[8 : 8 + size]]).map(header), read)


def test_safetensors_of_a_network(tmp_path):
    torch.manual_seed(0)
    save_mlp(FactorisedMlp(MlpShape((3, 2, 4), (4, 3, 2), 0.1), seed=0), tmp_path, {})
    weights = (tmp_path / "weights.safetensors").read_bytes()
    card = (tmp_path / "model.json").read_bytes()

    def read(content: tuple[bytes, bytes]) -> None:
        (tmp_path / "weights.safetensors").write_bytes(content[0])
        (tmp_path / "model.json").write_bytes(content[1])
        load_mlp(tmp_path)

    fuzz(st.tuples(mutated([weights]), st.just(card)) | st.tuples(st.just(weights), mutated([card])), read)


def test_a_fault_of_a_reader_is_found(tmp_path):
    """So that no target passes because it looks at nothing."""

    def careless(path: Path) -> None:
        int(path.read_text(encoding="utf-8").split(",")[1])

    with pytest.raises((AssertionError, ExceptionGroup)):
        fuzz(mutated([b"a,1\n"]), Written(tmp_path / "a", careless))
    assert len(set(TOKENS)) == len(TOKENS)
