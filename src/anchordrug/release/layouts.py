"""The files that make up each release, by the names under which they are published."""

from typing import NamedTuple

from anchordrug.errors import SettingsError, near

EXPRESSION, MODELS = "OmicsExpressionProteinCodingGenesTPMLogp1.csv", "Model.csv"
GAF, OBO = "goa_human.gaf.gz", "go-basic.obo"
MECHANISMS, HGNC = "repurposing_drugs_20200324.txt", "hgnc_complete_set.txt"


class Release(NamedTuple):
    """The files of a release; `quality` is None where `signatures` has the columns of quality."""

    matrix: str
    signatures: str
    quality: str | None
    compounds: str
    genes: str
    cells: str

    def files(self) -> list[str]:
        """Return the files that its bundle is made of, also those of other sources."""
        return [name for name in (*self, EXPRESSION, MODELS, GAF, OBO, MECHANISMS, HGNC) if name]


_NEWER, _OLDER = "GSE70138_Broad_LINCS_{}.txt.gz", "GSE92742_Broad_LINCS_{}.txt.gz"
RELEASES = {
    "lincs2020": Release(
        "level5_beta_trt_cp_n720216x12328.gctx",
        "siginfo_beta.txt",
        None,
        "compoundinfo_beta.txt",
        "geneinfo_beta.txt",
        "cellinfo_beta.txt",
    ),
    "gse92742": Release(
        "GSE92742_Broad_LINCS_Level5_COMPZ.MODZ_n473647x12328.gctx.gz",
        _OLDER.format("sig_info"),
        _OLDER.format("sig_metrics"),
        _OLDER.format("pert_info"),
        _OLDER.format("gene_info"),
        _OLDER.format("cell_info"),
    ),
    "gse70138": Release(
        "GSE70138_Broad_LINCS_Level5_COMPZ_n118050x12328_2017-03-06.gctx.gz",
        _NEWER.format("sig_info_2017-03-06"),
        _NEWER.format("sig_metrics_2017-03-06"),
        _NEWER.format("pert_info_2017-03-06"),
        _NEWER.format("gene_info_2017-03-06"),
        _NEWER.format("cell_info_2017-04-28"),
    ),
}


def release_called(name: str) -> Release:
    """Return the release `name`.

    Raises
    ------
    SettingsError
        There is no such release.
    """
    if name not in RELEASES:
        raise SettingsError(f"{name}: no such release; one of {', '.join(RELEASES)}{near(name, RELEASES)}")
    return RELEASES[name]
