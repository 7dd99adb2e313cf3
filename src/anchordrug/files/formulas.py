"""Text cells that a spreadsheet would take for a formula, and compute, when it opens a CSV file."""

import re

# = + - @ and their full-width forms, or a blank that hides one; with any apostrophes before it, so that none
# of them is mistaken for a mark.
_FORMULA = re.compile("'*[=+\\-@\t\r\n\0\uff1d\uff0b\uff0d\uff20]")
# A cell that starts with it is text to every spreadsheet.
MARK = "'"


def escaped(text: str) -> str:
    """Return `text` with a leading apostrophe if it starts like a formula (OWASP, CSV injection)."""
    return MARK + text if _FORMULA.match(text) else text


def unescaped(text: str) -> str:
    """Return the text that `escaped` returned this for."""
    return text[1:] if text.startswith(MARK) and _FORMULA.match(text[1:]) else text
