"""Figures inside a page: colours that follow its theme, names for screen readers, points with labels."""

import re
from xml.etree import ElementTree

from anchordrug.report.plots import FAINT, INK, Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
REFERENCE = re.compile(r"(?<=#)[\w.-]+")


def inline_svg(figure: Figure, name: str) -> str:
    """Return the SVG element of `figure` for a page; `name` keeps its ids apart from other figures'.

    Each named point becomes an element with an accessible name that can be hovered over; anchors can also be
    reached with the keyboard.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(figure.svg)
    for child in [node for node in root if node.tag == f"{{{SVG}}}metadata"]:
        root.remove(child)
    for points in figure.points:
        group = root.find(f".//*[@id='{points.group}']")
        # matplotlib draws a mark again where that is shorter than to refer to it, as for a single point.
        marks = (
            [] if group is None else list(group.iter(f"{{{SVG}}}use")) or list(group.iter(f"{{{SVG}}}path"))
        )
        for mark, label in zip(marks, points.labels, strict=True):
            mark.set("data-tip", label)
            if points.group.startswith("anchors"):
                mark.attrib |= {"tabindex": "0", "role": "img", "aria-label": label}
    for element in root.iter():
        for key, value in element.attrib.items():
            if key == "id":
                element.set(key, f"{name}-{value}")
            elif key == f"{{{XLINK}}}href" or value.startswith("url(#"):
                element.set(key, REFERENCE.sub(lambda found: f"{name}-{found[0]}", value))
            elif key == "style":
                element.set(key, _themed(REFERENCE_IN_STYLE.sub(rf"url(#{name}-\1)", value)))
    for size in ("width", "height"):
        del root.attrib[size]
    interactive = any(points.group.startswith("anchors") for points in figure.points)
    root.attrib |= {"role": "group" if interactive else "img", "aria-label": figure.shows}
    return ElementTree.tostring(root, encoding="unicode")


REFERENCE_IN_STYLE = re.compile(r"url\(#([\w.-]+)\)")


def _themed(style: str) -> str:
    style = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", style)
    return style.replace(INK, "currentColor").replace(FAINT, "var(--faint)")
