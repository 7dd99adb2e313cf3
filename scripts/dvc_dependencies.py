"""Write the code that each stage reaches into the deps of dvc.yaml: make deps.

The import graph says which modules a stage's command reaches, also inside functions. Four kinds of use that
the graph cannot see are read from the source:

- strings that contain a module's name, such as an argument of `import_module` or of `python -m`;
- packages whose modules are all imported (`iter_modules`), directly or by a class such as `Registry`;
- data files, by their names in strings and in other data files;
- packages above a module, whose `__init__` runs first.

Imports for type checkers alone do not count. All lines of dvc.yaml but those of the code stay as they are.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import grimp
import yaml

ROOT = Path(__file__).parent.parent
PACKAGE = "anchordrug"
CODE = ROOT / "src" / PACKAGE
# Whether each dvc.yaml may name folders: DVC ignores the bytecode in them only below its own root.
FILES = {ROOT / "dvc.yaml": True, ROOT / "sources/lincs/pipeline/dvc.yaml": False}
# Commands that are not module of anchordrug.stages.
MODULES_OF_COMMANDS = {"predict": f"{PACKAGE}.prediction.engine"}
# A stage that reaches so much of a folder names the folder.
MOST = 2 / 3
_IMPORTERS = {"import_module", "__import__", "run_module"}
_DEFERRED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NAMED = (ast.FunctionDef, ast.ClassDef)


class DependencyError(Exception):
    """The code of a stage cannot be told; the message names the place and the remedy."""


@dataclass
class Uses:
    """Other files that a module uses: when it is imported, and later, inside its functions."""

    at_once: set[Path] = field(default_factory=set)
    later: set[Path] = field(default_factory=set)


class CodeGraph:
    """Which file of the package uses which others; paths are relative to the package's folder."""

    def __init__(self, code: Path = CODE) -> None:
        self.code = code
        self.graph = grimp.build_graph(code.name, cache_dir=None, exclude_type_checking_imports=True)
        self.path_of = {module: self._path(module) for module in sorted(self.graph.modules)}
        self.trees = {
            module: ast.parse((code / path).read_text(encoding="utf-8"))
            for module, path in self.path_of.items()
        }
        self.data = sorted(
            path.relative_to(code)
            for path in code.rglob("*")
            if path.is_file() and path.suffix not in {".py", ".pyc", ".typed"}
        )
        with_code = {self.path_of[module] for module, tree in self.trees.items() if _has_code(tree)}
        self.files = sorted(with_code | set(self.data))

    @cached_property
    def uses(self) -> dict[Path, Uses]:
        """Return the uses of every module and data file."""
        uses = {self.path_of[module]: self._uses_of(module) for module in self.path_of}
        named = {target for use in uses.values() for target in use.at_once | use.later}
        for path in self.data:
            text = (self.code / path).read_text(encoding="utf-8", errors="ignore")
            uses[path] = Uses({other for other in self.data if other != path and other.name in text})
            named |= uses[path].at_once
        for path in set(self.data) - named:
            # Nobody names it in full, so any neighbour may read it.
            for module in self.path_of.values():
                if module.parent == path.parent:
                    uses[module].at_once.add(path)
        return uses

    def reached_from(self, module: str) -> set[Path]:
        """Return the files with code or data that running `module` may use, itself among them."""
        reached: set[Path] = set()
        run_first: set[Path] = set()
        waiting = [self.path_of[module]]
        while waiting:
            path = waiting.pop()
            if path in reached:
                continue
            reached.add(path)
            waiting += self.uses[path].at_once
            # The top package offers names to users of the library; its own modules do without.
            if path != Path("__init__.py"):
                waiting += self.uses[path].later
            for parent in (_inits_above(path) & self.uses.keys()) - run_first:
                run_first.add(parent)
                waiting += self.uses[parent].at_once
        return (reached | run_first) & set(self.files)

    def _uses_of(self, module: str) -> Uses:
        tree = self.trees[module]
        deferred_lines = _deferred_lines(tree)
        uses = Uses()
        for imported in self.graph.find_modules_directly_imported_by(module):
            details = self.graph.get_import_details(importer=module, imported=imported)
            deferred = all(detail["line_number"] in deferred_lines for detail in details)
            (uses.later if deferred else uses.at_once).add(self.path_of[imported])
        for node in ast.walk(tree):
            deferred = getattr(node, "lineno", 0) in deferred_lines
            (uses.later if deferred else uses.at_once).update(self._used_by_call(module, node))
        # A table of names, as one for lazy imports, does nothing by itself when a package is run.
        uses.later |= {path for text in _strings(tree) for path in self._named_in(text, module)}
        return uses

    def _used_by_call(self, module: str, node: ast.AST) -> Iterator[Path]:
        """Yield what a call uses by the strings that it is given, or by a listing of modules."""
        if not isinstance(node, ast.Call):
            return
        function, texts = _name(node.func), _texts(node, module)
        for text in texts:
            yield from self._named_in(text, module)
        if function == "iter_modules" and any(_name(argument) == "__path__" for argument in node.args):
            yield from self._below(module)
        elif function in self._listing:
            yield from (path for text in texts if text in self.path_of for path in self._below(text))
        elif function in _IMPORTERS and not texts and not self._is_understood(module, node):
            raise DependencyError(
                f"{self.path_of[module]}, line {node.lineno}: the module that {function} imports cannot be "
                "told from the source; give its name as a string"
            )

    @cached_property
    def _listing(self) -> set[str]:
        """Return the names of classes and functions that import all modules of a package they are given."""
        return {
            node.name
            for tree in self.trees.values()
            for node in tree.body
            if isinstance(node, _NAMED) and _lists_modules(node)
        }

    @cached_property
    def _given_modules(self) -> set[str | None]:
        """Return the names of what is called somewhere with the name of a module."""
        return {
            _name(node.func)
            for module, tree in self.trees.items()
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and any(True for text in _texts(node, module) for _ in self._named_in(text, module))
        }

    def _is_understood(self, module: str, call: ast.Call) -> bool:
        """Tell whether `call` imports what a listing yields, or what its function's callers name in strings.

        Lazy imports of the top package serve users of the library; its own modules do without.
        """
        (statement,) = (node for node in self.trees[module].body if call in ast.walk(node))
        if not isinstance(statement, _NAMED):
            return _lists_modules(statement)
        return module == self.code.name or _lists_modules(statement) or statement.name in self._given_modules

    def _named_in(self, text: str, module: str) -> Iterator[Path]:
        for name in re.findall(rf"\b{self.code.name}(?:\.\w+)+", text):
            while name not in self.path_of:
                name = name.rpartition(".")[0]
            if name != self.code.name:
                yield self.path_of[name]
        yield from (path for path in self.data if path.name == text)
        if text.endswith(".py") and "/" not in text:
            neighbour = self.path_of[module].with_name(text)
            yield from (path for path in self.path_of.values() if path == neighbour)

    def _below(self, package: str) -> Iterator[Path]:
        yield self.path_of[package]
        for child in self.graph.find_children(package):
            yield self.path_of[child]

    def _path(self, module: str) -> Path:
        path = Path(*module.split(".")[1:])
        return path / "__init__.py" if (self.code / path).is_dir() else path.with_suffix(".py")


def _inits_above(path: Path) -> set[Path]:
    return {folder / "__init__.py" for folder in path.parents}


def _has_code(tree: ast.Module) -> bool:
    return bool(tree.body[1:] if ast.get_docstring(tree) is not None else tree.body)


def _deferred_lines(tree: ast.Module) -> set[int]:
    return {
        line
        for node in ast.walk(tree)
        if isinstance(node, _DEFERRED)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }


def _strings(tree: ast.Module) -> Iterator[str]:
    """Yield the strings of a module without its docstrings."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def _texts(call: ast.Call, module: str) -> list[str]:
    """Return the strings among the arguments of a call, `__name__` included."""
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    texts = [module if _name(argument) == "__name__" else _constant(argument) for argument in arguments]
    return [text for text in texts if text]


def _constant(node: ast.expr) -> str | None:
    value = getattr(node, "value", None)
    return value if isinstance(node, ast.Constant) and isinstance(value, str) else None


def _name(node: ast.expr) -> str | None:
    """Return the last name of `a`, `a.b` or `a[b]`."""
    if isinstance(node, ast.Subscript):
        return _name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def _lists_modules(statement: ast.AST) -> bool:
    return any(
        isinstance(node, ast.Call) and _name(node.func) == "iter_modules" for node in ast.walk(statement)
    )


def lines_for(reached: Iterable[Path], files: Iterable[Path], folder: Path = Path()) -> list[str]:
    """Name the files below `folder` that are `reached`; a subfolder by itself if most of its `files` are."""
    reached = sorted(path for path in reached if path.is_relative_to(folder))
    files = [path for path in files if path.is_relative_to(folder)]
    if folder != Path() and len(files) > 1 and len(reached) >= MOST * len(files):
        return [folder.as_posix()]
    names: list[str] = []
    for part in sorted({folder / path.relative_to(folder).parts[0] for path in reached}):
        names += [part.as_posix()] if part in reached else lines_for(reached, files, part)
    return names


def code_of(command: str, graph: CodeGraph) -> set[Path]:
    """Return the files that a stage's command, such as `anchordrug curate`, reaches.

    Raises
    ------
    DependencyError
        No module belongs to the command.
    """
    name = command.split()[1]
    module = MODULES_OF_COMMANDS.get(name, f"{PACKAGE}.stages.{name}")
    if module not in graph.path_of:
        raise DependencyError(f"'{command}': there is no module {module}; name it in MODULES_OF_COMMANDS")
    return graph.reached_from(module)


def commands(text: str) -> dict[str, str]:
    """Return the command of each stage of a dvc.yaml that runs anchordrug and has dependencies."""
    stages = {name: stage.get("do", stage) for name, stage in yaml.safe_load(text)["stages"].items()}
    return {
        name: stage["cmd"]
        for name, stage in stages.items()
        if stage["cmd"].split()[0] == PACKAGE and "deps" in stage
    }


def rewritten(text: str, graph: CodeGraph, *, folders: bool) -> str:
    """Return a dvc.yaml with the code part of its deps as the graph has it, below the deps that are data."""
    reached = {}
    for name, command in commands(text).items():
        files = code_of(command, graph)
        reached[name] = (
            lines_for(files, graph.files) if folders else [path.as_posix() for path in sorted(files)]
        )
    kept: list[str] = []
    indent, names = "", []
    stage = None
    for line in [*text.splitlines(keepends=True), ""]:
        inside = line.startswith(indent + " ") or not line.strip()
        if names and (not inside or not line.strip()):
            kept += [f"{indent}  - ${{code}}/{name}\n" for name in names]
            names = []
        if opened := re.match(r"  (\S+):\s*$", line):
            stage = opened[1]
        if opened := re.match(r"( +)deps:\s*$", line):
            indent, names = opened[1], reached.get(stage or "", [])
        if names and re.match(r" +- \$\{code\}", line):
            continue
        kept.append(line)
    return "".join(kept)


def main() -> None:
    """Rewrite the files that differ, and name them."""
    graph = CodeGraph()
    for path, folders in FILES.items():
        before = path.read_text(encoding="utf-8")
        after = rewritten(before, graph, folders=folders)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: dependencies on code renewed; run dvc repro")


if __name__ == "__main__":
    try:
        main()
    except DependencyError as error:
        sys.exit(f"error: {error}")
