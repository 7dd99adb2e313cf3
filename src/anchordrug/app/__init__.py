"""The local page: a campaign from two dropped files to predictions, and predictions with an exported model."""
