"""The packages that AnchorDrug needs: their pins, the hashes of their files, and their licences."""

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import ROOT

# Licences that ask for a notice, or (MPL) for the source of changed files of the package itself.
ALLOWED = re.compile(
    r"\b(MIT|MIT-0|MIT-CMU|BSD|BSD-\d.*|0BSD|\d-Clause BSD|Apache|Apache[- ]2\.0|ISC|ISCL|PSF(-2\.0)?"
    r"|Zlib|CC0-1\.0|BSL-1\.0|MPL-2\.0|ZPL-2\.1|Dual License|Python Software Foundation|Mozilla Public"
    r"|Zope Public"
    r")\b",
    re.IGNORECASE,
)
REFUSED = re.compile(r"GPL|GNU|proprietary|commercial|SSPL|BUSL|non-?free", re.IGNORECASE)
# What the metadata say of packages that are not clear of themselves, and why they may be used.
JUDGED = {
    "asyncssh": ("EPL-2.0 OR GPL-2.0-or-later", "used under the EPL; DVC alone imports it"),
    "axe-playwright-python": ("", "its licence file is MIT; tests of pages alone"),
    "docutils": ("", "public domain and BSD; its one file under the GPL, for Emacs, is not in the wheel"),
    "dulwich": ("Apache-2.0 OR GPL-2.0-or-later", "used under Apache-2.0"),
    "grandalf": ("GPLv2 | EPLv1", "used under the EPL; DVC alone imports it"),
    "pygit2": (
        "GPLv2 with linking exception",
        "which lets any program link to it; DVC alone imports it",
    ),
}


def names_in(text: str) -> dict[str, str]:
    """Return the versions of a file of pins by name."""
    pins = re.findall(r"^([\w.-]+)(?:\[[^\]]+\])?==([^ ;\\\n]+)", text, re.M)
    return {canonicalize_name(name): version for name, version in pins}


LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED = names_in(LOCK)
PINNED = names_in((ROOT / "constraints.txt").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_pin_is_in_the_lock_file_with_its_hashes():
    """`make lock` renews it."""
    assert {name: LOCKED.get(name) for name in PINNED} == PINNED
    entries = re.split(r"^(?=[\w.-]+(?:\[[^\]]+\])?==)", LOCK, flags=re.M)[1:]
    assert len(entries) == len(LOCKED)
    for entry in entries:
        first, *rest = entry.rstrip().split("\n")
        assert rest, first
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line) for line in rest), first
    # Packages of systems other than the one that the pins were written on, and one that pip does not list.
    for name in LOCKED.keys() - PINNED.keys() - {"setuptools"}:
        entry = next(entry for entry in entries if canonicalize_name(re.split(r"[=[]", entry)[0]) == name)
        assert re.match(r".*; .*(sys_platform|platform_system|python_full_version)", entry), name


def test_the_lock_file_names_no_registry():
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|@ ", LOCK)


def test_the_lock_file_holds_what_the_project_asks_for():
    extras = [word for words in PROJECT["optional-dependencies"].values() for word in words]
    for requirement in map(Requirement, [*PROJECT["dependencies"], *extras]):
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)]), requirement


CLASSIFIER = re.compile(r"License :: .* :: (.*)")


def licence_of(about: metadata.PackageMetadata) -> str:
    """Return the licence as an expression, as classifiers, or the first line of a text."""
    classifiers = [
        c for c in about.get_all("Classifier", []) if c.startswith("License ::") and c.count("::") > 1
    ]
    text = about.get("License-Expression") or " AND ".join(c.split(" :: ")[-1] for c in classifiers)
    return text or (about.get("License") or "").split("\n")[0].strip()


def is_allowed(licence: str) -> bool:
    """Return whether each part of a licence is, or one of those between which one may choose."""
    return all(
        any(ALLOWED.search(choice) and not REFUSED.search(choice) for choice in part.split(" OR "))
        for part in licence.replace("(", "").split(" AND ")
    )


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("Apache-2.0 AND MIT", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("Apache-2.0 AND GPL-3.0-only", False),
        ("GNU Lesser General Public License v3", False),
        ("AGPL-3.0", False),
        ("BSD with commercial clause", False),
        ("", False),
    ],
)
def test_a_licence_is_judged_part_by_part(licence, allowed):
    assert is_allowed(licence) == allowed


def test_every_licence_is_one_that_the_project_can_live_with():
    """Of the packages that are installed here; those of other systems are the same authors' or a GPU's."""
    found = {
        canonicalize_name(package.metadata["Name"]): package.metadata
        for package in metadata.distributions()
        if canonicalize_name(package.metadata["Name"]) in LOCKED
    }
    # Without the extras of developers there is less; but never nothing.
    assert {"numpy", "rdkit", "onnxruntime", "torch", "dvc"} <= found.keys()
    unclear = {}
    for name, about in found.items():
        licence = licence_of(about)
        if name in JUDGED:
            own = about.get("License") or about.get("License-Expression") or ""
            assert own == JUDGED[name][0], f"{name} has another licence than was judged: {own}"
        elif not is_allowed(licence):
            unclear[name] = licence
    assert unclear == {}
