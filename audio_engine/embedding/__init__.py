"""Embedding: which files need a vector, the models that make it, and the run that does."""
