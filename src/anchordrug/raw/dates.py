"""Days that spreadsheets write in place of names: SEPT2 becomes '2-Sep', and 3-4-24 becomes '3/4/2024'."""

import re

_NAMES = (
    *(("jan",), ("feb",), ("mar", "mrz", "mär"), ("apr",), ("may", "mai"), ("jun",), ("jul",), ("aug",)),
    *(("sep", "sept"), ("oct", "okt"), ("nov",), ("dec", "dez", "déc", "dic")),
)
_MONTHS = {name: number for number, names in enumerate(_NAMES, start=1) for name in names}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY_MONTH = re.compile(rf"(?P<day>\d{{1,2}})[-. /]{{1,2}}(?P<month>{_MONTH})\.?(?:[-. /]\d{{2,4}})?")
_MONTH_DAY = re.compile(rf"(?P<month>{_MONTH})[-. /]{{1,2}}(?P<day>\d{{1,2}})(?:[-. /,]+\d{{4}})?")
_ISO = re.compile(r"(?:19|20)\d\d-(?P<month>\d\d)-(?P<day>\d\d)(?:[ T]00:00:00(?:\.0+)?)?")
_NUMBERS = re.compile(r"(\d{1,2})([-./])(\d{1,2})\2(?:\d{2}|\d{4})")


def days_of(text: str) -> list[tuple[int, int]]:
    """Return month and day of a text that is a date as spreadsheets write it; empty if it is not a date.

    Of '9/2/2023' there are two: the month is first in the US, the day elsewhere.
    """
    lower = text.lower()
    if named := _DAY_MONTH.fullmatch(lower) or _MONTH_DAY.fullmatch(lower):
        readings = {(_MONTHS[named["month"]], int(named["day"]))}
    elif iso := _ISO.fullmatch(text):
        readings = {(int(iso["month"]), int(iso["day"]))}
    elif numbers := _NUMBERS.fullmatch(text):
        first, second = int(numbers[1]), int(numbers[3])
        readings = {(first, second), (second, first)}
    else:
        return []
    return sorted((month, day) for month, day in readings if 1 <= month <= 12 and 1 <= day <= 31)
