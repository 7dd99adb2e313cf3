"""Terms are explained where they come first, with the words of the glossary."""

import re
from html.parser import HTMLParser

import pytest

from anchordrug.report.terms import TERMS, first_uses, with_terms
from tests.conftest import ROOT

GLOSSARY = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")


def plain(markdown: str) -> str:
    """Return the text of Markdown on one line, without its marks."""
    return " ".join(re.sub(r"\[([^]]*)\]\([^)]*\)|[*`]", r"\1", markdown).split())


ENTRIES = {
    title: plain(entry) for title, entry in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", GLOSSARY, re.M | re.S)
}


@pytest.mark.parametrize("term", TERMS)
def test_definitions_are_sentences_of_the_glossary(term):
    for sentence in re.split(r"(?<=[.]) (?=[A-Z])", TERMS[term]):
        assert sentence in ENTRIES[term]


def test_the_first_use_of_each_term_is_marked():
    used: set[str] = set()
    parts = list(first_uses("Source lines teach priors; the prior of an Anchor, pseudo-targets.", used))
    assert "".join(part for part, _ in parts) == (
        "Source lines teach priors; the prior of an Anchor, pseudo-targets."
    )
    assert [pair for pair in parts if pair[1]] == [
        ("Source lines", "source line"),
        ("priors", "prior"),
        ("Anchor", "anchor"),
        ("pseudo-targets", "pseudo-target"),
    ]
    assert list(first_uses("anchors", used)) == [("anchors", None)]
    assert list(first_uses("carpool and pool-like", set())) == [("carpool and pool-like", None)]


class Terms(HTMLParser):
    """The terms that can be pressed, with their definitions, and the texts by id."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.buttons, self.texts, self._identity = [], {}, None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        self._identity = about.get("id") if tag == "span" else None
        if about.get("class") == "term":
            self.buttons.append((tag, about["data-tip"], about["aria-describedby"]))

    def handle_data(self, data):
        if self._identity:
            self.texts[self._identity] = data

    def handle_endtag(self, tag):  # noqa: ARG002
        self._identity = None


def test_only_prose_of_the_content_is_marked():
    page = (
        "<title>pool</title><main><h2>Pool</h2><style>.pool{}</style><script>'pool'</script>"
        '<table><td title="pool">pool</td></table>'
        "<p>The <b>pool</b> and its pool &amp; margin.</p></main>pool"
    )
    marked = with_terms(page)
    assert re.findall(r'class="term".*?>(.*?)<', marked) == ["pool", "margin"]
    found = Terms(marked)
    assert [told for _, told, _ in found.buttons] == [TERMS["pool"], TERMS["margin"]]
    assert [found.texts[identity] for *_, identity in found.buttons] == [TERMS["pool"], TERMS["margin"]]
    rest = re.sub(r'<button type="button" class="term".*?>(.*?)</button>', r"\1", marked)
    assert re.sub(r"<div hidden>.*?</div>\n", "", rest) == page
