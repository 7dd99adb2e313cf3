"""Tables of differential expression: which columns tell how a gene changes, and in which direction."""

from pathlib import Path
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np

from anchordrug.errors import AnchorDrugError, RawDataError, counted
from anchordrug.raw.sheet import Sheet

Kind = Literal["z", "statistic", "log2_fold_change"]

# As `Sheet.columns_named` wants them, the preferred first.
VALUE_HEADERS = {
    "fold change": (
        *("log2foldchange", "log2foldchanges", "logfc", "log2fc", "avglog2fc", "avglogfc", "lfc"),
        *("logfoldchange", "logfoldchanges", "log2fold"),
    ),
    "standard error": ("lfcse", "se", "stderr", "standarderror", "logfcse", "log2fcse", "selogfc"),
    "statistic": (
        *("stat", "statistic", "t", "tstat", "tstatistic", "tvalue", "wald", "waldstat", "waldstatistic"),
        *("zstat", "teststat", "teststatistic", "scores", "score"),
    ),
    "z": ("z", "zscore", "zscores", "zvalue", "modz"),
    "p-value": ("pvalue", "pvalues", "pval", "pvals", "p", "rawp", "rawpvalue", "nominalp", "nominalpvalue"),
    "adjusted p-value": (
        *("padj", "fdr", "adjpval", "adjpvalue", "pvaladj", "pvaluesadj", "pvalsadj", "pvalueadj", "qvalue"),
        *("qval", "q", "padjusted", "adjp", "bh", "fdrpvalue"),
    ),
}
# Statistics that are never negative, by their name: F, likelihood ratio, chi-square, rank sums.
UNSIGNED_HEADERS = (
    *("f", "fstat", "fstatistic", "fvalue", "lr", "lrt", "lrstat", "lrtstat", "lrstatistic", "lrtstatistic"),
    *("chisq", "chi2", "chisquare", "chisquared", "deviance"),
    *("u", "ustat", "ustatistic", "w", "wstat", "wstatistic", "mannwhitneyu", "ranksum"),
)
# Sleuth calls its fold change b; limma's b is a log-odds instead; only sleuth has se_b.
_SLEUTH = {"fold change": ("b",), "standard error": ("seb",)}

_MINORITY = 0.02  # of the values other than 0: with fewer of one sign, all but chance have the other
_AGREEMENT = 0.5  # of the signs of a statistic and its fold change; they are the same but for weak genes
_FEWEST = 20  # fewer values may be of one sign by chance


class Signed(NamedTuple):
    """Values float64 [rows] with a direction, NaN where there is none, and notes for the user."""

    values: np.ndarray
    notes: tuple[str, ...] = ()


class Changes(NamedTuple):
    """Values float64 [rows] of a kind, standard errors [rows] of fold changes, notes for the user."""

    kind: Kind
    values: np.ndarray
    errors: np.ndarray | None
    notes: tuple[str, ...]


def columns_by_role(sheet: Sheet) -> dict[str, list[int]]:
    """Return the columns of every role of `VALUE_HEADERS` that the table has, the preferred first."""
    is_sleuth = bool(sheet.columns_named(_SLEUTH["standard error"]))
    found = {
        role: sheet.columns_named((*names, *_SLEUTH.get(role, ())) if is_sleuth else names)
        for role, names in VALUE_HEADERS.items()
    }
    return {role: columns for role, columns in found.items() if columns}


def lacks_direction(values: np.ndarray) -> str | None:
    """Return the sign that nearly all `values` lack, as a word, or None if they have both.

    Few values, which may be of one sign by chance, lack none.
    """
    return _lacking_sign(values) if np.sum(np.isfinite(values) & (values != 0)) >= _FEWEST else None


def signed_statistic(sheet: Sheet, columns: dict[str, int]) -> Signed | None:
    """Return the statistic of a table, if it has one that tells the direction.

    F, likelihood-ratio and rank-sum statistics and absolute values do not: nearly all are of one sign while
    fold changes next to them, if there are any, are not, or their sign is not that of the fold change.
    """
    column = _statistic_column(columns)
    if column is None:
        return None
    values = sheet.numbers(column)
    if "fold change" not in columns:
        return None if _lacking_sign(values) else Signed(values)
    changes = sheet.numbers(columns["fold change"])
    told = np.isfinite(values) & np.isfinite(changes) & (values != 0) & (changes != 0)
    one_sided = _lacking_sign(values) is not None and _lacking_sign(changes) is None
    agreement = np.mean(np.sign(values[told]) == np.sign(changes[told])) if told.any() else 1.0
    return None if one_sided or agreement < _AGREEMENT else Signed(values)


def without_direction(sheet: Sheet, columns: dict[str, int]) -> str | None:
    """Return how to call the statistic of a table of which `signed_statistic` is None; None without one."""
    column = _statistic_column(columns)
    if column is not None:
        values = sheet.numbers(column)
        lacking = _lacking_sign(values)
        reason = f"has almost no {lacking} value" if lacking else "has another sign than the fold change"
        if not np.isfinite(values).any():
            reason = "has no value"
        return f"{sheet.column_place(column)} {reason}"
    named = sheet.columns_named(UNSIGNED_HEADERS)
    return f"{sheet.column_place(named[0])} does not tell whether a gene goes up or down" if named else None


def signed_by_p(sheet: Sheet, columns: dict[str, int]) -> Signed:
    """Return the normal quantiles of two-sided p-values with the sign of the fold change.

    A p-value of 0 was rounded; it counts as the smallest one above 0.

    Raises
    ------
    RawDataError
        A p-value is not between 0 and 1, or none is above 0.
    """
    changes, column = sheet.numbers(columns["fold change"]), columns["p-value"]
    p = sheet.numbers(column)
    require_range(sheet, column, (p < 0) | (p > 1), "is not a p-value, which is between 0 and 1")
    zero = p == 0
    notes: tuple[str, ...] = ()
    if zero.any():
        if not (p > 0).any():
            raise RawDataError(
                f"{sheet.path}: {sheet.column_place(column)}: no p-value is above 0; export them with more "
                "digits"
            )
        least = p[p > 0].min()
        p = np.where(zero, least, p)
        notes = (
            f"{int(zero.sum()):,} of {counted(int(np.isfinite(p).sum()), 'p-value')} rounded to 0; each "
            f"counts as {least:.3g}, the smallest p-value above 0",
        )
    # Half of the smallest double would be 0.
    tails, places = np.unique(np.maximum(p / 2, np.nextafter(0, 1)), return_inverse=True)
    sizes = np.array([np.nan if np.isnan(tail) else -NormalDist().inv_cdf(tail) for tail in tails.tolist()])
    undirected = without_direction(sheet, columns)
    if undirected:
        notes = (
            f"{undirected}, so {sheet.column_place(column)} with the sign of "
            f"{sheet.column_place(columns['fold change'])} is used",
            *notes,
        )
    return Signed(np.sign(changes) * sizes[places], notes)


def require_range(sheet: Sheet, column: int, wrong: np.ndarray, fault: str) -> None:
    """Refuse the first value of a column that is `wrong` [rows].

    Raises
    ------
    RawDataError
        There is one; it names the value and its fault.
    """
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        value = sheet.numbers(column)[row]
        raise RawDataError(
            f"{sheet.path}: {sheet.row_place(row)}, {sheet.column_place(column)}: {value:.6g} {fault}; "
            "correct it"
        )


def best_values(
    sheet: Sheet, columns: dict[str, int], problem: type[AnchorDrugError] = RawDataError
) -> Changes:
    """Return the best values that a table has, NaN where missing.

    These are z-scores where there are no fold changes; else a signed statistic, then the normal quantile of
    the p-value with the sign of the fold change, then the fold change with its standard error.

    Parameters
    ----------
    columns
        One column by role, as `columns_by_role` finds them.
    problem
        The kind of error that the caller's users expect.

    Raises
    ------
    AnchorDrugError
        A `problem`: the columns do not suffice, or tell no direction.
    RawDataError
        A cell is not a number, or a value is out of its range.
    """
    if "z" in columns and "fold change" not in columns:
        return Changes("z", _directed(sheet, columns["z"], problem), None, ())
    statistic = signed_statistic(sheet, columns)
    if statistic is not None:
        return Changes("statistic", statistic.values, None, statistic.notes)
    if "fold change" not in columns:
        undirected = without_direction(sheet, columns)
        lacks = (
            f"no column of signed statistics ({undirected})"
            if undirected
            else "no column of signed statistics"
        )
        raise problem(
            f"{sheet.path}: {lacks} and none of log2 fold changes, so the direction of a change is unknown; "
            "add the column 'stat' or 'log2FoldChange'"
        )
    changes = _directed(sheet, columns["fold change"], problem)
    if "p-value" in columns:
        by_p = signed_by_p(sheet, columns)
        return Changes("statistic", by_p.values, None, by_p.notes)
    if "standard error" in columns:
        errors = sheet.numbers(columns["standard error"])
        require_range(
            sheet, columns["standard error"], errors <= 0, "is not a standard error, which is greater than 0"
        )
        return Changes("log2_fold_change", changes, errors, ())
    if "adjusted p-value" in columns:
        raise problem(
            f"{sheet.path}: has adjusted p-values ({sheet.column_place(columns['adjusted p-value'])}), but "
            "raw p-values are needed; add the column 'pvalue', 'stat' or 'lfcSE'"
        )
    raise problem(
        f"{sheet.path}: has log2 fold changes but no p-value, no signed statistic and no standard error, so "
        "their noise is unknown; add the column 'pvalue', 'stat' or 'lfcSE'"
    )


def _directed(sheet: Sheet, column: int, problem: type[AnchorDrugError]) -> np.ndarray:
    """Return the numbers of a column whose sign tells the direction."""
    values = sheet.numbers(column)
    require_direction(sheet.path, sheet.column_place(column), values, problem)
    return values


def require_direction(
    path: Path, place: str, values: np.ndarray, problem: type[AnchorDrugError] = RawDataError
) -> None:
    """Check that the sign of the values at `place` of a file tells genes that go up from those that go down.

    Raises
    ------
    AnchorDrugError
        A `problem`: almost no value has one of the signs.
    """
    lacking = lacks_direction(values)
    if lacking:
        raise problem(
            f"{path}: {place} has almost no {lacking} value, but the sign must tell whether a gene goes up "
            "or down; give signed changes of all genes, not of the genes of one direction alone"
        )


def _statistic_column(columns: dict[str, int]) -> int | None:
    return columns.get("statistic", columns.get("z"))


def _lacking_sign(values: np.ndarray) -> str | None:
    told = values[np.isfinite(values) & (values != 0)]
    for sign, word in ((-1, "negative"), (1, "positive")):
        if np.mean(np.sign(told) == sign) <= _MINORITY if len(told) else True:
            return word
    return None
