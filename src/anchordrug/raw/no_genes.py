"""Rows of tables of reads or expression that are not genes: sums of a counting program, spike-ins, tags."""

import re
from collections.abc import Sequence

from anchordrug.errors import counted, shortlist

_NO_GENES = re.compile(
    r"__\w+"  # htseq-count: __no_feature, __ambiguous, ...; before 0.6 without the lines
    r"|no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique"
    r"|n_(unmapped|multimapping|nofeature|ambiguous)"  # STAR's ReadsPerGene.out.tab
    r"|(un)?assigned(_\w+)?"  # featureCounts
    r"|\*|(un)?mapped([_. ]?reads)?"  # samtools idxstats, and tables made from it
    r"|(grand[_. ])?totals?([_. ]?(reads|counts))?|sum|library[_. ]?size|lib\.size"
    r"|(gspikein[_-])?(ercc[-_.]?\d{5}|phix(174)?|sirv\w*)|spike[-_]?in.*"
    r"|r[12]_\d+_\d"  # sequins
    r"|(adt|hto)[-_.].+|.+[-_.]totalseq[-_]?[a-d]",  # tags of antibodies
    re.IGNORECASE,
)


def is_no_gene(name: str) -> bool:
    """Return whether a row of this name counts something else than a gene's reads."""
    return _NO_GENES.fullmatch(name.strip()) is not None


def left_out_note(names: Sequence[str]) -> str:
    """Return the note on rows that are left out because they are not genes."""
    return (
        f"{counted(len(names), 'row is not a gene', 'rows are not genes')}; left out: {shortlist(names, 3)}"
    )
