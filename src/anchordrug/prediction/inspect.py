"""anchordrug inspect: the card of an exported model, for people."""

from itertools import islice
from pathlib import Path
from textwrap import wrap
from typing import Any

import typer

from anchordrug.errors import printable, shortlist
from anchordrug.prediction.inference import OnnxPredictor, load_onnx

WIDTH, INDENT = 110, 20
# Of a text of the card, and of its lists of files and scores; --json prints all of it.
MOST_CHARACTERS, MOST_LINES = 2000, 50


def card(model: Path) -> dict:
    """Return everything that `model` says of itself.

    Raises
    ------
    LibraryError
        The file is no model of anchordrug's.
    """
    return load_onnx(model).card


def run(model: Path) -> None:
    """Print what matters of the card of `model`.

    Raises
    ------
    LibraryError
        The file is no model of anchordrug's.
    """
    predictor = load_onnx(model)
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
        ("learned from", f"{len(learned)} drugs: {shortlist(learned)}"),
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
    ]


def _first(entries: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(islice(entries.items(), MOST_LINES))
