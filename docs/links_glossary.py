"""A hook of mkdocs: the first use of a term on a page links to the glossary and shows its definition.

The files of the pages stay free of these links. A page that links a term by hand keeps its own link.
"""

import posixpath
import re
from functools import cache
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

GLOSSARY = "docs/glossary.md"
ROOT = Path(__file__).parent.parent
# Not prose: fences, code, headings, comments, links with their text, marks of HTML, indented code.
_NOT_PROSE = re.compile(
    r"^ *```.*?^ *```$|`[^`\n]*`|^#.*?$|<!--.*?-->|!?\[[^\]]*\]\([^)]*\)|</?[a-z][^>\n]*>"
    r"|(?<=\n\n) {4}[^\n]*(?:\n {4}[^\n]*)*",
    re.M | re.S,
)
# Phrases in which a term has another meaning.
OTHERWISE = re.compile(
    r"hull coverage|(?:statistics|scenarios), coverage|coverage of the responses|pool with one process|"
    r"local pool|mostly pools|\| margin \||core-set, margin|(?:standard|plotting) library|"
    r"drugs as seeds|k-means\+\+ seeds|anchordrug \w+".replace(" ", r"\s+"),
    re.I,
)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Link the first use of each term in `page`."""
    path = page.file.src_uri
    path = path.removeprefix("repository/") if path.startswith("repository/") else f"docs/{path}"
    return markdown if path == GLOSSARY else linked(markdown, posixpath.dirname(path))


def linked(markdown: str, folder: str) -> str:
    """Return a page of `folder` (relative to the repository) with a link at the first use of each term."""
    glossary = posixpath.relpath(GLOSSARY, folder or ".")
    # The page with dashes where no term is looked for.
    prose = OTHERWISE.sub(_dashes, _NOT_PROSE.sub(_dashes, markdown))
    for term, meaning in terms().items():
        link = f"{glossary}#{anchor(term)}"
        found = None if f"({link}" in markdown else uses(term).search(prose)
        if found:
            start, end = found.span()
            text = f'[{markdown[start:end]}]({link} "{meaning}")'
            markdown = markdown[:start] + text + markdown[end:]
            prose = prose[:start] + "-" * len(text) + prose[end:]
    return markdown


def _dashes(found: re.Match) -> str:
    return "-" * len(found[0])


@cache
def terms() -> dict[str, str]:
    """Return the terms of the glossary, longest first, each with the first sentence of its definition."""
    text = (ROOT / GLOSSARY).read_text(encoding="utf-8")
    parts = re.findall(r"^## ([^\n]+)\n\n(.+?)(?:\n\n|\Z)", text, re.M | re.S)
    meanings = {
        term: re.sub(r"\[([^\]]*)\]\([^)]*\)|[*`]", r"\1", " ".join(said.split())) for term, said in parts
    }
    first = {term: re.split(r"(?<=\.) ", said)[0].replace('"', "'") for term, said in meanings.items()}
    return dict(sorted(first.items(), key=lambda term: -len(term[0])))


def uses(term: str) -> re.Pattern:
    """Return the pattern of a term in its singular and plural, at most broken over two lines."""
    words = re.escape(term).replace(r"\ ", r"\s")
    forms = f"{words[:-1]}(?:y|ies)" if term.endswith("y") else f"{words}s?"
    return re.compile(rf"(?<![\w-]){forms}(?![\w-])", re.I)


def anchor(term: str) -> str:
    """Return the anchor of a term's heading."""
    return term.lower().replace(" ", "-")
