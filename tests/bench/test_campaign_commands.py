"""The commands of a campaign, from a list of compounds for sale to the report."""

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from rdkit import Chem
from rdkit.Chem.Scaffolds import MurckoScaffold

from anchordrug.bench.plates.plate_map import read_plate_map
from anchordrug.chem.structures import standardise
from anchordrug.errors import AnchorDrugError, AssayError, LibraryError, RawDataError, SettingsError
from anchordrug.files.checksums import checked
from tests.conftest import DEMO, run_cli, write_params

LIBRARY = "tables/atlas/drugs.parquet"
# Drugs of the demo with one stereocentre; in the atlas of these tests the first has a configuration.
STEREO, FREE = "SIM-D0027", "SIM-D0066"
CONFIGURED = "CCC[C@@]1(c2ccccc2)NC(=O)NC1=O"
MIRRORED = CONFIGURED.replace("@@", "@")
FREE_CONFIGURED = "CC(C)OC[C@@H](CCl)OC(=O)Nc1ccccc1"


@pytest.fixture(scope="module")
def home(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two targets, two source lines, predictor response_gp, and a stereo-isomer."""
    home = tmp_path_factory.mktemp("bench") / "home"
    for name in ("atlas", "features"):
        shutil.copytree(project / "tables" / name, home / "tables" / name)
    responses = pd.read_parquet(home / "tables/atlas/responses.parquet")
    largest = responses["cell_line"].value_counts().drop(["SIM-T1", "SIM-T2"]).index[:2]
    keep = responses["cell_line"].isin(["SIM-T1", "SIM-T2", *largest])
    responses[keep].to_parquet(home / "tables/atlas/responses.parquet", index=False)
    drugs = pd.read_parquet(home / LIBRARY)
    drug = standardise(CONFIGURED)
    drugs.loc[drugs["drug_id"] == STEREO, ["inchikey", "smiles"]] = drug.inchikey, drug.smiles
    drugs.to_parquet(home / LIBRARY, index=False)
    params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    write_params(home, params | {"predictor": "response_gp"})
    return home


@pytest.fixture(scope="module")
def models(home: Path) -> Path:
    """Models of campaigns by their target; a campaign that finds one there need not learn it."""
    return home.parent / "models"


@dataclass(frozen=True)
class Bench:
    """Campaign c of the project in `home`, and its commands; texts are without the folder."""

    home: Path

    @property
    def campaign(self) -> Path:
        return self.home / "c"

    @property
    def library(self) -> tuple[str, Path]:
        """The option that offers all drugs of the atlas."""
        return "--library", self.home / LIBRARY

    def ok(self, command: str, *arguments: object, campaign: str = "c") -> str:
        """Run a command that has to succeed; return what it prints."""
        result = run_cli("campaign", command, self.home / campaign, *arguments, folder=self.home)
        assert result.exit_code == 0, (command, arguments, result.output, result.exception)
        return self.without_folder(result.output)

    def error(
        self, kind: type[AnchorDrugError], command: str, *arguments: object, campaign: str = "c"
    ) -> str:
        """Return the text of the error that a command ends with, which is one line."""
        result = run_cli("campaign", command, self.home / campaign, *arguments, folder=self.home)
        assert isinstance(result.exception, kind), (command, arguments, result.output, result.exception)
        assert "\n" not in str(result.exception)
        return self.without_folder(str(result.exception))

    def without_folder(self, text: str) -> str:
        return text.replace(f"{self.home}/", "")

    def files(self) -> dict[str, bytes]:
        """Return the content of every file of the campaign."""
        found = (path for path in sorted(self.campaign.rglob("*")) if path.is_file() and path.name != ".lock")
        return {path.relative_to(self.campaign).as_posix(): path.read_bytes() for path in found}

    def write(self, rows: object, name: str = "shop.csv") -> Path:
        """Write a table into the project's folder."""
        pd.DataFrame(rows).to_csv(self.home / name, index=False)
        return self.home / name

    def edit(self, section: str, **values: object) -> None:
        """Change keys of a section of campaign.yaml."""
        path = self.campaign / "campaign.yaml"
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        content[section] |= values
        path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def table(self, name: str, number: int = 1) -> pd.DataFrame:
        """Return a table of a round."""
        return pd.read_csv(self.campaign / f"rounds/{number:02d}/{name}.csv")

    def selections(self) -> list[pd.DataFrame]:
        """Return the drugs of every round."""
        numbers = range(1, len(list((self.campaign / "rounds").iterdir())) + 1)
        return [self.table("selection", number) for number in numbers]

    def measure(self, number: int, without: Iterable[str] = ()) -> str:
        """Take up invented z-scores of a round; return what is printed."""
        genes = pd.read_parquet(self.home / "tables/atlas/genes.parquet")["gene"]
        drugs = [drug for drug in self.table("selection", number)["drug_id"] if drug not in without]
        z = np.random.default_rng(number).normal(0, 2, (len(genes), len(drugs)))
        wide = pd.DataFrame(z, columns=drugs).round(4)
        wide.insert(0, "gene", genes)
        return self.ok("ingest", self.write(wide, f"z{number}.csv"), "--yes")

    def play(self, rounds: int) -> None:
        """Choose and measure the drugs of so many rounds."""
        for number in range(1, rounds + 1):
            self.ok("next")
            self.measure(number)

    def as_json(self) -> dict:
        """Return what status says to a program."""
        return json.loads(self.ok("status", "--json"))

    def status(self) -> str:
        """Return what status says to the reader of a screen: no borders, single spaces."""
        return re.sub(r"[\s│╭╮╰╯─━╸╺]+", " ", self.ok("status"))


@pytest.fixture
def bench(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A project of the test's own; its tables are those of `home` and must stay as they are."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "tables").symlink_to(home / "tables")
    shutil.copy(home / "params.yaml", folder)
    # So wide that no path is broken.
    monkeypatch.setenv("COLUMNS", "500")
    return Bench(folder)


@pytest.fixture
def lent(bench: Bench, models: Path, monkeypatch: pytest.MonkeyPatch):
    """A context for `new` that copies a model of these targets if it was learned before, or keeps it."""

    @contextmanager
    def lent(*target: str, campaign: str = "c") -> Iterator[None]:
        known, model = models / "-".join(target), bench.home / campaign / "model"
        with monkeypatch.context() as patch:
            if known.exists():
                copy = lambda *_: shutil.copytree(known, model, dirs_exist_ok=True)  # noqa: E731
                patch.setattr("anchordrug.bench.model.learn", copy)
            yield
        if not known.exists():
            shutil.copytree(model, known)

    return lent


@pytest.fixture
def start(bench: Bench, lent):
    """Make campaign c without learning what was learned before."""

    def start(*arguments, target=("NEWLINE",), library=None, budget=12, rounds=3, campaign="c"):
        lines = [word for name in target for word in ("--target", name)]
        size = ("--budget", budget, "--rounds", rounds)
        offered = ("--library", library) if library else bench.library
        with lent(*target, campaign=campaign):
            return bench.ok("new", *lines, *offered, *size, *arguments, campaign=campaign)

    return start


# --- new: the library


def drug(home, drug_id):
    drugs = pd.read_parquet(home / LIBRARY).set_index("drug_id")
    return drugs.loc[drug_id]


def test_new_says_what_matched_and_how_and_why_the_rest_did_not(start, bench, home):
    smiles = drug(home, "SIM-D0001")["smiles"]
    other = Chem.MolToSmiles(Chem.MolFromSmiles(drug(home, "SIM-D0005")["smiles"]), doRandom=True)
    rows = [
        {"drug_id": "V1", "smiles": f"{smiles}.Cl", "cost": "10", "stock": "yes"},
        {"drug_id": "V2", "smiles": other, "cost": " 2.50", "stock": "No"},
        {"inchikey": drug(home, "SIM-D0003")["inchikey"], "stock": "0"},
        {"drug_id": "SIM-D0006", "name": "@SUM(A1)"},
        {"name": drug(home, "SIM-D0002")["name"].upper()},
        {"drug_id": "V6", "smiles": "CCCCCCCCCCCO", "name": "=1+1", "moa": "made up"},
        {"drug_id": "V7", "smiles": MIRRORED, "name": "-mirror"},
        {"drug_id": "V8", "smiles": FREE_CONFIGURED},
        {"drug_id": "V9", "smiles": "CCCC1(c2ccccc2)NC(=O)NC1=O"},
        {"drug_id": "V10", "smiles": "C1CC"},
        {"drug_id": "V11", "smiles": smiles},
        {"drug_id": "SIM-D0005", "smiles": "CCCCCCCCCCCCO"},
        {"name": "nobody knows"},
        {"drug_id": "V14", "inchikey": "AAAAAAAAAAAAAA-UHFFFAOYSA-N"},
        {"smiles": "OCCCCCCCCCCC"},
    ]
    output = start(library=bench.write(rows), budget=3, rounds=1)
    library = pd.read_csv(bench.campaign / "library.csv")
    found = library[["drug_id", "match", "atlas_id"]].fillna("-").to_numpy().tolist()
    assert found == [
        ["V1", "structure", "SIM-D0001"],
        ["V2", "structure", "SIM-D0005"],
        ["SIM-D0003", "InChIKey", "SIM-D0003"],
        ["SIM-D0006", "drug_id", "SIM-D0006"],
        ["SIM-D0002", "name", "SIM-D0002"],
        ["V6", "new", "-"],
        ["V7", "new", "-"],
        ["V8", "skeleton", FREE],
        ["V9", "skeleton", STEREO],
    ]
    by_id = library.set_index("drug_id")
    assert by_id.loc["V9", "smiles"] == standardise(CONFIGURED).smiles
    # What a spreadsheet would compute is marked as text.
    assert by_id.loc["V6", ["name", "moa"]].tolist() == ["'=1+1", "made up"]
    assert by_id.loc["SIM-D0006", "name"] == "'@SUM(A1)"
    assert by_id["cost"].dropna().to_dict() == {"V1": 10, "V2": 2.5}
    assert by_id["stock"].dropna().to_dict() == {"V1": 1, "V2": 0, "SIM-D0003": 0}
    rejects = pd.read_csv(bench.campaign / "library.rejects.csv")
    assert rejects[["line", "reason"]].to_numpy().tolist() == [
        [11, "not a valid SMILES"],
        [12, "the same compound as 'V1' in line 2"],
        [13, "drug_id 'SIM-D0005' is another structure in the atlas; rename it"],
        [14, "no structure, and not in the atlas; add a SMILES"],
        [15, "no structure, and not in the atlas; add a SMILES"],
        [16, "the same compound as 'V6' in line 7"],
    ]
    assert (
        "library: 9 of 15 usable; 7 in the atlas (2 by structure, 1 by InChIKey, 2 by skeleton, "
        "1 by drug_id, 1 by name), 2 new to it"
    ) in output
    assert "rejected: 2 (no structure, and not in the atlas; add a SMILES)" in output
    assert "all rejects: c/library.rejects.csv" in output


VENDOR = [
    {"Item Name": "undecanol", "Catalog Number": "K1", "SMILES": "CCCCCCCCCCCO", "Row": "B01"},
    {"Item Name": "undecanol", "Catalog Number": "K1", "SMILES": "OCCCCCCCCCCC", "Row": "B02"},
    {"Item Name": "decanol", "Catalog Number": "K2", "SMILES": "CCCCCCCCCCO", "Row": "B03"},
]


def test_ids_of_a_vendor_and_a_row_that_is_there_twice(start, bench):
    start(library=bench.write(VENDOR), budget=2, rounds=1)
    library = pd.read_csv(bench.campaign / "library.csv")
    assert library[["drug_id", "name"]].to_numpy().tolist() == [["K1", "undecanol"], ["K2", "decanol"]]
    rejects = pd.read_csv(bench.campaign / "library.rejects.csv")
    assert rejects[["line", "reason"]].to_numpy().tolist() == [[3, "the same compound as 'K1' in line 2"]]


def test_a_column_of_ids_that_is_named(start, bench):
    start("--id-column", "Row", library=bench.write(VENDOR), budget=2, rounds=1)
    assert pd.read_csv(bench.campaign / "library.csv")["drug_id"].tolist() == ["B01", "B03"]
    told = bench.error(
        LibraryError,
        *("new", "--target", "NEWLINE", "--library", bench.write(VENDOR), "--id-column", "row"),
        campaign="other",
    )
    assert "shop.csv: no column 'row' " in told
    assert told.endswith("did you mean 'Row'?; correct the name (--id-column)")


def test_one_id_of_two_structures_is_refused(bench):
    shop = bench.write([*VENDOR, {"Catalog Number": "K2", "SMILES": "CCCCCCCCCO"}])
    told = bench.error(LibraryError, "new", "--target", "NEWLINE", "--library", shop)
    assert told.startswith("shop.csv: drug_id 'K2' stands for two different structures, in lines 4 and 5; ")


def test_a_library_without_ids_and_names(start, bench):
    rows = [{"SMILES": row["SMILES"]} for row in VENDOR]
    output = start(library=bench.write(rows), budget=2, rounds=1)
    assert "shop.csv: no id column (found SMILES): called row_N; name one with --id-column" in output
    assert pd.read_csv(bench.campaign / "library.csv")["drug_id"].tolist() == ["row_1", "row_3"]


def test_a_title_above_the_header_is_left_out_and_told(start, bench):
    shop = bench.write(VENDOR)
    shop.write_text("Our library, 2024\n" + shop.read_text())
    output = start(library=shop, budget=2, rounds=1)
    assert "shop.csv: left out the lines above the header ('Our library, 2024')" in output


def test_a_smiles_file_with_ids_first(start, bench, home):
    rows = [(f"X-{number}", row["SMILES"]) for number, row in enumerate(VENDOR)]
    shop = home / "shop.smi"
    shop.write_text("".join(f"{drug_id} {smiles}\n" for drug_id, smiles in rows))
    output = start(library=shop, budget=2, rounds=1)
    assert "shop.smi: the first lines have ids before SMILES: read in that order" in output
    assert pd.read_csv(bench.campaign / "library.csv")["drug_id"].tolist()[0] == "X-0"


def test_new_twice_changes_nothing(start, bench):
    start()
    before = bench.files()
    output = bench.ok("new", *bench.library, "--target", "OTHER", "--budget", 5)
    assert "c holds a campaign already; nothing was changed" in output
    assert bench.files() == before


def test_a_target_whose_name_cannot_name_files(bench):
    told = bench.error(SettingsError, "new", "--target", "my line/2", "--library", LIBRARY)
    assert "the command line: targets.0: 'my line/2' is not allowed" in told
    assert not (bench.campaign / "campaign.yaml").exists()


def test_a_library_without_a_usable_compound(bench):
    shop = bench.write([{"smiles": "C1CC"}, {"name": "nobody"}])
    told = bench.error(LibraryError, "new", "--target", "NEWLINE", "--library", shop)
    assert told == "shop.csv: none of its 2 compounds can be used; see c/library.rejects.csv"
    assert len(pd.read_csv(bench.campaign / "library.rejects.csv")) == 2
    assert [path.name for path in bench.campaign.iterdir()] == ["library.rejects.csv"]
    assert "no campaign there" in bench.error(SettingsError, "next")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--target", "NEWLINE", "--budget", 400),
            r"--budget: 400 drugs were asked for, but only 344 compounds of .*parquet",
        ),
        (
            ("--target", "NEWLINE", "--strategy", "a_optimum"),
            r"^--strategy: 'a_optimum' is unknown; .*a_optimal",
        ),
        (("--target", "NEWLINE", "--budget", 2, "--rounds", 3), r"3 rounds for a budget of 2 drugs"),
        (("--target", "SIM-T1", "--target", "SIM-T1"), r"names the same cell line twice"),
        (("--target", "NEWLINE", "--rehearsal"), r"NEWLINE"),
    ],
)
def test_what_new_refuses(bench, arguments, told):
    folder = "campaigns/of-a-lab/c"
    assert re.search(told, bench.error(SettingsError, "new", *bench.library, *arguments, campaign=folder))
    assert not (bench.home / "campaigns").exists()


def test_rejects_of_a_refused_new_are_named_or_gone(bench):
    shop = bench.write([{"smiles": "CCCCCCCCCCCO"}, {"smiles": "CCCCCCCCCCO"}, {"smiles": "C1CC"}])
    words = ("--target", "NEWLINE", "--library", shop, "--rounds", 1, "--budget")
    told = bench.error(SettingsError, "new", *words, 3)
    assert (
        "but only 2 compounds of shop.csv can be used (c/library.rejects.csv lists the others); ask for fewer"
        in told
    )
    assert len(pd.read_csv(bench.campaign / "library.rejects.csv")) == 1
    shutil.rmtree(bench.campaign)
    for option in ("--predict", "--expression"):
        assert "nothing.csv" in bench.error(AnchorDrugError, "new", *words, 2, option, "nothing.csv")
        assert not bench.campaign.exists()


def test_what_was_there_before_a_refused_new_stays(bench):
    (bench.campaign / "model").mkdir(parents=True)
    (bench.campaign / "notes.txt").write_text("mine")
    arguments = ("--target", "NEWLINE", "--budget", 400)
    bench.error(SettingsError, "new", *bench.library, *arguments)
    assert {path.name for path in bench.campaign.iterdir()} == {"model", "notes.txt"}


def test_a_rehearsal_offers_the_drugs_measured_in_every_target(start, bench, home):
    start("--rehearsal", target=("SIM-T1", "SIM-T2"))
    responses = pd.read_parquet(home / "tables/atlas/responses.parquet", columns=["drug_id", "cell_line"])
    lines = responses.groupby("drug_id")["cell_line"].agg(set)
    both = lines.index[[{"SIM-T1", "SIM-T2"} <= one for one in lines]]
    assert sorted(pd.read_csv(bench.campaign / "library.csv")["drug_id"]) == sorted(both)
    rejects = pd.read_csv(bench.campaign / "library.rejects.csv")
    assert set(rejects["reason"]) == {"was not measured, so a rehearsal has no response of it"}
    assert len(rejects) + len(both) == 344


def test_a_target_that_the_atlas_knows_starts_with_what_is_measured_there(start, bench, home):
    start(target=("SIM-T1",), budget=6, rounds=2)
    bench.ok("next")
    responses = pd.read_parquet(home / "tables/atlas/responses.parquet", columns=["drug_id", "cell_line"])
    measured = set(responses.loc[responses["cell_line"] == "SIM-T1", "drug_id"])
    assert measured.isdisjoint(bench.table("panel")["drug_id"])
    assert bench.table("advice")["drugs"].iloc[0] == len(measured)


# --- new: untreated expression


@pytest.fixture
def untreated():
    """Untreated expression of a cell line much like SIM-A01, log2 by symbol."""
    path = next(DEMO.glob("basal_expression*"))
    lines = pd.read_csv(path, index_col=0)
    noise = np.random.default_rng(0).normal(0, 0.3, lines.shape[1])
    return (lines.loc["SIM-A01"] + noise).clip(lower=0)


def test_an_unseen_target_needs_expression_unless_the_predictor_does_not(bench, start):
    params = yaml.safe_load((bench.home / "params.yaml").read_text(encoding="utf-8"))
    write_params(bench.home, params | {"predictor": "ensemble"})
    told = bench.error(SettingsError, "new", *bench.library, "--target", "NEWLINE")
    assert told.startswith("c: the untreated expression of NEWLINE is not known; give it to ")
    assert "--expression" in told
    assert "predictor: response_gp" in told
    assert not (bench.campaign / "campaign.yaml").exists()
    write_params(bench.home, params)
    start(campaign="other")
    assert (bench.home / "other/campaign.yaml").exists()


UNITS = {
    "counts": lambda log2: np.round((2**log2 - 1) * 1e4).astype(int),
    "TPM": lambda log2: (2**log2 - 1) / (2**log2 - 1).sum() * 1e6,
    "log2": lambda log2: log2,
}


@pytest.mark.parametrize(
    ("unit", "naming", "column"),
    [("counts", "symbol", "gene_symbol"), ("TPM", "Ensembl", "ensembl_id"), ("log2", "Entrez", "gene_id")],
)
def test_expression_in_any_unit_and_naming_gives_the_same_profile(
    bench, lent, untreated, unit, naming, column
):
    info = pd.read_csv(DEMO / "geneinfo_beta.txt", sep="\t").set_index("gene_symbol", drop=False)
    names = info[column].reindex(untreated.index)
    assert names.notna().all()
    own = pd.DataFrame({"gene": names.to_numpy(), "NEWLINE_1": UNITS[unit](untreated).to_numpy()})
    expression = ("--expression", bench.write(own, "own.csv"))
    with lent("NEWLINE"):
        output = bench.ok("new", *bench.library, "--target", "NEWLINE", *expression)
    assert f"untreated expression: {unit} by {naming}, {len(own)} of {len(own)} genes found" in output
    table = pd.read_csv(bench.campaign / "expression.csv", index_col="cell_line")
    assert table.index.tolist() == ["NEWLINE"]
    lines = pd.read_csv(next(DEMO.glob("basal_expression*")), index_col=0)
    expected = np.sort(lines.to_numpy(), axis=1).mean(axis=0)
    np.testing.assert_allclose(np.sort(table.loc["NEWLINE"]), expected, atol=0.02)
    order = np.argsort(untreated.to_numpy(), kind="stable")
    assert (np.diff(table.loc["NEWLINE", untreated.index].to_numpy()[order]) >= -1e-6).all()


@pytest.fixture
def ensemble(bench, lent, untreated):
    """Campaign c of an unseen line whose counts lack two genes, with predictor ensemble; what `new` said."""
    params = yaml.safe_load((bench.home / "params.yaml").read_text(encoding="utf-8"))
    params["featurize"]["cell"]["epochs"] = 5
    params["predictors"]["ensemble"]["pretrain"]["epochs"] = 1
    write_params(bench.home, params | {"predictor": "ensemble"})
    own = UNITS["counts"](untreated.drop(untreated.index[[3, 40]]))
    own = own.rename("NEWLINE").rename_axis("gene").reset_index()
    options = ("--budget", 4, "--rounds", 1, "--expression", bench.write(own, "own.csv"))
    with lent("ensemble"):
        return bench.ok("new", *bench.library, "--target", "NEWLINE", *options)


def test_an_unseen_line_with_expression_gets_a_model_of_the_ensemble(bench, ensemble, untreated):
    missing = untreated.index[[3, 40]].tolist()
    found = f"{len(untreated) - 2} of {len(untreated)} genes found"
    assert f"{found}; the atlas' median for {', '.join(missing)}" in ensemble
    lines = pd.read_csv(next(DEMO.glob("basal_expression*")), index_col=0)
    profile = pd.read_csv(bench.campaign / "expression.csv", index_col="cell_line").loc["NEWLINE"]
    np.testing.assert_allclose(profile[missing], lines[missing].median(), rtol=1e-6)
    assert "NEWLINE" in pd.read_parquet(bench.campaign / "model/cell_lines.parquet")["cell_line"].tolist()
    bench.ok("next")
    bench.measure(1)
    bench.ok("finish")
    genes = pd.read_parquet(bench.home / "tables/atlas/genes.parquet")["gene"]
    predicted = pd.read_parquet(bench.campaign / "finish/NEWLINE.parquet", columns=["drug_id"])
    assert len(predicted) == 344 * len(genes)


@pytest.mark.parametrize("change", ["embedding", "predictor"])
def test_a_command_that_refuses_other_settings_leaves_the_ensembles_model_as_it_is(ensemble, bench, change):
    params = yaml.safe_load((bench.home / "params.yaml").read_text(encoding="utf-8"))
    if change == "predictor":
        params["predictor"] = "response_gp"
    else:
        params["featurize"]["cell"]["seed"] += 1
    write_params(bench.home, params)
    before = bench.files()
    assert "c/model: was learned from other tables or" in bench.error(SettingsError, "next")
    assert [name for name, content in bench.files().items() if before.get(name) != content] == []


def test_expression_of_too_few_genes_or_of_another_line(bench, untreated):
    own = untreated.iloc[:20].rename("NEWLINE").rename_axis("gene").reset_index()
    options = (*bench.library, "--target", "NEWLINE", "--expression", bench.write(own, "own.csv"))
    told = bench.error(RawDataError, "new", *options)
    assert "holds 20 of the 128 genes of the atlas" in told
    told = bench.error(AnchorDrugError, "new", "--target", "A", *options)
    assert told.startswith("own.csv: no sample of cell line A (samples: NEWLINE)")


@pytest.mark.parametrize("spelled", ["sim-t1", "SIM.T1", "simt1"])
def test_a_target_gets_the_name_that_the_atlas_has_for_it(bench, lent, spelled):
    with lent("SIM-T1"):
        output = bench.ok("new", *bench.library, "--target", spelled)
    assert f"{spelled}: is SIM-T1 in the atlas, and is called so from here on" in output
    assert "new to the atlas" not in output
    written = yaml.safe_load((bench.campaign / "campaign.yaml").read_text(encoding="utf-8"))
    assert written["targets"] == ["SIM-T1"]


def test_a_campaign_says_which_samples_it_takes(bench):
    lines = pd.read_csv(next(DEMO.glob("basal_expression*")), index_col=0)
    others = lines.drop(index="SIM-A01").iloc[:6].set_axis([f"ACH-{n:06d}" for n in range(6)])
    table = pd.concat([others, lines.loc[["SIM-A01"]].set_axis(["NCIH1_LUNG"])]).T
    path = bench.write(table.rename_axis("gene").reset_index(), "lines.csv")
    options = (*bench.library, "--expression", path)
    told = bench.error(RawDataError, "new", "--target", "NEWLINE", *options)
    assert "lines.csv: none of its 7 samples has the name of NEWLINE (ACH-000000, " in told
    assert "too different to be of one cell line" in told
    assert not (bench.campaign / "campaign.yaml").exists()
    output = bench.ok("new", "--target", "H1", *options)
    assert "\n  H1: NCIH1_LUNG\n" in output
    profile = pd.read_csv(bench.campaign / "expression.csv", index_col=0).loc["H1"]
    assert profile.corr(table["NCIH1_LUNG"], method="spearman") > 0.999


# --- next: the choice


def stocked(home, count=60):
    """A shop with costs, a stock and mechanisms that the atlas does not know better."""
    drugs = pd.read_parquet(home / LIBRARY).iloc[:count]
    rows = drugs[["drug_id", "smiles"]].copy()
    rows["cost"] = [str(1 + number % 7) if number % 10 else "" for number in range(count)]
    rows["stock"] = ["no" if number % 6 == 5 else "yes" for number in range(count)]
    return rows


def scaffold(smiles):
    return MurckoScaffold.MurckoScaffoldSmiles(mol=Chem.MolFromSmiles(smiles))


def test_constraints_hold_over_all_rounds(start, bench, home):
    shop = stocked(home)
    start(library=bench.write(shop), budget=15, rounds=3)
    ids = shop["drug_id"].tolist()
    bench.ok("next")
    first = bench.table("panel")["drug_id"].tolist()
    shutil.rmtree(bench.campaign / "rounds/01")
    # What would be taken must not be, and what would not be must.
    include = [one for one in ids if one not in first and shop.set_index("drug_id").at[one, "cost"] != ""][:2]
    exclude = first[:3]
    limits = {"cost": 55.0, "per_mechanism": 2, "per_scaffold": 2}
    bench.edit("constraints", include=include, exclude=exclude, **limits)
    output = bench.ok("next")
    assert "not in the choice: 3 drugs (excluded)" in output
    bench.measure(1)
    bench.ok("next")
    bench.measure(2)
    bench.ok("next")
    reasons = bench.table("selection").set_index("drug_id")["reason"]
    assert reasons.index.tolist()[:2] == include
    assert set(reasons[:2]) == {"It is listed in constraints.include of campaign.yaml."}
    assert reasons[2:].str.startswith("It should make ").all()
    library = pd.read_csv(bench.campaign / "library.csv").set_index("drug_id")
    panels = [bench.table("panel")["drug_id"].tolist()]
    for chosen in (pd.concat(bench.selections())["drug_id"].tolist(), *panels):
        assert len(chosen) == len(set(chosen)) > 8
        assert set(chosen) >= set(include)
        assert not set(chosen) & set(exclude)
        rows = library.loc[chosen]
        assert (rows["stock"] != 0).all()
        assert rows["cost"].notna().all()
        assert rows["cost"].sum() <= 55
        assert max(Counter(rows["moa"].dropna()).values()) <= 2
        scaffolds = Counter(one for one in map(scaffold, rows["smiles"]) if one)
        assert max(scaffolds.values()) <= 2


@pytest.mark.parametrize(
    ("constraint", "bound"),
    [({"cost": 30.0}, "cost"), ({"per_mechanism": 1}, "moa"), ({"per_scaffold": 1}, "scaffold")],
)
def test_each_limit_alone_changes_the_choice_and_holds(start, bench, home, constraint, bound):
    start(library=bench.write(stocked(home)), budget=24, rounds=4)
    bench.ok("next")
    free = bench.table("panel")["drug_id"].tolist()
    shutil.rmtree(bench.campaign / "rounds")
    bench.edit("constraints", **constraint)
    bench.play(2)
    library = pd.read_csv(bench.campaign / "library.csv").set_index("drug_id")
    library["scaffold"] = library["smiles"].map(scaffold)
    chosen = library.loc[pd.concat(bench.selections())["drug_id"]]

    def worst(rows):
        if bound == "cost":
            return rows["cost"].sum()
        kinds = rows[bound].dropna()
        return kinds[kinds != ""].value_counts().max()

    (most,) = constraint.values()
    assert worst(chosen) <= most < worst(library.loc[free])


@pytest.mark.parametrize(
    ("constraint", "told"),
    [
        (
            {"include": ["SIM-D00O1"]},
            r"constraints\.include: 'SIM-D00O1' is not a drug_id of library\.csv; did",
        ),
        ({"exclude": ["nobody"]}, r"constraints\.exclude: 'nobody' is not a drug_id of library\.csv"),
        (
            {"include": ["SIM-D0001"], "exclude": ["SIM-D0001"]},
            r"constraints include and exclude drug 'SIM-D0001'",
        ),
        ({"cost": 1.0, "include": ["SIM-D0003", "SIM-D0005"]}, r"constraints\.cost: 1 is not enough .* to 7"),
        ({"cost": 0.5}, r"no drug fits the constraints in campaign\.yaml any more \(cost"),
        ({"cost": -1.0}, r"cost"),
        ({"per_mechanism": 0}, r"per_mechanism"),
        ({"per_moa": 1}, r"per_moa"),
    ],
)
def test_constraints_that_cannot_be_kept(start, bench, home, constraint, told):
    start(library=bench.write(stocked(home)))
    bench.edit("constraints", **constraint)
    text = bench.error(SettingsError, "next")
    assert re.search(told, text)
    assert "c/campaign.yaml" in text or text.startswith("c: ")
    assert not (bench.campaign / "rounds").exists()


def test_excluding_every_drug(start, bench, home):
    shop = stocked(home, 12)
    start(library=bench.write(shop), budget=3, rounds=1)
    bench.edit("constraints", exclude=shop["drug_id"].tolist())
    told = "no drug of the library may be chosen any more (of 12: 0 measured in the targets, 12 excluded)"
    assert told in bench.error(SettingsError, "next")


def test_more_drugs_that_must_be_in_than_a_round_holds_go_on_in_the_next(start, bench, home):
    shop = stocked(home)
    start(library=bench.write(shop), budget=9, rounds=3)
    include = shop["drug_id"].tolist()[12:17]
    bench.edit("constraints", include=include)
    bench.play(2)
    chosen = pd.concat(bench.selections())["drug_id"].tolist()
    assert chosen[:5] == include
    assert [len(one) for one in bench.selections()] == [3, 3]


@pytest.mark.parametrize(
    ("position", "limits", "words"),
    [(5, {}, "is out of stock"), (10, {"cost": 90.0}, "has no cost, which a cost ceiling needs")],
)
def test_a_drug_that_must_be_in_but_cannot_be_bought(start, bench, home, position, limits, words):
    shop = stocked(home)
    start(library=bench.write(shop), budget=9, rounds=3)
    must = shop["drug_id"].tolist()[position]
    bench.edit("constraints", include=[must], **limits)
    assert f"'{must}' {words}" in bench.error(SettingsError, "next")


def test_a_drug_that_failed_is_not_asked_for_again_unless_it_must_be_in(start, bench):
    start(budget=6, rounds=3)
    bench.ok("next")
    lost = bench.table("selection")["drug_id"].tolist()[0]
    bench.measure(1, without=[lost])
    bench.ok("next")
    assert lost not in bench.table("panel", 2)["drug_id"].tolist()
    shutil.rmtree(bench.campaign / "rounds/02")
    bench.edit("constraints", include=[lost])
    bench.ok("next")
    assert bench.table("selection", 2)["drug_id"].tolist()[0] == lost


def test_a_round_of_an_earlier_version_which_gives_no_reasons_goes_on(start, bench):
    start(budget=6, rounds=2)
    assert "rounds/01/selection.csv, column 'reason'" in bench.ok("next")
    path = bench.campaign / "rounds/01/selection.csv"
    table = pd.read_csv(path)
    assert table["reason"].str.endswith(".").all()
    table.drop(columns="reason").to_csv(path, index=False)
    bench.ok("status")
    bench.measure(1)
    bench.ok("next")


def test_the_panel_begins_with_the_round_and_by_a_design_holds_all_rounds(start, bench):
    start("--strategy", "a_optimal", budget=10, rounds=3)
    for number in (1, 2, 3):
        bench.ok("next")
        panel, chosen = bench.table("panel", number), bench.table("selection", number)
        pd.testing.assert_frame_equal(panel.iloc[: len(chosen)], chosen)
        bench.measure(number)
    assert [len(one) for one in bench.selections()] == [4, 4, 2]
    together = pd.concat(bench.selections())
    assert bench.table("panel")["drug_id"].tolist() == together["drug_id"].tolist()
    assert bench.table("panel")["round"].tolist() == together["round"].tolist() == [1] * 4 + [2] * 4 + [3] * 2


def test_next_again_changes_nothing_and_says_what_to_do(start, bench):
    start(budget=4, rounds=2)
    bench.ok("next")
    before = bench.files()
    output = bench.ok("next")
    assert "round 1 waits for its results: pipette c/rounds/01/plate_map.csv" in output
    assert "anchordrug campaign ingest c RESULTS" in output
    assert bench.files() == before
    bench.measure(1)
    bench.ok("next")
    bench.measure(2)
    before = bench.files()
    output = bench.ok("next")
    assert "the budget of 4 drugs is spent; run\n  anchordrug campaign finish c\n" in output
    assert bench.files() == before


@pytest.mark.usefixtures("drawn")
def test_another_dose_or_time_than_the_atlas_is_told_by_new_next_and_the_plates(start, bench):
    told = "drugs are at 1 uM and 6 h, but "
    said = start("--dose-um", 1, "--time-h", 6, budget=2, rounds=1)
    (warning,) = [line for line in said.splitlines() if told in line]
    assert "experiments in the source lines have 10 uM and 24 h; predictions are of the latter" in warning
    assert warning in bench.ok("next").splitlines()
    (plate,) = (bench.campaign / "rounds/01").glob("*.svg")
    assert warning in [element.text for element in ET.parse(plate).iter()]


@pytest.mark.usefixtures("drawn")
def test_the_dose_and_time_of_the_atlas_need_no_word(start, bench):
    assert "dose and time" not in start(budget=2, rounds=1)
    assert "dose and time" not in bench.ok("next")
    for plate in (bench.campaign / "rounds/01").glob("*.svg"):
        assert "dose and time" not in plate.read_text(encoding="utf-8")


def test_next_where_there_is_no_campaign(bench):
    for command in ("next", "ingest", "status", "finish"):
        told = bench.error(SettingsError, command, campaign="nowhere")
        assert told.startswith("nowhere: no campaign there (no campaign.yaml); make one with")


@pytest.mark.usefixtures("drawn")
def test_the_plates_hold_every_drug_in_its_wells_and_the_pick_list_fills_them(start, bench, home):
    shop = stocked(home)
    shop["source_plate"] = ["LIB1" if number < 20 else "" for number in range(len(shop))]
    shop["source_well"] = [f"B{number + 1}" if number < 20 else "" for number in range(len(shop))]
    start(library=bench.write(shop), budget=25, rounds=1)
    bench.edit("plates", replicates=4, controls=5, use_edge=False)
    bench.ok("next")
    plate_map, chosen = bench.table("plate_map"), bench.table("selection")
    treated = plate_map[plate_map["pert_type"] == "trt"]
    assert treated["drug_id"].value_counts().to_dict() == dict.fromkeys(chosen["drug_id"], 4)
    controls = plate_map[plate_map["pert_type"] == "negcon"]
    assert plate_map["plate"].nunique() == 2
    assert controls.groupby("plate").size().tolist() == [5, 5]
    assert not plate_map["well_position"].str.match("[AH]|.(01|12)").any()
    assert not plate_map.duplicated(["plate", "well_position"]).any()
    again = read_plate_map(bench.campaign / "rounds/01/plate_map.csv")
    pd.testing.assert_frame_equal(again, plate_map, check_dtype=False)
    picks = bench.table("pick_list")
    well = plate_map["well_position"].str[0] + plate_map["well_position"].str[1:].astype(int).astype(str)
    transfers = picks[["Destination Plate Name", "Destination Well", "Sample ID"]].to_numpy().tolist()
    expected = plate_map.assign(well=well)[["plate", "well", "drug_id"]].to_numpy().tolist()
    assert sorted(transfers) == sorted(expected)
    sources = picks.drop_duplicates("Sample ID").set_index("Sample ID")
    assert not sources.duplicated(["Source Plate Name", "Source Well"]).any()
    for number, one in enumerate(shop["drug_id"][:20]):
        if one in sources.index:
            assert sources.loc[one, ["Source Plate Name", "Source Well"]].tolist() == [
                "LIB1",
                f"B{number + 1}",
            ]
    for plate in plate_map["plate"].unique():
        ET.parse(bench.campaign / f"rounds/01/{plate}.svg")


@pytest.mark.usefixtures("drawn")
def test_a_drug_keeps_its_source_well_in_later_rounds(start, bench, home):
    """A drug that failed is ordered again, from the well that it had; new drugs get the next wells."""
    start(budget=12, rounds=2)
    bench.ok("next")
    first = bench.table("selection")["drug_id"].tolist()
    bench.measure(1, without=first[:2])
    bench.edit("constraints", include=first[:1])
    bench.ok("next")
    lists = [bench.table("pick_list", number).drop_duplicates("Sample ID") for number in (1, 2)]
    wells = [dict(zip(table["Sample ID"], table["Source Well"], strict=True)) for table in lists]
    assert wells[1].keys() & wells[0].keys() == {"DMSO", first[0]}
    assert {drug: wells[1][drug] for drug in ("DMSO", first[0])} == {
        drug: wells[0][drug] for drug in ("DMSO", first[0])
    }
    assert sorted(set(wells[1].values()) - set(wells[0].values())) == sorted(
        f"A{len(wells[0]) + number}" for number in range(1, len(wells[1]) - 1)
    )
    assert set(pd.concat(lists)["Source Plate Name"]) == {"SOURCE1"}
    here = bench.campaign / "rounds/02"
    wells = pd.read_excel(here / "pack.xlsx", sheet_name="source wells").set_index("drug_id")
    assert wells.at[first[0], "before_ul"] == 50 - 3 * 0.05
    assert (wells.drop(index=["DMSO", first[0]])["before_ul"] == 0).all()
    pd.testing.assert_frame_equal(
        read_plate_map(here / "pack.xlsx"), read_plate_map(here / "plate_map.csv"), check_dtype=False
    )
    assert (here / "pack.pdf").read_bytes().startswith(b"%PDF-")


@pytest.mark.usefixtures("drawn")
def test_an_edited_plate_map_renews_the_pick_list_and_the_pack(start, bench):
    """The concentration of the map counts from the pick list to the results, or is refused."""
    start(budget=4, rounds=2)
    bench.ok("next")
    plate_map = bench.campaign / "rounds/01/plate_map.csv"
    text = plate_map.read_text(encoding="utf-8")
    before = bench.files()
    plate_map.write_text(text.replace(",10.0,uM,", ",5.0,uM,"), encoding="utf-8")
    said = bench.ok("next")
    assert "c/rounds/01: pick list, pictures and pack are renewed; the plate map or the settings were" in said
    assert set(bench.table("pick_list")["Transfer Volume"]) == {25}
    assert "5 µM" in "".join(path.read_text("utf-8") for path in plate_map.parent.glob("*.svg"))
    plate_map.write_text(text, encoding="utf-8")
    bench.ok("next")
    assert bench.files() == before
    # The size is that of later rounds; the volume is that of this one, too.
    bench.edit("plates", stock_mm=20, wells=384)
    assert "renewed" in bench.ok("next")
    assert json.loads(bench.files()["rounds/01/pack.json"])["laid_out"]["plates.wells"] == 96
    assert set(bench.table("pick_list")["Transfer Volume"]) == {25}
    plate_map.write_text(text.replace(",10.0,uM,", ",5.0,uM,", 1), encoding="utf-8")
    for command in (["next"], ["ingest", bench.write({"gene": ["A"], "x": [1]}), "--yes"]):
        told = bench.error(AssayError, *command)
        assert re.search(
            r"plate_map.csv: drug '\S+' in NEWLINE has wells at 5, 10 uM, and its response", told
        )


def test_stocks_of_the_library_decide_volumes_and_choice(start, bench, home):
    shop = stocked(home, 12)[["drug_id"]]
    shop["stock_uM"] = ["5000"] * 6 + ["100"] * 2 + [""] * 4
    start(library=bench.write(shop), budget=10, rounds=1)
    said = bench.ok("next")
    assert "not in the choice: 2 drugs (a stock too weak or too strong for the plates' concentr" in said
    picks = bench.table("pick_list")
    own = picks[picks["Sample ID"] != "DMSO"].drop_duplicates("Sample ID").set_index("Sample ID")
    strong = set(shop["drug_id"][8:])
    assert {drug: row["Transfer Volume"] for drug, row in own.iterrows()} == {
        drug: 50 if drug in strong else 100 for drug in [*shop["drug_id"][:6], *shop["drug_id"][8:]]
    }
    assert picks.groupby("Destination Well")["Transfer Volume"].sum().unique().tolist() == [100]
    bench.edit("constraints", include=[shop["drug_id"][6]])
    shutil.rmtree(bench.campaign / "rounds/01")
    assert "has a stock too weak or too strong" in bench.error(SettingsError, "next")


def test_the_pick_list_of_an_earlier_round_is_needed(start, bench, home):
    start(budget=12, rounds=2)
    bench.play(1)
    (bench.campaign / "rounds/01/pick_list.csv").unlink()
    told = bench.error(RawDataError, "next")
    assert told.startswith("c/rounds/01/pick_list.csv: no such file; source wells of later rounds depend on")
    assert not (bench.campaign / "rounds/02").exists()


def test_ids_and_barcodes_of_digits_stay_what_they_are(start, bench, home):
    """Vendors number compounds and plates, with zeros in front."""
    shop = stocked(home, 12)[["smiles"]]
    shop.insert(0, "drug_id", [f"00{number}" for number in range(12)])
    shop["source_plate"] = ["0017"] * 6 + [""] * 6
    shop["source_well"] = [f"A{number + 1}" for number in range(6)] + [""] * 6
    start(library=bench.write(shop), budget=12, rounds=1)
    bench.ok("next")
    chosen = pd.read_csv(bench.campaign / "rounds/01/selection.csv", dtype=str)
    assert sorted(chosen["drug_id"]) == sorted(shop["drug_id"])
    picks = pd.read_csv(bench.campaign / "rounds/01/pick_list.csv", dtype=str)
    assert set(picks["Source Plate Name"]) == {"0017", "SOURCE1"}
    assert set(picks["Sample ID"]) == {*shop["drug_id"], "DMSO"}


def test_a_barcode_of_digits_that_some_compounds_lack_is_not_made_a_decimal_number(start, bench, home):
    shop = stocked(home, 12)[["drug_id"]]
    shop["source_plate"] = ["4017"] * 6 + [""] * 6
    shop["source_well"] = [f"A{number + 1}" for number in range(6)] + [""] * 6
    start(library=bench.write(shop), budget=12, rounds=1)
    bench.ok("next")
    picks = pd.read_csv(bench.campaign / "rounds/01/pick_list.csv", dtype=str)
    assert set(picks["Source Plate Name"]) == {"4017", "SOURCE1"}


def test_names_of_digits_do_not_stop_a_campaign(start, bench, home):
    shop = stocked(home, 12)[["drug_id"]]
    shop["name"] = [str(1000 + number) for number in range(12)]
    shop["vendor"] = "77"
    start(library=bench.write(shop), budget=4, rounds=1)
    bench.ok("next")
    assert set(bench.table("selection")["name"].astype(str)) <= set(shop["name"])


def test_an_id_that_looks_like_a_missing_value_stays(start, bench, home):
    shop = stocked(home, 12)[["smiles"]]
    shop.insert(0, "drug_id", ["NA", "null", *(f"V{number}" for number in range(10))])
    start(library=bench.write(shop), budget=12, rounds=1)
    bench.ok("next")
    assert {"NA", "null"} <= set(
        pd.read_csv(bench.campaign / "rounds/01/selection.csv", keep_default_na=False)["drug_id"]
    )


# --- status


def test_status_shows_counts_and_the_next_command_at_every_stage(start, bench):
    start(budget=6, rounds=2)
    text = bench.status()
    assert "NEWLINE" in text
    assert "0 of 6 drugs measured" in text
    assert "next: anchordrug campaign next c" in text
    assert "a_optimal, 2 rounds of 3 drugs, seed 0" in text
    bench.ok("next")
    text = bench.status()
    assert "0 of 6 drugs measured" in text
    assert "1 3 - - - - - waiting" in text
    assert re.search(
        r"3 more drugs (may bring nothing|are expected to help): .* stop_below \(0\.005\): ", text
    )
    assert "pipette c/rounds/01/plate_map.csv, then anchordrug campaign ingest c RESULTS" in text
    assert bench.as_json()["rounds"] == [{"round": 1, "asked": 3, "accepted": None}]
    bench.measure(1, without=bench.table("selection")["drug_id"].tolist()[1:2])
    text = bench.status()
    assert "2 of 6 drugs measured" in text
    assert re.search(r"1 3 2 0 1 - \d+% accepted", text)
    accepted = {"NEWLINE": {"ok": 2, "missing": 1}}
    assert bench.as_json() == {
        "targets": ["NEWLINE"],
        "rehearsal": False,
        "strategy": "a_optimal",
        "seed": 0,
        "budget": 6,
        "measured": 2,
        "rounds": [{"round": 1, "asked": 3, "accepted": accepted}],
        "notes": [],
        "next": {"what": "next:", "command": "anchordrug campaign next c"},
    }
    assert "next: anchordrug campaign next c" in text
    for number, measured in ((2, 5), (3, 6)):
        bench.ok("next")
        bench.measure(number)
        assert f"{measured} of 6 drugs measured" in bench.status()
    text = bench.status()
    assert [len(one) for one in bench.selections()] == [3, 3, 1]
    assert "the budget is spent: anchordrug campaign finish c" in text
    planned = re.search(r"NEWLINE: (\d+) drugs to be predicted", text)
    bench.ok("finish")
    text = bench.status()
    assert "finished; open c/finish/report.html" in text
    # The drugs of the last round are measured now.
    left = re.search(r"NEWLINE: (\d+) drugs to be predicted", text)
    assert int(left[1]) == int(planned[1]) - 1 == len(pd.read_csv(bench.campaign / "library.csv")) - 6


def test_status_changes_nothing(start, bench):
    start(budget=4, rounds=2)
    bench.ok("next")
    before = bench.files()
    bench.status()
    assert bench.files() == before


# --- tables, params and settings that were changed after new


def changed_params(here):
    params = yaml.safe_load((here / "params.yaml").read_text(encoding="utf-8"))
    params["curate"]["threshold"] = 1.25
    write_params(here, params)


def changed_table(here):
    tables = (here / "tables").resolve()
    (here / "tables").unlink()
    shutil.copytree(tables, here / "tables")
    path = here / "tables/atlas/responses.parquet"
    pd.read_parquet(path).iloc[:-1].to_parquet(path, index=False)


@pytest.mark.parametrize("change", [changed_params, changed_table])
def test_a_model_of_other_tables_or_settings_is_not_used(start, bench, change):
    start()
    change(bench.home)
    before = bench.files()
    for command in ("next", "finish"):
        told = bench.error(SettingsError, command)
        assert told.startswith("c/model: was learned from other tables or with other settings")
        assert "or delete c/model to learn it again" in told
    assert bench.files() == before


def test_targets_other_than_those_of_the_model_are_refused_before_any_round(start, bench):
    start()
    path = bench.campaign / "campaign.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("NEWLINE", "OTHERLINE"), encoding="utf-8")
    before = bench.files()
    for command in ("next", "status", "finish"):
        told = bench.error(SettingsError, command)
        assert told.startswith(
            "c/campaign.yaml: targets: [OTHERLINE] differs from the value that the campaign was made with"
        )
        assert "write targets: [NEWLINE] again" in told
    assert bench.files() == before


def test_a_model_that_was_deleted_is_learned_again_to_the_same_numbers(start, bench):
    start()
    before = bench.files()
    shutil.rmtree(bench.campaign / "model")
    bench.ok("next")
    assert before.items() <= bench.files().items()


def test_a_rehearsal_of_a_line_without_responses_names_the_lines_that_have_some(start, bench):
    start()
    path = bench.campaign / "campaign.yaml"
    path.write_text(path.read_text().replace("rehearsal: false", "rehearsal: true"))
    told = bench.error(SettingsError, "next")
    assert told.startswith(
        "c/campaign.yaml: a rehearsal takes its results from the reference data (atlas), which has no "
        "responses of target 'NEWLINE'; choose one of its cell lines (SIM-"
    )
    assert told.endswith("or set rehearsal: false")


@pytest.mark.parametrize("content", ["targets: [", "nonsense", "targets: []\n"])
def test_a_campaign_yaml_that_cannot_be_read(start, bench, content):
    start()
    (bench.campaign / "campaign.yaml").write_text(content, encoding="utf-8")
    for command in ("next", "status"):
        assert bench.error(SettingsError, command).startswith("c/campaign.yaml")


def test_a_library_that_lost_a_column(start, bench):
    start()
    library = pd.read_csv(bench.campaign / "library.csv")
    library.drop(columns="inchikey").to_csv(bench.campaign / "library.csv", index=False)
    assert "c/library.csv: no column inchikey" in bench.error(AnchorDrugError, "next")


# --- the whole way


def test_two_targets_share_one_list_from_new_to_finish(start, bench, home):
    start("--rehearsal", target=("SIM-T1", "SIM-T2"), budget=6, rounds=2)
    genes = pd.read_parquet(home / "tables/atlas/genes.parquet")["gene"]
    for number in (1, 2):
        bench.ok("next")
        plate_map = bench.table("plate_map", number)
        drugs = plate_map[plate_map["pert_type"] == "trt"].groupby("cell_line")["drug_id"].agg(set)
        chosen = set(bench.table("selection", number)["drug_id"])
        assert drugs.to_dict() == {"SIM-T1": chosen, "SIM-T2": chosen}
        assert set(plate_map["plate"]) == {f"R0{number}-SIM-T1-P1", f"R0{number}-SIM-T2-P1"}
        assert set(bench.table("advice", number)["cell_line"]) == {"SIM-T1", "SIM-T2"}
        path = bench.home / f"counts{number}.csv"
        bench.ok("rehearse", "--out", path)
        counts = pd.read_csv(path)
        thin = counts["gene"].isin(genes) | (counts.index % 20 == 0)
        counts[thin].to_csv(path, index=False)
        output = bench.ok("ingest", path, "--yes")
        assert f"round {number}, SIM-T1: " in output
        assert f"round {number}, SIM-T2: " in output
        assert bench.table("outcome", number).groupby("cell_line").size().to_dict() == {
            "SIM-T1": 3,
            "SIM-T2": 3,
        }
    text = bench.status()
    assert "SIM-T1, SIM-T2 (rehearsal)" in text
    assert "accepted: SIM-T1" in text
    bench.ok("finish")
    metrics = json.loads((bench.campaign / "finish/metrics.json").read_text(encoding="utf-8"))
    assert list(metrics) == ["SIM-T1", "SIM-T2"]
    outcomes = pd.concat([bench.table("outcome", number) for number in (1, 2)])
    for target in metrics:
        measured = outcomes[(outcomes["cell_line"] == target) & (outcomes["status"] == "ok")]
        assert metrics[target]["anchors"] == len(measured) >= 3
        assert (bench.campaign / f"finish/{target}.onnx").exists()
    one, other = (pd.read_parquet(bench.campaign / f"finish/{target}.parquet") for target in metrics)
    assert len(one) == len(other) == len(pd.read_csv(bench.campaign / "library.csv")) * len(genes)
    assert not np.allclose(one["z"], other["z"])


@pytest.mark.usefixtures("drawn")
def test_finish_predicts_every_compound_of_the_library_and_escapes_names(start, bench, home):
    shop = stocked(home, 30)
    evil = "<script>alert('x')</script>"
    more = [
        {"drug_id": "<b>&amp;", "smiles": "CCCCCCCCCCCO", "name": evil, "moa": '"><img src=x onerror=1>'},
        {"drug_id": "N2", "smiles": "CCCCCCCCCCCCO", "name": "two\nlines", "CAS": "007", "colour": "red"},
    ]
    library = bench.write(pd.concat([shop, pd.DataFrame(more)]))
    told = start("--dose-um", 1, library=library, budget=6, rounds=2)
    assert "shop.csv: ignored columns: colour\n" in told
    bench.edit("constraints", include=["<b>&amp;", "N2"])
    assert "nothing is measured yet" in bench.error(SettingsError, "finish")
    bench.ok("next")
    assert "nothing is measured yet" in bench.error(SettingsError, "finish")
    assert not (bench.campaign / "finish").exists()
    for picture in (bench.campaign / "rounds/01").glob("*.svg"):
        ET.parse(picture)
        assert "<script" not in picture.read_text(encoding="utf-8")
    plate_map = bench.campaign / "rounds/01/plate_map.csv"
    plate_map.write_text(plate_map.read_text(encoding="utf-8").replace(",1.0,uM,", ",2.0,uM,"), "utf-8")
    said = bench.measure(1)
    assert "dose: plate_map.csv has 2 uM, campaign.yaml has 1 uM; the plate map counts" in said
    assert "dose and time: drugs are at 2 uM and 24 h, but " in said
    bench.ok("next")
    output = bench.ok("finish")
    assert "round 2 has no results; finishing without it" in output
    assert "ignored columns" not in output
    assert "dose and time: drugs are at 2 uM and 24 h, but " in output
    found = pd.read_parquet(bench.campaign / "finish/NEWLINE.parquet")
    genes = pd.read_parquet(bench.home / "tables/atlas/genes.parquet")["gene"]
    library = pd.read_csv(bench.campaign / "library.csv")
    assert len(found) == len(library) * len(genes)
    assert set(found["drug_id"]) == set(library["drug_id"])
    # Names, and ids as the list gave them.
    assert found.columns.tolist()[:5] == ["target", "drug_id", "name", "CAS", "gene"]
    of_compound = found.drop_duplicates("drug_id").set_index("drug_id")
    assert of_compound.loc["N2", ["name", "CAS"]].tolist() == ["two\nlines", "007"]
    assert of_compound.loc["<b>&amp;", "name"] == evil
    assert (found.groupby("drug_id")["gene"].nunique() == len(genes)).all()
    assert np.isfinite(found.select_dtypes("number")).all(axis=None)
    metrics = json.loads((bench.campaign / "finish/metrics.json").read_text(encoding="utf-8"))
    assert metrics["NEWLINE"]["anchors"] == 3
    assert sum(metrics["NEWLINE"]["label_shares"].values()) == pytest.approx(1, abs=1e-3)
    report = (bench.campaign / "finish/report.html").read_text(encoding="utf-8")
    # Terms of the glossary are buttons.
    report = re.sub(r'<button type="button" class="term"[^>]*>(.*?)</button>', r"\1", report)
    # The page's own, and its data.
    assert set(re.findall("<script[^>]*>", report)) == {
        "<script>",
        *(
            f'<script type="application/json" id="{name}">'
            for name in ("drawings", "measured-1", "predicted-1")
        ),
    }
    shown = re.sub("<[^>]+>", "", report)
    assert "Measured at 2 uM and 24 h; source lines: 10 uM and 24 h (" in shown
    assert "dose and time: drugs are at 2 uM and 24 h, but " in shown
    assert "<img" not in report
    assert r'"\u003cscript\u003ealert(\u0027x\u0027)\u003c/script\u003e"' in report
    assert r'"\u003cb\u003e\u0026amp;"' in report
    assert not re.search(r"(src|href)\s*=\s*['\"]?https?:", report)
    model = bench.campaign / "finish/NEWLINE.onnx"
    assert checked(model) == "matches"
    card = json.loads(run_cli("inspect", model, "--json").output)
    assert len(card["anchors"]) == 3
    # That of the plate map, and of the source lines.
    assert card["concentration_um"] == [2, 10]
    assert card["time_h"] == [24]
    assert {"seen"} <= set(card["evidence_groups"]) <= {"seen", "near", "far"}
    assert all(set(told) == {"expected"} for told in card["evidence_groups"].values())
    left_out = metrics["NEWLINE"]["anchors_correlation_left_out"]
    assert card["metrics"]["anchors correlation left out"] == left_out
    assert {"c/library.csv", "c/rounds/01/responses.csv"} < set(card["training_data"])
    text = run_cli("inspect", model).output
    assert "\nanchors             3 (" in text
    assert f"\nmetrics             {next(iter(card['metrics']))} " in text
    before = bench.files()
    bench.ok("finish")
    assert bench.files() == before


def test_a_list_of_drugs_to_be_predicted_is_predicted_too(start, bench, home):
    shop = bench.write(stocked(home, 20))
    queries = [{"drug_id": "AIM1", "smiles": "CCCCCCCCCCCO"}, {"drug_id": "AIM2", "smiles": "CCCCCCCCCCCCO"}]
    wanted = bench.write([*queries, {"drug_id": "SIM-D0001"}, {"smiles": "C1CC"}], "queries.csv")
    output = start("--predict", wanted, library=shop, budget=2, rounds=1)
    assert "drugs to predict: 3 of 4 usable" in output
    bench.play(1)
    assert {"AIM1", "AIM2"}.isdisjoint(bench.table("selection")["drug_id"])
    assert bench.error(LibraryError, "finish", "--also", "xls").startswith("--also .xls: cannot write '.xls'")
    bench.ok("finish", "--also", "h5ad", "--also", ".xlsx")
    found = pd.read_parquet(bench.campaign / "finish/NEWLINE.parquet")
    assert set(found["drug_id"]) == {*pd.read_csv(bench.campaign / "library.csv")["drug_id"], "AIM1", "AIM2"}
    annotated = anndata.read_h5ad(bench.campaign / "finish/NEWLINE.h5ad")
    assert annotated.obs_names.tolist() == found["drug_id"].unique().tolist()
    np.testing.assert_array_equal(annotated.layers["p_up"].ravel(), found["p_up"])
    sheet = pd.read_excel(bench.campaign / "finish/NEWLINE.xlsx", sheet_name="drugs")
    assert sheet["drug_id"].tolist() == annotated.obs_names.tolist()
    # Predictions in a format that nobody asks for any more would be those of another model.
    bench.ok("finish")
    assert [path.name for path in (bench.campaign / "finish").glob("NEWLINE.*")].count("NEWLINE.parquet") == 1
    assert not list((bench.campaign / "finish").glob("NEWLINE.[hx]*"))
