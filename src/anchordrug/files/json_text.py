"""JSON, read strictly: text that other programs would read differently, or not at all, is an error."""

import json
from typing import Any


def parsed(text: str | bytes) -> Any:
    """Return the value of a text in JSON.

    Raises
    ------
    ValueError
        The text is not JSON or not UTF-8, is nested deeper than Python follows, or has a key twice in an
        object; or a number is not finite or has thousands of digits.
    """
    try:
        return json.loads(
            text if isinstance(text, str) else text.decode("utf-8-sig"),
            parse_float=_finite,
            parse_constant=_finite,
            object_pairs_hook=_without_repeated_keys,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _finite(text: str) -> float:
    value = float(text)
    if abs(value) < float("inf"):
        return value
    raise ValueError(f"{text[:20]} is not a finite number")


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found
