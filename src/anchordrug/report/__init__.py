"""Reports: HTML pages of one file that open offline."""
