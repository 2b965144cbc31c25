"""Nearest-neighbour search over unit vectors keyed by track id (FAISS)."""
