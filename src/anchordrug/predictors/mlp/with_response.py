"""The paper's network with prior responses among the inputs of a drug."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from anchordrug.features.blocks import FeatureBlocks
from anchordrug.graph.numpy_ops import NumpyOps
from anchordrug.labels import labels_of
from anchordrug.predictors.base import Task, Work
from anchordrug.predictors.mlp.graph import PriorInputs
from anchordrug.predictors.mlp.params import MlpParams
from anchordrug.predictors.mlp.predictor import MlpPredictor, MlpState, plan_of, pretrained
from anchordrug.predictors.mlp.training import Profiles
from anchordrug.predictors.response.net import basis_of, response_inputs
from anchordrug.predictors.response.prior import prior_of
from anchordrug.predictors.response.pseudo_targets import pseudo_targets_of


@dataclass(frozen=True)
class MlpResponsePredictor(MlpPredictor):
    """As `MlpPredictor`; a network also sees how a drug acted in other cell lines."""

    @classmethod
    def pretrain(cls, task: Task, params: MlpParams, work: Work) -> MlpState:
        """Train on every experiment of the pseudo-targets, whose prior responses lack their own line."""
        basis = basis_of(prior_of(task))
        played = pseudo_targets_of(task)
        drugs = np.concatenate(
            [
                np.concatenate(
                    [task.features.drugs[pseudo.drugs], response_inputs(NumpyOps, basis, pseudo.evidence)],
                    axis=1,
                )
                for pseudo in played
            ]
        )
        lines = np.concatenate([np.full(len(pseudo.drugs), pseudo.line) for pseudo in played])
        z = np.concatenate([pseudo.z for pseudo in played])
        features = replace(task.features, drugs=drugs)
        labels = labels_of(z, task.threshold)
        return pretrained(task, params, work, Profiles(features, np.arange(len(z)), lines, labels))

    @classmethod
    def ready(cls, task: Task, params: MlpParams, state: MlpState) -> Self:
        """Return the predictor that fine-tunes the network of `state`."""
        prior = prior_of(task)
        response = PriorInputs(prior, basis_of(prior))
        plan = plan_of(params.fit, 0, task.device)
        features = _with_response(task.features, response)
        return cls(state.network, features, task.cell_line, task.threshold, plan, params.balance, response)


def _with_response(features: FeatureBlocks, response: PriorInputs) -> FeatureBlocks:
    """Return `features` with the network's view of prior responses added to every drug's."""
    evidence = response.prior.evidence_of(np.arange(len(features.drugs)))
    more = response_inputs(NumpyOps, response.basis, evidence)
    return replace(features, drugs=np.concatenate([features.drugs, more], axis=1))
