"""How a recommender and its catalogue fare: measures of play logs (DuckDB) and of recommended lists (NumPy)."""
