"""Assay results of a campaign: files that come back, their quality, and their way to the atlas' z scale."""
