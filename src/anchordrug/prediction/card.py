"""The card of an exported model: read strictly, and checked against its JSON Schema."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import fastjsonschema
from fastjsonschema import JsonSchemaValueException

from anchordrug.errors import LibraryError, counted, printable
from anchordrug.files.json_text import parsed

SCHEMA = Path(__file__).with_name("card.schema.json")
REMEDY = "export it again"
# Kinds of ids that a card of format 6 has of every gene.
GENE_IDS = ("ensembl", "entrez")
# Of a value of the card in a message.
_SHOWN_CHARACTERS = 60


def read_card(stored: Mapping[str, str], path: Path) -> dict[str, Any]:
    """Return the checked card from the metadata_props of the model at `path`.

    Entries that the schema does not know, such as those of other tools, are left out.

    Raises
    ------
    LibraryError
        An entry is not JSON, is missing, or does not fit the schema.
    """
    card = {}
    for key in _schema()["properties"]:
        if key in stored:
            try:
                card[key] = parsed(stored[key])
            except ValueError as error:
                problem = f"its card has {_shown(stored[key])} for '{key}', which is not valid JSON"
                raise LibraryError(f"{path}: {problem}; {REMEDY}") from error
    _require_valid(card, path)
    return card


def _require_valid(card: Mapping[str, Any], path: Path) -> None:
    try:
        _check()(card)
    except JsonSchemaValueException as error:
        raise LibraryError(f"{path}: {_problem(error, card)}; {REMEDY}") from error
    except RecursionError as error:
        raise LibraryError(f"{path}: its card is nested too deeply; {REMEDY}") from error
    # No rules of JSON Schema.
    if card["margins"] != sorted(card["margins"]):
        raise LibraryError(f"{path}: {_not_as_described(('margins',), card)}; {REMEDY}")
    for kind, ids in card.get("gene_ids", {}).items():
        if kind in GENE_IDS and len(ids) != len(card["genes"]):
            ids, genes = counted(len(ids), "id"), counted(len(card["genes"]), "gene")
            problem = f"its card has {ids} in 'gene_ids.{kind}' for {genes}"
            raise LibraryError(f"{path}: {problem}; {REMEDY}")


@cache
def _schema() -> dict[str, Any]:
    return parsed(SCHEMA.read_bytes())


@cache
def _check() -> Callable[[Mapping[str, Any]], object]:
    return fastjsonschema.compile(_schema())


def _problem(error: JsonSchemaValueException, card: Mapping[str, Any]) -> str:
    """Return the fault of a card, from the exception of fastjsonschema."""
    keys, schema = [], _schema()
    for key in error.path[1:]:
        if key not in schema.get("properties", {}):
            break
        keys.append(key)
        schema = schema["properties"][key]
    if error.rule == "required" and isinstance(error.value, dict):
        missing = next(key for key in error.rule_definition if key not in error.value)
        return f"its card lacks '{'.'.join([*keys, missing])}'"
    if error.rule == "uniqueItems":
        ((twice, _),) = Counter(map(str, error.value)).most_common(1)
        return f"its card has {_shown(twice)} twice in '{'.'.join(keys)}'"
    return _not_as_described(keys, card)


def _not_as_described(keys: Sequence[str], card: Mapping[str, Any]) -> str:
    """Return that the value under `keys` is not as the schema describes it."""
    value, schema = card, _schema()
    for key in keys:
        value, schema = value[key], schema["properties"][key]
    return f"its card has {_shown(value)} for '{'.'.join(keys)}', which is not {schema['description']}"


def _shown(value: Any) -> str:
    # Piece by piece, because a value may be huge or nested.
    pieces = [value] if isinstance(value, str) else json.JSONEncoder(ensure_ascii=False).iterencode(value)
    return f"'{printable(''.join(islice(pieces, 2 * _SHOWN_CHARACTERS)), _SHOWN_CHARACTERS)}'"
