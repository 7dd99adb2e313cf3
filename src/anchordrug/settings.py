"""params.yaml as typed, validated settings; an unknown key is an error."""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from anchordrug.errors import SettingsError, near, printable
from anchordrug.files.atomic import require_file
from anchordrug.files.yaml_values import written_at, yaml_text, yaml_values

# A target names files and DVC stages, so it must be safe as both.
CellLineName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]


class Section(BaseModel):
    """Base of every section: immutable, unknown keys forbidden, numbers finite and written as numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: object, info: ValidationInfo) -> object:
        """Refuse true, false and text where a number belongs; pydantic would take `true` as 1."""
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        if kinds & {int, float} and not kinds & {bool, str}:
            for number in value if isinstance(value, list | tuple) else (value,):
                if isinstance(number, bool | str):
                    raise PydanticCustomError(_NO_NUMBER, "no number", {"number": number})
        return value


_NO_NUMBER = "no_number"


def _kinds(annotation: object) -> set[object]:
    """Return the types that a type is made of."""
    parts = get_args(annotation)
    return set().union(*map(_kinds, parts)) if parts else {annotation}


class Raw(Section):
    """Folder of the raw bundle."""

    dir: Path = Field(description="The folder with the raw bundle (docs/data_formats.md).")


class Curate(Section):
    """Which signatures enter the atlas, and the threshold of a change."""

    dose_um: float = Field(gt=0, description="The dose in uM, within 10%, that enters the atlas.")
    time_h: float = Field(gt=0, description="The time in hours that enters the atlas.")
    quality: Literal["gold", "any"] = Field(
        description="`gold`: `is_gold` = 1 where given, else cc_q75 >= 0.2 and pct_self_rank_q25 <= 5; "
        "`any`: all signatures."
    )
    threshold: float = Field(gt=0, description="A gene is down if z < -threshold, up if z > threshold.")


class DrugFeatures(Section):
    """The Morgan fingerprint."""

    radius: int = Field(
        ge=0,
        le=6,
        description="The radius of the fingerprint: 2 with 1024 bits is the paper's ECFP4. "
        "(The published code falls back to 3.)",
    )
    bits: int = Field(ge=64, le=16384, description="The length of the fingerprint.")


class CellFeatures(Section):
    """The autoencoder on untreated expression that describes a cell line."""

    dim: int = Field(ge=1, description="The width of the autoencoder's bottleneck.")
    epochs: int = Field(ge=1, description="How long it is trained.")
    learning_rate: float = Field(gt=0, description="The step of its training.")
    seed: int = Field(ge=0, description="Of its first weights and the order of its training.")


class Featurize(Section):
    """Features: Morgan fingerprints of drugs, an autoencoder on the untreated expression of cell lines.

    Those of genes are the annotation as it is.
    """

    drug: DrugFeatures
    cell: CellFeatures


class Split(Section):
    """How the test drugs of a target are set aside.

    The paper sets aside 10% of a target's drugs and has about a thousand drugs per target; the default is
    20%, because cell lines with a few hundred drugs need that many for a steady figure.
    """

    by: Literal["random", "scaffold"] = Field(
        description="`scaffold`: test drugs have scaffolds that the pool lacks (like deepchem's "
        "ScaffoldSplitter; then `split.seed` has no effect)."
    )
    test_fraction: float = Field(
        gt=0, lt=1, description="The share of a target's drugs set aside before anything else."
    )
    pool: Literal["known", "all"] = Field(
        description="Which of the target's other drugs can be anchors. `all`: all of them, as in a lab's "
        "library. `known`: those that a source cell line has measured, as in the paper."
    )
    seed: int = Field(ge=0, description="Of the random split.")


class Pretrain(Section):
    """Sources that every target learns from; the method is set for each predictor (`predictors`)."""

    leave_out: tuple[str, ...] = Field(
        description="Cell lines that are not a source of any target; scenario `common` needs all targets "
        "here. With the paper's three targets it is the paper's pre-training."
    )


SectionType = TypeVar("SectionType", bound=Section)


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


class Select(Section):
    """The campaign: the strategy, and the number of drugs."""

    scenario: Literal["per_target", "common"] = Field(
        description="`per_target`: a list of anchors for each target (the paper's S2). `common`: one list "
        "for all targets (S1); the pool then holds the drugs that are in the pool of every target, and a "
        "test drug of any target is in none."
    )
    strategy: str = Field(description="How drugs are chosen; one page each in docs/strategies/README.md.")
    budget: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1), BeforeValidator(_one_or_more)
    ] = Field(
        description="Drugs to choose, one number or a list. A list, such as 30 and 100, plays the largest "
        "and fits a predictor for each."
    )
    batch: int = Field(ge=1, description="Drugs per round.")


class Finetune(Section):
    """The final fits of a campaign."""

    whole_pool: bool = Field(description="Also fit to all pool drugs, as a control.")


class Predict(Section):
    """The drugs to predict."""

    library: Path = Field(description="A table or file in any format of docs/prediction.md.")


class Settings(Section):
    """Everything in params.yaml."""

    raw: Raw
    targets: tuple[CellLineName, ...] = Field(
        min_length=1,
        description="Cell lines to predict. All other lines of the atlas are *source* cell lines of a "
        "target, the other targets included: a lab has these data before it measures anything in a new line.",
    )
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        min_length=1, description="One campaign per target and seed; the first seed's predictor is exported."
    )
    curate: Curate
    featurize: Featurize
    split: Split
    predictor: str = Field(
        description="Name of a registered predictor: `mlp` is the paper's network; docs/predictors.md "
        "describes them all. Predictors of other packages are found by their entry points."
    )
    predictors: dict[str, dict[str, object]] = Field(
        description="One block of settings per predictor, which the predictor itself checks."
    )
    decision: Literal["balanced", "by_group", "likeliest"] = Field(
        description="`balanced`: labels for macro-F1, with rare labels counting as much as the common one; "
        "`by_group`: the same for seen and for unseen drugs apart; "
        "`likeliest`: the largest probability. For `mlp` it is always the most probable "
        "(`predictors.mlp.balance` does the balancing)."
    )
    pretrain: Pretrain
    select: Select
    finetune: Finetune
    compare: tuple[str, ...] = Field(
        description="Strategies that the report sets next to `select.strategy`; may be empty."
    )
    predict: Predict


def read_settings(path: Path) -> Settings:
    """Read and validate params.yaml.

    Raises
    ------
    SettingsError
        The file is missing or not YAML, a key is unknown or missing, or a value is out of its range.
    """
    require_file(path, "run the command in the project's folder or name the file with --params")
    settings = validated(path, Settings)
    for name in ("targets", "seeds"):
        if len(set(getattr(settings, name))) < len(getattr(settings, name)):
            raise SettingsError(f"{path}: {name} names the same value twice; remove the repetition")
    sources = set(settings.targets) - set(settings.pretrain.leave_out)
    if settings.select.scenario == "common" and sources:
        raise SettingsError(
            f"{path}: select.scenario: with one common list no target may be a source of another; "
            f"set pretrain.leave_out to [{', '.join(settings.targets)}]"
        )
    return settings


def validated(path: Path, section: type[SectionType]) -> SectionType:
    """Return the YAML file `path` as a `section`.

    Raises
    ------
    SettingsError
        As `read_settings`.
    """
    text = yaml_text(path)
    values = yaml_values(text, path)
    if not isinstance(values, dict):
        first = next(iter(section.model_fields))
        raise SettingsError(f"{path}: expected keys such as '{first}:', found none")
    return checked(values, section, str(path), text=text)


def checked(
    values: object, section: type[SectionType], source: str, within: str = "", text: str = ""
) -> SectionType:
    """Return `values` as a `section`.

    Parameters
    ----------
    source
        Names the file in errors.
    within
        The key that holds the values, for errors; "" for the top level.
    text
        The YAML that the values are of, for errors; "" where they are of no file.

    Raises
    ------
    SettingsError
        A key is unknown or missing, or a value is out of its range.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise SettingsError(f"{source}: {_first_problem(error, section, within, text)}") from error


# The fault of a value, by pydantic's name of it, as words that follow the name of a field.
_RULES = {
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "too_short": "must have at least {min_length} of them",
    **dict.fromkeys(("int_from_float", "int_type", "int_parsing"), "must be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "must be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "must be true or false"),
    **dict.fromkeys(("model_type", "dict_type"), "must be a section with keys of its own"),
    "tuple_type": "must be a list",
    "string_type": "must be a text",
    "path_type": "must be the name of a file or folder",
}


def problems(values: object, section: type[BaseModel]) -> dict[str, str]:
    """Return the rule that each wrong value of a `section` breaks, by key (`plates.wells`), for forms.

    The rules are those of `checked`, which stops at the first wrong value.
    """
    try:
        section.model_validate(values)
    except ValidationError as error:
        return {".".join(map(str, each["loc"])): _rule(each) for each in error.errors()}
    return {}


def _rule(problem: ErrorDetails) -> str:
    if problem["input"] is None:
        return "must not be empty"
    return _RULES.get(problem["type"], "is not allowed").format(**problem.get("ctx", {}))


def _first_problem(error: ValidationError, section: type[BaseModel], within: str, text: str) -> str:
    problem = error.errors()[0]
    prefix = (within,) if within else ()
    key = printable(".".join(str(part) for part in (*prefix, *problem["loc"])), 100)
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}'{near(key, _known_keys(section, f'{within}.' if within else ''))}"
    if problem["type"] == "missing":
        return f"key '{key}' is missing; add it (docs/reference/params.md lists all keys)"
    value, kind = problem["input"], problem["type"]
    if kind == _NO_NUMBER:
        number = problem.get("ctx", {})["number"]
        return f"{key}: {_shown(number)} is not allowed (write a number, without quotes)"
    shown = "an empty value" if value is None else printable(repr(value), 60)
    if kind in ("string_type", "path_type") and not isinstance(value, dict | list | tuple | str):
        return f"{key}: {_not_text(value, written_at(text, problem['loc']))}"
    if kind == "tuple_type":
        return f"{key}: {shown} is not a list; write [{'' if value is None else printable(str(value), 60)}]"
    if kind == "string_pattern_mismatch":
        return f"{key}: {shown} is not allowed (use letters, digits and ._+-, a letter or digit first)"
    known = re.findall(r"'([^']*)'", problem["msg"]) if problem["type"] == "literal_error" else []
    # Settings of other packages may have faults of other kinds, which only pydantic has words for.
    rule = f"it {_rule(problem)}" if kind in _RULES else printable(problem["msg"], 200)
    return f"{key}: {shown} is not allowed ({rule}){near(str(value), known)}"


def _not_text(value: object, written: str | None) -> str:
    """Return the fault of a name that YAML reads as something else, from how it is written."""
    if value is None and not written:
        return "is empty; give a name"
    name = printable(str(value) if written is None else written, 60)
    kinds = {bool: "true or false", int: "a number", float: "a number", type(None): "nothing"}
    return f"{name} is read as {kinds.get(type(value), 'a date')}, not as a name; put it in quotes: '{name}'"


def _shown(value: bool | str) -> str:
    """Return true, false or a text as YAML has it."""
    return str(value).lower() if isinstance(value, bool) else f"'{printable(value, 60)}'"


def _known_keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _known_keys(field.annotation, f"{prefix}{name}.")
    return keys
