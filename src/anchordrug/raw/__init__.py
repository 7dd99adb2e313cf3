"""Readers of the outside world's formats: GCTX, GCT, CMap tables, expression, gene annotation."""
