"""Tables and colours on a terminal, whose texts cannot bring colours or other orders of their own."""

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from anchordrug.cli.group import shown


class PlainConsole(Console):
    """A console that shows control characters of a text as spaces."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield the pieces of `renderable`, each with its style and a text that a terminal only shows."""
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(shown(piece.text), piece.style)
