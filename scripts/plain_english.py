"""Look for habits that make sentences hard to read: python scripts/plain_english.py [PATH ...].

Without a path it looks in the documents and the code. docs/writing.md explains the habits.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent

# White space without an empty line.
_SPACE = r"(?:[^\S\n]+|[^\S\n]*\n[^\S\n]*)"
# The units of "one row per gene".
_UNITS = (
    "gene|drug|row|round|well|plate|line|file|call|second|minute|hour|day|label|structure|compound|batch|column|"
    "sample|stage|molecule|kind|format|signature|group|task|epoch|target|replicate|cell|page|command|step|value"
)
_THINGS = (
    "row|column|line|symbol|number|figure|value|score|drug|gene|call|block|file|table|well|plate|step|minute|"
    "second|hour|byte|time|label|signature|structure|compound|name|path|word|reason|sentence|set|chunk|pass|"
    "point|dot|vector|matrix|process|thread|folder|box"
)


# After a noun, not before it.
_END = r"(?=[.,;:)|]|$| (?:is|are|was|has|have|that|which|of|in|with|for|from)\b)"


@dataclass(frozen=True)
class Habit:
    """A habit: its name, patterns of the words that show it, and the remedy.

    A space in a pattern is any white space.
    """

    name: str
    patterns: tuple[str, ...]
    remedy: str

    def found(self, text: str) -> Iterator[re.Match]:
        """Yield the places of `text` that show the habit."""
        found = list(_compiled(self.patterns).finditer(text))
        allowed = [right.span() for right in _compiled(ALLOWED).finditer(text)] if found else []
        for place in found:
            if not any(start <= place.start() and place.end() <= end for start, end in allowed):
                yield place


HABITS = (
    Habit("'what' as a noun", (r"\bwhat\b(?![^.!|]{0,120}\?)",), "name the thing"),
    Habit(
        "'a row a gene'",
        (
            rf"\b(?:an?|one|two|three|four|five|ten|\d+) (?:{_THINGS})s? an? (?:{_UNITS})\b",
            rf"\b(?:{_THINGS})s an? (?:{_UNITS})\b(?! (?:has|is|was|of|that|which|may|can|\w+s)\b)",
        ),
        "write 'one row per gene'",
    ),
    Habit(
        "'one' as a noun",
        (
            rf"\b(?:the|another|such|own|this|that|which|each|every|an? \w+) one\b{_END}",
            r"\bones\b",
            rf"\bno other\b{_END}",
        ),
        "repeat the noun",
    ),
    Habit(
        "'stand' or 'lie'",
        (r"\b(?:stands?|stood|lies?|lay|lain|lying)\b",),
        "a file is in a folder, a table contains a value",
    ),
    Habit(
        "a rare or old word",
        (
            r"\b(?:likeliest|anew|beside|foretells?|foretold|hardly|mend(?:s|ed|ing)?|dealt|alike)\b",
            r"\b(?:be it|of itself|at hand|of old|thereby|whence|wherein|behold|amid|likewise|nought)\b",
        ),
        "most probable, again, next to, predicted, even if, barely, fix, split, available",
    ),
    Habit(
        "'a kill' or 'a cut'",
        (
            r"\b(?:an?|the|each|every|after|of) (?:kill|cut)s?"
            r"(?=[.,;:)|]|$| (?:at|in|is|was|costs?|loses?|and|or|it)\b)",
        ),
        "an interruption, or 'if the command is interrupted'",
    ),
    Habit(
        "a thing that acts like a person",
        (
            r"\bwould rather\b|\b(?:says?|said) so\b|\b(?:says?|tells?|knows?) nothing\b",
            r"\baimed at\b|\bteach(?:es)?\b|\bplay(?:s|ed)? the target\b",
        ),
        "abstains, has no value, reports an error, is used as",
    ),
    Habit(
        "'goes on', 'goes to'",
        (
            r"\b(?:goes|go|went|gone|going) on\b",
            r"\b(?:row|file|table|output|result|value|message|error)s? go(?:es)? (?:to|into)\b",
        ),
        "a run resumes, rows are written to",
    ),
    Habit(
        "'is no', 'needs no'",
        (
            r"\b(?:is|are|was|were|be) no (?!longer|more|less|fewer|later|sooner|better|worse|one\b)\w+",
            r"\b(?:needs?|requires?) (?:no|none)\b",
        ),
        "is not a, does not need",
    ),
    Habit(
        "a foreign preposition",
        (
            r"\b(?:told|tells?|knows?|known) (?:by|of)\b",
            r"\bof (?:which|what) \w+ (?:they|it) (?:is|are)\b",
            r"\bset it by\b",
        ),
        "with, from, about",
    ),
    Habit("a number without its zero", (r"(?<![\w.)\]/*%+\\-])\.\d",), "0.653"),
    Habit("a space before %", (r"\d %(?![\w(])",), "15%"),
    Habit(
        "'some ten'",
        (r"\bsome (?:two|three|five|ten|twenty|thirty|hundred|\d+)\b",),
        "about 10",
    ),
    Habit(
        "'the page before'",
        (r"\bthe page (?:before|after)\b",),
        "name the page and link it",
    ),
    Habit(
        "a long sentence",
        # More than 30 words without a mark that ends a sentence or a part of it.
        (r"(?<!\S)(?:[^\s.;:!?|=]+ ){30,}[^\s.;:!?|=]+",),
        "split it: 20 words are a good length, 25 the most",
    ),
    Habit("'the bench' for the lab", (r"\b(?:at|from|to|in|on) the bench\b",), "the lab"),
)

# Where the words are right.
ALLOWED = (
    r"['\"]likeliest['\"]|no matter what|\basks? what|stands? (?:out|for)|lays? out",
    r"there (?:is|are|was|were) no \w+|known by the name|(?:names|calls) an? \w+",
    # Words that version 0.1 wrote into the files of a campaign, by which these are recognised.
    r"predicts the library with what is measured so far",
)


@cache
def _compiled(patterns: tuple[str, ...]) -> re.Pattern:
    return re.compile("|".join(patterns).replace(" ", _SPACE), re.I)


# Pages that the code or a command makes, data under a hash, and the history.
_MADE = re.compile(r"docs/reference/\w+\.md|benchmarks/paper/results/|datasets/|CHANGELOG\.md")


@dataclass(frozen=True)
class Piece:
    """Some words of a file: the line on which they begin, and the words with their line breaks."""

    line: int
    text: str


@dataclass(frozen=True)
class Finding:
    """Words of `place` (file and line) that show a habit."""

    place: str
    habit: Habit
    words: str

    def __str__(self) -> str:
        """Return the line that is printed."""
        return f"{self.place}: {self.habit.name}: {self.words}: {self.habit.remedy}"


def files() -> list[str]:
    """Return every file with words that a reader meets, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    kinds = ["*.md", "*.ipynb", "params.yaml", "src/*.py", "src/*.html", "docs/reference/*.py"]
    done = subprocess.run([*command, *kinds], cwd=ROOT, capture_output=True, text=True, check=True)
    return [
        name
        for name in sorted(set(done.stdout.splitlines()))
        if not _MADE.match(name) and (ROOT / name).is_file()
    ]


def findings(name: str) -> Iterator[Finding]:
    """Yield the places of a file that show a habit."""
    path = ROOT / name
    for piece in READERS[path.suffix](path.read_text(encoding="utf-8")):
        for habit in HABITS:
            for found in habit.found(piece.text):
                line = piece.line + piece.text.count("\n", 0, found.start())
                words = piece.text[max(found.start() - 25, 0) : found.end() + 25]
                yield Finding(f"{name}:{line}", habit, " ".join(words.split()))


def prose(text: str) -> str:
    """Return markdown with the same lines, without code (an X for each) and without the targets of links."""
    text = re.sub(
        r"^ *```.*?^ *```$|<!--.*?-->", lambda found: "\n" * found[0].count("\n"), text, flags=re.M | re.S
    )
    text = re.sub(r"``[^`]+``|`[^`]*`", lambda found: "X" + "\n" * found[0].count("\n"), text)
    text = re.sub(r"\]\([^)\s]*\)|\]\[[^]]*\]", "", text)
    return re.sub(r"[*\[\]]|</?\w[^>\n]*>", "", text)


def _markdown(text: str) -> Iterator[Piece]:
    indented = re.compile(r"(?<=\n\n)(?: {4,}[^\n]*\n)+")
    yield Piece(1, prose(indented.sub(lambda found: "\n" * found[0].count("\n"), text)))


def _notebook(text: str) -> Iterator[Piece]:
    """Yield the cells of text; each of their lines is a line of the file."""
    end = 0
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "markdown":
            end = text.index(json.dumps(cell["source"][0], ensure_ascii=False), end)
            yield Piece(text.count("\n", 0, end) + 1, prose("".join(cell["source"])))


def _page(text: str) -> Iterator[Piece]:
    """Yield the words of a page, without its marks, its code and the words that a command puts there."""
    for pattern in (r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", r"<(script|style)\b.*?</\1>|<[^>]*>"):
        text = re.sub(pattern, lambda found: "\n" * found[0].count("\n"), text, flags=re.S)
    yield Piece(1, text)


def _comments(text: str) -> Iterator[Piece]:
    for found in re.finditer(r"(?:^[^\S\n]*# .*\n?)+", text, re.M):
        words = re.sub(r"^[^\S\n]*# ", "", found[0], flags=re.M)
        yield Piece(text.count("\n", 0, found.start()) + 1, prose(words))


def _code(text: str) -> Iterator[Piece]:
    """Yield the comments, the docstrings and the messages of a module."""
    yield from _comments(text)
    inside: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.JoinedStr):
            # A value that the message is filled with is an X; the parts come again further on.
            inside |= {id(part) for part in ast.walk(node)}
            words = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            words = node.value
        else:
            continue
        if " " in words.strip():
            lines = (node.end_lineno or node.lineno) - node.lineno
            # Line breaks that are written as \n are not lines of the file.
            yield Piece(node.lineno, prose(words if words.count("\n") <= lines else words.replace("\n", " ")))


READERS = {".md": _markdown, ".ipynb": _notebook, ".html": _page, ".yaml": _comments, ".py": _code}


def main(paths: list[str]) -> int:
    """Print the findings; return 1 if there is one."""
    wanted = [Path(path).resolve().relative_to(ROOT) for path in paths or [ROOT]]
    names = [name for name in files() if any(Path(name).is_relative_to(path) for path in wanted)]
    found = [finding for name in names for finding in findings(name)]
    for finding in found:
        print(finding)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
