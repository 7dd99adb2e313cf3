"""The stage grow on the demo: bytes without additions, and the stages that follow with one."""

import numpy as np
import pandas as pd
import pytest

import anchordrug
from anchordrug.atlas.additions import write_addition
from anchordrug.errors import SettingsError
from anchordrug.files.tables import read_json
from tests.atlas.additions_made import addition_of
from tests.conftest import FROM_PRETRAIN, copied, project_at, run_cli, run_stages, write_params

TABLES = ("responses.parquet", "drugs.parquet", "genes.parquet", "cell_lines.csv", "expression.parquet")


@pytest.fixture
def copy(project, tmp_path):
    """A copy of the finished project that a test may change."""
    return copied(project, tmp_path)


@pytest.fixture
def tiny(tiny_project, tmp_path):
    """The same of the tiny project, whose stages take little."""
    return copied(tiny_project, tmp_path)


def bytes_of(folder):
    return {name: (folder / "tables/atlas" / name).read_bytes() for name in TABLES}


def add_line(folder, *, line="NEW", expression=None):
    """Add two new compounds measured in `line` on half of the genes."""
    genes = pd.read_parquet(folder / "tables/curated/genes.parquet")["gene"].tolist()
    addition = addition_of(
        "lab", {"X1": "C", "X2": "D"}, [("X1", line), ("X2", line)], genes=genes[::2], expression=expression
    )
    write_addition(addition, folder / "additions")
    return genes


def test_without_additions_the_tables_are_the_curated_ones(project):
    for name in TABLES[:4]:
        curated = project / "tables/curated" / name
        assert (project / "tables/atlas" / name).read_bytes() == curated.read_bytes(), name


def test_removing_an_addition_restores_the_bytes(copy):
    before = bytes_of(copy)
    add_line(copy)
    run_stages(copy, (["grow"],))
    assert bytes_of(copy) != before
    run_stages(copy, (["atlas", "remove", "lab"], ["grow"]))
    assert bytes_of(copy) == before


def test_the_experiments_of_the_release_stay_and_those_of_the_addition_say_their_assay(copy):
    curated = project_at(copy).atlas()
    genes = add_line(copy)
    result = run_cli("grow", folder=copy)
    assert "lab: 2 responses (RNA counts)\n" in result.output
    atlas = project_at(copy).atlas()
    own = atlas.of("NEW")
    assert own.experiments["assay"].tolist() == ["RNA counts"] * 2
    assert own.experiments["origin"].tolist() == ["lab"] * 2
    assert np.isnan(own.z).mean(axis=0).tolist() == [float(place % 2) for place in range(len(genes))]
    released = atlas.restricted_to((atlas.experiments["origin"] != "lab").to_numpy())
    np.testing.assert_array_equal(released.z, curated.z)
    assert set(released.experiments["assay"]) == {"L1000"}
    assert set(released.experiments["dose_um"]) == {10.0}


def test_a_line_without_untreated_expression_can_be_a_source_of_predictors_that_need_none(copy):
    add_line(copy)
    run_stages(copy, (["grow"],))
    result = run_cli("featurize", folder=copy)
    assert "without untreated expression, so without embedding: NEW" in result.output
    project = project_at(copy)
    atlas = project.atlas()
    lines = project.features(atlas).cell_lines
    assert np.isnan(lines).all(axis=1).tolist() == [line == "NEW" for line in atlas.cell_lines]
    run_stages(copy, (["split"],))
    with pytest.raises(SettingsError, match=r"untreated expression of NEW is not known; add it again with"):
        raise run_cli("pretrain", "--target", "SIM-T1", folder=copy).exception


def test_a_line_with_untreated_expression_gets_an_embedding(copy):
    bundle = pd.read_csv(next((project_at(copy).raw).glob("basal_expression*")), index_col=0)
    own = pd.DataFrame([bundle.iloc[3].to_numpy()], index=["NEW"], columns=bundle.columns)
    add_line(copy, expression=own)
    run_stages(copy, (["grow"], ["featurize"]))
    project = project_at(copy)
    assert np.isfinite(project.features(project.atlas()).cell_lines).all()


def test_the_bundle_describes_its_own_lines_whatever_an_addition_says(copy):
    bundle = pd.read_csv(next((project_at(copy).raw).glob("basal_expression*")), index_col=0)
    line = pd.read_csv(copy / "tables/curated/cell_lines.csv")["cell_line"].iloc[0]
    before = (copy / "tables/features/cell_lines.parquet").read_bytes()
    other = pd.DataFrame([bundle.iloc[5].to_numpy() + 1], index=[line], columns=bundle.columns)
    add_line(copy, line=line, expression=other)
    run_stages(copy, (["grow"], ["featurize"]))
    assert (copy / "tables/features/cell_lines.parquet").read_bytes() == before


def test_expression_of_another_bundle_is_refused_with_a_remedy(copy):
    add_line(copy, expression=pd.DataFrame([[1.0]], index=["NEW"], columns=["OTHER"]))
    run_stages(copy, (["grow"],))
    message = str(run_cli("featurize", folder=copy).exception)
    assert "genes are not in the untreated expression of the additions" in message
    assert "'anchordrug atlas remove'" in message


def test_drugs_of_a_target_with_genes_that_were_not_measured_are_not_split(copy):
    before = (copy / "tables/splits/splits.csv").read_bytes()
    add_line(copy, line="SIM-T1")
    run_stages(copy, (["grow"],))
    result = run_cli("split", folder=copy)
    assert "2 left out (a gene was not measured)" in result.output
    assert (copy / "tables/splits/splits.csv").read_bytes() == before


def test_the_report_counts_the_responses_by_origin(tiny):
    add_line(tiny)
    run_stages(tiny, (["grow"], ["report"]))
    page = (tiny / "metrics/report.html").read_text(encoding="utf-8")
    assert "of these from lab (RNA counts)" in page
    (matrix,) = (tiny / "data").glob("*.gctx")
    assert f"of these from {matrix.stem} (L1000)" in page


def test_the_pipeline_learns_from_an_added_line_with_half_of_the_genes(tiny):
    """Also without untreated expression, where the predictor needs none; `open_project` has the line, too."""
    add_line(tiny)
    params = project_at(tiny).settings.model_dump(mode="json")
    write_params(tiny, params | {"predictor": "response_gp", "compare": []})
    run_stages(tiny, (["grow"], ["featurize"], ["split"], *FROM_PRETRAIN))
    card = read_json(tiny / "models/pretrained/SIM-T1/model.json")
    assert "NEW" in card["source_cell_lines"]
    scores = pd.read_csv(tiny / "metrics/scores/SIM-T1-0.csv").set_index("predictor")
    assert scores.loc["drugs-6", "macro_f1"] > scores.loc["all_none", "macro_f1"]
    assert "NEW" in anchordrug.open_project(tiny).atlas.cell_lines


def test_an_added_line_can_be_left_out(tiny):
    add_line(tiny)
    params = project_at(tiny).settings.model_dump(mode="json")
    write_params(tiny, params | {"predictor": "response_gp", "pretrain": {"leave_out": ["NEW"]}})
    run_stages(tiny, (["grow"], ["featurize"], ["split"], ["pretrain", "--target", "SIM-T1"]))
    card = read_json(tiny / "models/pretrained/SIM-T1/model.json")
    assert "NEW" not in card["source_cell_lines"]
