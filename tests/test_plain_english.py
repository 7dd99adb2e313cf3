"""The check of habits finds each of them where it is, and finds none in the documents and the code."""

import pytest

from scripts.plain_english import HABITS, files, findings, prose

# Words that show each habit, and words near to them that do not.
EXAMPLES = {
    "'what' as a noun": ("It shows what a model is.", "What is a model? No matter what. Ask what it costs."),
    "'a row a gene'": ("It has a row a gene.", "It names a gene. The files a stage reads."),
    "'one' as a noun": ("Take another one.", "Take one drug. The one drug left. No other drug."),
    "'stand' or 'lie'": ("The file lies in a folder.", "The colours stand out."),
    "a rare or old word": ("Take the likeliest\nlabel.", "Besides, take the best."),
    "'a kill' or 'a cut'": ("Run it again after a kill.", "A cut connection."),
    "a thing that acts like a person": ("A message says so.", "The message says which."),
    "'goes on', 'goes to'": ("The run goes on.", "A gene goes up."),
    "'is no', 'needs no'": ("The file is no model.", "There is no model. It is no longer there."),
    "a foreign preposition": ("Nothing is known of it.", "Nothing is known about it."),
    "a number without its zero": ("It is .653.", "It is 0.653 in x.5."),
    "a space before %": ("It is 15 %.", "It is 15%."),
    "'some ten'": ("It takes some ten minutes.", "It takes some time."),
    "'the page before'": ("See the page before.", "See the page."),
    "a long sentence": (31 * "word " + "end.", 14 * "word " + "end; " + 14 * "word " + "end."),
    "'the bench' for the lab": ("The commands at the bench.", "The package bench."),
}


def test_every_habit_has_an_example():
    assert list(EXAMPLES) == [habit.name for habit in HABITS]


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_a_habit_is_found_in_its_example_alone(habit):
    bad, good = EXAMPLES[habit.name]
    assert [other.name for other in HABITS if list(other.found(bad))] == [habit.name]
    assert not list(habit.found(good))


def test_code_is_not_prose_and_lines_stay():
    text = "A\n```text\nwhat a model is\n```\nsee `what it is` and [a row\na gene](what.md)\n<!-- what -->\n"
    assert prose(text).count("\n") == text.count("\n")
    assert "what" not in prose(text)
    assert "a row\na gene" in prose(text)


def test_a_finding_names_the_line_of_a_message(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.plain_english.ROOT", tmp_path)
    text = '"""Doc.\n\nIt stands here.\n"""\n\nN = 1\n# A kill is\n# what it is.\nprint(f"{N} lies in {N}")\n'
    (tmp_path / "x.py").write_text(text, encoding="utf-8")
    (tmp_path / "x.md").write_text("Fine.\n\nIt\nstands `there`.\n", encoding="utf-8")
    (tmp_path / "x.html").write_text("<p>Fine</p>\n<p>It {{ x }} stands</p><!-- lies -->", encoding="utf-8")
    found = [str(finding) for name in ("x.py", "x.md", "x.html") for finding in findings(name)]
    assert [line.split(":")[:2] for line in sorted(found)] == [
        ["x.html", "2"],
        ["x.md", "4"],
        ["x.py", "3"],
        ["x.py", "7"],
        ["x.py", "8"],
        ["x.py", "9"],
    ]


def test_documents_and_code_have_none_of_the_habits():
    found = [str(finding) for name in files() for finding in findings(name)]
    assert not found, "\n".join(found)
