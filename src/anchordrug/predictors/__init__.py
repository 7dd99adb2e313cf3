"""Predictors: from features and anchors to probabilities of down, none and up."""
