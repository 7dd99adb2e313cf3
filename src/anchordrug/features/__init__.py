"""Features of drugs, genes and cell lines: the three blocks of a predictor's input."""
