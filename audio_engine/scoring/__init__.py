"""Scores of tracks from their plays: smoothed rates, time decay, trends, exploration, popularity debiasing."""
