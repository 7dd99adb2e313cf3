"""The response atlas, how it is curated, and how it is split for a target."""
