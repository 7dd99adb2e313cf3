"""YAML that is not a plain settings is refused in one line with its place."""

import ast

import pytest
from ruamel.yaml import YAML

from anchordrug.errors import SettingsError
from anchordrug.files.yaml_values import MOST_BYTES, MOST_LEVELS, read_yaml, yaml_values
from tests.conftest import ROOT

LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
REFUSED = {
    "a key twice": ("a: 1\nb: 2\na: 3\n", "line 3: key 'a' occurs again; keep one of them"),
    "a key twice below": ("s:\n  a: 1\n  'a': 2\n", "line 3: key 'a' occurs again"),
    "a key twice in braces": ("s: {a: 1, a: 1}\n", "line 1: key 'a' occurs again"),
    "infinity": ("a: 1\nb: .inf\n", "line 2: .inf is not a finite number"),
    "minus infinity": ("b: [1, -.INF]\n", "line 1: -.INF is not a finite number"),
    "no number": ("b: .NaN\n", "line 1: .NaN is not a finite number"),
    "too large a float": ("b: 1.0e+999\n", r"line 1: 1.0e\+999 is not a finite number"),
    "aliases": (LAUGHS, "line 1: an alias or anchor"),
    "an anchor alone": ("a: &x 1\n", "line 1: an alias or anchor"),
    "an alias alone": ("a: *x\n", "line 1: an alias or anchor"),
    "a merge": ("a:\n  <<: {b: 1}\n", "line 2: a key that is not a name"),
    "a key that is a list": ("? [a]\n: 1\n", "line 1: a key that is not a name"),
    "nested lists": ("a: " + "[" * 100_000, f"line 1: more than {MOST_LEVELS} levels of nesting"),
    "nested sections": (
        "\n".join(f"{' ' * n}a:" for n in range(900)),
        f"line {MOST_LEVELS}: more than {MOST_LEVELS} levels of nesting",
    ),
    "a number of 5,000 digits": (f"a: {'9' * 5000}\n", "has more than 18 digits|cannot be read as a value"),
    "a hexadecimal number": (f"a: 0x{'f' * 5000}\n", "has more than 18 digits"),
    "no date": ("a: 2024-99-99\n", "line 1: 2024-99-99 cannot be read as a value; put it in quotes"),
    "a tab": ("a:\n\tb: 1\n", r"line 2 is not YAML \(a tab\); indent with spaces"),
    "a bracket": ("a: [1\nb: 2", "line 2 is not YAML; correct its"),
    "a second colon": ("a: b: c", "line 1 is not YAML; correct its"),
    "two documents": ("a: 1\n---\nb: 2\n", "line 2 begins a second document"),
    "bytes": ("a: !!binary aGk=\n", r"line 1: a tag"),
    "a set": ("a: 1\nb: !!set {c}\n", r"line 2: a tag"),
    "a tag of our own": ("a: ! b\n", r"line 1: a tag"),
    "an object": (
        "a: !!python/object/apply:os.system [ls]\n",
        r"line 1: a tag \(!\.\.\.\), which plain YAML has not; remove it",
    ),
    "a wrong truth": ("a: !!bool maybe\n", "line 1: a tag"),
    "a control character": ("a: 1\nb: \x1b[31m\n", r"line 2 is not YAML \(a control character\)"),
}


@pytest.mark.parametrize(("text", "told"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_plain_yaml_is_refused_with_its_line(text, told):
    with pytest.raises(SettingsError, match=f"^p.yaml: .*({told})") as error:
        yaml_values(text, "p.yaml")
    assert len(str(error.value)) < 300
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("a: é\n".encode("latin-1"), "line 1 is not UTF-8 text; save the file as UTF-8"),
        (b"a: 1\nb: \xff\n", "line 2 is not UTF-8 text"),
        ("a: 1\n".encode("utf-16"), "is UTF-16 text; save it as UTF-8"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "is a gzip file; unpack it"),
        (b"#" * (MOST_BYTES + 1), "has more than 1,048,576 bytes"),
    ],
)
def test_bytes_that_are_no_yaml(tmp_path, data, told):
    path = tmp_path / "p.yaml"
    path.write_bytes(data)
    with pytest.raises(SettingsError, match=told) as error:
        read_yaml(path)
    assert str(error.value).startswith(f"{path}: ")


def test_plain_yaml_is_read_whatever_its_mark_and_line_ends(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: [1, 2.5, 'x']\r\nb: {c: true, d: null}\r\n")
    assert read_yaml(path) == {"a": [1, 2.5, "x"], "b": {"c": True, "d": None}}


def test_yaml_is_read_in_one_place():
    readers = {"load", "safe_load", "full_load", "compose", "load_all", "safe_load_all", "SafeLoader"}
    found = {
        path.name
        for path in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "yaml"
        and node.attr in readers
    }
    assert found == {"yaml_values.py"}


@pytest.mark.parametrize(
    "number", ["010", "-0012", "1:30", "-1:30", "190:20:30.15", "1_000", "0x1F", "0b11", "1e-3", "5E3"]
)
def test_numbers_are_those_that_dvc_reads(number):
    assert yaml_values(f"a: {number}", "a.yaml") == YAML(typ="safe").load(f"a: {number}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('a: 1\nb: "x\\0y"', "line 2: the control character U+0000; remove it"),
        ('a: "\\e[31m"', "line 1: the control character U+001B"),
        ('a: "\\ud800"', "line 1: the control character U+D800"),
        ('a: "\\UFFFFFFFF"', "is not YAML (an escape"),
        ('a: "\\U00110000"', "is not YAML (an escape"),
        (f"%YAML 1.{'1' * 5000}\n---\na: 1", "is not YAML (an escape"),
        ("a: 1\n5: 1", "line 2: a key that is not a name"),
        ("a: 1\nno: 1", "line 2: a key that is not a name"),
    ],
    ids=range(8),
)
def test_escapes_and_keys_that_are_no_text_are_refused(text, message):
    with pytest.raises(SettingsError) as error:
        yaml_values(text, "a.yaml")
    assert str(error.value).startswith(f"a.yaml: {message}")
    assert str(error.value).isprintable()
