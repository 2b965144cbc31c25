"""Ranking: how likely is this user to like this track. Tables in, probabilities out."""
