"""Files of an assay to z-scores, without a campaign: the request and the reference are made by hand."""

import numpy as np
import pandas as pd
import pytest

from anchordrug.bench.assays.intake import take_in
from anchordrug.bench.assays.request import AssayRequest, BelongsError, Reference, ResultFile
from anchordrug.errors import AssayError
from tests.bench.assays.assay_worlds import DRUGS, GENES, assay, plate_map_of, responses_of, wells_of

THRESHOLD = 1.5


def genes_of(symbols=GENES):
    ids = pd.Series(None, index=range(len(symbols)), dtype="str")
    return pd.DataFrame({"gene": symbols, "gene_id": ids, "ensembl_id": ids})


def request_of(tmp_path, plate_map, cell_lines=("LINE",), drug_ids=DRUGS, **names):
    return AssayRequest(plate_map, cell_lines, list(drug_ids), names, tmp_path / "asked.csv")


def reference_of(z):
    """Every drug measured in another cell line at double size, and a drug that nobody asks for."""
    others = np.full((1, len(GENES)), 100.0)
    return Reference(genes_of(), np.array([*z.index, None], dtype=object), np.vstack([2 * z, others]))


def saved(folder, table, name="results.csv"):
    table.to_csv(folder / name)
    return folder / name


def counts_of(plate_map, z):
    counts = assay(z, plate_map)
    return counts.set_axis([f"{plate}_{well}" for plate, well in counts.columns], axis=1)


def test_z_scores_are_taken_as_they_are_in_the_order_of_the_request(tmp_path):
    z = responses_of()
    request = request_of(tmp_path, plate_map_of(), drug_ids=[*DRUGS[::-1], "LOST"])
    path = saved(tmp_path, z.rename_axis("drug"))
    (result,) = take_in([ResultFile(path)], request, reference_of(z), THRESHOLD)
    pd.testing.assert_frame_equal(result.z, z.loc[DRUGS[::-1]], check_names=False)
    assert (result.cell_line, result.factor, result.wells, result.notes) == ("LINE", 1.0, None, [])
    assert result.drugs["status"].to_dict() == {**dict.fromkeys(DRUGS, "ok"), "LOST": "missing"}
    assert result.drugs.loc["LOST", "reason"] == "no result in the files"
    changed = (z.abs() > THRESHOLD).mean(axis=1)
    np.testing.assert_allclose(result.drugs["changed"].loc[DRUGS], changed)


def test_statistics_take_the_size_of_the_reference_for_these_drugs(tmp_path):
    z = responses_of()
    long = z.stack().rename("stat").rename_axis(["drug", "gene"]).reset_index()
    path = saved(tmp_path, long.set_index("drug"))
    (result,) = take_in([ResultFile(path)], request_of(tmp_path, plate_map_of()), reference_of(z), THRESHOLD)
    assert result.factor == pytest.approx(2)
    np.testing.assert_allclose(result.z.loc[DRUGS], 2 * z)


def test_without_a_response_to_these_drugs_the_whole_reference_gives_the_size(tmp_path):
    z = responses_of()
    reference = reference_of(z)
    unknown = Reference(reference.genes, np.full(len(reference.z), None, dtype=object), reference.z)
    long = z.stack().rename("stat").rename_axis(["drug", "gene"]).reset_index()
    path = saved(tmp_path, long.set_index("drug"))
    (result,) = take_in([ResultFile(path)], request_of(tmp_path, plate_map_of()), unknown, THRESHOLD)
    assert result.factor == pytest.approx(np.abs(reference.z).mean() / z.abs().to_numpy().mean())


def test_counts_give_responses_wells_and_what_failed(tmp_path):
    z, plate_map = responses_of(), plate_map_of()
    counts = counts_of(plate_map, z)
    dead = [f"{plate}_{well}" for plate, well in wells_of(plate_map, DRUGS[1])]
    path = saved(tmp_path, counts.assign(**dict.fromkeys(dead, 0)))
    (result,) = take_in([ResultFile(path)], request_of(tmp_path, plate_map), reference_of(z), THRESHOLD)
    fine = [drug for drug in DRUGS if drug != DRUGS[1]]
    assert result.z.index.tolist() == fine
    assert np.corrcoef(result.z.to_numpy().ravel(), z.loc[fine].to_numpy().ravel())[0, 1] > 0.7
    assert np.abs(result.z).to_numpy().mean() == pytest.approx(2 * np.abs(z.loc[fine]).to_numpy().mean())
    assert result.drugs.loc[DRUGS[1], ["status", "wells_failed"]].tolist() == ["failed", 3]
    assert result.wells is not None
    assert result.wells["failed"].sum() == 3
    assert result.notes == ["3 wells failed: no reads"]


def test_drugs_go_by_their_other_names_and_wells(tmp_path):
    z, plate_map = responses_of(), plate_map_of()
    plate, well = wells_of(plate_map, DRUGS[2])[0]
    path = saved(tmp_path, z.iloc[:3].set_axis(["Aspirin", DRUGS[1], f"{plate}_{well}"]).rename_axis("drug"))
    request = request_of(tmp_path, plate_map, aspirin=DRUGS[0])
    (result,) = take_in([ResultFile(path)], request, reference_of(z), THRESHOLD)
    np.testing.assert_array_equal(result.z, z.iloc[:3])


def test_drugs_that_nobody_asked_for(tmp_path):
    z = responses_of()
    request = request_of(tmp_path, plate_map_of(), drug_ids=["OTHER"])
    path = saved(tmp_path, z.rename_axis("drug"))
    with pytest.raises(
        AssayError,
        match=r"none of its drugs \(DRUG0, .*\) was asked for in .*asked.csv \(OTHER\); name drugs as",
    ):
        take_in([ResultFile(path)], request, reference_of(z), THRESHOLD)


def test_two_cell_lines_each_have_a_result_and_files_must_say_whose_they_are(tmp_path):
    z = responses_of()
    maps = plate_map_of(), plate_map_of(plates=("P2",)).assign(cell_line="OTHER")
    request = request_of(tmp_path, pd.concat(maps, ignore_index=True), ("OTHER", "LINE"))
    first, second = (
        saved(tmp_path, table.rename_axis("drug"), f"{n}.csv") for n, table in enumerate([z, -z])
    )
    for of in ("OTHER", "other", "Oth-er"):
        files = [ResultFile(first, "P1"), ResultFile(second, of)]
        results = take_in(files, request, reference_of(z), THRESHOLD)
        assert [result.cell_line for result in results] == ["OTHER", "LINE"]
        np.testing.assert_array_equal(results[0].z, -z)
        np.testing.assert_array_equal(results[1].z, z)
    with pytest.raises(BelongsError, match=r"0.csv: does not say of which cell line it is; .*: OTHER, LINE$"):
        take_in([ResultFile(first)], request, reference_of(z), THRESHOLD)
    with pytest.raises(
        BelongsError, match=r"'OTHR', which is neither .*; did you mean 'OTHER'\?; name one of them"
    ):
        take_in([ResultFile(first, "OTHR")], request, reference_of(z), THRESHOLD)


def test_wells_that_could_be_of_two_plates(tmp_path):
    z, plate_map = responses_of(), plate_map_of(plates=("P1", "P2"))
    counts = counts_of(plate_map_of(), z)
    path = saved(tmp_path, counts.rename(columns=lambda name: name.removeprefix("P1_")))
    request = request_of(tmp_path, plate_map)
    message = "write wells as P1_A01, or name one of the plates: P1, P2$"
    with pytest.raises(BelongsError, match=message):
        take_in([ResultFile(path)], request, reference_of(z), THRESHOLD)
    (result,) = take_in([ResultFile(path, "P1")], request, reference_of(z), THRESHOLD)
    assert result.z.index.tolist() == DRUGS


def test_a_message_names_no_option_of_a_command(tmp_path):
    z = responses_of()
    path = saved(tmp_path, z.rename_axis("drug"))
    with pytest.raises(BelongsError) as raised:
        take_in([ResultFile(path, "P9")], request_of(tmp_path, plate_map_of()), reference_of(z), THRESHOLD)
    assert "--" not in str(raised.value)
