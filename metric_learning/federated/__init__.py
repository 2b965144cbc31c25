"""Vertical federated learning of user vectors: two parties, each with a bottom network, joined at a cut layer."""
