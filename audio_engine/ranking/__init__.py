"""Ranking: how likely is this listener to like this track. Tables in, probabilities out."""
