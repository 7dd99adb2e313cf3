"""The atlas with its additions: whose drug is whose, which response counts, and the order of rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anchordrug.atlas.additions import Addition
from anchordrug.atlas.responses import EXPERIMENT_COLUMNS, ResponseAtlas
from anchordrug.atlas.tables import positions
from anchordrug.errors import TableError, counted, shortlist
from anchordrug.raw.aliases import resolve

_KEY = ["drug_id", "cell_line"]


@dataclass(frozen=True)
class Growth:
    """A grown atlas.

    Attributes
    ----------
    atlas
        Ordered as curation orders it: responses by drug_id and cell line, drugs by drug_id, lines by name.
    expression
        Untreated expression from the additions, log2 [cell lines x genes].
    repeated
        For every addition by name, the number of its responses that are left out. The release, or an addition
        of an earlier name, has measured the same drug in the same cell line.
    """

    atlas: ResponseAtlas
    expression: pd.DataFrame
    repeated: dict[str, int]


def grow(curated: ResponseAtlas, additions: Sequence[Addition]) -> Growth:
    """Return the atlas of the curated responses and of `additions`, which are in the order of their names.

    A drug of an addition with the InChIKey of another drug is that drug. Genes that only an addition has are
    left out; those that it lacks are NaN.

    Raises
    ------
    TableError
        Two different compounds have the same drug_id, an addition has no gene of the atlas, or untreated
        expression of two additions has different genes.
    """
    drugs, responses, z = curated.drugs, responses_table(curated), [curated.z]
    repeated = {}
    for addition in additions:
        drugs, own_ids = _with_drugs(drugs, addition)
        own = addition.responses.assign(drug_id=addition.responses["drug_id"].map(own_ids))
        fresh = ~pd.MultiIndex.from_frame(own[_KEY]).isin(pd.MultiIndex.from_frame(responses[_KEY]))
        repeated[addition.name] = int((~fresh).sum())
        about = {name: getattr(addition, name) for name in ("assay", "dose_um", "time_h")}
        responses = pd.concat(
            [responses, own[fresh].assign(**about, origin=addition.name)], ignore_index=True
        )
        z.append(_aligned(addition, curated.genes)[fresh])
    order = responses.sort_values(_KEY, kind="stable").index.to_numpy()
    responses = responses.iloc[order].reset_index(drop=True)
    drugs = drugs.sort_values("drug_id", kind="stable", ignore_index=True)
    lines = sorted(responses["cell_line"].unique())
    atlas = ResponseAtlas(
        np.concatenate(z)[order],
        positions(responses["drug_id"], drugs["drug_id"]),
        positions(responses["cell_line"], lines),
        drugs,
        lines,
        curated.genes,
        curated.gene_table,
        responses[list(EXPERIMENT_COLUMNS)],
    )
    return Growth(atlas, _expression(additions), repeated)


def responses_table(atlas: ResponseAtlas) -> pd.DataFrame:
    """Return schemas.RESPONSES of an atlas whose experiments are described."""
    assert atlas.experiments is not None
    names = {
        "drug_id": atlas.drugs["drug_id"].to_numpy()[atlas.drug],
        "cell_line": np.array(atlas.cell_lines, dtype=object)[atlas.cell_line],
    }
    return pd.concat([pd.DataFrame(names), atlas.experiments], axis=1)


def owners(drugs: pd.DataFrame) -> dict[str, str]:
    """Return the InChIKey of the drug that each drug_id, or other id, means."""
    return {
        drug_id: str(key)
        for main, others, key in zip(drugs["drug_id"], drugs["other_ids"], drugs["inchikey"], strict=True)
        for drug_id in (main, *(others.split("|") if isinstance(others, str) else ()))
    }


def _with_drugs(drugs: pd.DataFrame, addition: Addition) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the drug table with the addition's new drugs, and the drug_id of each of its own ids."""
    id_of = dict(zip(drugs["inchikey"], drugs["drug_id"], strict=True))
    own = addition.drugs
    new = own[~own["inchikey"].isin(id_of)]
    taken = owners(drugs)
    clash = [drug_id for drug_id in new["drug_id"] if drug_id in taken]
    if clash:
        raise TableError(
            f"addition {addition.name}: {counted(len(clash), 'drug_id is', 'drug_ids are')} taken by other "
            f"compounds in the atlas or in another addition ({shortlist(clash)}); give other ids in the list "
            "of compounds and add it again"
        )
    id_of |= dict(zip(new["inchikey"], new["drug_id"], strict=True))
    ids = own["inchikey"].map(id_of)
    return pd.concat([drugs, new], ignore_index=True), dict(zip(own["drug_id"], ids, strict=True))


def _expression(additions: Sequence[Addition]) -> pd.DataFrame:
    """Return log2 [cell lines x genes]: for each line, from the first addition that describes it."""
    tables = [addition.expression for addition in additions if len(addition.expression)]
    if not tables:
        return pd.DataFrame()
    for addition in additions:
        if len(addition.expression) and not addition.expression.columns.equals(tables[0].columns):
            raise TableError(
                f"addition {addition.name}: its untreated expression has other genes than that of the "
                f"additions before it; add it again ('anchordrug atlas remove {addition.name}', then 'add')"
            )
    table = pd.concat(tables)
    return table[~table.index.duplicated()].sort_index()


def _aligned(addition: Addition, genes: list[str]) -> np.ndarray:
    """Return float32 z [responses, genes] for the genes of the atlas."""
    found = resolve(genes, addition.genes)
    if not found:
        raise TableError(
            f"addition {addition.name}: none of its {counted(len(addition.genes), 'gene')} is a gene of the "
            f"atlas; remove it ('anchordrug atlas remove {addition.name}'), or use the gene panel it was "
            "added for"
        )
    column = positions([found.get(gene, "") for gene in genes], addition.genes)
    return np.where(column >= 0, addition.z[:, column], np.nan).astype(np.float32)
