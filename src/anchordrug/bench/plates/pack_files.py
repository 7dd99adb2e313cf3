"""The files of a pack: pick list, a picture per plate, workbook, PDF."""

import re
from pathlib import Path

from anchordrug.bench import folder as files
from anchordrug.bench.plates.drawing import as_pdf, as_svg, drawing
from anchordrug.bench.plates.pack import Pack, catalogue_numbers
from anchordrug.bench.plates.pack_pdf import pack_pages
from anchordrug.bench.plates.pack_xlsx import write_pack_xlsx
from anchordrug.bench.plates.picture import Caption, appearance, plate_pages
from anchordrug.files.atomic import atomic_path, write_bytes
from anchordrug.files.tables import write_table

# A plate of an edited map may have any name.
_UNSAFE = re.compile(r"[^\w.+-]")


def write_pack(pack: Pack, folder: Path) -> None:
    """Write the files into the folder of the round, in place of those of an earlier pack."""
    asked = pack.of
    time = "" if asked.plates.time_h is None else f"{asked.plates.time_h:g} h"
    caption = Caption(
        asked.title,
        time,
        asked.warnings or [f"source lines of the atlas: {asked.atlas}"],
        pack.ranks,
        catalogue_numbers(pack.drugs, asked.catalogue),
    )
    write_table(pack.picks, folder / files.PICK_LIST)
    with drawing():
        pages = plate_pages(asked.plate_map, caption, asked.plates.wells)
        pictures = {f"{_UNSAFE.sub('_', plate)}.svg": as_svg(page) for plate, page in pages.items()}
        for stale in {path.name for path in folder.glob("*.svg")} - pictures.keys():
            (folder / stale).unlink()
        for name, svg in pictures.items():
            write_bytes(svg.encode(), folder / name)
        looks = appearance(asked.plate_map, caption)
        every = pack_pages(pack, list(pages.values()), looks)
        write_bytes(as_pdf(every, asked.title), folder / files.PACK_PDF)
    with atomic_path(folder / files.PACK_XLSX) as temporary:
        write_pack_xlsx(pack, temporary)
