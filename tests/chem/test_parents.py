"""The parent of salts, solvates, mixtures and metal compounds."""

from itertools import groupby
from pathlib import Path

import pytest
from rdkit import Chem, RDConfig

from anchordrug.chem.parents import KINDS, counter_ions
from anchordrug.chem.structures import standardise

PAMOIC = "OC(=O)c1cc2ccccc2c(Cc2c(O)c(C(=O)O)cc3ccccc23)c1O"
MEGLUMINE = "CNCC(O)C(O)C(O)C(O)CO"
TROMETHAMINE = "NC(CO)(CO)CO"
LACTOBIONIC = "OC[C@@H](O)[C@@H](O[C@@H]1O[C@H](CO)[C@H](O)[C@H](O)[C@H]1O)[C@H](O)[C@@H](O)C(O)=O"
HYDRABAMINE = "CC(C)c1ccc2c(c1)CCC1C(C)(CNCCNCC3(C)CCCC4(C)c5ccc(C(C)C)cc5CCC34)CCCC21C"
BENZATHINE = "C(CNCc1ccccc1)NCc1ccccc1"
CITRIC = "OC(=O)CC(O)(CC(=O)O)C(=O)O"
AMPHETAMINE, METFORMIN, METHENAMINE = "CC(N)Cc1ccccc1", "CN(C)C(=N)NC(N)=N", "C1N2CN3CN1CN(C2)C3"
HYDROXYZINE = "OCCOCCN1CCN(CC1)C(c1ccccc1)c1ccc(Cl)cc1"
THEOPHYLLINE = "Cn1c(=O)c2[nH]cnc2n(C)c1=O"
PENICILLIN_V = "CC1(C)S[C@@H]2[C@H](NC(=O)COc3ccccc3)C(=O)N2[C@H]1C(=O)O"
ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"
SALICYLIC = "OC(=O)c1ccccc1O"
DTPA = "OC(=O)CN(CCN(CCN(CC(O)=O)CC([O-])=O)CC([O-])=O)CC([O-])=O"

SALTS = {
    "hydroxyzine pamoate": (f"{HYDROXYZINE}.{PAMOIC}", HYDROXYZINE),
    "metformin pamoate, ions": (
        "CN(C)C(=N)NC(N)=[NH2+].CN(C)C(=N)NC(N)=[NH2+]."
        "[O-]C(=O)c1cc2ccccc2c(Cc2c(O)c(C(=O)[O-])cc3ccccc23)c1O",
        METFORMIN,
    ),
    "fosfomycin tromethamine": (f"C[C@@H]1O[C@@H]1P(=O)(O)O.{TROMETHAMINE}", "C[C@@H]1O[C@@H]1P(=O)(O)O"),
    "flunixin meglumine": (
        f"Cc1c(Nc2ncccc2C(=O)O)cccc1C(F)(F)F.{MEGLUMINE}",
        "Cc1c(Nc2ncccc2C(=O)O)cccc1C(F)(F)F",
    ),
    "oxtriphylline": ("Cn1c(=O)c2[n-]cnc2n(C)c1=O.C[N+](C)(C)CCO", THEOPHYLLINE),
    "theophylline sodium glycinate": (f"{THEOPHYLLINE}.NCC(=O)[O-].[Na+]", THEOPHYLLINE),
    "amphetamine saccharate": (f"{AMPHETAMINE}.OC(C(O)C(O)C(=O)O)C(O)C(=O)O", AMPHETAMINE),
    "amphetamine lactobionate": (f"{AMPHETAMINE}.{LACTOBIONIC}", AMPHETAMINE),
    "methenamine mandelate": (f"{METHENAMINE}.OC(C(=O)O)c1ccccc1", METHENAMINE),
    "penicillin V hydrabamine": (f"{PENICILLIN_V}.{PENICILLIN_V}.{HYDRABAMINE}", PENICILLIN_V),
    "aspirin benzathine": (f"{ASPIRIN}.{ASPIRIN}.{BENZATHINE}", ASPIRIN),
    "aspirin lysine": (f"{ASPIRIN}.NCCCC[C@H](N)C(=O)O", ASPIRIN),
    "promethazine teoclate": (
        "CC(CN1c2ccccc2Sc2ccccc12)N(C)C.Cn1c2nc(Cl)[nH]c2c(=O)n(C)c1=O",
        "CC(CN1c2ccccc2Sc2ccccc12)N(C)C",
    ),
    "a solvate": (f"{METFORMIN}.CS(C)=O.C1CCOC1.OCCCO.O", METFORMIN),
    "tetraphenylborate": (f"C{AMPHETAMINE}.c1ccc(cc1)[B-](c1ccccc1)(c1ccccc1)c1ccccc1", f"C{AMPHETAMINE}"),
    "a co-crystal of two drugs": (f"{METFORMIN}.{HYDROXYZINE}", HYDROXYZINE),
    # Counter-ions alone.
    "piperazine citrate": (f"C1CNCCN1.C1CNCCN1.C1CNCCN1.{CITRIC}.{CITRIC}.O", "C1CNCCN1"),
    "choline chloride": ("C[N+](C)(C)CCO.[Cl-]", "C[N+](C)(C)CCO"),
    "choline salicylate": (f"C[N+](C)(C)CCO.{SALICYLIC}", SALICYLIC),
    "trolamine salicylate": (f"OCCN(CCO)CCO.{SALICYLIC}", SALICYLIC),
    "arginine glutamate": ("NC(CCCNC(N)=N)C(=O)O.NC(CCC(=O)O)C(=O)O", "NC(CCCNC(N)=N)C(=O)O"),
    "sodium benzoate": ("[Na+].[O-]C(=O)c1ccccc1", "OC(=O)c1ccccc1"),
    "potassium citrate": (f"[K+].{CITRIC}", CITRIC),
    "meglumine antimoniate": (f"O[Sb](=O)=O.{MEGLUMINE}", "O[Sb](=O)=O"),
    "ammonium chloride": ("[NH4+].[Cl-]", "N"),
    "ethanol and isopropanol": ("CCO.CC(C)O", "CCO"),
    # Metals of salts.
    "calcium, ions": (f"[Ca+2].{ASPIRIN[:-1]}[O-].{ASPIRIN[:-1]}[O-]", ASPIRIN),
    "lithium, with a drug": (f"[Li+].{ASPIRIN[:-1]}[O-]", ASPIRIN),
    "a bond to sodium": (f"{ASPIRIN}[Na]", ASPIRIN),
    "a bond to magnesium": (f"{ASPIRIN}[Mg]Cl", ASPIRIN),
    "zinc": (f"[Zn+2].{PENICILLIN_V}", PENICILLIN_V),
    "ranitidine bismuth citrate": (f"{HYDROXYZINE}.{CITRIC}.[Bi+3]", HYDROXYZINE),
    "sodium arsenite": ("[Na+].[O-][As]=O", "O[As]=O"),
}


@pytest.mark.parametrize("name", SALTS)
def test_the_parent_is_the_drug(name):
    salt, drug = SALTS[name]
    found, expected = standardise(salt), standardise(drug)
    assert (found.inchikey, found.smiles) == (expected.inchikey, expected.smiles)
    reordered = ".".join(reversed(salt.split(".")))
    assert standardise(reordered).inchikey == expected.inchikey
    molblock = Chem.MolToMolBlock(Chem.MolFromSmiles(salt))
    assert standardise(molblock).inchikey == expected.inchikey


@pytest.mark.parametrize("drug", [AMPHETAMINE, METFORMIN, METHENAMINE])
def test_no_counter_ion_or_solvent_is_taken_for_a_drug(drug):
    expected = standardise(drug).inchikey
    wrong = [row["smiles"] for row in rows() if standardise(f"{row['smiles']}.{drug}").inchikey != expected]
    assert wrong == []


def rows():
    """The table as text."""
    lines = (Path(__file__).parents[2] / "src/anchordrug/chem/counter_ions.csv").read_text().splitlines()
    return [dict(zip(("name", "kind", "smiles"), line.rsplit(",", 2), strict=True)) for line in lines[1:]]


def test_a_counter_ion_alone_is_itself():
    """Ions get their protons back, so what they become is another row of the table."""
    for row in rows():
        molecule = Chem.MolFromSmiles(row["smiles"])
        try:
            found = standardise(row["smiles"]).inchikey[:14]
        except ValueError:  # rdkit's, of its valences
            assert row["name"] == "hexafluorophosphate"
            continue
        assert found in counter_ions(), row
        assert Chem.GetFormalCharge(molecule) or found == Chem.MolToInchiKey(molecule)[:14], row


def test_no_structure_stands_twice_in_the_table_and_kinds_follow_each_other():
    assert len(counter_ions()) == len(rows())
    assert [kind for kind, _ in groupby(counter_ions().values(), lambda row: row.kind)] == list(KINDS)


def test_the_table_holds_all_of_rdkits_salts():
    """Each pattern of Salts.txt matches all of a row of the table, or metals."""
    lines = (Path(RDConfig.RDDataDir) / "Salts.txt").read_text().splitlines()
    patterns = [line.split("\t")[0].strip() for line in lines if line.strip() and not line.startswith("//")]
    molecules = [Chem.MolFromSmiles(row["smiles"]) for row in rows()]
    assert len(patterns) >= 15
    for text in patterns:
        pattern = Chem.MolFromSmarts(text)
        whole = [m for m in molecules if m.GetNumAtoms() == pattern.GetNumAtoms()]
        assert text == "[Li,Na,K,Ca,Mg]" or any(m.HasSubstructMatch(pattern) for m in whole), text


COMPLEXES = {
    "cisplatin, bonds": ("N[Pt](N)(Cl)Cl", "Pt"),
    "cisplatin, dative": ("[NH3]->[Pt](Cl)(Cl)<-[NH3]", "Pt"),
    "cisplatin, molecules": ("N.N.Cl[Pt]Cl", "Pt"),
    "cisplatin, amides": ("[NH2-].[NH2-].Cl[Pt+2]Cl", "Pt"),
    "cisplatin, ions": ("N.N.[Cl-].[Cl-].[Pt+2]", "Pt"),
    "oxaliplatin, ions": ("C1CCC(C(C1)[NH-])[NH-].OC(=O)C(=O)O.[Pt+2]", "Pt"),
    "nitroprusside": ("[Na+].[Na+].N#C[Fe-2](C#N)(C#N)(C#N)(C#N)N=O", "Fe"),
    "ferrous fumarate": ("[Fe+2].[O-]C(=O)/C=C/C([O-])=O", "Fe"),
    "gadopentetate": (f"[Gd+3].{MEGLUMINE}.{MEGLUMINE}.{DTPA}", "Gd"),
    "ferrocene": ("[CH-]1C=CC=C1.[CH-]1C=CC=C1.[Fe+2]", "Fe"),
    "chromium picolinate": ("O=C(O[Cr](OC(=O)c1ccccn1)OC(=O)c1ccccn1)c1ccccn1", "Cr"),
    "a gold thiolate": ("OC(=O)CC(S[Au])C(O)=O", "Au"),
    "mercury chloride": ("Cl[Hg]Cl", "Hg"),
    "zinc, bonds": ("CN(C)C1=[S+][Zn]2(S1)SC(=[S+]2)N(C)C", "Zn"),
    "two metals": ("N[Co](N)(N)(N)(N)N.Cl[Cd](Cl)(Cl)(Cl)Cl", "Co, Cd"),
    "the metal alone": ("[W]", "W"),
}
SALTS_OF_METALS = {
    "lithium carbonate": ("[Li+].[Li+].[O-]C([O-])=O", "Li"),
    "potassium iodide": ("[K+].[I-]", "K"),
    "calcium chloride, bonds": ("Cl[Ca]Cl", "Ca"),
    "sodium hydroxide": ("O[Na]", "Na"),
    "magnesium sulfate": ("[Mg+2].[O-]S([O-])(=O)=O.O.O.O.O.O.O.O", "Mg"),
    "zinc acetate": ("[Zn+2].CC(=O)[O-].CC(=O)[O-]", "Zn"),
    "lithium citrate": ("[Li+].[Li+].[Li+].OC(CC([O-])=O)(CC([O-])=O)C([O-])=O", "Li"),
    "bismuth subsalicylate": (f"[Bi+3].{SALICYLIC}.[OH-]", "Bi"),
    "aluminium hydroxide, ions": ("[Al+3].[OH-].[OH-].[OH-]", "Al"),
    "silver nitrate and sodium": ("[Ag+].[Na+].[O-][N+]([O-])=O", "Ag, Na"),
}


@pytest.mark.parametrize("name", COMPLEXES)
def test_a_metal_complex_is_not_its_largest_ligand(name):
    structure, metal = COMPLEXES[name]
    with pytest.raises(ValueError, match=rf"^holds a metal \({metal}\) that .* would take off its ligands$"):
        standardise(structure)


@pytest.mark.parametrize("name", SALTS_OF_METALS)
def test_a_salt_of_which_the_metal_is_the_point_is_not_its_counter_ion(name):
    structure, metal = SALTS_OF_METALS[name]
    with pytest.raises(ValueError, match=rf"\({metal}\) that .*, and next to it nothing but counter-ions$"):
        standardise(structure)


@pytest.mark.parametrize(
    ("structure", "metal"),
    [
        ("[Na+].CC[Hg]Sc1ccccc1C(=O)[O-]", "Hg"),
        ("CC(=O)O[Hg]c1ccccc1", "Hg"),
        ("CCCC[Sn](CCCC)(OC(C)=O)OC(C)=O", "Sn"),
    ],
)
def test_a_metal_that_stays_on_carbon_is_kept(structure, metal):
    assert f"[{metal}" in standardise(structure).smiles
    assert standardise(structure).inchikey != standardise(structure.replace(metal, "C")).inchikey
