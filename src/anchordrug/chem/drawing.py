"""Drawings of structures: small SVG elements for pages, in colours that work on light and on dark ground."""

import re
from collections import defaultdict
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from rdkit import Chem, rdBase
from rdkit.Chem.Draw import rdMolDraw2D

# Whole numbers on a canvas so many times as large take fewer characters than decimals.
_FINER = 4
# Of the drawing, in pixels: below the first size labels cannot be read.
_FONT = (7, 12)
_LINE, _BOND = 1.3, 22
_INK = "#000000"
# Each has a contrast of 3 at least to white and to near black (WCAG 1.4.11).
_LABELS = {7: "#4477dd", 8: "#dd4444", 9: "#229966", 15: "#cc6600", 16: "#a67c00", 17: "#229966"}
_LABELS |= {35: "#b3603f", 53: "#9955cc"}
_STYLE = re.compile(r"([a-z-]+):([^;]+)")
_NUMBER = re.compile(r"-?\d+\.?\d*")


def drawing(smiles: str, width: int, height: int) -> str:
    """Return a structure as one SVG element without a background; lines have the colour of the text around.

    The same structure gives the same text. It names no file, no class and no id, so a page may hold many.

    Parameters
    ----------
    width, height
        In pixels.

    Raises
    ------
    ValueError
        `smiles` is not a valid SMILES, or holds no atom.
    """
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
    if molecule is None or not molecule.GetNumAtoms():
        raise ValueError(f"not a valid SMILES: {smiles!a}")
    parts = _compact(ElementTree.fromstring(_drawn(molecule, width, height)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {_FINER * width} {_FINER * height}">{"".join(parts)}</svg>'
    )


def _drawn(molecule: Chem.Mol, width: int, height: int) -> bytes:
    """Return rdkit's drawing on the finer canvas."""
    # Letters as text: as outlines they are most of the drawing.
    canvas = rdMolDraw2D.MolDraw2DSVG(_FINER * width, _FINER * height, -1, -1, True)
    options = canvas.drawOptions()
    options.clearBackground = False
    options.singleColourBonds = True
    options.flagCloseContactsDist = -1
    options.setAtomPalette({-1: _rgb(_INK)} | {atom: _rgb(colour) for atom, colour in _LABELS.items()})
    options.bondLineWidth, options.scaleBondWidth = _FINER * _LINE, False
    options.fixedBondLength, options.padding = _FINER * _BOND, 0.03
    options.minFontSize, options.maxFontSize = (_FINER * size for size in _FONT)
    rdMolDraw2D.PrepareAndDrawMolecule(canvas, molecule)
    canvas.FinishDrawing()
    return canvas.GetDrawingText().encode("iso-8859-1")


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return red, green, blue


def _compact(root: ElementTree.Element) -> list[str]:
    """Return one path per kind of line, and one group of letters per colour and size."""
    paths: defaultdict[tuple[str, str, str], list[str]] = defaultdict(list)
    letters: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for element in root:
        style = dict(_STYLE.findall(element.get("style", "")))
        colour = style["fill"].lower()
        if element.tag.endswith("path"):
            kind = (colour, style["stroke"].lower(), _whole(style["stroke-width"].removesuffix("px")))
            paths[kind].append(_whole(element.attrib["d"]).replace(" L ", "L").replace("M ", "M"))
        else:
            size = style["font-size"].removesuffix("px")
            x, y = (_whole(element.attrib[name]) for name in ("x", "y"))
            letters[colour, size].append(f'<text x="{x}" y="{y}">{escape(element.text or "")}</text>')
    lines = [
        f'<path fill="{_themed(fill)}" stroke="{_themed(stroke)}" stroke-width="{wide}" '
        f'd="{"".join(parts)}"/>'
        for (fill, stroke, wide), parts in paths.items()
    ]
    return lines + [
        f'<g fill="{_themed(colour)}" font-family="sans-serif" font-size="{size}">{"".join(parts)}</g>'
        for (colour, size), parts in letters.items()
    ]


def _whole(text: str) -> str:
    return _NUMBER.sub(lambda number: f"{float(number[0]):.0f}", text)


def _themed(colour: str) -> str:
    return "currentColor" if colour == _INK else colour
