"""Files: written whole or not at all, tables, digests, text that spreadsheets would compute, progress."""
