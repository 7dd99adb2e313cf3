"""Curation on bundles small enough to work out by hand, and on the demo bundle against plain pandas."""

import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from anchordrug import schemas
from anchordrug.atlas.curate import Curated, Rules, curate
from anchordrug.chem.worker import Order, fingerprint
from anchordrug.chem.workers import Fingerprinted
from anchordrug.errors import AnchorDrugError, RawDataError
from anchordrug.raw.bundle import RawBundle, find_bundle
from anchordrug.raw.gctx import write_gctx
from tests.conftest import DEMO

KEY = ["drug_id", "cell_line", "replicates"]
RULES = Rules(10, 24, "gold")
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
ASPIRIN_SODIUM = "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]"
CAFFEINE = "Cn1c(=O)c2c(ncn2C)n(C)c1=O"
IBUPROFEN, IBUPROFEN_S, IBUPROFEN_R = (f"CC(C)Cc1ccc(cc1){c}(C)C(=O)O" for c in ("C", "[C@H]", "[C@@H]"))
COMPOUNDS = {
    "D1": ASPIRIN,
    "D2": ASPIRIN_SODIUM,
    "D3": CAFFEINE,
    "D4": IBUPROFEN_S,
    "D5": IBUPROFEN_R,
    "D6": "",
    "D7": "CC(=O",
}  # and D8, which the compound table does not list
GENES = {"101": "JUN", "102": "CIAO3", "103": "MYC", "104": "FOS", "105": "HMOX1", "106": "ORPHAN"}
ANNOTATED = ("NARFL", "MYC", "JUN", "HMOX1", "FOS")  # NARFL is CIAO3's old symbol; ORPHAN has no row
PANEL = ("JUN", "CIAO3", "MYC", "FOS", "HMOX1")
LINES = ("A", "B")  # with untreated expression; C has none
NOT_FINITE = "z-scores missing or not finite"


@pytest.fixture(autouse=True, scope="module")
def _structures_here() -> Iterator[None]:
    """Let this process do what a worker does: its start takes longer than the rest of a tiny curation."""

    @contextmanager
    def standardising(structures: Sequence[str]) -> Iterator[Iterator[Fingerprinted | str]]:
        order = Order(root="", path=[], kinds=[], smiles=True, seconds=0)
        answers = fingerprint(list(structures), order)
        yield (found if isinstance(found, str) else Fingerprinted(*found[:2], ()) for found in answers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("anchordrug.atlas.curate.standardising", standardising)
        yield


def signature(sig_id: str, drug: str = "D1", line: str = "A", **changes: str) -> dict[str, str]:
    """Return a row of siginfo that passes every rule, but for `changes`."""
    return {
        "sig_id": sig_id,
        "pert_id": drug,
        "cell_iname": line,
        "pert_type": "trt_cp",
        "pert_dose": "10.0",
        "pert_dose_unit": "uM",
        "pert_idose": "10 uM",
        "pert_time": "24.0",
        "pert_time_unit": "h",
        "pert_itime": "24 h",
        "cc_q75": "0.5",
        "pct_self_rank_q25": "1.0",
        "is_gold": "",
    } | changes


def made_up(sig_ids) -> pd.DataFrame:
    """Return z [signatures, genes], labelled by ids, the genes in another order than geneinfo's."""
    values = np.random.default_rng(0).normal(scale=2, size=(len(sig_ids), len(GENES)))
    return pd.DataFrame(values.astype(np.float32), index=list(sig_ids), columns=list(GENES)[::-1])


def write_bundle(
    folder: Path,
    signatures: list[dict[str, str]],
    z: pd.DataFrame | None = None,
    *,
    compounds=COMPOUNDS,
    genes=GENES,
    annotated=ANNOTATED,
    panel=PANEL,
) -> RawBundle:
    """Write a raw bundle; `genes` is a mapping, or (id, symbol) pairs where an id or symbol repeats."""
    folder.mkdir(parents=True, exist_ok=True)
    z = made_up([row["sig_id"] for row in signatures]) if z is None else z
    pairs = list(genes.items()) if isinstance(genes, dict) else genes
    symbols = [symbol for _, symbol in pairs]

    def table(name: str, rows) -> None:
        pd.DataFrame(rows).to_csv(folder / name, sep="\t", index=False, lineterminator="\n")

    table("siginfo_beta.txt", signatures)
    table(
        "compoundinfo_beta.txt",
        [
            {"pert_id": drug, "cmap_name": f"name of {drug}", "moa": f"moa of {drug}", "canonical_smiles": s}
            for drug, s in compounds.items()
        ],
    )
    table("geneinfo_beta.txt", [{"gene_id": gene_id, "gene_symbol": symbol} for gene_id, symbol in pairs])
    write_gctx(
        folder / "level5_beta_trt_cp_tiny.gctx",
        z.to_numpy(np.float32),
        pd.DataFrame({"id": z.index}),
        pd.DataFrame({"id": z.columns}),
    )
    expression = [",".join(["cell_iname", *(f"g{i}" for i in range(len(symbols)))])]
    expression += [",".join([line, *("7.5" for _ in symbols)]) for line in LINES]
    (folder / "basal_expression_tiny.csv").write_text("\n".join(expression) + "\n")
    annotation = ["gene,GO.1,GO.2", *(f"{gene},1,0" for gene in annotated)]
    (folder / "gene_ontology_tiny.csv").write_text("\n".join(annotation) + "\n")
    if panel is not None:
        (folder / "gene_panel_tiny.txt").write_text("\n".join(panel) + "\n")
    return find_bundle(folder)


def rejected(curated: Curated) -> set[tuple[str, str, str]]:
    return set(curated.rejects[["kind", "id", "reason"]].itertuples(index=False, name=None))


def counts(curated: Curated) -> list[tuple[str, int, int]]:
    return list(curated.funnel[["unit", "kept", "dropped"]].itertuples(index=False, name=None))


def assert_consistent(curated: Curated) -> None:
    """Check what holds for every curation, whatever the bundle."""
    responses, z, drugs, genes, cell_lines, funnel, rejects, _ = curated
    signatures = funnel[funnel["unit"] == "signatures"]
    assert (signatures["kept"] + signatures["dropped"]).tolist()[1:] == signatures["kept"].tolist()[:-1]
    (experiments,) = funnel[funnel["unit"] == "experiments"].to_dict("records")
    assert experiments["kept"] + experiments["dropped"] == signatures["kept"].iloc[-1]
    assert experiments["kept"] == len(responses)
    assert responses["replicates"].sum() == signatures["kept"].iloc[-1]
    (of_genes,) = funnel[funnel["unit"] == "genes"].to_dict("records")
    assert of_genes["kept"] == len(genes)

    # What the settings do not ask for is counted only; a drug or a cell line is named once for all its own.
    kinds = rejects["kind"].value_counts()
    dropped = signatures.set_index("step")["dropped"]
    not_asked_for = [
        step for step in dropped.index if step.startswith(("signatures of", "dose", "time", "qual"))
    ]
    shared = {
        "drug": "drug with a structure",
        "cell_line": "cell line with untreated expression",
    }
    for kind, step in shared.items():
        assert (kinds.get(kind, 0) > 0) == (dropped[step] > 0)
        assert kinds.get(kind, 0) <= dropped[step]
    assert kinds.get("signature", 0) == dropped.drop([*not_asked_for, *shared.values()]).sum()
    assert kinds.get("gene", 0) == of_genes["dropped"]
    assert not rejects.duplicated(["kind", "id"]).any()
    assert rejects["reason"].str.strip().astype(bool).all()

    assert z.shape == (len(responses), len(genes))
    assert z.dtype == np.float32
    assert np.isfinite(z).all()
    pairs = list(responses[["drug_id", "cell_line"]].itertuples(index=False, name=None))
    assert pairs == sorted(set(pairs))
    assert drugs["drug_id"].tolist() == sorted(set(responses["drug_id"]))
    assert cell_lines["cell_line"].tolist() == sorted(set(responses["cell_line"]))
    for table, schema in (
        (responses, schemas.RESPONSES),
        (drugs, schemas.DRUGS),
        (genes, schemas.GENES),
        (cell_lines, schemas.CELL_LINES),
        (funnel, schemas.FUNNEL),
        (rejects, schemas.REJECTS),
    ):
        schemas.validate(table, schema, Path("table"))


def step_that_drops(folder: Path, rules: Rules = RULES, **changes: str) -> str | None:
    """Return the step of the funnel that drops a signature with `changes`, None if it is kept."""
    pair = [signature("rest", line="B"), signature("tested", **changes)]
    curated = curate(write_bundle(folder, pair), rules)
    assert_consistent(curated)
    dropping = curated.funnel.query("unit == 'signatures' and dropped > 0")
    if dropping.empty:
        assert curated.responses["cell_line"].tolist() == ["A", "B"]
        return None
    assert curated.responses["cell_line"].tolist() == ["B"]
    return dropping["step"].item()


# What the settings do not ask for


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"pert_dose": "9.0"}, None),
        ({"pert_dose": "8.99"}, "dose 10 uM"),
        ({"pert_dose": "11.0"}, None),
        ({"pert_dose": "11.01"}, "dose 10 uM"),
        ({"pert_dose": "9.99999"}, None),
        ({"pert_dose": "10000", "pert_dose_unit": "nM"}, None),
        ({"pert_dose": "10", "pert_dose_unit": "nM"}, "dose 10 uM"),
        ({"pert_dose": "", "pert_idose": ""}, "dose 10 uM"),
        ({"pert_dose": "-666", "pert_idose": "-666"}, "dose 10 uM"),
        ({"pert_dose": "-666"}, None),  # the joint text says it
        ({"pert_dose": "", "pert_idose": "3.33 uM"}, "dose 10 uM"),
    ],
)
def test_doses_within_a_tenth_are_kept(tmp_path, changes, step):
    assert step_that_drops(tmp_path, **changes) == step


@pytest.mark.parametrize(
    ("asked_for", "measured"),
    [
        ("10", "9"),
        ("10", "11"),
        ("1", "0.9"),
        ("1", "1.1"),
        ("0.5", "0.55"),
        ("0.1", "0.09"),
        ("3.33", "2.997"),
    ],
)
def test_exactly_a_tenth_away_is_within_the_tolerance_whatever_the_dose(tmp_path, asked_for, measured):
    bundle = write_bundle(tmp_path, [signature("edge", pert_dose=measured)])
    curated = curate(bundle, Rules(float(asked_for), 24, "gold"))
    assert curated.responses["replicates"].tolist() == [1]


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"pert_time": "24"}, None),
        ({"pert_time": "1", "pert_time_unit": "d"}, None),
        ({"pert_time": "6.0"}, "time 24 h"),
        ({"pert_time": "23.9"}, "time 24 h"),
        ({"pert_time": "24.1"}, "time 24 h"),
        ({"pert_time": "", "pert_itime": ""}, "time 24 h"),
        ({"pert_time": "", "pert_itime": "24 h & 4 h"}, "time 24 h"),
    ],
)
def test_only_the_time_asked_for_is_kept(tmp_path, changes, step):
    assert step_that_drops(tmp_path, **changes) == step


GOOD_AND_BAD = [
    ({"is_gold": "1", "cc_q75": "0.0", "pct_self_rank_q25": "90"}, True),
    ({"is_gold": "1", "cc_q75": "", "pct_self_rank_q25": ""}, True),
    ({"is_gold": "0", "cc_q75": "0.9", "pct_self_rank_q25": "0"}, False),
    ({"is_gold": "", "cc_q75": "0.2", "pct_self_rank_q25": "5"}, True),
    ({"is_gold": "-666", "cc_q75": "0.2", "pct_self_rank_q25": "5"}, True),
    ({"is_gold": "", "cc_q75": "0.199", "pct_self_rank_q25": "0"}, False),
    ({"is_gold": "", "cc_q75": "0.9", "pct_self_rank_q25": "5.01"}, False),
    ({"is_gold": "", "cc_q75": "", "pct_self_rank_q25": "0"}, False),
    ({"is_gold": "", "cc_q75": "0.9", "pct_self_rank_q25": "NaN"}, False),
    ({"is_gold": "", "cc_q75": "-666", "pct_self_rank_q25": "0"}, False),
]


@pytest.mark.parametrize(("changes", "gold"), GOOD_AND_BAD)
def test_the_release_s_verdict_on_quality_goes_before_the_numbers(tmp_path, changes, gold):
    assert step_that_drops(tmp_path, **changes) == (None if gold else "quality gold")


@pytest.mark.parametrize(("changes", "_"), GOOD_AND_BAD)
def test_any_quality_is_kept_where_the_settings_say_so(tmp_path, changes, _):
    assert step_that_drops(tmp_path, Rules(10, 24, "any"), **changes) is None


@pytest.mark.parametrize("kind", ["ctl_vehicle", "trt_sh", "TRT_CP", ""])
def test_only_signatures_of_compounds_are_kept(tmp_path, kind):
    assert step_that_drops(tmp_path, pert_type=kind) == "signatures of compounds (trt_cp)"


def test_another_dose_and_time_can_be_asked_for(tmp_path):
    signatures = [
        signature("usual"),
        signature("asked for", line="B", pert_dose="1", pert_time="6"),
        signature("early", line="B", pert_time="6"),
        signature("low", line="B", pert_dose="1"),
    ]
    curated = curate(write_bundle(tmp_path, signatures), Rules(1, 6, "any"))
    assert_consistent(curated)
    z = made_up([row["sig_id"] for row in signatures])
    genes = curated.genes["gene_id"].tolist()
    np.testing.assert_array_equal(curated.z, z.loc[["asked for"], genes].to_numpy())
    steps = curated.funnel["step"].tolist()
    assert "dose 1 uM" in steps
    assert "time 6 h" in steps
    assert "quality gold" not in steps


def test_what_is_not_asked_for_is_no_reject(tmp_path):
    signatures = [
        signature("kept"),
        signature("vehicle", pert_type="ctl_vehicle", drug="D8"),
        signature("low", pert_dose="1", line="C"),
        signature("early", pert_time="6", drug="D7"),
        signature("bad", is_gold="0", drug="D6"),
    ]
    curated = curate(write_bundle(tmp_path, signatures), RULES)
    assert rejected(curated) == set()
    assert curated.responses["replicates"].tolist() == [1]


# Data asked for that cannot be used


def test_a_signature_without_a_row_in_the_matrix_is_rejected(tmp_path):
    signatures = [signature("kept"), signature("absent", "D3")]
    curated = curate(write_bundle(tmp_path, signatures, made_up(["kept", "in no table"])), RULES)
    assert_consistent(curated)
    assert rejected(curated) == {("signature", "absent", "no row in level5_beta_trt_cp_tiny.gctx")}
    assert curated.responses["drug_id"].tolist() == ["D1"]
    np.testing.assert_array_equal(
        curated.z, made_up(["kept", "in no table"]).loc[["kept"], curated.genes["gene_id"].tolist()]
    )


@pytest.mark.parametrize(
    ("drug", "reason", "detail"),
    [
        ("D6", "no SMILES", None),
        ("D7", "not a valid SMILES", "CC(=O"),
        ("D8", "not in compoundinfo_beta.txt", None),
    ],
)
def test_a_drug_without_a_usable_structure_is_rejected_once(tmp_path, drug, reason, detail):
    signatures = [signature("kept"), signature("one", drug), signature("two", drug, "B")]
    curated = curate(write_bundle(tmp_path, signatures), RULES)
    assert_consistent(curated)
    assert rejected(curated) == {("drug", drug, reason)}
    given_detail = curated.rejects["detail"].item()
    assert given_detail == detail if detail else pd.isna(given_detail)
    step = curated.funnel.set_index("step").loc["drug with a structure"]
    assert (step["kept"], step["dropped"]) == (1, 2)


def test_a_cell_line_without_untreated_expression_is_rejected_once(tmp_path):
    signatures = [signature("kept"), signature("one", line="C"), signature("two", "D3", "C")]
    curated = curate(write_bundle(tmp_path, signatures), RULES)
    assert_consistent(curated)
    assert rejected(curated) == {("cell_line", "C", "no untreated expression in basal_expression_tiny.csv")}
    assert curated.cell_lines["cell_line"].tolist() == ["A"]
    assert curated.drugs["drug_id"].tolist() == ["D1"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -666])
def test_a_signature_with_a_bad_z_score_is_rejected(tmp_path, value):
    signatures = [signature("kept"), signature("damaged", "D3")]
    z = made_up(["kept", "damaged"])
    z.loc["damaged", "103"] = value
    curated = curate(write_bundle(tmp_path, signatures, z), RULES)
    assert_consistent(curated)
    assert rejected(curated) == {("signature", "damaged", NOT_FINITE)}
    step = curated.funnel.set_index("step").loc["all z-scores finite"]
    assert (step["kept"], step["dropped"]) == (1, 1)
    np.testing.assert_array_equal(curated.z, z.loc[["kept"], curated.genes["gene_id"].tolist()])


def test_a_damaged_replicate_does_not_enter_the_median(tmp_path):
    z = made_up(["one", "two", "damaged"])
    z.loc["damaged", "103"] = -666
    signatures = [signature(sig_id) for sig_id in z.index]
    curated = curate(write_bundle(tmp_path, signatures, z), RULES)
    assert curated.responses["replicates"].tolist() == [2]
    genes = curated.genes["gene_id"].tolist()
    np.testing.assert_allclose(curated.z[0], z.loc[["one", "two"], genes].mean(), rtol=1e-6)


def test_a_bad_z_score_of_a_gene_outside_the_panel_does_no_harm(tmp_path):
    z = made_up(["only"])
    z.loc["only", "106"] = np.nan
    curated = curate(write_bundle(tmp_path, [signature("only")], z), RULES)
    assert rejected(curated) == set()
    assert len(curated.responses) == 1


@pytest.mark.parametrize("column", ["pert_id", "cell_iname"])
def test_a_signature_without_a_drug_or_a_cell_line_is_rejected(tmp_path, column):
    signatures = [signature("kept"), signature("elsewhere", line="C"), signature("blank", **{column: ""})]
    curated = curate(write_bundle(tmp_path, signatures), RULES)
    assert_consistent(curated)
    assert curated.responses["replicates"].tolist() == [1]
    assert len(curated.rejects) == 2


# One structure, one drug


def test_a_salt_is_the_drug_of_its_parent_and_the_first_id_is_kept(tmp_path):
    compounds = {"Z9": ASPIRIN, "D2": ASPIRIN_SODIUM, "K5": "OC(=O)c1ccccc1OC(C)=O", "D3": CAFFEINE}
    signatures = [
        signature("a", "Z9"),
        signature("b", "K5"),
        signature("c", "D2"),
        signature("d", "D3"),
        signature("e", "Z9", "B"),
    ]
    curated = curate(write_bundle(tmp_path, signatures, compounds=compounds), RULES)
    assert_consistent(curated)
    assert list(curated.responses[KEY].itertuples(index=False, name=None)) == [
        ("D2", "A", 3),
        ("D2", "B", 1),
        ("D3", "A", 1),
    ]
    drug = curated.drugs.set_index("drug_id").loc["D2"]
    assert drug["other_ids"] == "K5|Z9"
    assert (drug["name"], drug["moa"]) == ("name of D2", "moa of D2")
    assert drug["inchikey"] == "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"  # aspirin's
    assert Chem.CanonSmiles(drug["smiles"]) == Chem.CanonSmiles(ASPIRIN)
    assert pd.isna(curated.drugs.set_index("drug_id").loc["D3", "other_ids"])
    step = curated.funnel[curated.funnel["unit"] == "drugs"].iloc[0]
    assert (step["kept"], step["dropped"]) == (2, 2)


def test_a_counter_ion_is_no_drug_and_a_metal_complex_is_rejected(tmp_path):
    tromethamine = "NC(CO)(CO)CO"
    compounds = {
        "D1": f"{ASPIRIN}.CCCCCCCCCCCCCCCCCC(=O)O.{tromethamine}",
        "D2": ASPIRIN,
        "D3": tromethamine,
        "D4": "CC(=O)OC[C@H]1O[C@@H](S[Au]=P(CC)(CC)CC)[C@H](O)[C@@H](O)[C@@H]1O",
    }
    signatures = [signature(drug, drug) for drug in compounds]
    curated = curate(write_bundle(tmp_path, signatures, compounds=compounds), RULES)
    assert_consistent(curated)
    drugs = curated.drugs.set_index("drug_id")
    assert drugs.index.tolist() == ["D1", "D3"]
    assert drugs.loc["D1", "other_ids"] == "D2"
    assert drugs.loc["D1", "inchikey"] == "BSYNRYMUTXBXSQ-UHFFFAOYSA-N"  # aspirin's
    reasons = curated.rejects.set_index("id")["reason"]
    assert reasons["D4"] == "holds a metal (Au) that standardisation would take off its ligands"


def test_stereo_isomers_are_drugs_of_their_own(tmp_path):
    compounds = {"D4": IBUPROFEN_S, "D5": IBUPROFEN_R, "D9": IBUPROFEN}
    signatures = [signature(drug, drug) for drug in compounds]
    curated = curate(write_bundle(tmp_path, signatures, compounds=compounds), RULES)
    assert_consistent(curated)
    assert curated.drugs["drug_id"].tolist() == ["D4", "D5", "D9"]
    assert curated.drugs["other_ids"].isna().all()
    skeletons = curated.drugs["inchikey"].str.slice(0, 14)
    assert skeletons.nunique() == 1


# Replicates


@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_replicates_become_their_median_per_gene(tmp_path_factory, sizes, seed):
    pairs = [("D1", "B"), ("D3", "A"), ("D1", "A"), ("D4", "B")]
    members = [pair for pair, size in zip(pairs, sizes, strict=False) for _ in range(size)]
    rng = np.random.default_rng(seed)
    members = [members[i] for i in rng.permutation(len(members))]
    signatures = [signature(f"s{i}", *pair) for i, pair in enumerate(members)]
    z = made_up([row["sig_id"] for row in signatures])
    z = z + rng.integers(-3, 4, size=z.shape).astype(np.float32)
    curated = curate(write_bundle(tmp_path_factory.mktemp("bundle"), signatures, z), RULES)
    assert_consistent(curated)
    expected = sorted(set(members))
    assert list(curated.responses[KEY].itertuples(index=False, name=None)) == [
        (*pair, members.count(pair)) for pair in expected
    ]
    for row, pair in enumerate(expected):
        own = [row["sig_id"] for row in signatures if (row["pert_id"], row["cell_iname"]) == pair]
        for column, gene_id in enumerate(curated.genes["gene_id"]):
            median = statistics.median(float(z.loc[sig_id, gene_id]) for sig_id in own)
            assert curated.z[row, column] == pytest.approx(median, rel=1e-6, abs=1e-7)


# Genes


def test_without_a_panel_every_annotated_gene_is_used(tmp_path):
    curated = curate(write_bundle(tmp_path, [signature("s")], panel=None), RULES)
    assert_consistent(curated)
    named = curated.genes[["gene", "gene_id", "annotated_as"]]
    assert list(named.itertuples(index=False, name=None)) == [
        ("JUN", "101", "JUN"),
        ("CIAO3", "102", "NARFL"),
        ("MYC", "103", "MYC"),
        ("FOS", "104", "FOS"),
        ("HMOX1", "105", "HMOX1"),
    ]
    assert rejected(curated) == {("gene", "ORPHAN", "no annotation in gene_ontology_tiny.csv")}
    assert counts(curated)[0] == ("genes", 5, 1)
    np.testing.assert_array_equal(curated.z, made_up(["s"])[curated.genes["gene_id"].tolist()])


def test_genes_of_the_panel_without_annotation_are_rejected(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s")], panel=["ORPHAN", "MYC", "FOS"], annotated=["MYC"])
    curated = curate(bundle, RULES)
    assert_consistent(curated)
    assert curated.genes["gene"].tolist() == ["MYC"]
    assert {(kind, gene) for kind, gene, _ in rejected(curated)} == {("gene", "ORPHAN"), ("gene", "FOS")}
    assert counts(curated)[0] == ("genes", 1, 2)


@pytest.mark.parametrize(
    ("in_panel", "in_geneinfo", "in_annotation", "gene", "annotated_as"),
    [
        ("CIAO3", "CIAO3", "NARFL", "CIAO3", "NARFL"),
        ("CIAO3", "NARFL", "NARFL", "CIAO3", "NARFL"),
        ("NARFL", "CIAO3", "CIAO3", "NARFL", "CIAO3"),
        ("HLA-DRA", "HLA-DRA", "HLA.DRA", "HLA-DRA", "HLA.DRA"),
        (None, "CIAO3", "NARFL", "CIAO3", "NARFL"),
    ],
)
def test_a_gene_is_found_under_its_other_names(
    tmp_path, in_panel, in_geneinfo, in_annotation, gene, annotated_as
):
    bundle = write_bundle(
        tmp_path,
        [signature("s")],
        genes=GENES | {"102": in_geneinfo},
        annotated=["MYC", in_annotation],
        panel=[in_panel, "MYC"] if in_panel else None,
    )
    curated = curate(bundle, RULES)
    assert_consistent(curated)
    named = curated.genes[["gene", "gene_id", "annotated_as"]]
    assert list(named.itertuples(index=False, name=None)) == [
        (gene, "102", annotated_as),
        ("MYC", "103", "MYC"),
    ]
    np.testing.assert_array_equal(curated.z, made_up(["s"])[["102", "103"]])


@given(panel=st.permutations(PANEL))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_panel_does_not_matter(tmp_path_factory, panel):
    bundle = write_bundle(tmp_path_factory.mktemp("bundle"), DIRTY, DIRTY_Z, panel=panel)
    assert_same(curate(bundle, RULES), curate_dirty())


def test_a_panel_with_unknown_genes_names_them_and_a_near_one(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s")], panel=["MYC", "HMOX", "NOTAGENE"])
    with pytest.raises(RawDataError) as error:
        curate(bundle, RULES)
    assert str(error.value).startswith(f"{bundle.panel}: the matrix lacks 2 of 3 genes: HMOX, NOTAGENE")
    assert "did you mean 'HMOX1'?" in str(error.value)


def test_ensembl_ids_are_those_of_geneinfo_and_missing_where_it_has_none(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s")])
    without = curate(bundle, RULES).genes
    assert without["ensembl_id"].isna().all()
    schemas.validate(without, schemas.GENES, Path("table"))
    table = pd.read_csv(bundle.geneinfo, sep="\t", dtype=str)
    known = table["gene_id"] != without["gene_id"].iloc[0]
    table["ensembl_id"] = ("ENSG" + table["gene_id"]).where(known, "")
    table.to_csv(bundle.geneinfo, sep="\t", index=False)
    genes = curate(bundle, RULES).genes
    assert pd.isna(genes["ensembl_id"].iloc[0])
    assert genes["ensembl_id"].tolist()[1:] == ("ENSG" + genes["gene_id"]).tolist()[1:]
    assert len(genes) > 1
    schemas.validate(genes, schemas.GENES, Path("table"))


def test_a_panel_gene_that_only_geneinfo_knows_is_unknown(tmp_path):
    bundle = write_bundle(
        tmp_path,
        [signature("s")],
        genes=GENES | {"999": "EXTRA"},
        panel=["MYC", "EXTRA"],
        annotated=["EXTRA"],
    )
    with pytest.raises(RawDataError, match="the matrix lacks 1 of 2 genes: EXTRA"):
        curate(bundle, RULES)


def test_genes_that_only_one_file_knows_are_left_out(tmp_path):
    genes = {"999": "EXTRA"} | {gene_id: GENES[gene_id] for gene_id in ("103", "101")}
    bundle = write_bundle(
        tmp_path, [signature("s")], genes=genes, panel=None, annotated=["EXTRA", "JUN", "MYC", "CIAO3"]
    )
    curated = curate(bundle, RULES)
    assert curated.genes["gene"].tolist() == ["MYC", "JUN"]
    np.testing.assert_array_equal(curated.z, made_up(["s"])[["103", "101"]])


def test_no_gene_in_common_is_told_with_both_files(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s")], genes={"1": "JUN", "2": "MYC"}, panel=None)
    with pytest.raises(RawDataError, match=r"geneinfo_beta\.txt: names none of .*tiny\.gctx .*106, 105, 104"):
        curate(bundle, RULES)


def test_no_annotated_gene_is_told_with_the_file(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s")], annotated=["OTHER"])
    with pytest.raises(RawDataError, match=r"gene_ontology_tiny\.csv: annotates none"):
        curate(bundle, RULES)


@pytest.mark.parametrize("panel", [None, PANEL])
def test_a_gene_without_a_symbol_is_left_out(tmp_path, panel):
    bundle = write_bundle(tmp_path, [signature("s")], genes=GENES | {"106": ""}, panel=panel)
    curated = curate(bundle, RULES)
    assert_consistent(curated)
    assert curated.genes["gene"].tolist() == list(PANEL)


@pytest.mark.parametrize("panel", [None, ("JUN", "MYC")])
def test_two_genes_of_one_symbol_are_refused_in_the_project_s_words(tmp_path, panel):
    genes = [("101", "JUN"), ("102", "MYC"), ("103", "MYC")]
    bundle = write_bundle(tmp_path, [signature("s")], genes=genes, panel=panel)
    with pytest.raises(AnchorDrugError, match=r"geneinfo_beta\.txt.*MYC"):
        curate(bundle, RULES)


# The whole


DIRTY = [
    signature("vehicle", "D8", pert_type="ctl_vehicle"),
    signature("low", "D3", pert_dose="1"),
    signature("early", "D3", pert_time="6"),
    signature("bad", "D3", cc_q75="0.1"),
    signature("absent", "D3"),
    signature("no SMILES", "D6"),
    signature("not a SMILES", "D7"),
    signature("not a SMILES again", "D7", "B"),
    signature("unlisted", "D8"),
    signature("no expression", "D1", "C"),
    signature("no expression again", "D3", "C"),
    signature("damaged", "D3", "B"),
    signature("good 1", "D1"),
    signature("good 2", "D1"),
    signature("good 3", "D2"),
    signature("good 4", "D2", "B"),
    signature("good 5", "D3"),
    signature("good 6", "D4"),
    signature("good 7", "D5"),
]
DIRTY_Z = made_up([row["sig_id"] for row in DIRTY if row["sig_id"] != "absent"])
DIRTY_Z.loc["damaged", "101"] = np.nan


@cache
def curate_dirty() -> Curated:
    with TemporaryDirectory() as folder:
        return curate(write_bundle(Path(folder), DIRTY, DIRTY_Z), RULES)


def assert_same(one: Curated, other: Curated) -> None:
    for name in ("responses", "drugs", "genes", "cell_lines", "funnel"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.z, other.z)
    assert rejected(one) == rejected(other)
    assert len(one.rejects) == len(other.rejects)


def test_a_dirty_bundle_gives_the_funnel_and_rejects_worked_out_by_hand(tmp_path):
    curated = curate(write_bundle(tmp_path, DIRTY, DIRTY_Z, panel=[*PANEL, "ORPHAN"]), RULES)
    assert_consistent(curated)
    assert counts(curated) == [
        ("genes", 5, 1),
        ("signatures", 18, 1),  # the vehicle
        ("signatures", 17, 1),  # another dose
        ("signatures", 16, 1),  # another time
        ("signatures", 15, 1),  # low quality
        ("signatures", 14, 1),  # not in the matrix
        ("signatures", 10, 4),  # of D6, D7 (two) and D8
        ("drugs", 4, 1),  # D2 is D1
        ("signatures", 8, 2),  # in C
        ("signatures", 7, 1),  # damaged
        ("experiments", 5, 2),  # D1 and D2 in A
    ]
    assert {(kind, name) for kind, name, _ in rejected(curated)} == {
        ("gene", "ORPHAN"),
        ("signature", "absent"),
        ("drug", "D6"),
        ("drug", "D7"),
        ("drug", "D8"),
        ("cell_line", "C"),
        ("signature", "damaged"),
    }
    assert list(curated.responses[KEY].itertuples(index=False, name=None)) == [
        ("D1", "A", 3),
        ("D1", "B", 1),
        ("D3", "A", 1),
        ("D4", "A", 1),
        ("D5", "A", 1),
    ]
    z = DIRTY_Z[curated.genes["gene_id"].tolist()]
    expected = [np.sort(z.loc[["good 1", "good 2", "good 3"]].to_numpy(), axis=0)[1]]
    expected += [z.loc[f"good {i}"].to_numpy() for i in (4, 5, 6, 7)]
    np.testing.assert_array_equal(curated.z, np.stack(expected))


@given(
    rows=st.permutations(range(len(DIRTY))),
    matrix_rows=st.permutations(range(len(DIRTY_Z))),
    matrix_columns=st.permutations(range(len(GENES))),
    drugs=st.permutations(list(COMPOUNDS)),
)
@settings(max_examples=20, deadline=None)
def test_the_order_of_rows_and_columns_does_not_matter(
    tmp_path_factory, rows, matrix_rows, matrix_columns, drugs
):
    bundle = write_bundle(
        tmp_path_factory.mktemp("bundle"),
        [DIRTY[row] for row in rows],
        DIRTY_Z.iloc[list(matrix_rows), list(matrix_columns)],
        compounds={drug: COMPOUNDS[drug] for drug in drugs},
    )
    assert_same(curate(bundle, RULES), curate_dirty())


def test_metadata_inside_the_matrix_serves_where_there_is_no_siginfo(tmp_path):
    bundle = write_bundle(tmp_path, DIRTY, DIRTY_Z)
    bundle.siginfo.unlink()
    described = pd.DataFrame([row for row in DIRTY if row["sig_id"] != "absent"])
    assert described["sig_id"].tolist() == DIRTY_Z.index.tolist()
    for number in ("pert_dose", "pert_time", "cc_q75", "pct_self_rank_q25"):
        described[number] = described[number].astype(float)
    write_gctx(bundle.matrix, DIRTY_Z.to_numpy(), described, pd.DataFrame({"id": DIRTY_Z.columns}))
    inside, beside = curate(find_bundle(tmp_path), RULES), curate_dirty()
    assert_consistent(inside)
    np.testing.assert_array_equal(inside.z, beside.z)
    pd.testing.assert_frame_equal(inside.responses, beside.responses)
    assert rejected(beside) - rejected(inside) == {
        ("signature", "absent", "no row in level5_beta_trt_cp_tiny.gctx")
    }


def test_a_gct_matrix_gives_what_a_gctx_gives(tmp_path):
    bundle = write_bundle(tmp_path, DIRTY, DIRTY_Z)
    bundle.matrix.unlink()
    lines = ["#1.3", f"{DIRTY_Z.shape[1]}\t{len(DIRTY_Z)}\t0\t0", "\t".join(["id", *DIRTY_Z.index])]
    lines += ["\t".join([gene, *map(repr, map(float, DIRTY_Z[gene]))]) for gene in DIRTY_Z.columns]
    (tmp_path / "level5_beta_trt_cp_tiny.gct").write_text("\n".join(lines) + "\n")
    curated, expected = curate(find_bundle(tmp_path), RULES), curate_dirty()
    np.testing.assert_array_equal(curated.z, expected.z)
    pd.testing.assert_frame_equal(curated.responses, expected.responses)
    pd.testing.assert_frame_equal(curated.funnel, expected.funnel)


@pytest.mark.parametrize(
    ("changes", "in_matrix", "value", "message"),
    [
        (
            {"pert_type": "trt_sh"},
            ["s1", "s2"],
            0,
            "siginfo_beta.txt: no signature is of a compound (pert_type is ctl_vehicle, trt_sh, not trt_cp); "
            "give the table of compounds",
        ),
        (
            {"pert_dose": "3.3"},
            ["s1", "s2"],
            0,
            "siginfo_beta.txt: no signature has the dose 10 uM, but 3.3 uM; set curate.dose_um in "
            "params.yaml to one of these",
        ),
        (
            {"pert_dose_unit": "fold", "pert_idose": "10 fold"},
            ["s1", "s2"],
            0,
            "siginfo_beta.txt: no dose can be read (columns pert_dose and pert_dose_unit, or pert_idose); "
            "write it as in '10 uM'",
        ),
        (
            {"pert_time": "6"},
            ["s1", "s2"],
            0,
            "siginfo_beta.txt: no signature has the time 24 h, but 6 h; set curate.time_h in params.yaml to "
            "one of these",
        ),
        (
            {"is_gold": "0"},
            ["s1", "s2"],
            0,
            "siginfo_beta.txt: none of its 2 signatures of this dose and time is gold (is_gold 1, or cc_q75 "
            ">= 0.2 and pct_self_rank_q25 <= 5); set curate.quality: any in params.yaml to take "
            "all signatures",
        ),
        (
            {"cc_q75": "", "pct_self_rank_q25": ""},
            ["s1", "s2"],
            0,
            "siginfo_beta.txt: has no values of quality in columns is_gold, cc_q75 (distil_cc_q75) or "
            "pct_self_rank_q25; add them, from a table of metrics by sig_id, or set curate.quality: any in "
            "params.yaml to take all signatures",
        ),
        (
            {},
            ["CPC001:BRD-K1", "CPC001:BRD-K2"],
            0,
            "siginfo_beta.txt: names none of the signature ids of {folder}/level5_beta_trt_cp_tiny.gctx "
            "(such as CPC001:BRD-K1, CPC001:BRD-K2), but vehicle, s1, s2; use the tables of the same release",
        ),
        (
            {},
            ["vehicle"],
            0,
            "level5_beta_trt_cp_tiny.gctx: has none of the 2 signatures of this dose, time and quality in "
            "{folder}/siginfo_beta.txt (such as s1), but others (such as vehicle); check curate "
            "in params.yaml",
        ),
        (
            {"pert_id": "BRD-K1"},
            ["s1", "s2"],
            0,
            "compoundinfo_beta.txt: names none of the drugs of {folder}/siginfo_beta.txt (such as BRD-K1), "
            "but D1, D2, D3 and 4 more; use the tables of the same release",
        ),
        (
            {"pert_id": ""},
            ["s1", "s2"],
            0,
            "siginfo_beta.txt: no signature wanted names a compound; fill in pert_id",
        ),
        (
            {"pert_id": "D6"},
            ["s1", "s2"],
            0,
            "compoundinfo_beta.txt: none of the 1 drug wanted from {folder}/siginfo_beta.txt has a "
            "structure: D6: no SMILES; fill in canonical_smiles",
        ),
        (
            {"cell_iname": "C"},
            ["s1", "s2"],
            0,
            "basal_expression_tiny.csv: has none of the cell lines of {folder}/siginfo_beta.txt (such as C), "
            "but A, B; name its rows as there, or add a table of cell lines (cellinfo_beta.txt, Model.csv) "
            "that has both names",
        ),
        (
            {"cell_iname": ""},
            ["s1", "s2"],
            0,
            "siginfo_beta.txt: none of the 2 signatures wanted names a cell line; fill in cell_iname",
        ),
        (
            {},
            ["s1", "s2"],
            np.nan,
            "level5_beta_trt_cp_tiny.gctx: has no z-score of the 2 signatures wanted; write it again",
        ),
    ],
)
def test_where_a_step_leaves_nothing_the_error_names_the_data(tmp_path, changes, in_matrix, value, message):
    vehicle = signature("vehicle", pert_type="ctl_vehicle")
    signatures = [vehicle, signature("s1", "D1") | changes, signature("s2", "D3") | changes]
    bundle = write_bundle(tmp_path, signatures, made_up(in_matrix) + np.float32(value))
    with pytest.raises(RawDataError) as error:
        curate(bundle, RULES)
    assert str(error.value) == f"{tmp_path}/{message.format(folder=tmp_path)}"


def without_columns(folder: Path, *columns: str) -> None:
    path = folder / "siginfo_beta.txt"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False).drop(columns=list(columns))
    table.to_csv(path, sep="\t", index=False, lineterminator="\n")


def test_quality_in_another_file_is_told_with_its_name(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s1")])
    without_columns(tmp_path, "is_gold", "cc_q75", "pct_self_rank_q25")
    (tmp_path / "GSE92742_Broad_LINCS_sig_metrics.txt").write_text("sig_id\ttas\ns1\t0.4\n")
    with pytest.raises(RawDataError, match=r"is_gold.*; GSE92742_Broad_LINCS_sig_metrics\.txt may have them"):
        curate(bundle, RULES)
    assert len(curate(bundle, Rules(10, 24, "any")).responses) == 1


def transpose(path: Path) -> None:
    pd.read_csv(path, index_col=0, dtype=str).T.to_csv(path, index_label="name")


def test_a_transposed_basal_table_is_told(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s1")])
    transpose(bundle.expression)
    with pytest.raises(
        RawDataError, match=r"has cell lines in its columns \(A, B\) and genes in its rows \(g0"
    ):
        curate(bundle, RULES)


def test_a_transposed_annotation_is_told(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s1")])
    transpose(bundle.annotation)
    with pytest.raises(
        RawDataError, match=r"has genes in its columns \(NARFL.* rows \(GO\.1, GO\.2\); transpose"
    ):
        curate(bundle, RULES)


def test_a_transposed_matrix_is_told(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s1")], made_up(["s1"]).T)
    with pytest.raises(
        RawDataError, match=r"gctx: has genes in place of signatures .* not s1\); transpose it"
    ):
        curate(bundle, RULES)


def test_a_gene_without_any_value_is_named(tmp_path):
    z = made_up(["s1", "s2"])
    z["103"] = np.nan
    bundle = write_bundle(tmp_path, [signature("s1"), signature("s2", "D3")], z)
    with pytest.raises(
        RawDataError, match=r"gene MYC has no z-score in any of the 2 signatures wanted; leave"
    ):
        curate(bundle, RULES)


def test_values_missing_here_and_there_are_named(tmp_path):
    z = made_up(["s1", "s2"])
    z.loc["s1", "103"] = z.loc["s2", "101"] = np.inf
    bundle = write_bundle(tmp_path, [signature("s1"), signature("s2", "D3")], z)
    with pytest.raises(
        RawDataError, match=r"each of the 2 signatures wanted lacks z-scores, such as s1 of MYC"
    ):
        curate(bundle, RULES)


# Cell lines under other names


def name_rows(bundle: RawBundle, *names: str) -> None:
    lines = bundle.expression.read_text().splitlines()
    values = lines[1].partition(",")[2]
    bundle.expression.write_text("\n".join([lines[0], *(f"{name},{values}" for name in names)]) + "\n")


@pytest.mark.parametrize(
    ("measured", "row"),
    [
        ("THP1", "THP-1"),
        ("U-2 OS", "U2OS"),
        ("SNU.C1", "snuc1"),
        ("A549", "A549_LUNG"),
        ("HL60", "HL60_HAEMATOPOIETIC_AND_LYMPHOID_TISSUE"),
        ("H1975", "NCI-H1975"),
        ("NCIH838", "H838_LUNG"),
        ("786-O", "786O_KIDNEY"),
        ("5637", "5637.0"),
    ],
)
def test_a_line_is_found_in_the_basal_expression_under_another_spelling(tmp_path, measured, row):
    bundle = write_bundle(tmp_path, [signature("s1", line=measured), signature("s2", "D3", "C")])
    name_rows(bundle, "JURKAT", row)
    curated = curate(bundle, RULES)
    assert_consistent(curated)
    assert curated.cell_lines["cell_line"].tolist() == [measured]
    assert curated.notes == [f"{measured}: its untreated expression is {row}'s in basal_expression_tiny.csv"]


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("Model.csv", "ModelID,StrippedCellLineName,CCLEName,RRID", "ACH-000587,{},X_LUNG,CVCL_1511"),
        ("sample_info.csv", "DepMap_ID,cell_line_name,COSMICID,RRID", "ACH-000587,{},724866,CVCL_1511"),
        (
            "cellinfo_beta.txt",
            "cell_iname\tccle_name\tcellosaurus_id\tcell_alias",
            "{}\tX_LUNG\tCVCL_1511\tACH-000587|old",
        ),
    ],
)
@pytest.mark.parametrize("row_name", ["ACH-000587", "CVCL_1511"])
def test_a_line_is_found_by_the_ids_in_a_table_of_lines(tmp_path, name, header, row, row_name):
    bundle = write_bundle(tmp_path, [signature("s1", line="H1975")])
    (tmp_path / name).write_text(f"{header}\n{row.format('NCI-H1975')}\n")
    name_rows(bundle, "ACH-000001", row_name)
    assert curate(bundle, RULES).cell_lines["cell_line"].tolist() == ["H1975"]


def test_rows_that_may_all_be_one_line_are_refused_with_their_names(tmp_path):
    bundle = write_bundle(tmp_path, [signature("s1", line="A549"), signature("s2", line="JURKAT")])
    name_rows(bundle, "A549_LUNG", "A549_SKIN", "JURKAT")
    curated = curate(bundle, RULES)
    assert curated.cell_lines["cell_line"].tolist() == ["JURKAT"]
    (reject,) = curated.rejects.query("kind == 'cell_line'").to_dict("records")
    assert reject["id"] == "A549"
    assert reject["reason"] == "several rows of basal_expression_tiny.csv may be its"
    assert reject["detail"] == "A549_LUNG or A549_SKIN"


def test_two_spellings_of_a_line_are_one_line(tmp_path):
    signatures = [signature("s1", line="THP1"), signature("s2", line="THP1"), signature("s3", line="THP-1")]
    bundle = write_bundle(tmp_path, signatures)
    name_rows(bundle, "THP-1")
    curated = curate(bundle, RULES)
    assert curated.responses[["cell_line", "replicates"]].to_numpy().tolist() == [["THP-1", 3]]
    assert curated.notes == ["THP1: is THP-1 under another spelling"]


# The demo bundle, against plain pandas


@pytest.fixture(scope="module")
def demo() -> Curated:
    return curate(find_bundle(DEMO), RULES)


def test_the_demo_bundle_is_consistent_and_has_every_kind_of_dirt(demo):
    assert_consistent(demo)
    assert set(demo.rejects["kind"]) == {"drug", "gene", "cell_line", "signature"}
    assert (demo.funnel["dropped"] > 0).all()


def test_z_scores_on_disk_are_those_in_memory(demo, tmp_path, monkeypatch):
    assert_same(demo, curate(find_bundle(DEMO), RULES, tmp_path / "work"))
    monkeypatch.setattr("anchordrug.atlas.curate._VALUES_AT_ONCE", 500)
    assert_same(demo, curate(find_bundle(DEMO), RULES, tmp_path / "work"))


def test_the_demo_bundle_gives_what_plain_pandas_gives(demo):
    """One structure has one compound name in the demo bundle, under whichever id."""
    with h5py.File(next(DEMO.glob("*.gctx"))) as file:
        sig_ids, gene_ids = (file[f"0/META/{axis}/id"].asstr()[:] for axis in ("COL", "ROW"))
        z = pd.DataFrame(file["0/DATA/0/matrix"][:].astype(float), sig_ids, gene_ids)
    genes = pd.read_csv(DEMO / "geneinfo_beta.txt", sep="\t", dtype=str)
    panel = next(DEMO.glob("gene_panel*")).read_text().split()
    annotated = pd.read_csv(next(DEMO.glob("gene_ontology*")), index_col=0).index
    usable = genes[genes["gene_symbol"].isin(panel) & genes["gene_symbol"].isin(annotated)]
    z = z[usable["gene_id"]].set_axis(usable["gene_symbol"], axis=1)
    compounds = pd.read_csv(DEMO / "compoundinfo_beta.txt", sep="\t").drop_duplicates("pert_id")
    smiles = compounds["canonical_smiles"]
    structured = set(compounds.loc[smiles.notna() & ~smiles.str.endswith("(C", na=False), "pert_id"])
    lines = pd.read_csv(next(DEMO.glob("basal_expression*")), index_col=0).index

    table = pd.read_csv(DEMO / "siginfo_beta.txt", sep="\t")
    expected = []
    for keep in (
        lambda t: t["pert_type"] == "trt_cp",
        lambda t: t["pert_dose"].between(9, 11),
        lambda t: t["pert_time"] == 24,
        lambda t: (
            (t["is_gold"] == 1) | (t["is_gold"].isna() & (t["cc_q75"] >= 0.2) & (t["pct_self_rank_q25"] <= 5))
        ),
        lambda t: t["sig_id"].isin(z.index),
        lambda t: t["pert_id"].isin(structured),
        lambda t: t["cell_iname"].isin(lines),
        lambda t: t["sig_id"].isin(z.dropna().index),
    ):
        kept = table[keep(table)]
        expected.append((len(kept), len(table) - len(kept)))
        if len(expected) == 6:
            drugs = kept["cmap_name"].nunique(), kept["pert_id"].nunique()
        table = kept
    funnel = demo.funnel.set_index("unit")[["kept", "dropped"]]
    assert list(funnel.loc["signatures"].itertuples(index=False, name=None)) == expected
    assert tuple(funnel.loc["drugs"]) == (drugs[0], drugs[1] - drugs[0])
    assert tuple(funnel.loc["genes"]) == (len(usable), len(panel) - len(usable))

    z = z.loc[table["sig_id"]]
    groups = z.groupby([table["cmap_name"].to_numpy(), table["cell_iname"].to_numpy()])
    medians, sizes = groups.median(), groups.size()
    assert tuple(funnel.loc["experiments"]) == (len(medians), len(table) - len(medians))
    names = demo.drugs.set_index("drug_id")["name"]
    ours = pd.MultiIndex.from_arrays([demo.responses["drug_id"].map(names), demo.responses["cell_line"]])
    assert set(ours) == set(medians.index)
    assert demo.genes["gene"].tolist() == medians.columns.tolist()
    np.testing.assert_allclose(demo.z, medians.loc[ours].to_numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(demo.responses["replicates"], sizes.loc[ours])

    ids = table.groupby("cmap_name")["pert_id"].agg(set)
    for drug in demo.drugs.itertuples():
        every = {drug.drug_id, *([] if pd.isna(drug.other_ids) else drug.other_ids.split("|"))}
        assert ids[drug.name] <= every
        assert min(every) == drug.drug_id


# Another assay than L1000, which may not tell quality, and not measure every gene


def test_another_assay_without_quality_keeps_its_signatures_and_genes_that_were_not_measured(tmp_path):
    rows = [
        signature(name, drug, assay="sci-Plex") for name, drug in (("s1", "D1"), ("s2", "D1"), ("s3", "D3"))
    ]
    for row in rows:
        row |= {"is_gold": "", "cc_q75": "", "pct_self_rank_q25": ""}
    z = made_up(["s1", "s2", "s3"])
    z.loc["s1", "101"] = z.loc["s3", "102"] = np.nan
    z.loc[["s1", "s2"], "103"] = np.nan
    curated = curate(write_bundle(tmp_path, rows, z), RULES)
    assert curated.responses["assay"].tolist() == ["sci-Plex", "sci-Plex"]
    expected = np.stack([z.loc[["s1", "s2"]].mean(), z.loc["s3"]])
    column = [list(z.columns).index(gene) for gene in curated.genes["gene_id"]]
    np.testing.assert_allclose(curated.z, expected[:, column].astype(np.float32), rtol=1e-6)
    steps = curated.funnel["step"].tolist()
    assert "quality gold (kept without a quality: 3)" in steps
    assert "z-scores finite where a gene was measured" in steps


def test_two_assays_of_a_drug_in_a_line_are_both_named(tmp_path):
    rows = [signature("s1", "D1"), signature("s2", "D1", assay="sci-Plex"), signature("s3", "D3")]
    rows = [{"assay": ""} | row for row in rows]
    curated = curate(write_bundle(tmp_path, rows), RULES)
    assert curated.responses["assay"].tolist() == ["L1000 and sci-Plex", "L1000"]


@pytest.mark.parametrize("value", [np.inf, np.nan])
def test_a_signature_of_another_assay_without_a_finite_value_is_rejected(tmp_path, value):
    rows = [signature("empty", "D1", assay="mine"), signature("good", "D3", assay="mine")]
    z = made_up(["empty", "good"])
    z.loc["empty"] = value
    curated = curate(write_bundle(tmp_path, rows, z), RULES)
    assert rejected(curated) == {("signature", "empty", NOT_FINITE)}


def test_ids_that_are_no_numbers_are_no_entrez_ids(tmp_path):
    genes = [("101", "JUN"), ("MYC", "MYC")]
    z = made_up(["s"]).iloc[:, :2].set_axis(["101", "MYC"], axis=1)
    curated = curate(write_bundle(tmp_path, [signature("s")], z, genes=genes, panel=None), RULES)
    assert curated.genes["gene_id"].isna().tolist() == [False, True]
