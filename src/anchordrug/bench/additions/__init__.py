"""Additions to the atlas, made of campaigns and of tables."""
