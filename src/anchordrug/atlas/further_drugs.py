"""An atlas with further drugs, which no experiment has measured yet."""

from dataclasses import replace

import numpy as np
import pandas as pd

from anchordrug.atlas.responses import ResponseAtlas
from anchordrug.features.blocks import FeatureBlocks, unit_rows
from anchordrug.features.builder import drug_bits
from anchordrug.settings import DrugFeatures


def with_drugs(
    atlas: ResponseAtlas, features: FeatureBlocks, compounds: pd.DataFrame, settings: DrugFeatures
) -> tuple[ResponseAtlas, FeatureBlocks]:
    """Return the atlas and its features with one more row per compound that is new to the atlas.

    Parameters
    ----------
    compounds
        One row per compound, with the columns of the atlas' drug table except other_ids. An InChIKey may
        occur more than once; its first row is used. If the drug_id of a new compound belongs to another drug
        of the atlas, " (library)" is appended to it.
    settings
        How the fingerprints of `features` were made.

    Returns
    -------
    tuple
        The atlas, its drugs ordered by drug_id, and the features in this order.

    Raises
    ------
    TableError
        The SMILES of a new compound cannot be read.
    """
    new = compounds[~compounds["inchikey"].isin(atlas.drugs["inchikey"])].drop_duplicates("inchikey")
    taken = set(atlas.drugs["drug_id"])
    new = new.assign(
        drug_id=[drug_id if drug_id not in taken else f"{drug_id} (library)" for drug_id in new["drug_id"]],
        other_ids=None,
    )
    drugs = pd.concat([atlas.drugs, new[list(atlas.drugs.columns)]], ignore_index=True)
    order = np.argsort(drugs["drug_id"].to_numpy(dtype=object), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    bits = unit_rows(drug_bits(new["smiles"], settings))
    extended = replace(atlas, drugs=drugs.iloc[order].reset_index(drop=True), drug=place[atlas.drug])
    return extended, replace(features, drugs=np.concatenate([features.drugs, bits])[order])
