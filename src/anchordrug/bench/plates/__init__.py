"""Plates: layout, plate maps, pick lists, pictures."""
