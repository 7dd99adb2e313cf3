"""Structures, fingerprints, similarity and scaffolds: the only room that imports rdkit."""
