"""The kind of a file by its first bytes, whatever its name says, and how to proceed with it."""

import codecs
import gzip
import re
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from anchordrug.errors import RawDataError

_HEAD = 4096  # bytes
# Share of bytes that are not text, such as 0 to 8; packed data have about 11%.
_BINARY = 0.05
_NO_TEXT = bytes({*range(9), *range(14, 27), *range(28, 32)})


class Kind(NamedTuple):
    """A kind of file: words for it, as they follow 'is', and the remedy where it cannot be read."""

    words: str
    remedy: str


_CSV = "save it as CSV"
_UNPACK = "unpack it and give the file inside"
_FETCH = "download the file itself"

WORKBOOK = Kind("an Excel workbook", _CSV)
PARQUET = Kind("a parquet table", _CSV)
HDF5 = Kind("an HDF5 file (GCTX, h5ad and others)", "save its matrix as CSV, genes x samples")
GCT = Kind("a GCT matrix", "save the table that follows its second line as tab-separated text")
UTF16 = Kind("UTF-16 text", "save it as UTF-8")
ZIP = Kind("a zip archive", _UNPACK)
GZIP = Kind("a gzip file", _UNPACK)
GIT_LFS = Kind("a Git LFS pointer, not the file itself", "run 'git lfs pull' where the file comes from")
DVC = Kind(
    "a DVC pointer, not the file itself",
    "run 'dvc pull' where the file comes from, and give the file that the pointer names",
)
_ANNEX = Kind("a git-annex pointer, not the file itself", "run 'git annex get' where the file comes from")
_GEO_SERIES = Kind(
    "a GEO series matrix, whose lines that start with '!' are not a table",
    "keep the lines between !series_matrix_table_begin and !series_matrix_table_end, and name genes by "
    "symbol instead of by probe",
)
_GEO_SOFT = Kind("a GEO SOFT file, which is not a table", "download the series' table of counts or values")
MARKET = Kind(
    "a Matrix Market matrix (.mtx), which has no names of genes and samples",
    "give its folder with barcodes.tsv and features.tsv, or write one table with the names, genes x samples",
)
MARKET_FOLDER = Kind(
    "a folder with a Matrix Market matrix (.mtx), as 10x and STARsolo write it",
    "write one table with the names, genes x samples",
)
_ZARR = Kind("a zarr folder", "save its matrix as CSV, genes x samples")
_FOLDER = Kind("a folder", "give a file in it")
_R = Kind("a file of R (RDS or RData)", "write its table with R: write.csv(table, 'table.csv')")
_HTML = Kind("a web page (HTML), as a failed download leaves it", _FETCH)
_XML = Kind("XML", _CSV)
_JSON = Kind("JSON", _CSV)
_OLD_OFFICE = Kind("an old Office file, such as .xls", "save it as .xlsx or CSV")
_BINARY_WORKBOOK = Kind("a binary Excel workbook (.xlsb)", "save it as .xlsx or CSV")
_OPEN_DOCUMENT = Kind("an OpenDocument file, such as .ods", "save it as .xlsx or CSV")
_WORD = Kind("a Word document", "save its table as CSV")
_NUMPY = Kind("a file of numpy arrays", _CSV)
_PICKLE = Kind("a Python pickle, which could run any program", "save it as CSV or parquet")
_ORT = Kind("a model in the format of onnxruntime (.ort)", "give the .onnx file that it was made from")
OTHER = Kind("a binary file of an unknown kind", "save it as a table, such as CSV")

# Their remedy holds whatever the file is wanted for.
STAND_INS = frozenset((GIT_LFS, DVC, _ANNEX, _HTML, ZIP, GZIP))

_STARTS = (
    (b"\x89HDF\r\n\x1a\n", HDF5),
    (b"PAR1", PARQUET),
    (b"PK\x03\x04", ZIP),
    (b"\x1f\x8b", GZIP),
    (b"\xff\xfe", UTF16),
    (b"\xfe\xff", UTF16),
    (b"%PDF-", Kind("a PDF", "copy its table into a CSV file")),
    (b"\xd0\xcf\x11\xe0", _OLD_OFFICE),
    (b"\x89PNG\r\n", Kind("an image (PNG)", "give the table that it shows")),
    (b"\xff\xd8\xff", Kind("an image (JPEG)", "give the table that it shows")),
    (b"BZh", Kind("a bzip2 file", _UNPACK)),
    (b"\xfd7zXZ\x00", Kind("an xz file", _UNPACK)),
    (b"\x28\xb5\x2f\xfd", Kind("a zstd file", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", Kind("a rar archive", _UNPACK)),
    (b"ARROW1\x00", Kind("an Arrow file", "save it as parquet or CSV")),
    (b"FEA1", Kind("a feather file", "save it as parquet or CSV")),
    (b"SQLite format 3\x00", Kind("an SQLite database", "save its table as CSV")),
    (b"\x93NUMPY", _NUMPY),
    *((b"\x80" + bytes([protocol]), _PICKLE) for protocol in range(2, 6)),
    *(
        (start, _R)
        for start in (b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"X\n\0\0\0", b"A\n2\n", b"A\n3\n")
    ),
    (b"version https://git-lfs.github.com/spec/", GIT_LFS),
    (b"/annex/objects/", _ANNEX),
    (b"%%MatrixMarket", MARKET),
    *((start, _GEO_SERIES) for start in (b"!Series_", b'"!Series_', b"!series_matrix_table_begin")),
    *((b"^" + word, _GEO_SOFT) for word in (b"DATABASE", b"SERIES", b"SAMPLE", b"PLATFORM", b"DATASET")),
)
_DVC_KEYS = re.compile(rb"(outs|deps|md5|hash|frozen|wdir|desc|meta):[ \r\n]")
_DVC_OUT = re.compile(rb"^[ -]+path: ", re.MULTILINE)
_GCT_START = re.compile(rb"#1\.[0-9][ \t]*\r?\n")


def kind_of(path: Path) -> Kind | None:
    """Return the kind of a file or folder, None for text without a kind of its own.

    Text that is packed with gzip counts as text; for any other file in gzip, the kind names gzip.

    Raises
    ------
    OSError, EOFError, zlib.error
        The file cannot be read, or its gzip is damaged.
    """
    if path.is_dir():
        return _kind_of_folder(path)
    with path.open("rb") as file:
        kind = kind_of_bytes(file.read(_HEAD))
    if kind is ZIP:
        return _kind_of_zip(path)
    if kind is not GZIP:
        return kind
    with gzip.open(path) as unpacked:
        inside = kind_of_bytes(unpacked.read(_HEAD))
    if inside is not None and inside in {PARQUET, HDF5, ZIP, GZIP}:
        return Kind(f"{inside.words} packed with gzip", _UNPACK)
    return inside


def kind_of_bytes(head: bytes) -> Kind | None:
    """Return the kind of a file from its first bytes, None for text; zip and gzip are not looked into."""
    found = next((kind for start, kind in _STARTS if head.startswith(start)), None)
    if found is not None:
        return found
    if head[4:8] == b"ORTM":
        return _ORT
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    found = next((kind for start, kind in _STARTS if len(start) > 6 and text.startswith(start)), None)
    if found is not None:
        return found
    if _GCT_START.match(text):
        return GCT
    if _DVC_KEYS.match(text) and _DVC_OUT.search(text):
        return DVC
    if text[:1] == b"<":
        return _markup(text[:1024].lower())
    if re.match(rb'\{\s*"|\[\s*\{', text):
        return _JSON
    return _binary(head)


def is_gzip(path: Path) -> bool:
    """Return whether a file is packed with gzip, even if it is cut after its first byte."""
    with path.open("rb") as file:
        return file.read(2) in {b"\x1f\x8b", b"\x1f"}


def refuse_kinds(path: Path, readable: Iterable[Kind] = ()) -> Kind | None:
    """Return the kind of a file if it is text (None) or one of `readable`.

    Raises
    ------
    RawDataError
        It is of another kind; the message names the kind and the remedy.
    OSError, EOFError, zlib.error
        As `kind_of`.
    """
    kind = kind_of(path)
    if kind is None or kind in set(readable):
        return kind
    raise RawDataError(f"{path}: is {kind.words}; {kind.remedy}")


def _markup(text: bytes) -> Kind | None:
    if re.match(rb"<(!doctype html|html|head|body|script)\b", text) or b"<html" in text:
        return _HTML
    return _XML if text.startswith(b"<?xml") else None


def _binary(head: bytes) -> Kind | None:
    halves = head[0::2], head[1::2]
    if len(head) > 16 and any(half.count(0) > 0.7 * len(half) for half in halves):
        return UTF16 if head.count(0) < 0.7 * len(head) else None  # UTF-16 without its mark
    strange = len(head) - len(head.translate(None, _NO_TEXT))
    return OTHER if strange > _BINARY * len(head) and not _is_utf8(head) else None


def _is_utf8(head: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()  # the last character may be cut
    try:
        decoder.decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _kind_of_folder(path: Path) -> Kind:
    if any(entry.name.lower().endswith((".mtx", ".mtx.gz")) for entry in path.iterdir()):
        return MARKET_FOLDER
    return _ZARR if (path / ".zgroup").exists() or (path / "zarr.json").exists() else _FOLDER


def _kind_of_zip(path: Path) -> Kind:
    """Return the kind of a zip file by the names inside; a workbook where they cannot be read."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError, struct.error):
        return WORKBOOK if path.suffix.lower() in {".xlsx", ".xlsm"} else ZIP
    if "xl/workbook.bin" in names:
        return _BINARY_WORKBOOK
    if any(name.startswith("xl/") for name in names):
        return WORKBOOK
    if any(name.startswith("word/") for name in names):
        return _WORD
    if "META-INF/manifest.xml" in names and "content.xml" in names:
        return _OPEN_DOCUMENT
    if names and all(name.endswith(".npy") for name in names):
        return _NUMPY
    return ZIP
