"""The folder of a project: where its files are, and their tables, checked."""
