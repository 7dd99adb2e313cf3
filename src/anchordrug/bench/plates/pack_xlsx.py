"""The pack of a round as a workbook: the plate map first, then protocol, drugs, wells, solutions, samples."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from anchordrug.bench.plates.pack import Pack
from anchordrug.bench.plates.pick_list import PLATE, WELL
from anchordrug.bench.plates.plate_map import VEHICLE
from anchordrug.bench.plates.protocol import checklist, facts, warnings
from anchordrug.bench.plates.source_wells import SOURCE_PLATE, SOURCE_WELL, VOLUME, unpadded
from anchordrug.bench.plates.wells import ROWS, SHAPES, column_of, row_of, size_of
from anchordrug.files.workbooks import safe_text, save_workbook

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

_WIDEST = 45


def write_pack_xlsx(pack: Pack, path: Path) -> None:
    """Write the pack; `read_plate_map` reads its first sheet back as the plate map that it was made from."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.worksheets[0])
    for title, table in (
        ("plate map", _plate_map(pack)),
        ("protocol", _protocol(pack)),
        ("drugs", pack.drugs),
        ("source wells", pack.sources),
        ("pick list", pack.picks),
        ("by hand", pack.by_hand),
        ("samples", pack.samples),
    ):
        sheet = book.create_sheet(title)
        _fill(sheet, [list(table.columns), *table.itertuples(index=False, name=None)])
        sheet.freeze_panes = "A2"
    for number, (plate, wells) in enumerate(pack.of.plate_map.groupby("plate", sort=False), start=1):
        _fill(book.create_sheet(f"grid {number}"), _grid(pack, str(plate), wells))
    save_workbook(book, path)


def _plate_map(pack: Pack) -> pd.DataFrame:
    """Return the map, with rank, source and volumes of each well after its own columns."""
    table = pack.of.plate_map.reset_index(drop=True)
    keys = pd.MultiIndex.from_arrays([table["plate"], table["well_position"].map(unpadded)])
    # The first transfer of a well is its own, another one makes up its DMSO.
    own = pack.picks.groupby([PLATE, WELL]).first().reindex(keys)
    total = pack.picks.groupby([PLATE, WELL])[VOLUME].sum().reindex(keys)
    is_vehicle = table["drug_id"] == VEHICLE
    return table.assign(
        rank=table["drug_id"].map(pack.ranks).astype("Int64"),
        source_plate=own[SOURCE_PLATE].to_numpy(),
        source_well=own[SOURCE_WELL].to_numpy(),
        stock_nl=own[VOLUME].where(~is_vehicle.to_numpy(), 0).to_numpy(),
        dmso_nl=(total - own[VOLUME].where(~is_vehicle.to_numpy(), 0)).to_numpy(),
    )


def _protocol(pack: Pack) -> pd.DataFrame:
    rows = [("", pack.of.title, ""), *(("", label, value) for label, value in facts(pack))]
    rows += [("", "Attention", warning) for warning in warnings(pack)]
    rows += [("\u2610", f"Step {number}", step) for number, step in enumerate(checklist(pack), start=1)]
    return pd.DataFrame(rows, columns=pd.Index(["done", "what", "details"]))


def _grid(pack: Pack, plate: str, wells: pd.DataFrame) -> list[list[object]]:
    """Return a plate as it is in the lab: rank and name, or DMSO, in each well."""
    rows, columns = SHAPES[size_of(pack.of.plate_map, pack.of.plates.wells)]
    grid: list[list[object]] = [[plate, *range(1, columns + 1)]]
    grid += [[ROWS[row], *[None] * columns] for row in range(rows)]
    for well, drug, name in wells[["well_position", "drug_id", "name"]].itertuples(index=False):
        shown = drug if pd.isna(name) else name
        text = VEHICLE if drug == VEHICLE else f"{pack.ranks[drug]} {shown}"
        grid[row_of(well) + 1][column_of(well) + 1] = text
    return grid


def _fill(sheet: "Worksheet", rows: Sequence[Sequence[object]]) -> None:
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.properties import PageSetupProperties

    cells = [[_cell(value) for value in row] for row in rows]
    for row in cells:
        sheet.append(row)
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for number, column in enumerate(zip(*cells, strict=True), start=1):
        longest = max(len(str(value)) for value in column if value is not None) if any(column) else 0
        sheet.column_dimensions[get_column_letter(number)].width = min(longest + 2, _WIDEST)
        if longest > _WIDEST:
            for cell in sheet[get_column_letter(number)]:
                cell.alignment = Alignment(wrap_text=True, vertical="top")
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _cell(value: Any) -> object:
    if value is None or value is pd.NA or value != value:
        return None
    if isinstance(value, str):
        return safe_text(value)
    return value.item() if hasattr(value, "item") else value
