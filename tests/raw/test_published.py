"""SOURCES.json of a raw bundle: the published data that it is made of."""

import json
import re

import pytest

from anchordrug.errors import RawDataError
from anchordrug.raw.published import published_in
from tests.conftest import ROOT


def test_a_bundle_without_the_file_or_the_list_tells_nothing(tmp_path):
    assert published_in(tmp_path) == []
    (tmp_path / "SOURCES.json").write_text('{"release": "lincs2020", "files": []}')
    assert published_in(tmp_path) == []


def test_the_file_in_the_docs_is_read(tmp_path):
    page = (ROOT / "docs/howto/raw_bundle.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    (tmp_path / "SOURCES.json").write_text(text, encoding="utf-8")
    assert published_in(tmp_path) == json.loads(text)["sources"]


BAD = {
    "no JSON": ("{", r"SOURCES.json: is not JSON \(.*\); correct or remove it"),
    "a key twice": ('{"sources": [], "sources": []}', r"is not JSON \(a key occurs twice\)"),
    "a list": ("[]", "SOURCES.json: 'sources' is not a list in an object"),
    "no list": ('{"sources": {}}', "SOURCES.json: 'sources' is not a list in an object"),
    "no name": ('{"sources": [{"name": "x"}, {"url": "y"}]}', "entry 2 of 'sources': has no 'name'"),
    "an empty name": ('{"sources": [{"name": ""}]}', "entry 1 of 'sources': has no 'name'"),
    "a text": ('{"sources": ["x"]}', "entry 1 of 'sources': has no 'name'"),
    "a number": (
        '{"sources": [{"name": "x", "url": 3}]}',
        "entry 1 of 'sources': 'url' is '3'; give one line",
    ),
    "a control character": (
        '{"sources": [{"name": "x", "licence": "a\\u001bb"}]}',
        "'licence' is 'a b'; give one line, or null",
    ),
    "too large": (f'{{"x": "{"a" * 2**20}"}}', "SOURCES.json: larger than 1 MiB"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_used_is_told(tmp_path, text, message):
    (tmp_path / "SOURCES.json").write_text(text, encoding="utf-8")
    with pytest.raises(RawDataError, match=message) as caught:
        published_in(tmp_path)
    assert str(caught.value).isprintable()
