"""The stages: each reads validated tables, calls the library, and writes validated tables."""
