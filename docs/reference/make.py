"""Write the pages of this folder from the code: python -m docs.reference.make (a test compares them)."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import yaml
from pydantic import BaseModel
from typer.cli import app as typer_cli
from typer.testing import CliRunner

import anchordrug
from anchordrug.files.yaml_values import read_yaml
from anchordrug.predictors.registry import params_class
from anchordrug.settings import Settings
from docs.reference.docstrings import described

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MADE = "<!-- Made by make.py; change the code, then run it. -->\n"

CLI = """
Every command shows its options and an example with `--help`. If a command, option, setting or value is misspelt, the
message names the nearest existing name.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | `doctor` found a problem, or a question was not answered (Ctrl-C or Ctrl-D at the prompt) |
| 2 | an error in the command, the settings or the data, or a fault of the machine (full disk, permissions, memory); the message gives the remedy |
| 3 | a defect of AnchorDrug; run the command again with `--debug` in front of it, and report the traceback |
| 130 | interrupted (Ctrl-C); no file is left half written. Long commands print that they resume when repeated |

## Output

Commands print results to standard output, and progress and errors to standard error. An error is one line that begins
with `anchordrug: `. Only a wrong command or option is reported in a box, with the nearest existing name.
Four options are given before the command:

- `--project FOLDER` runs the command for the project in FOLDER. Paths in the command itself stay relative to the current
  folder.
- `--quiet` prints only errors and the output of `--json`. `campaign ingest` then needs `--yes`.
- `--verbose` also prints to standard error which files are read and written, with times, and the total time.
- `--debug` also prints the Python traceback of an error.

`inspect`, `doctor` and `campaign status` print JSON with `--json`, for scripts.

## Completion

`--install-completion` installs a completion for the shell (bash, zsh, fish, PowerShell). With the Tab key it
completes commands, options, and the targets in `params.yaml`. Open a new terminal after it. `--show-completion` prints the
script that it would install.

"""  # noqa: E501

PARAMS = """# Parameters

`params.yaml` contains every setting of every stage; there are no hidden defaults. An unknown key is an error.
The values in the repository, shown here, run the demo.
"""

PYTHON = """# Python

The names of `anchordrug.*`, and the contracts that [plugins](../../CONTRIBUTING.md) are written against. [In Python](../python.md) shows
how to use the names. All other modules may change between versions.
"""  # noqa: E501

# Titles of the contracts, with the module and the names of each.
CONTRACTS = {
    "Predictions as arrays": ("anchordrug.prediction.inference", "Prediction"),
    "Predictors": (
        "anchordrug.predictors.base",
        *("Task", "Work", "PredictorParams", "NoParams", "Predictor", "State", "NoState", "Fitted"),
        *("Expectation", "Outlook", "Forecaster", "FittedNetwork"),
    ),
    "Registration of predictors": ("anchordrug.predictors.registry", "register", "register_at"),
    "Input of strategies": ("anchordrug.acquisition.view", "PoolView", "Catalogue"),
    "Strategies": ("anchordrug.acquisition.registry", "Selection", "register"),
    "Assay formats": ("anchordrug.bench.assays.reader", "Format", "AssayFile"),
    "Contents of assay files": ("anchordrug.bench.assays.contents", "Counts", "Profiles"),
    "Output formats": ("anchordrug.prediction.writers", "TableWriter"),
    "Registries": ("anchordrug.registry", "Registry"),
}

PREDICTORS = """## predictors

Each predictor has a block of settings, `predictors.<name>`. Only the block of the chosen `predictor` has an
effect; it must be present. All blocks are checked. Keys below `pretrain` set how the predictor learns from
the source lines, keys below `fit` how it learns from the anchors. A change below `fit` does not run the stage
`pretrain` again.
"""


def cli_page() -> str:
    """Return the reference of the commands: how they behave, then the output of typer's own generator."""
    made = CliRunner().invoke(typer_cli, ["anchordrug.cli", "utils", "docs", "--name", "anchordrug"])
    if made.exception:
        raise made.exception
    # These lists repeat the start of the sentences below them.
    text = re.sub(r"\*\*Commands\*\*:\n\n(\* .*\n)+\n", "", made.output)
    text = re.sub(r"^#", "##", text, flags=re.M)
    # So that a command can be copied.
    text = re.sub(r"^Example: (.*)$", r"Example:\n\n```console\n$ \1\n```", text, flags=re.M)
    # The examples of the help's first page repeat those of the commands.
    text = re.sub(r"Examples, one .*?(?=^###)", "", text, count=1, flags=re.M | re.S)
    return f"# Commands\n\n{MADE}{CLI}{text.strip()}\n"


def params_page() -> str:
    """Return the reference of params.yaml: each key with its meaning, its value there, and allowed values."""
    shipped = read_yaml(ROOT / "params.yaml")
    schema = Settings.model_json_schema()
    parts = [PARAMS.replace("\n\n", f"\n\n{MADE}\n", 1)]
    own = [name for name in shipped if not _section(Settings, name) and name != "predictors"]
    parts.append(
        "## On the top level\n\n" + _table(_rows(schema, {name: shipped[name] for name in own}, own))
    )
    for name in shipped:
        section = _section(Settings, name)
        if section:
            said = " ".join((section.__doc__ or "").split())
            rows = _rows(schema, {name: shipped[name]}, [name])
            parts.append(f"## {name}\n\n{said}\n\n{_table(rows)}")
        elif name == "predictors":
            parts += [PREDICTORS, *_predictors(shipped[name])]
    return _linked("\n".join(parts))


def python_page() -> str:
    """Return the reference of the library: its public names, and the contracts of plugins."""
    names = sorted(set(anchordrug.__all__) - {"__version__"}, key=str.lower)
    parts = [PYTHON.replace("\n\n", f"\n\n{MADE}\n", 1), "## anchordrug\n"]
    parts += [described(name, getattr(anchordrug, name), 3) for name in names]
    for title, (place, *contract) in CONTRACTS.items():
        module = import_module(place)
        said = " ".join((module.__doc__ or "").split("\n\n")[0].split())
        parts.append(f"## {title}\n\nModule `{place}`. {said}\n")
        parts += [described(name, getattr(module, name), 3) for name in contract]
    return _linked("\n".join(parts).rstrip() + "\n")


def _section(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    kind = model.model_fields[name].annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _predictors(shipped: dict) -> Iterator[str]:
    """Yield a part of the page for each predictor."""
    for name, block in shipped.items():
        model = params_class(name)
        said = " ".join((model.__doc__ or "").split())
        rows = _rows(model.model_json_schema(), block, list(block), f"predictors.{name}.")
        yield f"### {name}\n\n{said}\n\n{_table(rows)}"


def _rows(
    schema: dict, shipped: dict, names: list[str], prefix: str = "", models: dict | None = None
) -> Iterator[str]:
    """Yield a row per key of `shipped`; `models` are the schemas that `schema` refers to."""
    models = schema.get("$defs", {}) if models is None else models
    for name in names:
        own = schema["properties"][name]
        if "$ref" in own:
            inner = models[own["$ref"].split("/")[-1]]
            order = [key for key in shipped[name] if key in inner["properties"]]
            yield from _rows(inner, shipped[name], order, f"{prefix}{name}.", models)
            continue
        value = yaml.safe_dump(shipped[name], default_flow_style=True, sort_keys=False).removesuffix("...\n")
        yield f"| `{prefix}{name}` | {own['description']} | `{value.strip()}` | {_allowed(own)} |"


def _allowed(own: dict) -> str:
    """Return in words the values that a JSON schema allows."""
    if "enum" in own:
        return ", ".join(f"`{value}`" for value in own["enum"])
    if own["type"] == "array":
        inner = own.get("items") or own["prefixItems"][0]
        exact = own["minItems"] if "maxItems" in own else None
        least = "one or more" if own.get("minItems") else "any number"
        return f"a list of {exact or least}: {_allowed(inner)}"
    kind = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true`, `false`"}
    limits = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    if "pattern" in own:
        return "text of letters, digits and . _ + -"
    words = [f"{sign} {own[key]:g}" for key, sign in limits.items() if key in own]
    return " ".join([kind[own["type"]], ", ".join(words)]).strip()


def _table(rows: Iterator[str]) -> str:
    return "\n".join(["| key | meaning | value | allowed |", "|---|---|---|---|", *rows, ""])


def _linked(text: str) -> str:
    """Make links of the pages that the descriptions name."""
    return re.sub(
        r"docs/([\w/]+)\.md(#[\w-]+)?",
        lambda found: f"[{found[1].removesuffix('/README')}](../{found[1]}.md{found[2] or ''})",
        text,
    )


if __name__ == "__main__":
    (HERE / "cli.md").write_text(cli_page(), encoding="utf-8")
    (HERE / "params.md").write_text(params_page(), encoding="utf-8")
    (HERE / "python.md").write_text(python_page(), encoding="utf-8")
