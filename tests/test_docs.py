"""What the documents say must be so: links lead somewhere, commands are run, every strategy has its page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from anchordrug.acquisition.registry import strategies, strategy
from docs.links_glossary import OTHERWISE, anchor, terms, uses
from tests.conftest import ROOT
from tests.documents import NOT_RUN, blocks, commands, is_not_run, pages, played_commands

STRATEGIES = ROOT / "docs/strategies"
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.M | re.S)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.M)


def test_every_strategy_has_a_page_that_tells_its_principle_formula_cost_and_source():
    index = (STRATEGIES / "README.md").read_text(encoding="utf-8")
    names = set()
    own = [name for name in strategies() if strategy(name).__module__.startswith("anchordrug.")]
    for name in own:
        page = f"{name.removesuffix('_points')}.md"
        text = (STRATEGIES / page).read_text(encoding="utf-8")
        assert f"`{name}`" in index
        assert name in text.splitlines()[0]
        for part in ("Principle", "Formula", "Cost", "Source"):
            assert f"**{part}.**" in text, (page, part)
        assert f"({page})" in index
        names.add(page)
    assert {path.name for path in STRATEGIES.glob("*.md")} == names | {"README.md"}


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = [re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in HEADING.findall(text)]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(page):
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        assert not anchor or anchor in anchors(target), link


def test_every_command_is_run_or_says_why_not():
    written = {(page.relative_to(ROOT).as_posix(), line) for page in pages() for line in commands(page)}
    nobody = {one for one in written if one[1] not in played_commands() and not is_not_run(one[1])}
    assert not nobody, "play these in a page of tests/documents.py: STORIES, or give the reason in NOT_RUN"
    # In a fence they are found.
    indented = re.compile(r"^ {4,}(anchordrug|dvc|python|make|pip|npm|node) ", re.M)
    assert not [page for page in pages() if indented.search(page.read_text(encoding="utf-8"))]
    unused = {start for start in NOT_RUN if not any(re.match(start, line) for _, line in written)}
    assert not unused


def test_the_example_in_python_is_the_one_that_is_played():
    (shown,) = [block for block in blocks(ROOT / "README.md") if block.language == "python"]
    assert shown == blocks(ROOT / "docs/python.md")[0]


def test_benchmarks_have_the_options_that_the_pages_give_them():
    lines = {line for page in pages() for line in commands(page) if line.startswith("python benchmarks/")}
    assert lines
    for line in lines:
        _, script, *words = line.split()
        code = (ROOT / script).read_text(encoding="utf-8")
        assert all(f'"{word}"' in code for word in words if word.startswith("--")), line


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The documents as a site."""
    folder = tmp_path_factory.mktemp("site")
    command = [Path(sys.executable).parent / "mkdocs", "build", "--strict", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_loads_nothing_from_elsewhere(site):
    loaded = re.compile(r"<(?:script|img|iframe|source)[^>]*\ssrc=\"https?:|<link[^>]*\shref=\"https?:")
    for page in site.rglob("*.html"):
        assert not loaded.search(page.read_text(encoding="utf-8")), page


def test_lists_of_the_pages_are_lists_of_the_site(site):
    """Python-Markdown, unlike GitHub, takes a list without an empty line before it for text."""
    for page in site.rglob("*.html"):
        assert not re.search(r"<p>((?!</p>).)*\n(- |\d\. )", page.read_text(encoding="utf-8"), re.S), page


def test_every_page_links_the_terms_that_it_uses_to_the_glossary(site):
    linked = set()
    for page in site.rglob("*.html"):
        (article,) = re.findall(r"<article.*?</article>", page.read_text(encoding="utf-8"), re.S) or [""]
        if page.name == "glossary.html":
            continue
        text = re.sub(r"<(pre|code|h\d|a)\b.*?</\1>|<(script|style)\b.*?</\2>", "-", article, flags=re.S)
        text = OTHERWISE.sub("-", re.sub(r"</t[dh]>\s*<t[dh]>", " | ", text))
        text = re.sub(r"<[^>]*>", "", text)
        here = {term for term in terms() if f'glossary.html#{anchor(term)}"' in article}
        assert not {term for term in terms() if uses(term).search(text)} - here, page
        linked |= here
    assert linked == set(terms()), "the glossary has a term that no page uses"
