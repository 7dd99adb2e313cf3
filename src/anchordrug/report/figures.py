"""The figures of one page: inside it, and as files of their own."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from anchordrug.files.atomic import atomic_folder
from anchordrug.report.inline_svg import inline_svg
from anchordrug.report.plots import Figure


@dataclass
class Figures:
    """The figures of a page, by the name of their files."""

    drawn: dict[str, Figure] = field(default_factory=dict)

    def add(self, name: str, figure: Figure) -> Markup:
        """Keep `figure` and return it as markup of the page."""
        self.drawn[name] = figure
        return Markup(inline_svg(figure, name))

    def write(self, folder: Path) -> None:
        """Write every figure as a file of its own, in place of those of an earlier report."""
        if folder.exists():
            shutil.rmtree(folder)
        with atomic_folder(folder) as temporary:
            for name, figure in self.drawn.items():
                (temporary / f"{name}.svg").write_text(figure.svg, encoding="utf-8")
