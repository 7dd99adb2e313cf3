"""Compounds for sale, resolved against the drugs of the atlas.

A compound is identified by its standardised structure, and where it has none by its InChIKey, its id or its
name. Stereo counts: another stereo-isomer is another drug. There is one exception, if one side states no
stereo at all: a compound is taken for the atlas' drug of the same skeleton (first block of the InChIKey),
provided that only one drug has it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from anchordrug.chem.structures import standardise
from anchordrug.errors import LibraryError, TableError
from anchordrug.files.atomic import require_file
from anchordrug.files.tables import read_table
from anchordrug.raw.compound_ids import problem_with_id
from anchordrug.raw.compounds import COLUMNS as FOR_SALE

# The second block of the InChIKey of a structure without stereo, isotopes and the like.
NO_STEREO = "UHFFFAOYSA"
SAME_STRUCTURE, SAME_SKELETON, SAME_INCHIKEY, SAME_ID, SAME_NAME, NEW = (
    "structure",
    "skeleton",
    "InChIKey",
    "drug_id",
    "name",
    "new",
)
COLUMNS = (
    *("drug_id", "inchikey", "smiles", "name", "moa", "vendor", "cost", "stock"),
    *("source_plate", "source_well", "stock_mm", "match", "atlas_id"),
)


@dataclass(frozen=True)
class Resolved:
    """Usable compounds and the others.

    Attributes
    ----------
    library
        `COLUMNS`, and the further ids as the file calls them; `match` is the kind of id by which the compound
        was found in the atlas, as drug `atlas_id` (None: new).
    rejects
        line, drug_id, name, smiles, inchikey, reason, and the further ids.
    notes
        Say that the compounds have neither ids nor names, and which columns are ignored.
    columns
        How the file calls each column that was found, by our name.
    """

    library: pd.DataFrame
    rejects: pd.DataFrame
    notes: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)


class _UnusableError(Exception):
    """A compound that cannot be used; the text is the reason."""


@dataclass(frozen=True)
class _Atlas:
    """The atlas' drugs by everything that names them; positions are rows of `drugs`."""

    drugs: pd.DataFrame
    by_key: dict[str, int]
    by_skeleton: dict[str, list[int]]
    by_id: dict[str, int]
    by_name: dict[str, list[int]]


def resolve_library(compounds: pd.DataFrame, atlas_drugs: pd.DataFrame) -> Resolved:
    """Resolve the compounds of `anchordrug.raw.compounds` against the drug table of an atlas.

    Rows keep their order. Of several rows of one drug the first is kept, the others are rejects. Where a
    compound is in the atlas, structure, InChIKey and mechanism are the atlas'.

    Raises
    ------
    LibraryError
        The file gives one drug_id to two compounds.
    """
    atlas = _indexed(atlas_drugs)
    further = [name for name in compounds.columns if name not in {*FOR_SALE, "line", "problem"}]
    about_reject = ["line", "drug_id", "name", "smiles", "inchikey", "reason", *further]
    rows, rejects = [], []
    taken: dict[str, tuple[str, int]] = {}
    ids: dict[str, int] = {}
    for number, compound in enumerate(compounds.to_dict("records"), start=1):
        try:
            row = _resolve(compound, atlas, number)
            if row["inchikey"] in taken:
                first, line = taken[row["inchikey"]]
                raise _UnusableError(f"the same compound as '{first}' in line {line}")
            if row["drug_id"] in ids:
                _require_own_id(compounds, compound, row["drug_id"], ids[row["drug_id"]])
                raise _UnusableError(
                    f"drug_id '{row['drug_id']}' is also the id of another compound; rename one of them"
                )
        except _UnusableError as reason:
            rejects.append({**compound, "reason": str(reason)})
            continue
        taken[row["inchikey"]] = row["drug_id"], compound["line"]
        ids[row["drug_id"]] = compound["line"]
        rows.append(row)
    return Resolved(
        pd.DataFrame(rows, columns=[*COLUMNS, *further]),
        pd.DataFrame(rejects, columns=about_reject),
        tuple(compounds.attrs.get("notes", ())),
        compounds.attrs.get("columns", {}),
    )


def read_library(path: Path) -> pd.DataFrame:
    """Read a library as `resolve_library` gave it and a campaign wrote it.

    Raises
    ------
    RawDataError
        The file does not exist or cannot be parsed.
    TableError
        It was changed in a way that cannot be used.
    """
    require_file(path, "make the campaign again with 'anchordrug campaign new'")
    table = read_table(path, numbers=("cost", "stock", "stock_mm"))
    missing = [name for name in ("drug_id", "inchikey", "smiles") if name not in table.columns]
    if missing or table[["drug_id", "inchikey", "smiles"]].isna().to_numpy().any():
        raise TableError(
            f"{path}: {'no column ' + missing[0] if missing else 'a drug_id, inchikey or smiles is empty'}; "
            "restore the file that 'anchordrug campaign new' wrote, and make changes in your own list"
        )
    return table


def further_ids(library: pd.DataFrame) -> list[str]:
    """Return the names of the columns of further ids."""
    return [name for name in library.columns if name not in {*COLUMNS, "row"}]


def _require_own_id(compounds: pd.DataFrame, compound: dict, drug_id: str, line: int) -> None:
    """Refuse a file that gives the compound of line `line`, which has another structure, the same id."""
    if compound["drug_id"] == drug_id:
        raise LibraryError(
            f"{compounds.attrs.get('source', 'library')}: drug_id '{drug_id}' stands for two different "
            f"structures, in lines {line} and {compound['line']}; give each compound an id of its own, or "
            "name another column of ids with --id-column"
        )


def _indexed(drugs: pd.DataFrame) -> _Atlas:
    by_id, by_name, by_skeleton = {}, defaultdict(list), defaultdict(list)
    for row, drug in enumerate(drugs.to_dict("records")):
        others = drug["other_ids"].split("|") if isinstance(drug["other_ids"], str) else []
        by_id |= dict.fromkeys([drug["drug_id"], *others], row)
        if isinstance(drug["name"], str):
            by_name[drug["name"].casefold()].append(row)
        by_skeleton[drug["inchikey"][:14]].append(row)
    by_key = {key: row for row, key in enumerate(drugs["inchikey"])}
    return _Atlas(drugs, by_key, dict(by_skeleton), by_id, dict(by_name))


def _resolve(compound: dict, atlas: _Atlas, number: int) -> dict:
    """Return the row of the library for compound number `number` of the file."""
    structure, problem = None, compound["problem"] or problem_with_id(compound["drug_id"] or "")
    if problem is not None:
        raise _UnusableError(problem)
    if compound["smiles"]:
        try:
            structure = standardise(compound["smiles"])
        except ValueError as error:
            raise _UnusableError(str(error)) from error
    key = structure.inchikey if structure else compound["inchikey"]
    match, row = NEW, None
    if key:
        match, row = _by_key(key, atlas, SAME_STRUCTURE if structure else SAME_INCHIKEY)
    elif compound["drug_id"] in atlas.by_id:
        match, row = SAME_ID, atlas.by_id[compound["drug_id"]]
    elif compound["name"]:
        named = atlas.by_name.get(compound["name"].casefold(), [])
        if len(named) > 1:
            raise _UnusableError(
                f"{len(named)} drugs of the atlas are called '{compound['name']}'; add a SMILES"
            )
        match, row = (SAME_NAME, named[0]) if named else (NEW, None)
    if row is None and structure is None:
        raise _UnusableError("no structure, and not in the atlas; add a SMILES")
    if row is None:
        assert structure is not None
        drug_id = compound["drug_id"] or compound["name"] or f"row_{number}"
        if drug_id in atlas.by_id:
            raise _UnusableError(f"drug_id '{drug_id}' is another structure in the atlas; rename it")
        own = {"inchikey": structure.inchikey, "smiles": structure.smiles, "moa": compound["moa"]}
        return {**compound, **own, "drug_id": drug_id, "match": match, "atlas_id": None}
    drug = atlas.drugs.iloc[row]
    known = {name: value if isinstance(value, str) else None for name, value in drug.items()}
    return {
        **compound,
        **{name: known[name] for name in ("inchikey", "smiles", "moa")},
        "drug_id": compound["drug_id"] or known["drug_id"],
        "name": compound["name"] or known["name"],
        "match": match,
        "atlas_id": known["drug_id"],
    }


def _by_key(key: str, atlas: _Atlas, exactly: str) -> tuple[str, int | None]:
    if key in atlas.by_key:
        return exactly, atlas.by_key[key]
    same = atlas.by_skeleton.get(key[:14], [])
    stereo_free = [row for row in same if key[15:25] == NO_STEREO or _stereo(atlas, row) == NO_STEREO]
    if len(same) == 1 and stereo_free:
        return SAME_SKELETON, same[0]
    return NEW, None


def _stereo(atlas: _Atlas, row: int) -> str:
    return atlas.drugs["inchikey"].iloc[row][15:25]


def counts_in_words(matches: Iterable[str]) -> str:
    """Return how many compounds were found by each kind of id, for the screen."""
    counts = pd.Series(list(matches)).value_counts()
    order = (SAME_STRUCTURE, SAME_INCHIKEY, SAME_SKELETON, SAME_ID, SAME_NAME)
    parts = [f"{counts[name]} by {name}" for name in order if name in counts]
    known = sum(int(counts[name]) for name in order if name in counts)
    return f"{known} in the atlas ({', '.join(parts) or 'none'}), {int(counts.get(NEW, 0))} new to it"
