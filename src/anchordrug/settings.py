"""params.yaml as typed, validated settings; an unknown key is an error."""

from pathlib import Path
from typing import Annotated, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from anchordrug.errors import SettingsError, near
from anchordrug.io import require_file

# A target names files and DVC stages, so it must be safe as both.
CellLineName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]


class Section(BaseModel):
    """Base of every section: immutable, unknown keys forbidden."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Raw(Section):
    """Where the raw bundle lies."""

    dir: Path


class Curate(Section):
    """Which signatures enter the atlas, and the z-score beyond which a gene counts as down or up."""

    dose_um: float = Field(gt=0)
    time_h: float = Field(gt=0)
    quality: Literal["gold", "any"]
    threshold: float = Field(gt=0)


class DrugFeatures(Section):
    """Morgan fingerprint: radius 2 is ECFP4."""

    radius: int = Field(ge=0, le=6)
    bits: int = Field(ge=64, le=16384)


class CellFeatures(Section):
    """Autoencoder on untreated expression; `dim` is the width of its bottleneck."""

    dim: int = Field(ge=1)
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    seed: int = Field(ge=0)


class Featurize(Section):
    """Feature blocks of drugs and cell lines; gene features are the annotation as it is."""

    drug: DrugFeatures
    cell: CellFeatures


class Split(Section):
    """How the test drugs of a target are set aside."""

    by: Literal["random", "scaffold"]
    test_fraction: float = Field(gt=0, lt=1)
    seed: int = Field(ge=0)


class Training(Section):
    """The training loop: a mini-batch is a block of `block_drugs` experiments x `block_genes` genes."""

    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    block_drugs: int = Field(ge=1)
    block_genes: int = Field(ge=1)


class Pretrain(Training):
    """The network's shape and its training: on all lines but the target and `leave_out`."""

    leave_out: tuple[str, ...]
    hidden: tuple[int, int, int]
    dropout: float = Field(ge=0, lt=1)
    seed: int = Field(ge=0)


SectionType = TypeVar("SectionType", bound=Section)


def _one_or_more(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


class Select(Section):
    """The campaign: `budget` drugs in rounds of `batch`; each of several budgets gets its own predictor.

    Scenario `per_target` chooses a list for each target (the paper's S2), `common` one for all (S1).
    """

    scenario: Literal["per_target", "common"]
    strategy: str
    budget: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_one_or_more), Field(min_length=1)
    ]
    batch: int = Field(ge=1)


class Finetune(Training):
    """Training on the anchors: `balance` down-samples the majority class, `whole_pool` adds that control."""

    balance: bool
    whole_pool: bool


class ResponseNet(Section):
    """The network that predicts all genes of a drug at once: shape, and training before and on anchors."""

    hidden: tuple[int, int]
    dropout: float = Field(ge=0, lt=1)
    epochs: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    finetune_epochs: int = Field(ge=1)
    finetune_learning_rate: float = Field(gt=0)
    seed: int = Field(ge=0)


class Ensemble(Section):
    """What response_net contributes to the ensemble's log probabilities; response_gp has the rest."""

    net_share: float = Field(gt=0, lt=1)


class Predict(Section):
    """The drugs to predict: a table with a SMILES column."""

    library: Path


class Settings(Section):
    """Everything in params.yaml."""

    raw: Raw
    curate: Curate
    featurize: Featurize
    targets: tuple[CellLineName, ...] = Field(min_length=1)
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field(min_length=1)
    split: Split
    predictor: Literal["mlp", "mlp_response", "response_gp", "response_net", "ensemble"]
    decision: Literal["balanced", "likeliest"]
    pretrain: Pretrain
    response_net: ResponseNet
    ensemble: Ensemble
    select: Select
    finetune: Finetune
    compare: tuple[str, ...]
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
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: is not YAML ({' '.join(str(error).split())})") from error
    if not isinstance(values, dict):
        first = next(iter(section.model_fields))
        raise SettingsError(f"{path}: expected keys such as '{first}:', found none")
    return checked(values, section, str(path))


def checked(values: object, section: type[SectionType], source: str) -> SectionType:
    """Return `values` as a `section`; `source` names the place in errors.

    Raises
    ------
    SettingsError
        A key is unknown or missing, or a value is out of its range.
    """
    try:
        return section.model_validate(values)
    except ValidationError as error:
        raise SettingsError(f"{source}: {_first_problem(error, section)}") from error


def _first_problem(error: ValidationError, section: type[BaseModel]) -> str:
    problem = error.errors()[0]
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key '{key}'{near(key, _known_keys(section))}"
    if problem["type"] == "missing":
        return f"key '{key}' is missing; the docs list them all with their defaults"
    return f"{key}: {problem['input']!r} is not allowed ({problem['msg']})"


def _known_keys(section: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name, field in section.model_fields.items():
        keys.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += _known_keys(field.annotation, f"{prefix}{name}.")
    return keys
