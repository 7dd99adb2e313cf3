"""CMap's metadata tables under the column names of LINCS2020 and of the 2017 release (GSE92742, GSE70138)."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TextIO, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from anchordrug.errors import RawDataError, counted, near, shortlist
from anchordrug.raw.delimited import header_of
from anchordrug.raw.names import check_ids
from anchordrug.raw.text import LATIN1_BYTES, clean_text, one_line, open_bytes, open_text

# Our name -> the releases' names for it, newest first.
_SIGNATURE_COLUMNS = {
    "sig_id": ("sig_id",),
    "drug_id": ("pert_id",),
    "cell_line": ("cell_iname", "cell_id"),
    "assay": ("assay",),
    "pert_type": ("pert_type",),
    "is_gold": ("is_gold",),
    "cc_q75": ("cc_q75", "distil_cc_q75"),
    "pct_self_rank_q25": ("pct_self_rank_q25",),
    "pert_dose": ("pert_dose",),
    "pert_dose_unit": ("pert_dose_unit",),
    "pert_idose": ("pert_idose",),
    "pert_time": ("pert_time",),
    "pert_time_unit": ("pert_time_unit",),
    "pert_itime": ("pert_itime",),
}
_COMPOUND_COLUMNS = {
    "drug_id": ("pert_id",),
    "name": ("cmap_name", "pert_iname"),
    "smiles": ("canonical_smiles",),
    "inchikey": ("inchi_key",),
    "moa": ("moa",),
    "target": ("target",),
}
_GENE_COLUMNS = {
    "gene_id": ("gene_id", "pr_gene_id"),
    "gene": ("gene_symbol", "pr_gene_symbol"),
    "ensembl_id": ("ensembl_id",),
    "feature_space": ("feature_space",),
}

# The assay of signatures whose table does not say it.
L1000 = "L1000"

_Columns = dict[str, pd.Series]  # by our name, as clean text

# Columns a table cannot do without: a choice of names each, or of sets of names that only count together.
_Needed = Sequence[Sequence[str]]
_SIGNATURE_NEEDED = (
    ("sig_id",),
    ("pert_id",),
    ("cell_iname", "cell_id"),
    ("pert_idose", "pert_dose + pert_dose_unit"),
    ("pert_itime", "pert_time + pert_time_unit"),
)
_COMPOUND_NEEDED = (("pert_id",), ("canonical_smiles",))
_GENE_NEEDED = (("gene_id", "pr_gene_id"), ("gene_symbol", "pr_gene_symbol"))

# Casefolded, so that the micro sign and the Greek mu are one key.
_MICROMOLAR = {"pm": 1e-6, "nm": 1e-3, "um": 1.0, "μm": 1.0, "mm": 1e3, "m": 1e6}
_HOURS = {
    "min": 1 / 60,
    "h": 1.0,
    "hr": 1.0,
    "hrs": 1.0,
    "hour": 1.0,
    "hours": 1.0,
    "d": 24.0,
    "day": 24.0,
    "days": 24.0,
}
_QUANTITY = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([^\W\d_]+)")


def read_signatures(path: Path) -> pd.DataFrame:
    """Read siginfo_beta.txt or a GSE*sig_info.txt; see `canonical_signatures` for the result.

    Raises
    ------
    RawDataError
        The file is missing or damaged, a needed column is absent, a sig_id is empty or repeated, or a
        quality value is not a number.
    """
    return canonical_signatures(_read_known(path, _SIGNATURE_COLUMNS, _SIGNATURE_NEEDED), path)


def read_compounds(path: Path) -> pd.DataFrame:
    """Read compoundinfo_beta.txt or a GSE*pert_info.txt.

    Returns
    -------
    pandas.DataFrame
        One row per drug in order of first mention: drug_id, name, smiles, inchikey, moa, target. Rows of
        one drug are merged: the first name, structure and InChIKey given, and every moa and target,
        sorted and joined by "|". Missing values are None.

    Raises
    ------
    RawDataError
        The file is missing or damaged, pert_id or canonical_smiles is absent, or a pert_id is empty.
    """
    columns = _renamed(_read_known(path, _COMPOUND_COLUMNS, _COMPOUND_NEEDED), _COMPOUND_COLUMNS)
    _require_ids(path, "pert_id", columns["drug_id"])
    by_drug = pd.DataFrame(columns, columns=list(_COMPOUND_COLUMNS)).groupby("drug_id", sort=False)
    merged = by_drug[["name", "smiles", "inchikey"]].first()
    for column in ("moa", "target"):
        merged[column] = _joined(columns["drug_id"], columns.get(column))
    merged = merged.astype(object).where(merged.notna(), None)
    return merged.reset_index()


def read_genes(path: Path) -> pd.DataFrame:
    """Read geneinfo_beta.txt or a GSE*gene_info.txt.

    Returns
    -------
    pandas.DataFrame
        One row per gene: gene_id (text), gene (symbol, NaN where missing), then ensembl_id (NaN where
        missing) and feature_space if the file has them.

    Raises
    ------
    RawDataError
        The file is missing or damaged, the id or symbol column is absent, an id is empty, or one id has
        two symbols.
    """
    columns = _renamed(_read_known(path, _GENE_COLUMNS, _GENE_NEEDED), _GENE_COLUMNS)
    _require_ids(path, "gene id", columns["gene_id"])
    symbols: dict[str, str] = {}
    for gene_id, symbol in zip(columns["gene_id"], columns["gene"].fillna(""), strict=True):
        if symbols.setdefault(gene_id, symbol) != symbol:
            raise RawDataError(
                f"{path}: gene id '{gene_id}' has the symbols '{symbols[gene_id]}' and '{symbol}'; "
                "keep one of them"
            )
    return pd.DataFrame(columns).drop_duplicates("gene_id", ignore_index=True)


def landmark_genes(path: Path) -> list[str]:
    """Return the symbols of the measured (landmark) genes; empty if the table does not tell them apart.

    Raises
    ------
    RawDataError
        As `read_genes`.
    """
    genes = read_genes(path)
    if "feature_space" not in genes:
        return []
    return genes.loc[genes["feature_space"] == "landmark", "gene"].dropna().tolist()


def canonical_signatures(frame: pd.DataFrame, source_path: Path) -> pd.DataFrame:
    """Bring signature metadata, from a table or from inside a GCTX, to one set of columns.

    Parameters
    ----------
    frame
        One row per signature under either release's column names, as text or numbers.
    source_path
        Where `frame` comes from, for error messages.

    Returns
    -------
    pandas.DataFrame
        In the order of `frame`: sig_id, drug_id, cell_line, assay ('L1000' where the frame does not say it),
        pert_type ('trt_cp' if the frame has no such column), dose_um (uM), time_h (hours), is_gold (1.0 or
        0.0), cc_q75, pct_self_rank_q25. A dose or time that is missing, negative, of an unknown unit or
        otherwise unreadable is NaN, as are quality values that are missing.

    Raises
    ------
    RawDataError
        A needed column is absent, a sig_id is empty or repeated, or a quality value is not a number.
    """
    _check_columns(source_path, [str(column) for column in frame.columns], _SIGNATURE_NEEDED)
    columns = _renamed(frame, _SIGNATURE_COLUMNS)
    ids = columns["sig_id"]
    check_ids(source_path, "sig_id", ids, "data row")
    return pd.DataFrame(
        {
            "sig_id": ids,
            "drug_id": columns["drug_id"],
            "cell_line": columns["cell_line"],
            "assay": columns.get("assay", pd.Series(L1000, index=ids.index, dtype="str")).fillna(L1000),
            "pert_type": columns.get("pert_type", pd.Series("trt_cp", index=ids.index, dtype="str")),
            "dose_um": _quantities(columns, "dose", _MICROMOLAR),
            "time_h": _quantities(columns, "time", _HOURS),
            "is_gold": _quality(source_path, columns, "is_gold", _is_flag, "1, 0"),
            "cc_q75": _quality(source_path, columns, "cc_q75", np.isfinite, "a number"),
            "pct_self_rank_q25": _quality(source_path, columns, "pct_self_rank_q25", np.isfinite, "a number"),
        }
    )


def _read_known(path: Path, known: Mapping[str, Sequence[str]], needed: _Needed) -> pd.DataFrame:
    """Read as text those columns of a tab-separated file that `known` lists; the rest may be large."""
    names = {name for names in known.values() for name in names}
    with open_text(path) as text:
        top = header_of(text)
        header = [field.strip().strip('"') for field in top.text.rstrip("\n").split("\t")] if top else []
        _check_columns(path, header, needed)
        repeated = [name for name in sorted(names) if header.count(name) > 1]
        if repeated:
            raise RawDataError(f"{path}: column '{repeated[0]}' occurs twice; keep one of them")
        if not any(line.strip() for line in text):
            raise RawDataError(f"{path}: has a header but no rows; export it again")
    assert top is not None
    used = [position for position, name in enumerate(header) if name in names]
    table = _text_columns(path, top.line, len(header), used)
    return table.set_axis([header[position] for position in used], axis=1)


def _text_columns(path: Path, header_line: int, width: int, used: list[int]) -> pd.DataFrame:
    """Read some columns of a tab-separated file of `width` columns, as text under their positions."""
    columns = [str(position) for position in used]
    try:
        with open_bytes(path) as (stream, _):
            table = pa_csv.read_csv(
                stream,
                pa_csv.ReadOptions(
                    column_names=[str(position) for position in range(width)], skip_rows=header_line
                ),
                # A quotation mark may be part of a name, as in 5"-deoxyadenosine.
                pa_csv.ParseOptions(delimiter="\t", quote_char=False),
                # Bytes, because not all of them are UTF-8.
                pa_csv.ConvertOptions(
                    include_columns=columns, column_types=dict.fromkeys(columns, pa.binary())
                ),
            )
    except (pa.ArrowInvalid, OSError) as error:
        with open_text(path) as text:
            _check_widths(path, text, header_line, width)
        raise RawDataError(f"{path}: cannot be read ({one_line(error)})") from error
    return pd.DataFrame({name: _decoded(table.column(name)) for name in columns})


def _decoded(column: pa.ChunkedArray) -> pd.Series:
    try:
        return pd.Series(pd.array(column.cast(pa.large_string()), dtype="str"))
    except pa.ArrowInvalid:
        # Not UTF-8 throughout.
        encoded = column.combine_chunks().dictionary_encode()
    distinct = [value.decode("utf-8", LATIN1_BYTES) for value in encoded.dictionary.to_pylist()]
    return pd.Series(pd.array(distinct, dtype="str").take(encoded.indices.to_numpy(zero_copy_only=False)))


def _check_widths(path: Path, text: TextIO, header_line: int, width: int) -> None:
    """Refuse rows of another width than the header's: pandas would fill or shift them without a word."""
    for number, line in enumerate(islice(text, header_line - 1, None), start=header_line):
        found = line.count("\t") + 1
        if found != width and line.strip(" \n"):
            raise RawDataError(
                f"{path}: line {number} has {counted(found, 'field')}, but the header has {width}; the file "
                "is cut, a value holds a tab, or the header has no name for the first column"
            )


def _check_columns(source: Path, found: Sequence[str], needed: _Needed) -> None:
    missing = [
        choices for choices in needed if not any(set(choice.split(" + ")) <= set(found) for choice in choices)
    ]
    if missing:
        wanted = "; ".join(" or ".join(choices) for choices in missing)
        raise RawDataError(
            f"{source}: no column {wanted}; found: {shortlist((name[:40] for name in found), most=6)}"
            f"{near(missing[0][0], found)}"
        )


def _renamed(frame: pd.DataFrame, known: Mapping[str, Sequence[str]]) -> _Columns:
    """Return the known columns of `frame` as clean text under our names, with a fresh index."""
    frame = frame.reset_index(drop=True)
    present = {ours: [name for name in theirs if name in frame.columns] for ours, theirs in known.items()}
    return {
        ours: clean_text(_without_decimals(cast(pd.Series, frame[names[0]])))
        for ours, names in present.items()
        if names
    }


def _without_decimals(column: pd.Series) -> pd.Series:
    """Return whole numbers as such, where missing values have made them floats: the cell line 5637."""
    if column.dtype.kind != "f" or not (column.dropna() % 1 == 0).all():
        return column
    return column.astype("Int64")


def _require_ids(path: Path, noun: str, ids: pd.Series) -> None:
    empty = np.flatnonzero(ids.isna())
    if len(empty):
        raise RawDataError(f"{path}: data row {empty[0] + 1} has no {noun}; name it or drop it")


def _joined(ids: pd.Series, values: pd.Series | None) -> pd.Series | None:
    """Return, by id, the distinct parts of its `values`, which "|" separates, sorted and joined again."""
    if values is None:
        return None
    parts = values.dropna().str.split("|").explode().astype("str").str.strip()
    pairs = pd.DataFrame({"id": ids.reindex(parts.index), "part": parts})
    pairs = pairs[pairs["part"] != ""].drop_duplicates().sort_values("part")
    return pairs.groupby("id")["part"].agg("|".join)


def _quantities(columns: _Columns, quantity: str, factors: Mapping[str, float]) -> pd.Series:
    """Return doses or times in our unit: number and unit where both can be read, else their joint text."""
    index = columns["sig_id"].index
    none = pd.Series(None, index=index, dtype="str")
    number, unit = columns.get(f"pert_{quantity}", none), columns.get(f"pert_{quantity}_unit", none)
    apart = _parsed(number + " " + unit, factors)
    joint = _parsed(columns.get(f"pert_i{quantity}", none), factors)
    return pd.Series(np.where(np.isnan(apart), joint, apart), index=index)


def _parsed(texts: pd.Series, factors: Mapping[str, float]) -> np.ndarray:
    return _by_text(texts, lambda distinct: [_quantity(text, factors) for text in distinct])


def _by_text(texts: pd.Series, numbers: Callable[[pd.Index], Iterable[float]]) -> np.ndarray:
    """Return the number of each text, NaN where it is missing; `numbers` tells that of distinct texts."""
    codes, distinct = pd.factorize(texts)  # a million signatures have a few hundred doses; missing is -1
    return np.array([*numbers(distinct), np.nan])[codes]


def hours_of(text: str) -> float:
    """Return a time such as '24 h' or '1 day' in hours, NaN where its unit is missing or not known."""
    return _quantity(text, _HOURS)


def _quantity(text: str, factors: Mapping[str, float]) -> float:
    match = _QUANTITY.fullmatch(text.casefold())
    return float(match[1]) * factors.get(match[2], np.nan) if match else np.nan


def _quality(
    source: Path, columns: _Columns, name: str, allowed: Callable[[np.ndarray], np.ndarray], expected: str
) -> pd.Series:
    """Return a column as numbers, NaN where missing or where there is no such column."""
    index = columns["sig_id"].index
    if name not in columns:
        return pd.Series(np.nan, index=index)
    numbers = _by_text(columns[name], lambda distinct: pd.to_numeric(pd.Series(distinct), errors="coerce"))
    wrong = np.flatnonzero(columns[name].notna() & ~allowed(numbers))
    if len(wrong):
        raise RawDataError(
            f"{source}: {name} in data row {wrong[0] + 1} is '{columns[name].iloc[wrong[0]][:40]}', expected "
            f"{expected} or nothing"
        )
    return pd.Series(numbers, index=index)


def _is_flag(numbers: np.ndarray) -> np.ndarray:
    return (numbers == 0) | (numbers == 1)
