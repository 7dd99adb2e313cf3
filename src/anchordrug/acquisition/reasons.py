"""The reason for a drug: one sentence for a biologist on the knowledge that its measurement brings."""

from collections.abc import Iterable, Sequence

import numpy as np

from anchordrug.errors import counted, printable

# Share of a drug's first uncertainty that a measurement must take away to inform about the drug.
NOTABLE = 0.05
MOST_MECHANISMS = 3
_LONGEST_NAME = 60


def alike(sentence: str, values: Iterable[float]) -> tuple[str, ...]:
    """Return `sentence` for every drug, with its value in the place of ``{}``."""
    return tuple(sentence.format(f"{value:.3g}") for value in values)


def lessons(
    first: np.ndarray, before: np.ndarray, taken: np.ndarray, mechanisms: Sequence[str | None]
) -> str:
    """Return the drugs and mechanisms on which one measurement informs most.

    Parameters
    ----------
    first, before, taken
        float64 [drugs]: the variance of each other drug before any measurement, its variance before this
        measurement, and the part that this measurement takes away.
    mechanisms
        Mechanism of action of each of these drugs, or None.
    """
    count = int((taken >= NOTABLE * first).sum())
    if not count:
        return f"It should make none of the {len(taken)} other drugs' predictions much more certain."

    def left(variance: np.ndarray, own: np.ndarray) -> str:
        return f"{variance[own].sum() / first[own].sum():.0%}"

    named = [
        f"{name} ({counted(len(own), 'drug')}, {left(before, own)} to {left(before - taken, own)} uncertain)"
        for name, own in _largest(taken, mechanisms)
    ]
    about = f"; most for {', '.join(named)}" if named else ""
    return f"It should make {count} of {len(taken)} other drugs' predictions more certain{about}."


def represented(added: np.ndarray, mechanisms: Sequence[str | None]) -> str:
    """Return the drugs and mechanisms that one more chosen drug represents best.

    Parameters
    ----------
    added
        float [drugs]: how much more similar each drug to be predicted is to this one than to those before it.
    mechanisms
        Mechanism of action of each of these drugs, or None.
    """
    count = int((added > 0).sum())
    named = [
        f"{name} ({counted(len(own), 'drug')})" for name, own in _largest(np.maximum(added, 0), mechanisms)
    ]
    about = f"; most of {', '.join(named)}" if named else ""
    return f"It is the most similar chosen drug of {count} of {len(added)} drugs to be predicted{about}."


def _largest(values: np.ndarray, mechanisms: Sequence[str | None]) -> list[tuple[str, np.ndarray]]:
    """Return the mechanisms with the largest sums above 0, fit for a line, and the places of their drugs."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(mechanisms):
        if name:
            places.setdefault(name, []).append(place)
    sums = {name: float(values[own].sum()) for name, own in places.items()}
    best = sorted((name for name, total in sums.items() if total > 0), key=lambda name: (-sums[name], name))
    return [(printable(name, _LONGEST_NAME), np.array(places[name])) for name in best[:MOST_MECHANISMS]]
