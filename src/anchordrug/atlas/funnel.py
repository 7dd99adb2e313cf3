"""The steps of a curation: the rows that each kept and dropped, and the data that could not be used."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from anchordrug.errors import RawDataError, shortlist


@dataclass
class Funnel:
    """The steps of a curation with their counts, and the rejects with their reasons, in order."""

    steps: list[tuple[str, str, int, int]] = field(default_factory=list)
    rejects: list[tuple[str, str, str, str | None]] = field(default_factory=list)

    def keep(
        self,
        table: pd.DataFrame,
        mask: pd.Series | np.ndarray,
        step: str,
        if_none: Callable[[pd.DataFrame], str],
        unit: str = "signatures",
    ) -> pd.DataFrame:
        """Return the rows of `mask`; where there is none, raise the error of `if_none` about the table."""
        kept = table[np.asarray(mask, dtype=bool)]
        if kept.empty:
            raise RawDataError(if_none(table))
        self.steps.append((step, unit, len(kept), len(table) - len(kept)))
        return kept

    def reject(self, kind: str, ids: pd.Series, reason: str) -> None:
        """Record data that cannot be used."""
        self.rejects += [(kind, str(name), reason, None) for name in ids]

    def reject_unnamed(self, kind: str, sig_ids: pd.Series) -> None:
        """Name the signatures that name no such thing, if there are any."""
        if len(sig_ids):
            self.rejects.append((kind, "unnamed", "signatures that name none", shortlist(sig_ids)))
