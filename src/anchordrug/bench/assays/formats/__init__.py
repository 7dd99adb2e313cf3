"""Formats of assay results, one module each; every module here is found by itself."""
