"""The sample sheet of a round for sequencing: one library per well, with the names of its pair of indices."""

import pandas as pd


def sample_sheet(plate_map: pd.DataFrame, time_h: float | None) -> pd.DataFrame:
    """Return one row per well of `plate_map` (schema PLATE_MAP), in its order.

    Index plates have one pair of unique dual indices per well, so a well takes the pair at its own position.
    The plates of a round are sequenced together, so each takes an index plate of its own: 1, 2, ... The
    names `i7_index` and `i5_index` (UDI1-B05-i7) tell position, not sequence; a lab replaces them by its own.

    Returns
    -------
    DataFrame
        sample (PLATE_WELL, as results may call a well), plate, well_position, cell_line, drug_id, name,
        pert_type, concentration_um, time_h (None if it is not known), replicate, index_plate, index_well,
        i7_index, i5_index; no pair of indices occurs twice.
    """
    number = pd.Series(pd.factorize(plate_map["plate"])[0] + 1, index=plate_map.index)
    well = plate_map["well_position"]
    pair = "UDI" + number.astype(str) + "-" + well
    columns = ["plate", "well_position", "cell_line", "drug_id", "name", "pert_type"]
    table = plate_map[columns].assign(
        concentration_um=plate_map["concentration"],
        time_h=time_h,
        replicate=plate_map["replicate"],
        index_plate=number,
        index_well=well,
        i7_index=pair + "-i7",
        i5_index=pair + "-i5",
    )
    table.insert(0, "sample", plate_map["plate"] + "_" + well)
    return table.reset_index(drop=True)
