"""Measures of recommenders and catalogues, on play logs (DuckDB) and on recommended lists (NumPy)."""
