"""Output formats of predictions, one module each; every module here is found by itself."""
