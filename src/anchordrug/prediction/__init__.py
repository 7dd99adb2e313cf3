"""Prediction from exported predictors, and the export; neither torch nor the pipeline's packages."""
