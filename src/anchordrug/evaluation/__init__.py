"""Evaluation: how far predicted labels agree with measured ones."""
