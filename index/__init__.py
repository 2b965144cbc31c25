"""Nearest neighbours among unit vectors, keyed by track id (FAISS)."""
