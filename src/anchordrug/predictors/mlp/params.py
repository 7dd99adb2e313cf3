"""Settings of the paper's network."""

from pydantic import Field

from anchordrug.predictors.base import PredictorParams
from anchordrug.settings import Section


class MlpTraining(Section):
    """The training loop: a mini-batch is a block of `block_drugs` experiments x `block_genes` genes."""

    epochs: int = Field(ge=1, description="How often all examples are seen. (The paper pre-trains for 45.)")
    learning_rate: float = Field(gt=0, description="The step of the training.")
    block_drugs: int = Field(ge=1, description="Experiments in a mini-batch (docs/results.md#mini-batches).")
    block_genes: int = Field(ge=1, description="Genes in a mini-batch.")


class MlpPretraining(MlpTraining):
    """The network, and its training on the source lines."""

    hidden: tuple[int, int, int] = Field(description="The widths of the three hidden layers.")
    dropout: float = Field(ge=0, lt=1, description="After each hidden layer.")
    seed: int = Field(ge=0, description="Of the first weights and the order of the training.")


class MlpParams(PredictorParams):
    """Predictors `mlp` and `mlp_response`; each fit to anchors starts from the pre-trained weights."""

    pretrain: MlpPretraining
    fit: MlpTraining
    balance: bool = Field(
        description="Down-sample the majority class to half the sum of the two others in the final fit "
        "(the paper's way)."
    )
