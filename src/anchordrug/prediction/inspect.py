"""anchordrug inspect: the card of an exported model, for people."""

from itertools import islice
from pathlib import Path
from textwrap import wrap
from typing import Any

import typer

from anchordrug.errors import counted, printable, shortlist
from anchordrug.files.checksums import checked, sum_of
from anchordrug.prediction.card import GENE_IDS
from anchordrug.prediction.inference import NO_SUM, OnnxPredictor, open_unchecked

WIDTH, INDENT = 110, 20
# Of a text of the card, and of its lists of files and scores; --json prints all of it.
MOST_CHARACTERS, MOST_LINES = 2000, 50

UNKNOWN = "not known"
_CHECKSUMS = {
    "matches": "matches {}",
    "differs": "DIFFERS from {}: one of the two files is damaged, or of another export",
    "unreadable": f"{{}} {NO_SUM}; write it again",
    "absent": "absent: there is no {} next to the model",
}


def card(model: Path) -> dict:
    """Return everything that `model` says by itself.

    Raises
    ------
    LibraryError
        The file is not a model of anchordrug's.
    """
    return open_unchecked(model).card


def run(model: Path) -> None:
    """Print the main entries of the card of `model`.

    Raises
    ------
    LibraryError
        The file is not a model of anchordrug's.
    """
    predictor = open_unchecked(model)
    typer.echo(f"{model} ({model.stat().st_size / 1e6:.1f} MB)")
    for name, text in _lines(predictor):
        first, *rest = wrap(printable(text, MOST_CHARACTERS), WIDTH - INDENT) or ["-"]
        typer.echo(f"{name:<{INDENT}}{first}")
        for line in rest:
            typer.echo(" " * INDENT + line)


def _lines(predictor: OnnxPredictor) -> list[tuple[str, str]]:
    card, session = predictor.card, predictor.session
    kind, learned = card["fingerprint"], card["learned_drugs"]
    ends = [f"{end.name} {end.type} {end.shape}" for end in (*session.get_inputs(), *session.get_outputs())]
    inputs = len(session.get_inputs())
    return [
        ("target", card["target"]),
        (
            "predictor",
            f"{card['predictor']}, format {card['format_version']}, anchordrug {card['package_version']}",
        ),
        ("genes", f"{len(card['genes'])}: {shortlist(card['genes'])}"),
        *_provenance(card),
        ("labels", f"{', '.join(card['labels'])} at |z| > {card['threshold']:g}"),
        (
            "structures",
            f"{kind['kind']} of radius {kind['radius']}, {kind['bits']} bits, of {predictor.parent_rule}",
        ),
        *([("remark", predictor.remark)] if predictor.remark else []),
        ("inputs", "; ".join(ends[:inputs])),
        ("outputs", "; ".join(ends[inputs:])),
        (
            "anchors",
            f"{len(card['anchors'])} ({card['strategy']}, seed {card['seed']}): {shortlist(card['anchors'])}",
        ),
        ("learned from", f"{counted(len(learned), 'drug')}: {shortlist(learned)}"),
        (
            "source cell lines",
            f"{len(card['source_cell_lines'])}: {shortlist(card['source_cell_lines'], 12)}",
        ),
        *(
            (f"data {place}", f"{path} sha256 {key}")
            for place, (path, key) in enumerate(_first(card["training_data"]), 1)
        ),
        *(
            ("metrics" if not place else "", f"{name} {value:.3f}")
            for place, (name, value) in enumerate(_first(card["metrics"]))
        ),
        ("intended use", card["intended_use"]),
        ("limits", card["limits"]),
        ("checksum", _CHECKSUMS[checked(predictor.path)].format(sum_of(predictor.path).name)),
    ]


def _provenance(card: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the lines on the model's sources; cards before format 6 do not have them."""
    lines = []
    if "gene_ids" in card:
        counts = [
            f"{sum(text is not None for text in card['gene_ids'][kind])} with {kind.capitalize()}"
            for kind in GENE_IDS
        ]
        lines.append(("gene ids", f"{', '.join(counts)}, of {counted(len(card['genes']), 'gene')}"))
    if "assays" in card:
        lines.append(("assays", shortlist(card["assays"]) or UNKNOWN))
        lines.append(("dose", _numbers(card["concentration_um"], "uM")))
        lines.append(("time", _numbers(card["time_h"], "h")))
        lines.append(("sources", "; ".join(map(_source, card["sources"][:MOST_LINES])) or UNKNOWN))
        versions = (f"{name} {version}" for name, version in _first(card["packages"]))
        lines.append(("packages", ", ".join(versions)))
    if "date" in card:
        lines.append(("date", card["date"]))
    lines += [
        (f"evidence {group}", _accuracy(scores)) for group, scores in card.get("evidence_groups", {}).items()
    ]
    return lines


def _numbers(values: list[float], unit: str) -> str:
    return f"{shortlist([f'{value:g}' for value in values])} {unit}" if values else UNKNOWN


def _source(source: dict[str, str | None]) -> str:
    return f"{source['name']} ({source['licence'] or 'licence not known'}), {source['url'] or 'no address'}"


def _accuracy(scores: dict[str, Any]) -> str:
    """Return the lines on a group's macro-F1: measured in the target, and expected by source lines."""
    said = []
    if "macro_f1" in scores:
        said.append(f"macro-F1 {scores['macro_f1']:.3f} on {scores.get('drugs', 'the')} test drugs")
    if "expected" in scores:
        told = scores["expected"]
        said.append(
            f"expected {told['macro_f1']:.3f} ({told['low']:.3f} to {told['high']:.3f} in eight of ten of "
            f"{told['lines']} source lines with {told['anchors']} anchors)"
        )
    return "; ".join(said) or UNKNOWN


def _first(entries: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(islice(entries.items(), MOST_LINES))
