"""The local page: a campaign from two dropped files to predictions, or predictions with an exported model."""
