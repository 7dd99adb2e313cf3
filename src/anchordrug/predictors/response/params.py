"""Settings of the predictors that start from prior responses."""

from pydantic import Field

from anchordrug.predictors.base import NoSettings, PredictorParams
from anchordrug.settings import Section


class GpPretraining(Section):
    """Calibration on pseudo-targets."""

    seed: int = Field(ge=0, description="Of the anchors that the pseudo-targets draw.")


class GpParams(PredictorParams):
    """Predictor `response_gp`: a Gaussian process over drugs that corrects the prior response."""

    pretrain: GpPretraining
    fit: NoSettings


class NetPretraining(GpPretraining):
    """The network that predicts all genes of a drug at once, and its training on the source lines."""

    hidden: tuple[int, int] = Field(description="The widths of the two hidden layers.")
    dropout: float = Field(ge=0, lt=1, description="After each hidden layer.")
    epochs: int = Field(ge=1, description="Training on the source cell lines.")
    learning_rate: float = Field(gt=0, description="The step of that training.")
    seed: int = Field(ge=0, description="Of the weights, and of the anchors that the pseudo-targets draw.")


class NetFitting(Section):
    """Training on the anchors, always from the pre-trained weights."""

    epochs: int = Field(ge=1, description="Training on the anchors.")
    learning_rate: float = Field(gt=0, description="The step of that training.")


class NetParams(PredictorParams):
    """Predictor `response_net`: a network on structure and prior response."""

    pretrain: NetPretraining
    fit: NetFitting


class EnsembleFitting(NetFitting):
    """Training on the anchors, and how the two predictors are put together."""

    net_share: float = Field(
        gt=0,
        lt=1,
        description="Share of `response_net` in the log probabilities; `response_gp` has the rest.",
    )


class EnsembleParams(PredictorParams):
    """Predictor `ensemble`: `response_gp` and `response_net` together."""

    pretrain: NetPretraining
    fit: EnsembleFitting
