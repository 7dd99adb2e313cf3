"""Evaluation: the agreement of predicted with measured labels."""
