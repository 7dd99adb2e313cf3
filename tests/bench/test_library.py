"""Compounds for sale against the drugs of an atlas."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anchordrug.bench.library import COLUMNS, counts_in_words, resolve_library
from anchordrug.chem.structures import standardise
from anchordrug.errors import LibraryError

LACTATE, L_LACTATE, D_LACTATE = "CC(O)C(=O)O", "C[C@H](O)C(=O)O", "C[C@@H](O)C(=O)O"
TWO_CENTRES = "C[C@H](O)[C@@H](O)C(=O)O"
FIELDS = ("drug_id", "smiles", "inchikey", "name", "moa", "vendor", "cost", "stock")


def key_of(smiles):
    return standardise(smiles).inchikey


def atlas(*drugs):
    """Rows of (drug_id, smiles, name, other_ids) as a drug table."""
    rows = []
    for drug_id, smiles, *more in drugs:
        name, other_ids = [*more, None, None][:2]
        drug = standardise(smiles)
        rows.append((drug_id, drug.inchikey, drug.smiles, name, f"moa of {drug_id}", other_ids))
    return pd.DataFrame(rows, columns=["drug_id", "inchikey", "smiles", "name", "moa", "other_ids"])


def shop(*compounds):
    """Compounds as `read_compounds_for_sale` gives them."""
    empty = dict.fromkeys((*FIELDS, "source_plate", "source_well"))
    rows = [empty | one | {"line": line, "problem": None} for line, one in enumerate(compounds, start=2)]
    table = pd.DataFrame(rows, dtype=object)
    return table.astype({"line": int, "cost": float, "stock": float})


def resolved(compound, *drugs):
    """Return the one row of the library, or the reason why there is none."""
    found = resolve_library(shop(compound), atlas(*drugs))
    assert len(found.library) + len(found.rejects) == 1
    return found.library.iloc[0] if len(found.library) else found.rejects.loc[0, "reason"]


ASPIRIN = ("A1", "CC(=O)Oc1ccccc1C(=O)O", "Aspirin", "A7|A8")


@pytest.mark.parametrize(
    ("compound", "match"),
    [
        ({"smiles": "OC(=O)c1ccccc1OC(C)=O"}, "structure"),
        ({"smiles": "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]"}, "structure"),
        ({"smiles": "CC(=O)Oc1ccccc1C(=O)O", "name": "something else", "drug_id": "X"}, "structure"),
        ({"smiles": "CC(=O)Oc1ccccc1C(=O)O.CNCC(O)C(O)C(O)C(O)CO"}, "structure"),
        ({"inchikey": key_of(ASPIRIN[1])}, "InChIKey"),
        ({"inchikey": key_of(ASPIRIN[1]), "drug_id": "X", "name": "Y"}, "InChIKey"),
        ({"drug_id": "A1"}, "drug_id"),
        ({"drug_id": "A8"}, "drug_id"),
        ({"drug_id": "A1", "name": "ibuprofen"}, "drug_id"),
        ({"name": "aspirin"}, "name"),
        ({"name": "ASPIRIN", "drug_id": "unknown"}, "name"),
    ],
)
def test_a_drug_of_the_atlas_is_found_by_the_best_that_is_given(compound, match):
    row = resolved(compound, ASPIRIN, ("A2", "CCO", "ibuprofen"))
    assert (row["match"], row["atlas_id"]) == (match, "A1")
    assert row["inchikey"] == key_of(ASPIRIN[1])
    assert row["smiles"] == standardise(ASPIRIN[1]).smiles
    assert row["moa"] == "moa of A1"
    assert row["drug_id"] == compound.get("drug_id", "A1")
    assert row["name"] == compound.get("name", "Aspirin")


def test_a_new_compound_keeps_what_the_shop_says_of_it():
    compound = {"drug_id": "N", "smiles": "[Na+].CCC(=O)[O-]", "name": "n", "moa": "m", "vendor": "v"}
    row = resolved(compound | {"cost": 2.5, "stock": 3.0}, ASPIRIN)
    assert row.index.tolist() == list(COLUMNS)
    assert row["smiles"] == "CCC(=O)O"
    assert row[["drug_id", "name", "moa", "vendor", "cost", "stock"]].tolist() == ["N", "n", "m", "v", 2.5, 3]
    assert row["match"] == "new"
    assert row["atlas_id"] is None


@pytest.mark.parametrize(
    ("compound", "drug_id"), [({"drug_id": "N", "name": "n"}, "N"), ({"name": "n"}, "n"), ({}, "row_1")]
)
def test_a_new_compound_without_an_id_goes_by_its_name_or_row(compound, drug_id):
    assert resolved({"smiles": "CCO"} | compound, ASPIRIN)["drug_id"] == drug_id


@pytest.mark.parametrize(
    ("compound", "reason"),
    [
        ({"smiles": "C1CC"}, "not a valid SMILES"),
        ({"smiles": "C1CC", "inchikey": key_of(ASPIRIN[1])}, "not a valid SMILES"),
        ({"inchikey": "AAAAAAAAAAAAAA-UHFFFAOYSA-N"}, "no structure, and not in the atlas; add a SMILES"),
        ({"drug_id": "unknown"}, "no structure, and not in the atlas; add a SMILES"),
        ({"name": "unknown"}, "no structure, and not in the atlas; add a SMILES"),
        ({}, "no structure, and not in the atlas; add a SMILES"),
        ({"name": "twin"}, "2 drugs of the atlas are called 'twin'; add a SMILES"),
        ({"smiles": "CCCCC", "drug_id": "A1"}, "drug_id 'A1' is another structure in the atlas; rename it"),
        ({"smiles": "CCCCC", "drug_id": "A7"}, "drug_id 'A7' is another structure in the atlas; rename it"),
        (
            {"smiles": "O.O.Cl[Pd]Cl.CC(=O)Oc1ccccc1C(=O)O"},
            "holds a metal (Pd) that standardisation would take off its ligands",
        ),
    ],
)
def test_what_cannot_be_used_says_why(compound, reason):
    assert resolved(compound, ASPIRIN, ("A2", "CCO", "Twin"), ("A3", "CCC", "twin")) == reason


def test_rejects_keep_their_line_and_what_was_given():
    rejects = resolve_library(
        shop({"smiles": "CCO"}, {"smiles": "C1CC", "name": "n"}), atlas(ASPIRIN)
    ).rejects
    assert rejects[["line", "drug_id", "name", "smiles", "inchikey"]].to_numpy().tolist() == [
        [3, None, "n", "C1CC", None]
    ]


@pytest.mark.parametrize(
    ("known", "asked", "match"),
    [
        # One side says nothing of stereo: the same drug, if it is the only one.
        ([LACTATE], L_LACTATE, "skeleton"),
        ([L_LACTATE], LACTATE, "skeleton"),
        ([LACTATE], LACTATE, "structure"),
        ([L_LACTATE], L_LACTATE, "structure"),
        # Both sides say something else.
        ([L_LACTATE], D_LACTATE, "new"),
        (["CC(O)[C@@H](O)C(=O)O"], TWO_CENTRES, "new"),
        # There are several.
        ([L_LACTATE, D_LACTATE], LACTATE, "new"),
        ([LACTATE, L_LACTATE], D_LACTATE, "new"),
        ([LACTATE, L_LACTATE], L_LACTATE, "structure"),
        ([LACTATE, L_LACTATE], LACTATE, "structure"),
        # Double bonds count as well.
        (["OC(=O)C=CC(=O)O"], r"OC(=O)\C=C\C(=O)O", "skeleton"),
        ([r"OC(=O)\C=C\C(=O)O"], r"OC(=O)\C=C/C(=O)O", "new"),
    ],
)
@pytest.mark.parametrize("by", ["smiles", "inchikey"])
def test_stereo_counts_unless_one_side_states_none_and_only_one_drug_has_the_skeleton(
    known, asked, match, by
):
    drugs = [(f"A{number}", smiles) for number, smiles in enumerate(known)]
    row = resolved({by: asked if by == "smiles" else key_of(asked)}, *drugs)
    if by == "inchikey" and match == "new":
        assert row == "no structure, and not in the atlas; add a SMILES"
        return
    assert row["match"] == ("InChIKey" if by == "inchikey" and match == "structure" else match)
    same = key_of(known[0]) if match == "skeleton" else key_of(asked)
    assert row["inchikey"] == same
    ids = {key_of(smiles): drug_id for drug_id, smiles in drugs}
    assert row["atlas_id"] == (None if match == "new" else ids[same])


def test_salts_of_stereo_isomers_are_told_apart():
    row = resolved({"smiles": "C[C@H](O)C(=O)[O-].[Na+]"}, ("A1", L_LACTATE), ("A2", D_LACTATE))
    assert row["atlas_id"] == "A1"


def test_of_several_rows_of_one_drug_the_first_is_kept():
    found = resolve_library(
        shop(
            {"drug_id": "X", "smiles": ASPIRIN[1]},
            {"drug_id": "Y", "name": "aspirin"},
            {"drug_id": "Z", "inchikey": key_of(ASPIRIN[1])},
        ),
        atlas(ASPIRIN),
    )
    assert found.library["drug_id"].tolist() == ["X"]
    assert found.rejects[["line", "reason"]].to_numpy().tolist() == [
        [3, "the same compound as 'X' in line 2"],
        [4, "the same compound as 'X' in line 2"],
    ]


def test_two_forms_of_an_atlas_drug_without_stereo_are_one_compound():
    found = resolve_library(shop({"smiles": L_LACTATE}, {"smiles": LACTATE}), atlas(("A1", LACTATE)))
    assert found.library["match"].tolist() == ["skeleton"]
    assert found.rejects["reason"].tolist() == ["the same compound as 'A1' in line 2"]


def test_one_id_for_two_compounds():
    found = resolve_library(shop({"name": "A1", "smiles": "CCO"}, {"name": "A1", "smiles": "CCC"}), atlas())
    assert found.library["inchikey"].tolist() == [key_of("CCO")]
    assert found.rejects["reason"].tolist() == [
        "drug_id 'A1' is also the id of another compound; rename one of them"
    ]


def test_one_id_that_the_file_gives_to_two_structures_is_refused():
    table = shop({"drug_id": "X", "smiles": "CCO"}, {"smiles": "CC"}, {"drug_id": "X", "smiles": "CCC"})
    table.attrs["source"] = "shop.csv"
    with pytest.raises(LibraryError) as caught:
        resolve_library(table, atlas())
    assert str(caught.value) == (
        "shop.csv: drug_id 'X' stands for two different structures, in lines 2 and 4; give each compound an "
        "id of its own, or name another column of ids with --id-column"
    )


@pytest.mark.parametrize("second", [ASPIRIN[1], "OC(=O)c1ccccc1OC(C)=O", "CC(=O)Oc1ccccc1C(=O)[O-].[Na+]"])
def test_rows_with_one_id_and_one_structure_are_duplicates(second):
    found = resolve_library(
        shop(
            {"drug_id": "X", "smiles": ASPIRIN[1], "source_well": "A01"},
            {"drug_id": "Y", "smiles": "CCO"},
            {"drug_id": "X", "smiles": second, "source_well": "B01"},
            {"drug_id": "X", "smiles": "?"},
        ),
        atlas(ASPIRIN),
    )
    assert found.library[["drug_id", "source_well"]].fillna("").to_numpy().tolist() == [
        ["X", "A01"],
        ["Y", ""],
    ]
    assert found.rejects["line"].tolist() == [4, 5]
    assert found.rejects["reason"].tolist()[0] == "the same compound as 'X' in line 2"


def test_an_id_of_the_shop_for_one_drug_may_not_be_the_atlas_id_of_another():
    """A1 of the atlas is aspirin; a shop that calls ethanol A1 means ethanol, which the atlas has as A2."""
    row = resolved({"drug_id": "A1", "smiles": "CCO"}, ASPIRIN, ("A2", "CCO"))
    assert isinstance(row, str) or (row["inchikey"] == key_of("CCO") and row["atlas_id"] == "A2")


def test_no_drug_in_the_atlas():
    found = resolve_library(shop({"smiles": "CCO"}, {"name": "x"}), atlas())
    assert found.library["match"].tolist() == ["new"]
    assert len(found.rejects) == 1


def test_nothing_usable_has_the_columns_all_the_same():
    found = resolve_library(shop({"smiles": "?"}), atlas(ASPIRIN))
    assert found.library.columns.tolist() == list(COLUMNS)
    assert found.library.empty


def test_counts_for_the_screen():
    matches = ["structure", "new", "name", "structure", "skeleton", "InChIKey", "drug_id"]
    assert counts_in_words(matches) == (
        "6 in the atlas (2 by structure, 1 by InChIKey, 1 by skeleton, 1 by drug_id, 1 by name), 1 new to it"
    )
    assert counts_in_words(["new"]) == "0 in the atlas (none), 1 new to it"
    assert counts_in_words([]) == "0 in the atlas (none), 0 new to it"


ATLAS = atlas(
    ASPIRIN,
    *(("A2", LACTATE, "lactate"), ("A3", "CCO", "ethanol"), ("A4", L_LACTATE.replace("C[", "CC["), "twin")),
    *(("A5", "CCC(C)O", "twin"), ("A6", "OC(=O)C=CC(=O)O", "fumarate")),
)
STRUCTURES = (
    *(ASPIRIN[1], LACTATE, L_LACTATE, D_LACTATE, "CCO", "CCC(O)C(=O)O", "CCCC", "C1CC", "CC[C@H](C)O"),
    *(r"OC(=O)\C=C\C(=O)O", "CCO.Cl"),
)
one_compound = st.fixed_dictionaries(
    {
        "smiles": st.none() | st.sampled_from(STRUCTURES),
        "inchikey": st.none() | st.sampled_from([key_of(one) for one in STRUCTURES if one != "C1CC"]),
        "name": st.none() | st.sampled_from(["aspirin", "Lactate", "twin", "stranger"]),
    }
)


@given(compounds=st.lists(one_compound, min_size=1, max_size=8), data=st.data())
@settings(max_examples=40, deadline=None)
def test_the_order_of_rows_decides_only_which_of_several_rows_of_a_drug_is_kept(compounds, data):
    compounds = [one | {"drug_id": f"shop{number}"} for number, one in enumerate(compounds)]
    table = shop(*compounds)
    order = data.draw(st.permutations(range(len(table))))
    found = resolve_library(table, ATLAS)
    again = resolve_library(table.iloc[order], ATLAS)

    def alone(number):
        one = resolve_library(table.iloc[[number]], ATLAS).library
        return tuple(one[["inchikey", "match", "atlas_id"]].fillna("-").iloc[0]) if len(one) else None

    by_itself = {f"shop{number}": alone(number) for number in range(len(table))}
    assert set(found.library["inchikey"]) == set(again.library["inchikey"])
    assert set(found.library["inchikey"]) == {one[0] for one in by_itself.values() if one}
    for one, rows in ((found, range(len(table))), (again, order)):
        first = {}
        for number in rows:
            if by_itself[f"shop{number}"]:
                first.setdefault(by_itself[f"shop{number}"][0], f"shop{number}")
        assert one.library["drug_id"].tolist() == list(first.values())
        kept = one.library[["inchikey", "match", "atlas_id"]].fillna("-").itertuples(index=False, name=None)
        assert list(kept) == [by_itself[drug] for drug in first.values()]
        assert sorted(one.rejects["drug_id"]) == sorted(set(by_itself) - set(first.values()))


@given(rows=st.permutations(range(len(ATLAS))), compound=one_compound)
@settings(max_examples=40, deadline=None)
def test_the_order_of_the_atlas_does_not_matter(rows, compound):
    table = shop(compound | {"drug_id": "X"})
    one, other = (resolve_library(table, drugs) for drugs in (ATLAS, ATLAS.iloc[rows].reset_index(drop=True)))
    pd.testing.assert_frame_equal(one.library, other.library)
    pd.testing.assert_frame_equal(one.rejects, other.rejects)
