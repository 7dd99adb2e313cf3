"""YAML as the project reads it: plain values, every key once, no aliases, of bounded size and depth."""

import math
import re
from pathlib import Path
from typing import Any, cast

import yaml

from anchordrug.errors import SettingsError, printable
from anchordrug.files.kinds import OTHER, kind_of_bytes

MOST_BYTES = 2**20
MOST_LEVELS = 20
_MOST_DIGITS = 18  # a whole number of 64 bits
# Tabs and line ends are text. Half of a surrogate pair is in no file, but an escape can mean it.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses repeated keys, aliases, tags, numbers that are not finite, and deep nesting."""

    levels = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _problem(event, "an alias or anchor (*, &); write the value out, or put it in quotes")
        if getattr(event, "tag", None) is not None:
            raise _problem(event, "a tag (!...), which plain YAML has not; remove it")
        if self.levels == MOST_LEVELS:
            raise _problem(event, f"more than {MOST_LEVELS} levels of nesting; is it the right file?")
        self.levels += 1
        node = super().compose_node(parent, index)
        self.levels -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            name = key.value if key.tag == "tag:yaml.org,2002:str" else None
            if name is None:
                raise _problem(key, "a key that is not a name; write 'name: value'")
            if name in seen:
                raise _problem(key, f"key '{printable(name, 60)}' occurs again; keep one of them")
            seen.add(name)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            if isinstance(node, yaml.ScalarNode) and node.tag.endswith((":int", ":float")):
                value = _number(node)
            else:
                value = super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception as error:  # the constructors raise whatever Python does for such a value
            raise _problem(node, f"{_shown(node)} cannot be read as a value; put it in quotes") from error
        if isinstance(value, str) and (control := _CONTROL.search(value)):
            raise _problem(node, f"the control character U+{ord(control[0]):04X}; remove it")
        if isinstance(value, float) and not math.isfinite(value):
            raise _problem(node, f"{_shown(node)} is not a finite number; give one")
        if isinstance(value, int) and abs(value) >= 10**_MOST_DIGITS:
            raise _problem(node, f"{_shown(node)} has more than {_MOST_DIGITS} digits; put it in quotes")
        return value


def _number(node: yaml.ScalarNode) -> object:
    """Return a number as YAML 1.2 has it, which DVC reads: 010 is ten, and 1:30 is a text."""
    digits = node.value.replace("_", "")
    if ":" in digits:
        return node.value
    if node.tag.endswith(":int"):
        return int(digits, 0 if re.match("[+-]?0[bx]", digits) else 10)
    return yaml.SafeLoader("").construct_yaml_float(node)


def _shown(node: yaml.Node) -> str:
    return printable(node.value, 40) if isinstance(node, yaml.ScalarNode) else "a list or section"


# Here, too, numbers are those of YAML 1.2: 1e-3 does not need a decimal point.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+\Z"),
    list("-+.0123456789"),
)


class _OwnError(yaml.MarkedYAMLError):
    """A problem in our own words."""


def _problem(place: yaml.Node | yaml.Event, text: str) -> _OwnError:
    return _OwnError(problem=text, problem_mark=cast(Any, place.start_mark))


def yaml_text(path: Path, most_bytes: int = MOST_BYTES) -> str:
    """Return the text of a YAML file.

    Raises
    ------
    SettingsError
        It is longer than `most_bytes`, or not UTF-8.
    """
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise SettingsError(f"{path}: has more than {most_bytes:,} bytes; is it the right file?")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        kind = kind_of_bytes(data[:4096])
        if kind is not None and kind is not OTHER:
            raise SettingsError(f"{path}: is {kind.words}; {kind.remedy}") from error
        line = 1 + data[: error.start].count(b"\n")
        raise SettingsError(f"{path}: line {line} is not UTF-8 text; save the file as UTF-8") from error


def yaml_values(text: str, source: object) -> Any:
    """Return the value that YAML `text` holds; `source` names the file in errors.

    Raises
    ------
    SettingsError
        It is not YAML, or has several documents, more than `MOST_LEVELS` levels, an alias, anchor or tag, or
        a control character; or a key is not text or comes twice; or a number is not finite or has more than
        18 digits. The message names the line.
    """
    try:
        return _Loader(text).get_single_data()
    except yaml.YAMLError as error:
        raise SettingsError(f"{source}: {_in_words(error, text)}") from error
    except (ValueError, OverflowError) as error:
        # Python's own errors come from an escape beyond Unicode, or a version of thousands of digits.
        raise SettingsError(
            f"{source}: is not YAML (an escape such as \\U or a directive such as %YAML is not); correct it"
        ) from error


def read_yaml(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """Return the value of a YAML file; see `yaml_text` and `yaml_values`."""
    return yaml_values(yaml_text(path, most_bytes), path)


def written_at(text: str, keys: tuple[int | str, ...]) -> str | None:
    """Return the value below `keys` as YAML `text` has it, None where it is not there."""
    node = _Loader(text).get_single_node() if text else None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            node = node.value[key]
    return cast(str, node.value) if isinstance(node, yaml.ScalarNode) else None


def _in_words(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        line = 1 + text[: error.position].count("\n")
        return f"line {line} is not YAML (a control character); remove it"
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    place = f"line {mark.line + 1}" if mark else "the file"
    if isinstance(error, _OwnError):
        return f"{place}: {error.problem}"
    problem = str(getattr(error, "problem", ""))
    if "'\\t'" in problem or (mark and _indented_by_tab(text, mark.line)):
        return f"{place} is not YAML (a tab); indent with spaces"
    if "document" in f"{getattr(error, 'context', '')}{problem}":
        return f"{place} begins a second document; keep one"
    return f"{place} is not YAML; correct its indentation, brackets, quotation marks or colons"


def _indented_by_tab(text: str, line: int) -> bool:
    lines = text.splitlines()
    return line < len(lines) and "\t" in lines[line][: len(lines[line]) - len(lines[line].lstrip())]
