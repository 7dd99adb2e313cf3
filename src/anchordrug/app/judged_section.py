"""Results that were judged but not accepted: drugs, replicates and wells."""

import re
from collections.abc import Mapping

import pandas as pd

from anchordrug.app.widgets import chips, note, paged_table, plain_table, text, within

# Columns of results as people call them.
OUTCOME_NAMES = {
    "drug_id": "id",
    "wells_failed": "wells failed",
    "replicate_correlation": "replicates r",
    "changed": "share of genes changed",
}
_WELL = re.compile(r"([A-P])0?(\d+)")


def draw_judged(judged: dict, ranks: Mapping[str, int]) -> None:
    """Draw how the results of a round were judged; `ranks` has the number of each drug on the plate."""
    for line in judged["lines"]:
        drugs = pd.DataFrame(line["drugs"])
        text("h3", f"{line['cell_line']}: results by drug")
        counts = drugs["status"].value_counts()
        chips([(int(counts.get(status, 0)), words) for status, words in _STATUS.items()])
        for remark in line["notes"]:
            note(remark, "warn")
        columns = ["drug_id", "status", "wells", "wells_failed", "replicate_correlation", "changed", "reason"]
        plain_table(drugs[columns].rename(columns=OUTCOME_NAMES), f"Drugs in {line['cell_line']}")
        if line["wells"]:
            _wells(pd.DataFrame(line["wells"]), ranks)


_STATUS = {"ok": "drugs passed", "failed": "failed and are left out", "missing": "missing"}


def _wells(wells: pd.DataFrame, ranks: Mapping[str, int]) -> None:
    for plate, own in wells.groupby("plate", sort=False):
        failed = int(own["failed"].sum())
        text("h3", f"Wells of {plate}")
        text("p", f"{len(own)} wells, {failed} set aside (marked ✕). DMSO has a dashed edge.", "soft")
        _picture(str(plate), own, ranks)
        with within("details"):
            text("summary", "Wells as a table")
            columns = ["well_position", "drug_id", "reads", "similarity", "failed", "reason"]
            table = own[[name for name in columns if name in own]]
            paged_table(table.astype({"failed": str}), f"Wells of {plate}")


def _picture(plate: str, wells: pd.DataFrame, ranks: Mapping[str, int]) -> None:
    places = {}
    for row in wells.to_dict("records"):
        found = _WELL.fullmatch(str(row["well_position"]))
        if found:
            places[ord(found[1]) - 65, int(found[2]) - 1] = row
    rows, columns = (16, 24) if any(r > 7 or c > 11 for r, c in places) else (8, 12)
    label = f"Picture of {plate}; the same as a table is below"
    with within("div", "wide", tabindex="0", role="img", aria_label=label):
        grid = within("div", "wells")
        grid.style(f"grid-template-columns: 1.4rem repeat({columns}, 1fr)")
        with grid:
            for name in ["", *range(1, columns + 1)]:
                text("div", name, "edge")
            for row in range(rows):
                text("div", chr(65 + row), "edge")
                for column in range(columns):
                    _well(places.get((row, column)), ranks)


def _well(about: dict | None, ranks: Mapping[str, int]) -> None:
    if about is None:
        text("div", "")
        return
    rank = ranks.get(about["drug_id"])
    kind = "failed" if about["failed"] else "control" if rank is None else "drugged"
    name = "D" if rank is None else str(rank)
    text("div", f"✕{name}" if about["failed"] else name, kind)
