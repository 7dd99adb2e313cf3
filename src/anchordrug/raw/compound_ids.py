"""Ids of compounds: whether a text may be one, and notes on all ids of a file."""

import re

from anchordrug.raw.dates import days_of

# An id is repeated in every row of the predictions.
MOST_ID_CHARACTERS = 250
# The text of a cell with a date.
_DATE_CELL = re.compile(r"(\d{4}-\d\d-\d\d) 00:00:00")
# As spreadsheets show a number with many digits, also with a decimal comma.
_SCIENTIFIC = re.compile(r"\d([.,]\d+)?E[+-]\d\d+", re.IGNORECASE)
_EXAMPLES = 3


def problem_with_id(drug_id: str) -> str | None:
    """Return why a cell is not an id, None if it may be an id."""
    length = len(drug_id)
    if length > MOST_ID_CHARACTERS:
        return f"a drug_id of {length:,} characters; give it one of at most {MOST_ID_CHARACTERS}"
    date = _DATE_CELL.fullmatch(drug_id)
    if date is None:
        return None
    return f"its id is a date ({date[1]}), as spreadsheets make of MAR1; format the column as text"


class IdCounts:
    """Counts of the ids of a file that are empty, or that a spreadsheet has probably changed.

    Attributes
    ----------
    place
        Where ids are expected, as in "column 'id'"; None where their absence is told otherwise.
    called
        How a drug without an id is called.
    """

    def __init__(self, place: str | None = None, called: str = "row_N") -> None:
        self.place, self.called = place, called
        self.rows = self.empty = self.changed = 0
        self.examples: list[str] = []

    def add(self, key: str, drug_id: str) -> None:
        """Count a row, given the text of its id, and the id or name by which it is called."""
        self.rows += 1
        self.empty += not key
        if (days_of(drug_id) or _SCIENTIFIC.fullmatch(drug_id)) and problem_with_id(drug_id) is None:
            self.changed += 1
            if len(self.examples) < _EXAMPLES:
                self.examples.append(drug_id)

    def notes(self) -> list[str]:
        """Return the notes on the rows so far."""
        notes = []
        if self.place is not None and self.empty:
            where = "all rows" if self.empty == self.rows else f"{self.empty:,} of {self.rows:,} rows"
            notes.append(f"{self.place} is empty in {where}; a drug without an id is called {self.called}")
        if self.changed:
            examples = ", ".join(f"'{example}'" for example in self.examples)
            more = ", ..." if self.changed > len(self.examples) else ""
            ids = "1 id looks" if self.changed == 1 else f"{self.changed:,} ids look"
            notes.append(
                f"{ids} like a date or a number that a spreadsheet has written in place of an id "
                f"({examples}{more}); compare with the original list, and import its ids as text"
            )
        return notes
