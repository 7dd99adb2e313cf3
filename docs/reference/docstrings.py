"""Markdown of classes and functions, from their source and their numpy docstrings."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator

_SECTION = re.compile(r"^(\w+)\n-{3,}\n", re.M)


def described(name: str, thing: type | object, level: int) -> str:
    """Return a part of a page: a heading of `level`, declaration, docstring, and the members of a class."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))  # type: ignore[arg-type]
    (node,) = tree.body
    return "\n".join(_part(name, node, level))


def _part(name: str, node: ast.AST, level: int) -> Iterator[str]:
    assert isinstance(node, ast.ClassDef | ast.FunctionDef)
    yield f"{'#' * level} {name}\n"
    yield f"```python\n{_declaration(node)}\n```\n"
    yield _markdown(ast.get_docstring(node) or "")
    if isinstance(node, ast.ClassDef):
        for member in node.body:
            if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
                yield from _part(f"{name}.{member.name}", member, level + 1)


def _declaration(node: ast.ClassDef | ast.FunctionDef) -> str:
    """Return the header of a definition with its decorators; of a class also its fields."""
    fields = [part for part in node.body if isinstance(part, ast.AnnAssign) and not _is_private(part)]
    lines = [f"@{ast.unparse(decorator)}" for decorator in node.decorator_list]
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        lines.append(f"class {node.name}{f'({bases})' if bases else ''}{':' if fields else ''}")
        return "\n".join([*lines, *(f"    {ast.unparse(field)}" for field in fields)])
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return "\n".join([*lines, f"def {node.name}({_arguments(node)}){returns}"])


def _is_private(field: ast.AnnAssign) -> bool:
    return ast.unparse(field.target).startswith("_")


def _arguments(node: ast.FunctionDef) -> str:
    """Return the arguments, one per line where there are many."""
    text = ast.unparse(node.args)
    if len(text) <= 80:
        return text
    # Commas inside of brackets separate no arguments.
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return "".join(f"\n    {part.strip()}," for part in parts) + "\n"


def _markdown(docstring: str) -> str:
    """Return a numpy docstring with its sections as lists."""
    text, *sections = _SECTION.split(docstring)
    parts = [_escaped(text.strip()), ""]
    for title, body in zip(sections[::2], sections[1::2], strict=True):
        entries = re.split(r"\n(?=\S)", body.strip("\n"))
        parts += [f"**{title}**", "", *map(_entry, entries), ""]
    return "\n".join(parts)


def _entry(text: str) -> str:
    names, *rest = text.splitlines()
    said = " ".join(line.strip() for line in rest if line.strip())
    return f"- `{names}`: {_escaped(said)}" if said else f"- {_escaped(names)}"


def _escaped(text: str) -> str:
    """Return a text whose brackets and stars markdown leaves alone; code stays as it is."""
    pieces = re.split(r"(`+[^`]*`+)", text)
    return "".join(
        piece if place % 2 else re.sub(r"([\[\]*<|])", r"\\\1", piece) for place, piece in enumerate(pieces)
    )
