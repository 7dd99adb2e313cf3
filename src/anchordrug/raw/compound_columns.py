"""Columns of compounds (in SDF: properties) by the names that labs, vendors and databases give them."""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from anchordrug.errors import LibraryError, near, shortlist

# Some databases' canonical SMILES have no stereo.
SMILES_NAMES = ("smiles", "isomeric_smiles", "isosmiles", "canonical_smiles", "structure")

# The preferred first: ids of this project's kind, catalogue numbers of vendors, ids of databases, which may
# are used for several products. Names are compared without case, spaces and punctuation.
ID_NAMES = (
    *("drug_id", "pert_id", "broad_sample", "broad_id", "compound_id", "cmpd_id", "molecule_id", "mol_id"),
    *("metadata_jcp2022", "jcp2022", "catalog_number", "catalogue_number", "catalog_no", "catalogue_no"),
    *("catalog_num", "catalog_id", "catalogue_id", "catalog_code", "catalog", "catalogue", "cat_number"),
    *("cat_no", "cat_num", "cat_id", "cat", "idnumber", "id_number", "product_id", "product_number"),
    *("product_no", "product_code", "item_number", "item_no", "item_id", "item_code", "sku", "part_number"),
    *("supplier_id", "vendor_id", "vendor_catalog_id", "vendor_catalog_number", "order_number"),
    *(
        "supplier_code",
        "vendor_code",
        "library_id",
        "substance_id",
        "sample_id",
        "molport_id",
        "stock_number",
    ),
    *("id", "identifier", "code", "molecule_chembl_id", "chembl_id", "zinc_id", "zinc", "drugbank_id"),
    *("pubchem_compound_cid", "pubchem_cid", "pubchem_id", "cid", "chebi_id", "nsc", "nsc_number"),
    *("cas", "cas_number", "cas_no", "cas_rn", "cas_registry_number", "casrn"),
)
NAME_NAMES = (
    *("name", "compound_name", "pert_iname", "cmap_name", "drug_name", "item_name", "product_name"),
    *("molecule_name", "chemical_name", "common_name", "generic_name", "preferred_name", "pref_name"),
    *("compound", "drug"),
)


# A structure tells it.
INCHIKEY_NAMES = ("inchikey", "inchi_key", "standard_inchikey")


# Atoms of a SMILES with a bond, a branch or a ring among them, as no name of a column is.
_LIKE_SMILES = re.compile(r"(?=.*([=#(]|[cn]1))([BCNOPSFIbcnops]|Cl|Br|\[[^\]]+\]|[=#$:/\\.()%0-9-]){5,}")


class Identity(NamedTuple):
    """Columns that tell compounds apart, by their position in the header.

    Attributes
    ----------
    key, name
        The columns of ids and of names, None where there is none.
    further
        All other columns of ids and names.
    """

    key: int | None
    name: int | None
    further: tuple[int, ...]


class ColumnError(LibraryError):
    """A column that a table of compounds does not have; `argument` is the column's name."""

    def __init__(self, message: str, argument: Literal["smiles_column", "id_column"]) -> None:
        super().__init__(message)
        self.argument = argument


def columns_called(names: Sequence[str], header: Sequence[str]) -> list[int]:
    """Return the columns of `header` that have one of `names`, in the order of `names`."""
    keys = [_key(name) for name in header]
    wanted = dict.fromkeys(map(_key, names))
    return [column for name in wanted for column, key in enumerate(keys) if key == name]


def is_smiles_name(name: str) -> bool:
    """Say whether a column's name says that it holds SMILES, alone or among other words."""
    return _key(name) in _SMILES_KEYS or "smiles" in _key(name)


def smiles_column(path: Path, header: Sequence[str]) -> int | None:
    """Return the column whose name says that it holds SMILES; None where there is none.

    Raises
    ------
    ColumnError
        Several may.
    """
    found = columns_called(SMILES_NAMES, header)
    rest = found or [column for column, name in enumerate(header) if is_smiles_name(name)]
    alike = [column for column in rest if not found or _key(header[column]) == _key(header[rest[0]])]
    if len(alike) > 1:
        both = [header[column] for column in alike]
        raise ColumnError(
            f"{path}: columns {shown(both)} all look like SMILES; rename all but one, or give its name",
            "smiles_column",
        )
    return rest[0] if rest else None


def identity_in(header: Sequence[str], structure: int | None, key: int | None = None) -> Identity:
    """Return the columns of ids and names; `key` is the column of ids that the user has named."""
    ids, names = (
        [column for column in columns_called(wanted, header) if column != structure]
        for wanted in (ID_NAMES, NAME_NAMES)
    )
    key = next(iter(ids), None) if key is None else key
    name = next(iter(names), None)
    further = (column for column in sorted({*ids, *names}) if column not in (key, name))
    return Identity(key, name, tuple(further))


def free_names(given: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return names of columns as given, with "_" after one that is `taken` or repeated."""
    used = set(taken)
    names = []
    for name in given:
        while name in used:
            name += "_"
        used.add(name)
        names.append(name)
    return names


def ignored_columns(header: Sequence[str], used: Collection[int | None], noun: str = "columns") -> str | None:
    """Return the note that lists the columns of `header` that are not used; None where all are."""
    rest = [name for column, name in enumerate(header) if name and column not in used]
    return f"ignored {noun}: {shown(rest)}" if rest else None


def given_column(
    path: Path, name: str, argument: Literal["smiles_column", "id_column"], header: Sequence[str]
) -> int:
    """Return the column of `header` that the user has named.

    Raises
    ------
    ColumnError
        There is none.
    """
    if name not in header:
        raise ColumnError(
            f"{path}: no column '{name}' (found {shown(header)}){near(name, header)}; correct the name",
            argument,
        )
    return list(header).index(name)


def no_ids(header: Sequence[str], called: str = "row_N", noun: str = "column") -> str:
    """Return the note for compounds that no column (or property) of `header` gives an id."""
    return f"no id {noun} (found {shown(header)}): called {called}; name one with --id-column"


def require_header(path: Path, header: Sequence[str]) -> None:
    """Refuse a first line that is a row of compounds rather than names of columns.

    Raises
    ------
    LibraryError
        A cell of it looks like a structure.
    """
    if any(map(_LIKE_SMILES.fullmatch, header)):
        raise LibraryError(
            f"{path}: no SMILES column, and its first line looks like a compound ({shown(header)}); add a "
            "header, or call the file .smi"
        )


def shown(header: Sequence[str]) -> str:
    """Return the first columns for a message of one line, whatever the file is."""
    printable = ("".join(c if c.isprintable() else " " for c in name[:40]) for name in header)
    return shortlist(printable, 10) or "none"


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_SMILES_KEYS = frozenset(map(_key, SMILES_NAMES))
