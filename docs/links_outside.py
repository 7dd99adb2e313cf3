"""A hook of mkdocs: what the documents link to outside docs/ comes along, so that links work as on GitHub.

A file PATH of the repository is REPOSITORY/PATH of the site; markdown among them becomes a page.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
REPOSITORY = "repository/"
# A relative link of markdown: no scheme, no bare anchor.
LINK = re.compile(r"(?<=\]\()(?!#|[a-z]+:)([^)\s#]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what pages link to, and what the pages that come along by it link to."""
    waiting = [path for path in files.src_uris if path.endswith(".md")]
    while waiting:
        page = waiting.pop()
        for link in LINK.findall((ROOT / _path(page)).read_text(encoding="utf-8")):
            path = _target(page, link)
            uri = _uri(path)
            # What is missing is left to the check of links.
            if uri in files.src_uris or not uri.startswith(REPOSITORY) or not (ROOT / path).is_file():
                continue
            files.append(File.generated(config, uri, abs_src_path=str(ROOT / path)))
            if uri.endswith(".md"):
                waiting.append(uri)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001
    """Point links of `page` to where their targets are in the site."""
    uri = page.file.src_uri
    return LINK.sub(
        lambda link: posixpath.relpath(_uri(_target(uri, link[1])), posixpath.dirname(uri) or "."), markdown
    )


def _path(uri: str) -> str:
    """Return where in the repository a file of the site lies."""
    return uri.removeprefix(REPOSITORY) if uri.startswith(REPOSITORY) else f"docs/{uri}"


def _uri(path: str) -> str:
    """Return where in the site a file of the repository lies."""
    return path.removeprefix("docs/") if path.startswith("docs/") else REPOSITORY + path


def _target(uri: str, link: str) -> str:
    """Return the path in the repository that `link` of page `uri` leads to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(_path(uri)), link))
