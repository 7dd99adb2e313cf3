"""AnchorDrug: choose anchor drugs for a new cell line, predict how every drug changes its expression."""

__version__ = "0.1.0"
