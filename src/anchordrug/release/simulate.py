"""The simulated raw bundle: real molecules, invented responses, in the release's own file formats.

Drugs of one chemical family mostly share a mechanism. A mechanism owns a programme of genes that the gene
annotations reflect. A cell line's response to a programme follows the latent factors that also shape its
untreated expression. So every feature of the pipeline carries information, and none of it is biology.
Letters of shapes: D drugs, L profiled lines, A all lines, G genes, M mechanisms, T terms, F latent factors.
"""

import gzip
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from anchordrug.chem.nci_molecules import FAMILIES, families, inchikey_of, respelled
from anchordrug.errors import RawDataError
from anchordrug.files.atomic import atomic_path
from anchordrug.raw.gctx import write_gctx

DRUGS_A_FAMILY = 27
ACID = re.compile(r"C\(=O\)O(?=\)|$)")  # a carboxylic acid in canonical SMILES
TARGETS = ["SIM-T1", "SIM-T2"]
PROFILED = TARGETS + [f"SIM-A{i:02d}" for i in range(1, 9)]
LINES = PROFILED + [f"SIM-B{i:02d}" for i in range(1, 52)]
NO_BASAL = "SIM-A08"  # profiled, but its untreated expression is unknown
GENES, PANEL, TERMS, FACTORS = 128, 96, 160, 5
BROKEN, BLANK, UNLISTED, DOUBLED = 8, 4, 5, 10  # how many drugs have something wrong, see `_compounds`
NEARLY_10_UM = (10.0, 10.0, 10.0, 10.0, 9.99999, 10.05)  # doses as the release notes them


@dataclass(frozen=True)
class SimulatedTruth:
    """The truth behind the bundle."""

    smiles: list[str]  # D
    mechanism: np.ndarray  # D
    basal: np.ndarray  # A x G
    ontology: np.ndarray  # G x T, 0 or 1
    response: np.ndarray  # D x L x G, free of noise


def simulate(folder: Path, seed: int = 0) -> None:
    """Write a simulated raw bundle into `folder`, the same bytes for the same seed and package versions.

    Raises
    ------
    RawDataError
        rdkit comes without its NCI molecules, or `folder` holds files of another bundle.
    """
    rng = np.random.default_rng(seed)
    truth = _truth(rng)
    compounds, second_ids = _compounds(truth, rng)
    signatures, z = _signatures(truth, compounds, second_ids, rng)
    genes = _gene_table()
    symbols = list(genes["gene_symbol"])
    basal = pd.DataFrame(truth.basal, pd.Index(LINES, name="cell_iname"), symbols).drop(index=NO_BASAL)
    terms = [f"SIMGO.{i:04d}" for i in range(1, TERMS + 1)]
    # Two genes have no row and two an empty row: real annotations know both kinds of a gene without any.
    ontology = pd.DataFrame(truth.ontology, pd.Index(symbols, name="gene"), terms).drop(index=symbols[1::64])
    panel = [*symbols[:2], *(symbols[i] for i in np.sort(2 + rng.permutation(GENES - 2)[: PANEL - 2]))]
    # The release's matrix is not in the order of its table either.
    order = rng.permutation(np.flatnonzero(signatures["in_matrix"]))
    files = {
        "siginfo_beta.txt": _tsv(signatures.drop(columns="in_matrix")),
        "compoundinfo_beta.txt": _tsv(_compound_rows(compounds, rng)),
        "geneinfo_beta.txt": _tsv(genes),
        f"basal_expression_n{len(basal)}x{GENES}.csv.gz": basal.to_csv(
            float_format="%.4f", lineterminator="\n"
        ),
        f"gene_ontology_n{len(ontology)}x{TERMS}.csv.gz": ontology.to_csv(lineterminator="\n"),
        f"gene_panel_{PANEL}.txt": "\n".join(panel) + "\n",
        "README.md": README.format(seed=seed, no_basal=NO_BASAL),
    }
    matrix = folder / f"level5_beta_trt_cp_n{len(order)}x{GENES}.gctx"
    _refuse_mixture(folder, {matrix.name, *files})
    write_gctx(matrix, z[order], signatures.loc[order, ["sig_id"]], genes.loc[:, ["gene_id"]])
    for name, text in files.items():
        # No time stamp in the header of .gz files: the same bytes every time.
        content = gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode()
        with atomic_path(folder / name) as temporary:
            temporary.write_bytes(content)


def _truth(rng: np.random.Generator) -> SimulatedTruth:
    """Draw molecules, mechanisms, programmes, cell lines and the response of every drug in every line."""
    drawn = [
        (members[i], family)
        for family, members in enumerate(families())
        for i in rng.permutation(len(members))[:DRUGS_A_FAMILY]
    ]
    drawn = [drawn[i] for i in rng.permutation(len(drawn))]  # so that an id tells nothing about the family
    mechanism = np.array([family for _, family in drawn])
    strays = rng.random(len(drawn)) < 0.15
    mechanism[strays] = rng.integers(len(FAMILIES), size=int(strays.sum()))

    programmes = _programmes(rng)
    factors = rng.normal(size=(len(LINES), FACTORS))
    basal = rng.normal(8.4, 1.9, size=GENES) + 0.45 * factors @ rng.normal(size=(FACTORS, GENES))
    return SimulatedTruth(
        smiles=[smiles for smiles, _ in drawn],
        mechanism=mechanism,
        basal=np.clip(basal + rng.normal(0, 0.3, size=basal.shape), 2.0, 15.0),
        ontology=_ontology(programmes, rng),
        response=_responses(mechanism, programmes, factors[: len(PROFILED)], rng),
    )


def _programmes(rng: np.random.Generator) -> np.ndarray:
    """Return the signed, sparse gene programmes [M, G]; a little more goes down than up."""
    shape = (len(FAMILIES), GENES)
    sign = np.where(rng.random(shape) < 0.55, -1.0, 1.0)
    return (rng.random(shape) < 0.3) * sign * rng.gamma(2.0, 0.5, size=shape)


def _ontology(programmes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return annotations [G, T]: two terms in three favour the up or down half of a programme."""
    chance = np.full((GENES, TERMS), 0.07)
    for term in range(TERMS * 2 // 3):
        round_, mechanism = divmod(term, len(programmes))
        half = programmes[mechanism] > 0 if round_ % 2 else programmes[mechanism] < 0
        chance[:, term] = np.where(half, 0.55, 0.015)
    ontology = rng.random((GENES, TERMS)) < chance
    ontology[::64] = False
    return ontology.astype(np.int8)


def _responses(
    mechanism: np.ndarray, programmes: np.ndarray, factors: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return the response free of noise [D, L, G] to drugs of `mechanism` [D] in lines of `factors` [L, F].

    The part smooth in `factors` can be learnt from untreated expression; the rest of a line's effect on a
    gene or to a programme, from a few anchor drugs; the part of one drug in one line cannot be learnt at all.
    """
    n_drugs, n_lines, n_mechanisms = len(mechanism), len(factors), len(programmes)
    inactive = rng.random(n_drugs) < 0.2
    strength = rng.lognormal(-0.3, 0.7, size=n_drugs) * np.where(inactive, 0.1, 1.0)
    mix = np.eye(n_mechanisms)[mechanism]
    mix[np.arange(n_drugs), rng.integers(n_mechanisms, size=n_drugs)] += 0.6 * (rng.random(n_drugs) < 0.25)

    slope = rng.normal(0, FACTORS**-0.5, size=(FACTORS, n_mechanisms))
    sensitivity = 2 / (1 + np.exp(-3 * factors @ slope))  # L x M, 1 on average
    rewired = programmes + 0.6 * rng.normal(size=(n_lines, n_mechanisms, GENES))
    bend = factors @ rng.normal(0, FACTORS**-0.5, size=(FACTORS, GENES))
    gain = np.exp(0.4 * (bend + rng.normal(0, 0.7, size=bend.shape)))  # L x G
    own = rng.standard_t(4, size=(n_drugs, 1, GENES))  # of a drug in every line; heavy tails, as in real data
    local = rng.standard_t(4, size=(n_drugs, n_lines, GENES))
    specific = 0.95 * gain * np.einsum("dm,lm,lmg->dlg", mix, sensitivity, rewired) + 0.6 * own + 0.3 * local

    toxicity = rng.gamma(1.0, 0.6, size=n_drugs)
    stress = rng.normal(-0.1, 1.0, size=GENES) + 0.9 * rng.normal(size=(n_lines, GENES))
    return strength[:, None, None] * (specific + toxicity[:, None, None] * stress)


def _compounds(truth: SimulatedTruth, rng: np.random.Generator) -> tuple[pd.DataFrame, dict[int, int]]:
    """Return a row per drug id, and the row of the second id of each drug that has two.

    The first D rows are the drugs of `truth`, some with a SMILES that is broken or blank, some that the
    compound table will not list; the rows after them are the second ids.
    """
    n = len(truth.smiles)
    special = rng.permutation(n)
    broken, blank, unlisted, others = np.split(special, np.cumsum([BROKEN, BLANK, UNLISTED]))
    acid = next(i for i in others if ACID.search(truth.smiles[i]))  # the first second id is its sodium salt
    doubled = [acid, *others[others != acid][: DOUBLED - 1]]
    smiles = [*truth.smiles, *(_other_spelling(truth.smiles[d], i) for i, d in enumerate(doubled))]
    for row in broken:
        smiles[row] += "(C"  # an open bracket, as where a spreadsheet cut the cell
    for row in blank:
        smiles[row] = ""
    drug = np.array([*range(n), *doubled])
    compounds = pd.DataFrame(
        {
            "pert_id": [f"SIM-D{i:04d}" for i in range(1, len(drug) + 1)],
            "cmap_name": [f"SIM-compound-{i + 1:04d}" for i in drug],
            "mechanism": truth.mechanism[drug],
            "has_moa": (rng.random(n) < 0.65)[drug],
            "canonical_smiles": smiles,
            "inchi_key": [inchikey_of(text) for text in smiles],
            "listed": ~np.isin(np.arange(len(drug)), unlisted),
        }
    )
    return compounds, {int(d): n + i for i, d in enumerate(doubled)}


def _other_spelling(smiles: str, number: int) -> str:
    """Return the same structure written differently: a sodium salt, a hydrochloride, then by another atom."""
    if number == 0:
        return ACID.sub("C(=O)[O-]", smiles, count=1) + ".[Na+]"
    if number == 1:
        return smiles + ".Cl"
    return respelled(smiles)


def _compound_rows(compounds: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Return compoundinfo as in the release: a row per compound and protein target, blank where unknown."""
    rows = []
    for drug in compounds.loc[compounds["listed"].to_numpy()].to_dict("records"):
        name = f"{drug['mechanism'] + 1:02d}"
        moa = f"SIM mechanism {name} inhibitor" if drug["has_moa"] else ""
        proteins = [f"SIMP{name}A", f"SIMP{name}B"][: int(rng.integers(1, 3))] if drug["has_moa"] else [""]
        rows += [{**drug, "target": protein, "moa": moa} for protein in proteins]
    columns = ["pert_id", "cmap_name", "target", "moa", "canonical_smiles", "inchi_key"]
    return pd.DataFrame(rows, columns=columns)


def _covered_pairs(n_drugs: int, rng: np.random.Generator) -> pd.DataFrame:
    """Return the (drug, line) pairs that were profiled; one drug in twelve in no line but the targets."""
    popularity = rng.lognormal(0.0, 0.5, size=n_drugs)
    elsewhere = popularity * (rng.random(n_drugs) >= 0.08)
    pairs = []
    for line, name in enumerate(PROFILED):
        weight = popularity if name in TARGETS else elsewhere
        size = int(rng.integers(195, 210) if name in TARGETS else rng.integers(90, 181))
        chosen = np.sort(rng.choice(n_drugs, size, replace=False, p=weight / weight.sum()))
        pairs.append(pd.DataFrame({"drug": chosen, "line": line}))
    return pd.concat(pairs, ignore_index=True)


def _signatures(
    truth: SimulatedTruth, compounds: pd.DataFrame, second_ids: dict[int, int], rng: np.random.Generator
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return siginfo with the column `in_matrix`, and the z-scores [signatures, G] in the same order."""
    pairs = _covered_pairs(len(truth.smiles), rng).assign(dose=10.0, time=24, good=True, vehicle=False)

    def again(rows: int, **changes: Any) -> pd.DataFrame:
        return pairs.iloc[rng.choice(len(pairs), rows, replace=False)].assign(**changes)

    extra = [again(150), again(60, dose=1.0), again(60, dose=3.33), again(60, time=6)]
    extra += [again(110, good=False), again(12, vehicle=True)]
    pairs.loc[rng.choice(len(pairs), 40, replace=False), "good"] = False  # most have no good signature then
    plan = pd.concat([pairs, *extra], ignore_index=True)
    plan = plan.iloc[rng.permutation(len(plan))].reset_index(drop=True)
    return _siginfo(plan, compounds, second_ids, rng), _measured(plan, truth.response, rng)


def _measured(plan: pd.DataFrame, response: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return z [signatures, G]: noise and the response, weaker at a low dose, early, or of low quality."""
    good, vehicle = plan["good"].to_numpy(dtype=bool), plan["vehicle"].to_numpy(dtype=bool)
    scale = np.where(good, 1.0, 0.3) * np.where(plan["time"] < 24, 0.5, 1.0) * ~vehicle
    scale *= 0.3 + 0.07 * plan["dose"].to_numpy()
    noise = np.where(good, 0.8, 1.6) * rng.lognormal(0.0, 0.15, size=len(plan))
    z = scale[:, None] * response[plan["drug"], plan["line"]]
    z += noise[:, None] * rng.normal(size=z.shape)
    z = np.clip(z, -10, 10).round(3)  # rounded, so that the last bit of a processor's sums does not matter
    all_missing, *one_missing = rng.choice(len(plan), 6, replace=False)
    z[all_missing] = np.nan
    z[one_missing, rng.integers(GENES, size=len(one_missing))] = np.nan
    return z.astype(np.float32)


def _siginfo(
    plan: pd.DataFrame, compounds: pd.DataFrame, second_ids: dict[int, int], rng: np.random.Generator
) -> pd.DataFrame:
    """Return siginfo in the release's columns, with the column `in_matrix`."""
    n = len(plan)
    second = np.array([second_ids.get(drug, drug) for drug in plan["drug"].to_list()], dtype=int)
    rows = compounds.iloc[np.where(rng.random(n) < 0.5, second, plan["drug"])]
    good, vehicle = plan["good"].to_numpy(dtype=bool), plan["vehicle"].to_numpy(dtype=bool)
    pert_id = np.where(vehicle, "SIM-DMSO", rows["pert_id"])
    line, dose, time = np.array(PROFILED)[plan["line"]], plan["dose"].to_numpy(), plan["time"].to_numpy()
    noted_dose = np.where(dose == 10, rng.choice(NEARLY_10_UM, n), dose)
    uncorrelated = ~good & (rng.random(n) < 0.6)  # the other bad ones fail by their rank
    cc_q75 = np.where(uncorrelated, rng.uniform(-0.05, 0.19, n), rng.uniform(0.21, 0.95, n))
    rank = np.where(~good & ~uncorrelated, rng.uniform(5.5, 60, n), rng.uniform(0, 4.9, n))
    is_gold = pd.Series(good.astype(int), dtype="Int64")
    is_gold[rng.random(n) < 1 / 3] = pd.NA
    is_gold[rng.choice(np.flatnonzero(good), 6, replace=False)] = 0  # a verdict goes before the numbers
    parts = zip(range(1, n + 1), line, time, pert_id, dose, strict=True)
    return pd.DataFrame(
        {
            "sig_id": [f"SIM{i:04d}_{cell}_{hours}H:{drug}:{um:g}" for i, cell, hours, drug, um in parts],
            "pert_id": pert_id,
            "cmap_name": np.where(vehicle, "SIM-vehicle", rows["cmap_name"]),
            "cell_iname": line,
            "pert_type": np.where(vehicle, "ctl_vehicle", "trt_cp"),
            "pert_dose": np.where(vehicle, np.nan, noted_dose),
            "pert_dose_unit": np.where(vehicle, "", "uM"),
            "pert_idose": np.where(vehicle, "", [f"{um:g} uM" for um in dose]),
            "pert_time": time.astype(float),
            "pert_time_unit": "h",
            "pert_itime": [f"{hours} h" for hours in time],
            "cc_q75": cc_q75.round(2),
            "pct_self_rank_q25": rank.round(2),
            "is_gold": is_gold,
            "in_matrix": ~np.isin(np.arange(n), rng.choice(n, 10, replace=False)),
        }
    )


def _gene_table() -> pd.DataFrame:
    """Return geneinfo in the release's columns."""
    numbers = range(1, GENES + 1)
    table = pd.DataFrame({"gene_id": [str(9_000_000 + i) for i in numbers]})
    table["gene_symbol"] = [f"SIMG{i:03d}" for i in numbers]
    table["ensembl_id"] = [f"SIMENSG{i:08d}" for i in numbers]
    table["gene_title"] = [f"simulated gene {i}" for i in numbers]
    return table.assign(gene_type="protein-coding", src="simulated", feature_space="landmark")


def _refuse_mixture(folder: Path, ours: set[str]) -> None:
    """Raise where another bundle's file is already in the folder: readers find files by how names begin."""
    starts = ("level5_*", "basal_expression*", "gene_ontology*", "gene_panel*")
    strangers = sorted(path for start in starts for path in folder.glob(start) if path.name not in ours)
    if strangers:
        raise RawDataError(f"{strangers[0]}: belongs to another bundle; remove it or choose another folder")


def _tsv(table: pd.DataFrame) -> str:
    """Return `table` as the release writes its tables."""
    return table.to_csv(sep="\t", index=False, lineterminator="\n")


README = """# Simulated raw bundle

Simulated, not biology: the responses, genes, cell lines, mechanisms and annotations in this folder are
invented, and their names say SIM. The files have the names and formats of the LINCS2020 release.

- Made by `anchordrug simulate --out datasets/demo --seed {seed}`; the same seed and package versions give
  the same bytes.
- The molecules are real; they come from rdkit's wheel (`RDConfig.RDDataDir/NCI/first_5K.smi`). Which drug
  acts by which mechanism follows from chemical families, with exceptions; it is not evidence about the real
  compounds.
- Targets to try: SIM-T1 and SIM-T2. Labels and correlations are about as frequent and as high as in real
  data.
- Dirt on purpose, for the curation to find: SMILES that do not parse or are missing; one structure under
  two ids (two of them salts); signatures of other doses and times, of low quality, of the vehicle, of drugs
  that the compound table does not list, with missing z-scores, listed but absent from the matrix; a profiled
  cell line without untreated expression ({no_basal}); genes without annotation.
"""
