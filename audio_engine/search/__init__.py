"""Similarity search: neighbours, playlists, explanations, text search and the map."""
