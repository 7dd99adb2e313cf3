"""The expected accuracy of each evidence group, from played campaigns in the source lines."""

from collections.abc import Sequence

from anchordrug.evidence_group import GROUPS
from anchordrug.predictors.base import Expectation


def expected_at(expectations: Sequence[Expectation], group: str, anchors: int) -> Expectation | None:
    """Return the expectation of a group with so many anchors, or the next smaller number that was tried."""
    own = [entry for entry in expectations if entry.group == group and entry.anchors <= anchors]
    return max(own, key=lambda entry: entry.anchors, default=None)


def expected_groups(expectations: Sequence[Expectation], anchors: int) -> dict[str, dict[str, float]]:
    """Return the expectation of every group with so many anchors, by name; a group may be unknown."""
    found = {group: expected_at(expectations, group, anchors) for group in GROUPS}
    return {
        group: {name: getattr(entry, name) for name in ("macro_f1", "low", "high", "lines", "anchors")}
        for group, entry in found.items()
        if entry is not None
    }
