"""Ranking: the probability that a user likes a track, learned from tables of plays, tracks and users."""
