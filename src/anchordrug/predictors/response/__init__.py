"""Predictors that start from prior responses: a Gaussian process, a network, and the ensemble of both."""

from anchordrug.predictors.registry import register_at
from anchordrug.predictors.response.params import EnsembleParams, GpParams, NetParams

register_at("response_gp", GpParams, "anchordrug.predictors.response.predictor:GpPredictor")
register_at("response_net", NetParams, "anchordrug.predictors.response.predictor:NetPredictor")
register_at("ensemble", EnsembleParams, "anchordrug.predictors.response.predictor:EnsemblePredictor")
