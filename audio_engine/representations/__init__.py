"""Representations of tracks beside sound: who plays them (item2vec, EGES, GraphSAGE), and what is said of them."""
