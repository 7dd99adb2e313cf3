"""Whether a text may be a SMILES, by its grammar alone: rdkit may crash on the text of a stranger."""

import re

_ATOM = r"(?:\[[^\[\]\s]+\]|Br|Cl|[BCNOPSFI]|[bcnops]|\*)"
_TOKEN = re.compile(
    rf"(?P<atom>{_ATOM})|(?P<ring>%\d\d|\d)|(?P<branch>[()])|(?P<bond>[-=#$:/\\~])|(?P<dot>\.)"
)


def may_be_smiles(text: str) -> bool:
    """Return whether atoms, bonds, branches and rings of a text are those of a SMILES."""
    place, depth, atoms = 0, 0, 0
    open_rings: set[str] = set()
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None or (token["atom"] is None and not atoms and token["bond"] is None):
            return False
        atoms += token["atom"] is not None
        if token["ring"]:
            open_rings ^= {token["ring"]}
        if token["branch"]:
            depth += 1 if token["branch"] == "(" else -1
        if depth < 0:
            return False
        place = token.end()
    return bool(atoms) and not depth and not open_rings
