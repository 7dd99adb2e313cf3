"""The terms that reports and pages explain where they are first used, with the words of docs/glossary.md."""

import re
from collections.abc import Iterator
from html import escape

# Sentences of the glossary; a test compares them.
TERMS = {
    "anchor": "A drug that you measure in the target cell line.",
    "atlas": (
        "The responses measured so far, one per drug and cell line, with tables of drugs, genes and "
        "cell lines."
    ),
    "baseline": (
        'A simple prediction that a predictor has to beat, such as "no gene changes" or the consensus.'
    ),
    "calibration": (
        "The agreement of probabilities with frequencies: of the labels with probability 0.7, 70% are right."
    ),
    "card": ("The metadata inside an exported model: target, genes, training data, scores and limits."),
    "consensus": "The mean response of a drug over the source lines.",
    "coverage": "The share of labels that the model gives; the other labels are unknown.",
    "curation": (
        "The step that makes the atlas from a raw bundle: it keeps the signatures, drugs, genes and cell "
        "lines that can be used, and counts the others."
    ),
    "evidence group": (
        "The basis of a drug's prediction. A drug is seen if a source line has measured it, or if it is"
        " an anchor. It is near if it is not seen, but has a Tanimoto similarity of at least 0.4 to a "
        "drug that the model learned from. It is far if it is not seen and less similar."
    ),
    "funnel": (
        "The table of the rows that each step of curation kept and dropped: tables/curated/funnel.csv."
    ),
    "gold": (
        "A LINCS signature whose replicates agree and whose profile differs from those of other signatures."
    ),
    "macro-F1": (
        "The score of labels: the mean of the F1 of down, none and up. The mean counts the three labels"
        " equally, so the many genes that do not change count no more than the few that do. It is 1 if "
        "all labels are right."
    ),
    "margin": (
        "The lead of a label over the second-best label, in log probability. A small margin means an "
        "uncertain label."
    ),
    "pool": "The drugs from which a strategy may choose.",
    "prior": (
        "The expected response of a drug before anything is measured in the target. It is the drug's "
        "mean over the source lines, shrunk towards drugs of similar structure."
    ),
    "pseudo-target": (
        "A source line that is held out and treated as a target, to learn the settings of a model "
        "without looking at the real target."
    ),
    "raw bundle": (
        "A folder with the public data of a release, such as LINCS2020: z-scores with tables of their "
        "signatures, compounds, genes and cell lines."
    ),
    "seed": (
        "The number from which random numbers are made, so that a run can be repeated exactly. In the "
        "pipeline each seed is a campaign of its own."
    ),
    "signature": (
        "A list of genes with a value or a direction for each. A signature of LINCS is the measured response "
        "of one cell line to one drug at one dose and time."
    ),
    "source line": (
        "A cell line of the atlas other than the target. Its measurements are the basis of the prior."
    ),
    "strategy": "A rule that chooses the next drugs.",
    "target": "The cell line in which you want predictions.",
    "test drug": (
        "A drug of the target that is set aside before anything else, to score predictions. No model learns "
        "from its responses."
    ),
    "untreated expression": (
        "How strongly a cell line expresses each gene without any treatment, neither a drug nor a solvent."
    ),
    "z-score": (
        "The change of a gene's expression under a drug, compared with other wells of the same plate, in "
        "units of the variation between wells."
    ),
}
_PLURALS = {"strategies": "strategy", **{f"{term}s": term for term in TERMS}}
_WORDS = sorted({*TERMS, *_PLURALS}, key=len, reverse=True)
_TERM = re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, _WORDS))})(?![\w-])", re.IGNORECASE)
_BY_NAME = {name.casefold(): term for name, term in {**{term: term for term in TERMS}, **_PLURALS}.items()}
# Whole elements without prose, and single tags.
_TAG = re.compile(r"(<(script|style|svg|title)\b.*?</\2>|<[^>]*>)", re.DOTALL)
# These contain a name, a control or a cell; a caption may be part of a list of cards.
_NO_PROSE = frozenset(
    (
        "a",
        "button",
        "caption",
        "code",
        "h1",
        "h2",
        "h3",
        "label",
        "nav",
        "pre",
        "select",
        "summary",
        "td",
        "th",
    )
)


def first_uses(text: str, used: set[str]) -> Iterator[tuple[str, str | None]]:
    """Yield the parts of a text, each with the term that it is the first use of, or None.

    Parameters
    ----------
    used
        The terms that were used before; those of the text are added.
    """
    done = 0
    for found in _TERM.finditer(text):
        term = _BY_NAME[found[0].casefold()]
        if term in used:
            continue
        used.add(term)
        if found.start() > done:
            yield text[done : found.start()], None
        yield found[0], term
        done = found.end()
    if done < len(text):
        yield text[done:], None


def with_terms(page: str) -> str:
    """Return a page in whose prose the first use of each term is a button that shows its definition."""
    parts, inside, used = [], 0, set()
    start = page.index("<main")
    last = page.index("</main>")
    # Of a match, split also returns the name of an element that is skipped whole.
    for place, part in enumerate(_TAG.split(page[start:last])):
        kind = place % 3
        if kind == 1:
            name = re.match(r"</?(\w+)", part)
            if name and name[1] in _NO_PROSE:
                inside += -1 if part.startswith("</") else 1
            parts.append(part)
        elif kind == 0 and inside:
            parts.append(part)
        elif kind == 0:
            pieces = first_uses(part, used)
            parts += [piece if term is None else _button(piece, term) for piece, term in pieces]
    told = "".join(f'<span id="{_identity(term)}">{escape(TERMS[term])}</span>' for term in sorted(used))
    return "".join((page[:start], *parts, f"<div hidden>{told}</div>\n", page[last:]))


def _button(word: str, term: str) -> str:
    return (
        f'<button type="button" class="term" data-tip="{escape(TERMS[term])}" '
        f'aria-describedby="{_identity(term)}">{word}</button>'
    )


def _identity(term: str) -> str:
    return f"term-{term.replace(' ', '-').casefold()}"
