"""Draw docs/assets/architecture.svg: the rooms of the code and the imports between them.

Each row imports from rows below it. An arrow that follows from others is left out (a transitive reduction),
and so are the rooms that nearly all others import. After a change of imports, run:
python docs/draw_architecture.py
"""

from pathlib import Path

import grimp
import networkx

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs/assets/architecture.svg"
# Nearly every room imports these; drawn, they would hide the rest.
EVERYWHERE = {"errors", "files", "labels", "registry", "schemas", "settings"}
WIDTH, ROW, BOX, LETTER = 860, 62, 24, 7.4
STYLE = """
text { font: 12px ui-monospace, monospace; text-anchor: middle; fill: #1a1c1e; }
rect { fill: #f2f5f7; stroke: #00558c; rx: 5px; }
path { fill: none; stroke: #6f767d; stroke-width: 1.1; }
@media (prefers-color-scheme: dark) {
  text { fill: #e8eaec; } rect { fill: #1f2428; stroke: #7cc0f0; } path { stroke: #9aa3ab; }
}
"""


def imports() -> networkx.DiGraph:
    """Return which rooms (top-level modules and packages of anchordrug) import which others."""
    modules = grimp.build_graph("anchordrug", cache_dir=None, exclude_type_checking_imports=True)
    graph = networkx.DiGraph()
    for module in sorted(modules.modules - {"anchordrug"}):
        importer = module.split(".")[1]
        graph.add_node(importer)
        for imported in sorted(modules.find_modules_directly_imported_by(module) - {"anchordrug"}):
            if imported.split(".")[1] != importer:
                graph.add_edge(importer, imported.split(".")[1])
    return graph


def picture() -> str:
    """Return the diagram as SVG."""
    graph = imports()
    graph.remove_nodes_from(EVERYWHERE)
    reduced = networkx.transitive_reduction(graph)
    place = _places([sorted(row) for row in networkx.topological_generations(graph)], reduced)
    arrows = []
    for importer, imported in sorted(reduced.edges):
        (x, y), (to_x, to_y) = place[importer], place[imported]
        start, end = y + BOX / 2, to_y - BOX / 2 - 5
        middle = (end - start) / 2
        arrows.append(
            f'<path id="{importer}-{imported}" marker-end="url(#head)" '
            f'd="M{x:.0f} {start:.0f}C{x:.0f} {start + middle:.0f} {to_x:.0f} {end - middle:.0f} '
            f'{to_x:.0f} {end:.0f}"/>'
        )
    boxes = []
    for name, (x, y) in place.items():
        width = LETTER * len(name) + 14
        boxes.append(
            f'<rect x="{x - width / 2:.1f}" y="{y - BOX / 2:.0f}" width="{width:.1f}" height="{BOX}"/>'
            f'<text x="{x:.0f}" y="{y + 4:.0f}">{name}</text>'
        )
    height = max(y for _, y in place.values()) + ROW / 2
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
            "<title>Which room of AnchorDrug imports which</title>",
            f"<style>{STYLE}</style>",
            '<marker id="head" viewBox="0 0 6 6" refX="3" refY="3" markerWidth="6" markerHeight="6" '
            'orient="auto"><circle cx="3" cy="3" r="2.2" fill="#6f767d"/></marker>',
            *arrows,
            *boxes,
            "</svg>\n",
        ]
    )


def _places(rows: list[list[str]], graph: networkx.DiGraph) -> dict[str, tuple[float, float]]:
    """Return the middle of every box; each row is in the order of the boxes above that import it."""
    place: dict[str, tuple[float, float]] = {}
    for number, row in enumerate(rows):

        def above(name: str) -> float:
            users = [place[user][0] for user in graph.predecessors(name) if user in place]
            return sum(users) / len(users) if users else WIDTH / 2

        ordered = sorted(row, key=lambda name: (above(name), name))
        for position, name in enumerate(ordered):
            place[name] = (WIDTH * (position + 0.5) / len(ordered), ROW * (number + 0.5))
    return place


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
