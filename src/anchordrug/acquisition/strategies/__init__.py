"""Strategies: every module of this package defines one and is found without a list."""
