"""Names of columns in tables of assay results: drugs, wells, plates, values."""

from collections.abc import Callable

from anchordrug.bench.assays.gene_columns import gene_hits
from anchordrug.errors import AssayError
from anchordrug.raw.sheet import Sheet

# As `Sheet.columns_named` wants them, the preferred first.
DRUG_HEADERS = (
    *("drugid", "pertid", "drug", "drugname", "compoundid", "compound", "compoundname", "pertiname"),
    *("cmapname", "treatment", "perturbation", "perturbagen", "perturbator", "contrast", "condition"),
    *("comparison", "group"),
)
WELL_HEADERS = ("wellposition", "well", "wellid", "wellname", "detwell", "rnawell")
PLATE_HEADERS = ("plate", "plateid", "platename", "platebarcode", "detplate", "rnaplate")
VALUE_HEADERS = {
    "fold change": (
        *("log2foldchange", "log2foldchanges", "logfc", "log2fc", "lfc", "logfoldchange", "logfoldchanges"),
        "log2fold",
    ),
    "standard error": ("lfcse", "se", "stderr", "standarderror", "logfcse", "log2fcse", "selogfc"),
    "statistic": (
        *("stat", "statistic", "t", "tstat", "tstatistic", "tvalue", "wald", "waldstat", "waldstatistic"),
        *("zstat", "score", "scores"),
    ),
    "z": ("z", "zscore", "zscores", "zvalue", "modz"),
    "p-value": ("pvalue", "pvalues", "pval", "pvals", "p", "rawp", "rawpvalue", "nominalp", "nominalpvalue"),
    "adjusted p-value": (
        *("padj", "fdr", "adjpval", "adjpvalue", "pvaladj", "pvaluesadj", "pvalsadj", "pvalueadj", "qvalue"),
        *("qval", "q", "padjusted", "adjp", "bh", "fdrpvalue"),
    ),
}


def value_columns(sheet: Sheet, is_gene: Callable[[str], bool]) -> dict[str, int]:
    """Return the columns of a long table's values by their key in `VALUE_HEADERS`; none if it is not one.

    Raises
    ------
    AssayError
        Two columns have the same key.
    """
    if gene_hits(sheet.header, is_gene) > len(sheet.header) / 2:  # single letters name genes, too
        return {}
    columns = {role: sheet.columns_named(names) for role, names in VALUE_HEADERS.items()}
    for role, found in columns.items():
        if len(found) > 1:
            both = " and ".join(f"'{sheet.header[column]}'" for column in found[:2])
            raise AssayError(f"{sheet.path}: columns {both} both look like the {role}; keep one of them")
    return {role: found[0] for role, found in columns.items() if found}
