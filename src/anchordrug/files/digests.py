"""Digests: short names of contents, equal for equal contents."""

import hashlib
import json
from pathlib import Path


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(*values: object) -> str:
    """Return a short name for JSON-serialisable `values`; equal values have equal names."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
