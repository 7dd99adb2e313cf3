"""Files of an assay to z-scores, without a campaign: the request and the reference are made by hand."""

import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from anchordrug.bench.assays.intake import take_in
from anchordrug.bench.assays.request import AssayRequest, BelongsError, Reference, ResultFile
from anchordrug.errors import AssayError
from tests.bench.assays.assay_worlds import DRUGS, GENES, counted, plate_map_of, responses_of, wells_of

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
    counts = counted(z, plate_map)
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


def test_counts_that_are_all_0_are_refused(tmp_path):
    z, plate_map = responses_of(), plate_map_of()
    path = saved(tmp_path, counts_of(plate_map, z) * 0)
    with pytest.raises(AssayError, match="every count is 0; count the reads again, or give another file"):
        take_in([ResultFile(path)], request_of(tmp_path, plate_map), reference_of(z), THRESHOLD)


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
        BelongsError, match=r"'OTHR', which was not asked for; did you mean 'OTHER'\?; name one of them"
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


def same_size(z):
    """A reference whose responses to every drug are those of `z`."""
    return Reference(genes_of(), z.index.to_numpy(dtype=object), z.to_numpy())


def taken_in(tmp_path, table, plate_map=None, z=None, name="results.csv"):
    z = responses_of() if z is None else z
    plate_map = plate_map_of() if plate_map is None else plate_map
    path = saved(tmp_path, table, name)
    (result,) = take_in([ResultFile(path)], request_of(tmp_path, plate_map), same_size(z), THRESHOLD)
    return result


# ---- missing values ----


def test_missing_values_are_their_drugs_own(tmp_path):
    """Other genes of every drug lack a value, so that no gene has a value for all drugs."""
    z = responses_of()
    holes = np.add.outer(np.arange(len(DRUGS)), np.arange(len(GENES))) % len(DRUGS) == 0
    result = taken_in(tmp_path, z.mask(holes).rename_axis("drug"))
    pd.testing.assert_frame_equal(result.z, z.mask(holes), check_names=False)
    assert set(result.drugs["status"]) == {"ok"}
    (note,) = result.notes
    assert note.startswith(
        f"{len(GENES)} genes were not measured for some drugs (GENE000, GENE001, GENE002 and"
    )
    np.testing.assert_allclose(
        result.drugs["changed"].loc[DRUGS], (z.abs() > THRESHOLD).mask(holes).astype(float).mean(axis=1)
    )


def test_p_that_is_missing_for_other_genes_of_every_drug(tmp_path):
    z = responses_of()
    long = z.stack().rename("logFC").rename_axis(["drug", "gene"]).reset_index()
    long["PValue"] = 2 * norm.sf(long["logFC"].abs())
    holes = np.random.default_rng(1).random(len(long)) < 0.13
    assert holes.any()
    result = taken_in(tmp_path, long.assign(PValue=long["PValue"].mask(holes)).set_index("drug"))
    expected = z.mask(holes.reshape(z.shape))
    np.testing.assert_allclose(result.z, expected * result.factor, rtol=1e-6)
    assert result.factor == pytest.approx(1, rel=0.05)


def test_fold_changes_whose_errors_are_missing(tmp_path):
    """A gene without an error is missing; it does not change how others are shrunk."""
    z = responses_of()
    long = z.stack().rename("log2FoldChange").rename_axis(["drug", "gene"]).reset_index()
    long["lfcSE"] = np.random.default_rng(0).uniform(0.5, 1.5, len(long))
    gone = long["gene"].isin(GENES[:50]) & (long["drug"] == DRUGS[0])
    holed = taken_in(tmp_path, long.assign(lfcSE=long["lfcSE"].mask(gone)).set_index("drug"))
    absent = taken_in(tmp_path, long[~gone].set_index("drug"), name="absent.csv")
    pd.testing.assert_frame_equal(holed.z, absent.z, check_names=False)
    assert holed.z.loc[DRUGS[0]].isna().sum() == 50
    assert holed.z.isna().to_numpy().sum() == 50


@pytest.mark.parametrize("value", [1e30, -1001.0])
def test_a_value_that_no_z_score_has_is_refused(tmp_path, value):
    z = responses_of()
    z.iat[1, 2] = value
    told = f"results.csv: '{DRUGS[1]}', gene '{GENES[2]}': {value:g} is too large for a z (at most 1000)"
    with pytest.raises(AssayError, match=re.escape(told)):
        taken_in(tmp_path, z.rename_axis("drug"))


def test_a_drug_without_enough_values_fails(tmp_path):
    z = responses_of()
    holed = z.copy()
    holed.loc[DRUGS[1]] = np.nan
    holed.loc[DRUGS[2], GENES[19:]] = np.nan
    holed.loc[DRUGS[3], GENES[20:]] = np.nan
    result = taken_in(tmp_path, holed.T.rename_axis("gene"))
    assert result.z.index.tolist() == [DRUGS[0], *DRUGS[3:]]
    assert result.drugs["status"].tolist() == ["ok", "failed", "failed", "ok", "ok", "ok"]
    assert result.drugs["reason"].tolist()[1:3] == [
        "missing values of 100% of 300 genes; 20 genes are needed",
        "missing values of 94% of 300 genes; 20 genes are needed",
    ]


def test_no_drug_with_enough_values_gives_no_response(tmp_path):
    """Every gene has a value for some drug, but no drug has twenty."""
    z = responses_of()
    holes = np.arange(len(GENES))[None, :] // 10 != np.arange(len(DRUGS))[:, None]
    result = taken_in(tmp_path, z.mask(holes).rename_axis("drug"))
    assert set(result.drugs["status"]) == {"failed"}
    assert result.z.empty
    assert np.isnan(result.factor)


def test_too_few_genes_because_values_are_missing(tmp_path):
    z = responses_of()
    z.loc[:, GENES[10:]] = np.nan
    with pytest.raises(
        AssayError,
        match=r"results.csv: 300 of the atlas' 300 genes were found, but 97% of their values are missing, "
        "and 10 genes have any; 20 are needed; export the file again with its values",
    ):
        taken_in(tmp_path, z.rename_axis("drug"))


def test_replicates_that_lack_other_genes(tmp_path):
    """Each pair agrees on the genes that both have; the median is over the wells that have a value."""
    z, plate_map = responses_of(), plate_map_of()
    wells = wells_of(plate_map, DRUGS[0])
    rows = pd.DataFrame([z.loc[DRUGS[0]]] * 3, index=[f"{plate}_{well}" for plate, well in wells])
    for number in range(3):
        rows.iloc[number, number::3] = np.nan
    result = taken_in(tmp_path, rows.rename_axis("well"), plate_map)
    np.testing.assert_allclose(result.z.loc[DRUGS[0]], z.loc[DRUGS[0]])
    assert result.drugs.at[DRUGS[0], "replicate_correlation"] == pytest.approx(1)
    rows.iloc[0, :] = np.nan
    again = taken_in(tmp_path, rows.rename_axis("well"), plate_map, name="again.csv")
    assert again.drugs.at[DRUGS[0], "replicate_correlation"] == pytest.approx(1)


def test_counts_with_an_empty_well_and_a_gene_without_a_count(tmp_path):
    z, plate_map = responses_of(), plate_map_of()
    counts = counts_of(plate_map, z).astype(float)
    plate, well = wells_of(plate_map, DRUGS[1])[0]
    counts[f"{plate}_{well}"] = np.nan
    counts.loc["GENE007", counts.columns[5]] = np.nan
    result = taken_in(tmp_path, counts, plate_map)
    failed = result.wells[result.wells["failed"]]
    assert failed[["well_position", "reason"]].to_numpy().tolist() == [[well, "no column in the results"]]
    assert result.z.columns[result.z.isna().any()].tolist() == ["GENE007"]
    told = f"1 of {len(counts)} genes (GENE007) have missing values"
    assert any(told in note for note in result.notes)


# ---- repeated genes ----


def test_repeated_genes_are_averaged_and_told(tmp_path):
    z = responses_of()
    opposite = pd.concat([z.T, -z.T.iloc[:40]]).rename_axis("gene")
    result = taken_in(tmp_path, opposite)
    assert (result.z.iloc[:, :40] == 0).all(axis=None)
    np.testing.assert_allclose(result.z.iloc[:, 40:], z.iloc[:, 40:])
    assert result.notes == [
        "40 genes have several rows or names (GENE000, GENE001, GENE002 and 37 more); their values are "
        "averaged"
    ]
    strangers = pd.concat([z.T, z.T.iloc[:2].set_axis(["OTHER", "OTHER"])]).rename_axis("gene")
    assert taken_in(tmp_path, strangers, name="other.csv").notes == []


def test_counts_of_repeated_genes_are_added_up(tmp_path):
    z, plate_map = responses_of(), plate_map_of()
    counts = counts_of(plate_map, z)
    half = counts.loc[GENES[:2]] // 2
    split = pd.concat([counts.drop(GENES[:2]), half, counts.loc[GENES[:2]] - half]).rename_axis("gene")
    whole = taken_in(tmp_path, counts, plate_map)
    result = taken_in(tmp_path, split, plate_map, name="split.csv")
    pd.testing.assert_frame_equal(result.z, whole.z)
    assert result.notes == [
        "2 genes have several rows or names (GENE000, GENE001); their values are added up"
    ]


# ---- rows that are not genes ----


@pytest.mark.parametrize(
    "names",
    [["__no_feature", "__not_aligned"], ["N_unmapped", "N_multimapping"], ["ERCC-00002", "ERCC-00171"]],
)
def test_wells_are_judged_by_reads_of_genes(tmp_path, names):
    z, plate_map = responses_of(), plate_map_of()
    counts = counts_of(plate_map, z)
    plate, well = wells_of(plate_map, DRUGS[0])[0]
    counts[f"{plate}_{well}"] //= 60
    others = pd.DataFrame(10**7, pd.Index(names, name="gene"), counts.columns)
    result = taken_in(tmp_path, pd.concat([others, counts]).rename_axis("gene"), plate_map)
    failed = result.wells[result.wells["failed"]]
    assert failed["well_position"].tolist() == [well]
    assert failed["reason"].iloc[0].startswith("too few reads")
    assert result.notes[0] == f"2 rows are not genes; left out: {names[0]}, {names[1]}"
    assert result.notes[1].startswith("1 well failed: too few reads")
    assert result.wells["reads"].max() < 10**7


# ---- positive controls ----


def with_positive_controls(plate_map, drug, wells=("H11", "H12")):
    rows = pd.DataFrame({"pert_type": "poscon", "drug_id": drug, "replicate": 1, "plate": "P1"}, index=wells)
    rows = rows.rename_axis("well_position").reset_index().assign(cell_line="LINE")
    return pd.concat([plate_map, rows], ignore_index=True)


@pytest.mark.parametrize("drug", ["AMG900", DRUGS[0]], ids=["another drug", "a drug of the round"])
def test_wells_of_positive_controls_are_left_out(tmp_path, drug):
    z, plate_map = responses_of(), plate_map_of()
    counts = counts_of(plate_map, z)
    # They differ from all others, and would make drug and plate fail.
    dead = counts.assign(P1_H11=counts.iloc[:, 0].to_numpy()[::-1], P1_H12=10**4)
    expected = taken_in(tmp_path, counts, plate_map)
    result = taken_in(tmp_path, dead, with_positive_controls(plate_map, drug), name="dead.csv")
    pd.testing.assert_frame_equal(result.z, expected.z)
    pd.testing.assert_frame_equal(result.drugs, expected.drugs)
    assert set(result.wells["pert_type"]) == {"trt", "negcon"}
    assert result.notes == ["2 wells of positive controls are left out: P1_H11, P1_H12", *expected.notes]
    with pytest.raises(
        AssayError, match=r"leaves empty have reads, .* Add wells of positive controls to the pl"
    ):
        taken_in(tmp_path, dead, plate_map, name="unknown.csv")


def test_profiles_of_wells_of_positive_controls_are_left_out(tmp_path):
    z, plate_map = responses_of(), plate_map_of()
    names = [f"P1_{dict(wells_of(plate_map, drug))['P1']}" for drug in DRUGS]
    rows = pd.concat([z.set_axis(names), pd.DataFrame(99.5, ["P1_H11"], GENES)]).rename_axis("well")
    result = taken_in(tmp_path, rows, with_positive_controls(plate_map, DRUGS[0]))
    np.testing.assert_allclose(result.z, z)
    assert result.notes == ["1 wells of positive controls are left out: P1_H11"]


# ---- the scale ----


def test_log2_fold_changes_are_not_taken_for_z_in_silence(tmp_path):
    z = responses_of()
    result = taken_in(tmp_path, (0.3 * z).rename_axis("drug"))
    np.testing.assert_allclose(result.z, 0.3 * z)
    assert result.factor == 1
    (note,) = result.notes
    assert note.startswith(
        "these z-scores are 3.33 times smaller than those in the atlas (up to 2 times is usual)"
    )
    assert "if they are log2 fold changes" in note
    (note,) = taken_in(tmp_path, (5 * z).rename_axis("drug"), name="large.csv").notes
    assert note.startswith("these z-scores are 5 times larger than those in the atlas")


@pytest.mark.parametrize("size", [0.6, 1, 1.9])
def test_z_of_a_usual_size_needs_no_note(tmp_path, size):
    assert taken_in(tmp_path, (size * responses_of()).rename_axis("drug")).notes == []


@pytest.mark.parametrize(("size", "word"), [(8, "larger"), (0.1, "smaller")])
def test_a_statistic_of_unusual_size_is_told(tmp_path, size, word):
    z = responses_of()
    long = (size * z).stack().rename("stat").rename_axis(["drug", "gene"]).reset_index()
    result = taken_in(tmp_path, long.set_index("drug"))
    np.testing.assert_allclose(result.z, z)
    *no_effect, note = result.notes
    assert len(no_effect) == (size < 1)
    assert note.startswith(
        f"the factor to the atlas' scale, {1 / size:.3g}, is far from the usual (0.2 to 3): the"
    )
    assert f"effects are {word} than in other assays" in note


def test_few_reads_are_told(tmp_path):
    z, plate_map = responses_of(size=1), plate_map_of()
    wells = [
        f"{plate}_{well}" for plate, well in zip(plate_map["plate"], plate_map["well_position"], strict=True)
    ]
    shallow = counted(z, plate_map, reads=3000).set_axis(wells, axis=1)
    notes = " ".join(taken_in(tmp_path, shallow, plate_map, z).notes)
    assert "reads are few: half of the atlas' genes have fewer than 0.0" in notes
    assert (
        "is far from the usual (1 to 10): the effects are smaller than in other assays; the reads may"
        in notes
    )
    deep = counted(z, plate_map, reads=1e6).set_axis(wells, axis=1)
    assert taken_in(tmp_path, deep, plate_map, z, "deep.csv").notes == []


def test_genes_that_one_file_of_counts_lacks_are_told(tmp_path):
    z = responses_of()
    plate_map = pd.concat([plate_map_of(), plate_map_of(plates=("P2",), seed=1)], ignore_index=True)
    counts = counted(z, plate_map)
    paths = []
    for plate, lost in (("P1", []), ("P2", GENES[:3])):
        own = counts.xs(plate, axis=1, drop_level=False).drop(lost)
        named = own.set_axis([f"{plate}_{well}" for _, well in own.columns], axis=1)
        paths.append(ResultFile(saved(tmp_path, named, f"{plate}.csv")))
    (result,) = take_in(paths, request_of(tmp_path, plate_map), same_size(z), THRESHOLD)
    assert result.notes[0] == "3 genes are not in all files of counts and are left out"
    assert result.z.columns[result.z.isna().all()].tolist() == GENES[:3]


# ---- dose and cell line of a table without wells ----


def taken_in_file(path, plate_map, z):
    return take_in([ResultFile(path)], request_of(path.parent, plate_map), reference_of(z), THRESHOLD)


def de_table(z, **columns):
    return z.stack().rename("stat").rename_axis(["drug", "gene"]).reset_index().assign(**columns)


def by_drug(z, **columns):
    table = z.rename_axis("drug").reset_index()
    for name, value in columns.items():
        table.insert(1, name, value)
    return table


@pytest.mark.parametrize("form", [de_table, by_drug])
@pytest.mark.parametrize(
    ("columns", "told"),
    [
        ({"dose_uM": "2"}, "the file says 2 uM, the plate map says 10 uM"),
        ({"dose": "2000", "unit": "nM"}, "the file says 2 uM, the plate map says 10 uM"),
        ({"cell_line": "OTHER"}, "the file says cell line 'OTHER', the plate map says 'LINE'"),
        ({"dose": "10 uM", "cell_line": "line", "pert_type": "ctl_vehicle"}, None),
        # Without a unit, nobody knows.
        ({"dose": "2"}, None),
    ],
)
def test_a_table_of_drugs_says_the_dose_and_cell_line_of_the_plate_map(tmp_path, form, columns, told):
    z, plate_map = responses_of(), plate_map_of()
    path = tmp_path / "results.csv"
    form(z, **columns).to_csv(path, index=False)
    if told is None:
        taken_in_file(path, plate_map, z)
        return
    with pytest.raises(AssayError, match=re.escape(f"results.csv: drug '{DRUGS[0]}': {told}; correct one")):
        taken_in_file(path, plate_map, z)


def test_a_table_of_wells_says_the_dose_of_the_plate_map(tmp_path):
    z, plate_map = responses_of(DRUGS[:1]), plate_map_of()
    ((plate, well), *_) = wells_of(plate_map, DRUGS[0])
    table = de_table(z, dose_uM=2).rename(columns={"drug": "well"}).assign(well=well, plate=plate)
    table.to_csv(tmp_path / "results.csv", index=False)
    told = f"plate {plate}, well {well}: the file says 2 uM, the plate map says 10 uM"
    with pytest.raises(AssayError, match=re.escape(told)):
        taken_in_file(tmp_path / "results.csv", plate_map, z)


# ---- differential expression without any effect ----


@pytest.mark.parametrize("column", ["stat", "pvalue", "lfcSE"])
def test_differential_expression_without_a_significant_gene_is_called_noise(tmp_path, column):
    plate_map, path = plate_map_of(), tmp_path / "results.csv"
    for size, is_noise in ((1.0, True), (4.0, False)):
        z = responses_of(size=size)
        table = de_table(z).assign(log2FoldChange=lambda table: 0.3 * table["stat"])
        table["pvalue"] = 2 * norm.sf(table["stat"].abs())
        table["lfcSE"] = 0.3
        kept = ["stat"] if column == "stat" else ["log2FoldChange", column]
        table[["drug", "gene", *kept]].to_csv(path, index=False)
        (result,) = taken_in_file(path, plate_map, z)
        told = [note for note in result.notes if "no gene of any drug changes significantly" in note]
        assert bool(told) == is_noise, (size, result.notes)
