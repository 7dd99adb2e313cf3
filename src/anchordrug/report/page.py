"""Pages of one file: templates, style and script of this package put together, every text escaped."""

from importlib.resources import files
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from anchordrug.files.atomic import atomic_path
from anchordrug.report.terms import with_terms


def write_page(template: str, path: Path, **values: object) -> None:
    """Write a page; values appear as text, unless they are markup of our own.

    Parameters
    ----------
    template
        run.html or campaign.html of this package.
    """
    environment = Environment(
        loader=PackageLoader("anchordrug", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"cell": _cell, "numeric": _numeric, "largest": _largest}
    # NaN is not JSON, and would keep the page's script from reading any of it.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    own = files("anchordrug.report")

    def asset(name: str) -> str:
        return own.joinpath(name).read_text(encoding="utf-8")

    page = environment.get_template(template).render(
        style=Markup("\n".join(map(asset, ("page.css", "tip.css")))),
        script=Markup("\n".join(map(asset, ("paged.js", "tip.js", "script.js")))),
        **values,
    )
    with atomic_path(path) as temporary:
        temporary.write_text(with_terms(page) + "\n", encoding="utf-8")


def _numeric(table: pd.DataFrame, name: str) -> bool:
    return pd.api.types.is_numeric_dtype(table[name]) and not pd.api.types.is_bool_dtype(table[name])


def _largest(table: pd.DataFrame, name: str) -> float:
    return max(float(table[name].max()), 1e-9)


def _cell(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
