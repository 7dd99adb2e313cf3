"""The paper's network, alone (`mlp`) and with prior responses among its inputs (`mlp_response`)."""

from anchordrug.predictors.mlp.params import MlpParams
from anchordrug.predictors.registry import register_at

register_at("mlp", MlpParams, "anchordrug.predictors.mlp.predictor:MlpPredictor")
register_at("mlp_response", MlpParams, "anchordrug.predictors.mlp.with_response:MlpResponsePredictor")
