"""The simulated bundle: same bytes for the same seed, statistics near real data, dirty on purpose."""

import shutil
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
import pytest
from rdkit import Chem, DataStructs, rdBase
from rdkit.Chem import rdFingerprintGenerator

from anchordrug.errors import RawDataError
from anchordrug.release.simulate import NO_BASAL, TARGETS, simulate

DEMO = Path(__file__).parents[2] / "datasets" / "demo"


class Bundle(NamedTuple):
    z: pd.DataFrame  # signatures x genes, by id
    signatures: pd.DataFrame
    compounds: pd.DataFrame
    genes: pd.DataFrame
    basal: pd.DataFrame
    ontology: pd.DataFrame
    panel: list[str]


def only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def read_bundle(folder: Path) -> Bundle:
    with h5py.File(only(folder, "level5_beta_trt_cp_n*x128.gctx")) as file:
        columns, rows = (file[f"0/META/{axis}/id"].asstr()[:] for axis in ("COL", "ROW"))
        z = pd.DataFrame(file["0/DATA/0/matrix"][:], columns, rows)
    return Bundle(
        z=z,
        signatures=pd.read_csv(folder / "siginfo_beta.txt", sep="\t"),
        compounds=pd.read_csv(folder / "compoundinfo_beta.txt", sep="\t"),
        genes=pd.read_csv(folder / "geneinfo_beta.txt", sep="\t", dtype=str),
        basal=pd.read_csv(only(folder, "basal_expression_n*.csv.gz"), index_col=0),
        ontology=pd.read_csv(only(folder, "gene_ontology_n*.csv.gz"), index_col=0),
        panel=only(folder, "gene_panel_*.txt").read_text().split(),
    )


def gold_profiles(bundle: Bundle) -> pd.DataFrame:
    """Panel z of gold 10 uM, 24 h signatures: median by (drug id, line)."""
    table = bundle.signatures.set_index("sig_id").reindex(bundle.z.index)
    by_numbers = (table["cc_q75"] >= 0.2) & (table["pct_self_rank_q25"] <= 5)
    gold = (table["is_gold"] == 1) | (table["is_gold"].isna() & by_numbers)
    keep = gold & (table["pert_type"] == "trt_cp") & (table["pert_time"] == 24)
    keep &= (table["pert_dose"] - 10).abs() <= 1
    in_panel = bundle.genes.loc[bundle.genes["gene_symbol"].isin(bundle.panel), "gene_id"]
    z = bundle.z.loc[keep, in_panel].dropna()
    return z.groupby([table.loc[z.index, "pert_id"], table.loc[z.index, "cell_iname"]]).median()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("simulated") / "new" / "bundle"
    simulate(path, seed=0)
    return path


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return read_bundle(folder)


@pytest.fixture(scope="module")
def profiles(bundle: Bundle) -> pd.DataFrame:
    return gold_profiles(bundle)


def test_same_seed_same_bytes(folder: Path, tmp_path: Path):
    simulate(tmp_path, seed=0)
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in names if (folder / name).read_bytes() != (tmp_path / name).read_bytes()] == []


def test_writing_again_into_the_same_folder_is_fine_but_bundles_do_not_mix(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    simulate(tmp_path, seed=0)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(RawDataError, match="another bundle; remove it"):
        simulate(tmp_path, seed=1)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_another_seed_gives_another_bundle(bundle: Bundle, tmp_path: Path):
    simulate(tmp_path, seed=1)
    other = read_bundle(tmp_path)
    assert other.z.shape != bundle.z.shape or not np.allclose(other.z, bundle.z, equal_nan=True)
    down, none, up = label_shares(gold_profiles(other))
    assert 0.11 < down < 0.19
    assert 0.66 < none < 0.78
    assert 0.09 < up < 0.17


def test_committed_demo_is_seed_0(bundle: Bundle):
    demo = read_bundle(DEMO)
    assert list(demo.z.index) == list(bundle.z.index)
    assert list(demo.z.columns) == list(bundle.z.columns)
    np.testing.assert_allclose(demo.z, bundle.z, atol=2e-3)
    for name in ("signatures", "compounds", "genes", "basal", "ontology"):
        pd.testing.assert_frame_equal(getattr(demo, name), getattr(bundle, name))
    assert demo.panel == bundle.panel


def test_is_small(folder: Path):
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3_000_000


def test_readme_says_what_it_is(folder: Path):
    text = (folder / "README.md").read_text()
    for words in ("not biology", "anchordrug simulate --out datasets/demo --seed 0", "NCI/first_5K.smi"):
        assert words in text


def test_sizes(bundle: Bundle):
    lines = bundle.signatures["cell_iname"].unique()
    assert len(lines) == 10
    assert set(TARGETS) < set(lines)
    assert set(lines) - set(bundle.basal.index) == {NO_BASAL}
    assert bundle.basal.shape == (60, 128)
    assert len(bundle.panel) == len(set(bundle.panel)) == 96
    assert set(bundle.panel) < set(bundle.genes["gene_symbol"])
    assert bundle.ontology.shape == (126, 160)
    assert int((bundle.ontology.sum(axis=1) == 0).sum()) == 2
    assert (bundle.ontology.sum() > 0).all()
    assert list(bundle.z.columns) == list(bundle.genes["gene_id"])
    assert 355 <= bundle.compounds["pert_id"].nunique() <= 390


def test_tables_have_the_columns_of_the_release(bundle: Bundle):
    assert {"sig_id", "pert_id", "cmap_name", "cell_iname", "pert_type", "pert_dose", "pert_dose_unit",
            "pert_idose", "pert_time", "pert_time_unit", "pert_itime", "is_gold", "cc_q75",
            "pct_self_rank_q25"} == set(bundle.signatures.columns)  # fmt: skip
    assert list(bundle.compounds.columns) == [
        "pert_id", "cmap_name", "target", "moa", "canonical_smiles", "inchi_key",
    ]  # fmt: skip
    assert list(bundle.genes.columns) == [
        "gene_id", "gene_symbol", "ensembl_id", "gene_title", "gene_type", "src", "feature_space",
    ]  # fmt: skip


def test_names_say_sim(bundle: Bundle):
    for names in (
        bundle.signatures[["sig_id", "pert_id", "cmap_name", "cell_iname"]].to_numpy().ravel(),
        bundle.compounds[["pert_id", "cmap_name"]].to_numpy().ravel(),
        bundle.compounds["moa"].dropna(),
        bundle.genes["gene_symbol"],
        bundle.basal.index,
        bundle.ontology.columns,
    ):
        assert all(name.startswith("SIM") for name in names)
    assert bundle.basal.index.str.fullmatch(r"[A-Za-z0-9._-]+").all()


def label_shares(profiles: pd.DataFrame) -> tuple[float, float, float]:
    z = profiles.to_numpy()
    return float((z < -1.5).mean()), float((np.abs(z) <= 1.5).mean()), float((z > 1.5).mean())


def test_labels_are_as_frequent_as_in_real_data(profiles: pd.DataFrame):
    down, none, up = label_shares(profiles)  # real: 0.147, 0.732, 0.121
    assert 0.12 < down < 0.18
    assert 0.67 < none < 0.77
    assert 0.10 < up < 0.16


def test_profiles_correlate_as_in_real_data(profiles: pd.DataFrame):
    drug, line = (profiles.index.get_level_values(level).to_numpy() for level in (0, 1))
    correlation = np.corrcoef(profiles.to_numpy())
    pair = np.triu(np.ones_like(correlation, dtype=bool), 1)
    same_drug, same_line = drug[:, None] == drug, line[:, None] == line
    assert 0.25 < correlation[pair & same_drug & ~same_line].mean() < 0.42  # real: 0.28 to 0.39
    assert 0.05 < correlation[pair & ~same_drug & same_line].mean() < 0.15  # real: 0.11


def test_tails_are_heavy(profiles: pd.DataFrame):
    z = profiles.to_numpy()
    responding = (np.abs(z) > 1.5).mean(axis=1)
    assert np.abs(z).max() == 10
    assert 0.001 < (np.abs(z) == 10).mean() < 0.02
    assert (responding < 0.1).mean() > 0.15  # many weak drugs
    assert (responding > 0.6).mean() > 0.05  # some strong ones


def macro_f1(truth: np.ndarray, guess: np.ndarray) -> float:
    labels = (
        (truth < -1.5, guess < -1.5),
        (np.abs(truth) <= 1.5, np.abs(guess) <= 1.5),
        (truth > 1.5, guess > 1.5),
    )
    return float(np.mean([2 * (t & g).sum() / (t.sum() + g.sum()) for t, g in labels]))


@pytest.mark.parametrize("target", TARGETS)
def test_consensus_of_other_lines_is_good_but_not_perfect(profiles: pd.DataFrame, target: str):
    truth = profiles.xs(target, level=1)
    sources = profiles.drop(index=[*TARGETS, NO_BASAL], level=1)
    consensus = sources.groupby(level=0).mean().reindex(truth.index)
    unseen = consensus.isna().all(axis=1).mean()
    assert 180 <= len(truth) <= 210
    assert 0.05 < unseen < 0.2
    assert 0.24 < macro_f1(truth.to_numpy(), np.zeros(truth.shape)) < 0.32
    assert 0.45 < macro_f1(truth.to_numpy(), consensus.fillna(0).to_numpy()) < 0.58


def test_coverage_of_lines(profiles: pd.DataFrame):
    sizes = profiles.groupby(level=1).size()
    assert set(sizes.nlargest(2).index) == set(TARGETS)
    assert sizes.drop(index=TARGETS).between(80, 185).all()


def test_mechanisms_are_known_for_two_drugs_in_three(bundle: Bundle):
    drugs = bundle.compounds.drop_duplicates("pert_id")
    assert 0.55 < drugs["moa"].notna().mean() < 0.75
    assert drugs["moa"].nunique() == 14
    assert bundle.compounds["pert_id"].duplicated().any()  # a row per target, as in the release


def test_drugs_of_one_mechanism_look_alike(bundle: Bundle):
    drugs = bundle.compounds.drop_duplicates("cmap_name").dropna(subset=["moa", "inchi_key"])
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=1024)
    prints = [generator.GetFingerprint(Chem.MolFromSmiles(text)) for text in drugs["canonical_smiles"]]
    alike = np.array([DataStructs.BulkTanimotoSimilarity(one, prints) for one in prints])
    np.fill_diagonal(alike, 0)
    moa = drugs["moa"].to_numpy()
    nearest_shares_moa = (moa[alike.argmax(axis=1)] == moa).mean()
    assert 0.5 < nearest_shares_moa < 0.9  # with exceptions; by chance it would be 1 in 14


def test_annotations_tell_which_genes_move_together(profiles: pd.DataFrame, bundle: Bundle):
    symbol = bundle.genes.set_index("gene_id").loc[profiles.columns, "gene_symbol"]
    known = symbol[symbol.isin(bundle.ontology.index[bundle.ontology.sum(axis=1) > 0])]
    terms = np.corrcoef(bundle.ontology.loc[known].to_numpy())
    moves = np.corrcoef(profiles[known.index].to_numpy().T)
    pair = np.triu_indices(len(known), 1)

    def agreement(order: np.ndarray) -> float:
        return np.corrcoef(terms[np.ix_(order, order)][pair], moves[pair])[0, 1]

    rng = np.random.default_rng(0)
    shuffled = [agreement(rng.permutation(len(known))) for _ in range(50)]
    assert agreement(np.arange(len(known))) > max(0.1, 2 * max(shuffled))


def test_compound_dirt(bundle: Bundle):
    drugs = bundle.compounds.drop_duplicates("pert_id")
    given = drugs["canonical_smiles"].dropna()
    with rdBase.BlockLogs():
        broken = [text for text in given if Chem.MolFromSmiles(text) is None]
    assert len(broken) == 8
    assert drugs["canonical_smiles"].isna().sum() == 4
    assert sum("." in text for text in given) == 2  # two salts
    assert drugs["inchi_key"].dropna().duplicated().sum() >= 8  # second ids that are not salt
    assert drugs["cmap_name"].duplicated().sum() == 10
    profiled = bundle.signatures.loc[bundle.signatures["pert_type"] == "trt_cp", "pert_id"]
    assert 1 <= len(set(profiled) - set(drugs["pert_id"])) <= 5


def test_salts_and_spellings_are_the_structure_of_the_first_id(bundle: Bundle):
    drugs = bundle.compounds.drop_duplicates("pert_id")
    for _, pair in drugs[drugs["cmap_name"].duplicated(keep=False)].groupby("cmap_name"):
        first, second = pair["canonical_smiles"]
        parent = max(second.split("."), key=len).replace("[O-]", "O") if second.endswith("[Na+]") else second
        assert first != second
        assert Chem.CanonSmiles(parent.removesuffix(".Cl")) == Chem.CanonSmiles(first)


def test_signature_dirt(bundle: Bundle):
    table = bundle.signatures
    assert table["sig_id"].is_unique
    assert bundle.z.index.is_unique
    assert len(set(table["sig_id"]) - set(bundle.z.index)) == 10
    assert set(bundle.z.index) <= set(table["sig_id"])
    assert list(bundle.z.index) != [i for i in table["sig_id"] if i in bundle.z.index]
    assert (table["pert_type"] != "trt_cp").sum() == 12
    assert set(table["pert_dose"].dropna()) == {1.0, 3.33, 9.99999, 10.0, 10.05}
    assert (table["pert_time"] == 6).sum() >= 50
    assert 0.28 < table["is_gold"].isna().mean() < 0.4
    assert set(table["is_gold"].dropna()) == {0, 1}
    low_correlation, low_rank = table["cc_q75"] < 0.2, table["pct_self_rank_q25"] > 5
    assert low_correlation.sum() > 40
    assert low_rank.sum() > 30
    assert (table["is_gold"].eq(0) & ~low_correlation & ~low_rank).sum() == 6
    blank = table["is_gold"].isna()
    assert (blank & (low_correlation | low_rank)).sum() > 20
    assert 4 <= bundle.z.isna().any(axis=1).sum() <= 6


def test_some_pairs_have_replicates(bundle: Bundle):
    table = bundle.signatures.query("pert_type == 'trt_cp' and pert_time == 24 and pert_dose > 9")
    assert table.duplicated(["pert_id", "cell_iname"]).sum() > 100
