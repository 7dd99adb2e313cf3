"""Predictors that start from prior responses: a Gaussian process, a network, and both."""
