"""Embedding: the plan of which files need a vector, the models that compute it, and the run itself."""
